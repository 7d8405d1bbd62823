/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names that a machine imports, as its bridge reports them. */
#include "error.h"
#include "import.h"
#include "limit.h"
#include "machine-private.h"

static gboolean
is_well_known (const char *name)
{
  return g_dbus_is_name (name) && !g_dbus_is_unique_name (name);
}

static gboolean
is_valid (GVariant *imports)
{
  static const char *const states[] = { "available", "unavailable", "refused", NULL };
  const char *as, *source, *name, *state;
  GVariantIter iter;

  if (g_variant_n_children (imports) > LIMIT_IMPORTED_NAMES)
    return FALSE;

  g_variant_iter_init (&iter, imports);
  while (g_variant_iter_next (&iter, "(&s&s&s&s)", &as, &source, &name, &state))
    if (!is_well_known (as) || !is_well_known (name) || !g_strv_contains (states, state)
        || (!g_str_equal (source, IMPORT_SOURCE_HOST) && !machine_name_validate (source, NULL)))
      return FALSE;

  return TRUE;
}

gboolean
machine_report_imports (Machine *machine, GVariant *imports, GError **error)
{
  if (machine->agent_state != AGENT_CONNECTED)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_STATE,
                   "The agent of machine %s is not connected.", machine->name);
      return FALSE;
    }
  if (!is_valid (imports))
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                   "Imports are at most %d bus names, each with a source, its name there and its "
                   "state.",
                   LIMIT_IMPORTED_NAMES);
      return FALSE;
    }

  g_clear_pointer (&machine->imports, g_variant_unref);
  machine->imports = g_variant_ref_sink (imports);
  machine_changed (machine);
  return TRUE;
}

GVariant *
machine_get_imports (Machine *machine)
{
  if (machine->imports == NULL)
    machine->imports = g_variant_ref_sink (g_variant_new ("a(ssss)", NULL));
  return machine->imports;
}
