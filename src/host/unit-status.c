/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of a systemd unit, read from its properties. */
#include "unit-status.h"

#include <signal.h>
#include <string.h>

void
unit_status_free (UnitStatus *status)
{
  g_free (status->active_state);
  g_free (status->sub_state);
  g_free (status->freezer_state);
  g_free (status->result);
  g_free (status->invocation);
  g_free (status);
}

gboolean
unit_status_is_over (const UnitStatus *status)
{
  return g_str_equal (status->active_state, "inactive")
         || g_str_equal (status->active_state, "failed");
}

char *
unit_status_describe_failure (const UnitStatus *status)
{
  if (g_str_equal (status->active_state, "inactive")
      && (*status->result == '\0' || g_str_equal (status->result, "success")))
    return NULL;
  if (status->exit_code == CLD_EXITED && status->exit_status != 0)
    return g_strdup_printf ("exit code %d", status->exit_status);
  if (status->exit_code == CLD_KILLED || status->exit_code == CLD_DUMPED)
    return g_strdup_printf ("signal %d (%s)", status->exit_status, strsignal (status->exit_status));

  return g_strdup_printf ("systemd's result “%s”",
                          *status->result != '\0' ? status->result : "failed");
}

static char *
lookup_string (GVariantDict *properties, const char *name)
{
  char *value = NULL;

  return g_variant_dict_lookup (properties, name, "s", &value) ? value : g_strdup ("");
}

static char *
lookup_invocation (GVariantDict *properties)
{
  g_autoptr (GVariant) bytes =
      g_variant_dict_lookup_value (properties, "InvocationID", G_VARIANT_TYPE_BYTESTRING);
  GString *text = g_string_new (NULL);
  gsize size = 0;
  const guint8 *data =
      bytes != NULL ? g_variant_get_fixed_array (bytes, &size, sizeof (guint8)) : NULL;

  for (gsize i = 0; i < size; i++)
    g_string_append_printf (text, "%02x", data[i]);

  return g_string_free (text, FALSE);
}

UnitStatus *
unit_status_new (GVariant *properties)
{
  g_autoptr (GVariantDict) dict = g_variant_dict_new (properties);
  UnitStatus *status = g_new0 (UnitStatus, 1);

  status->active_state = lookup_string (dict, "ActiveState");
  status->sub_state = lookup_string (dict, "SubState");
  status->freezer_state = lookup_string (dict, "FreezerState");
  status->result = lookup_string (dict, "Result");
  status->invocation = lookup_invocation (dict);
  g_variant_dict_lookup (dict, "MainPID", "u", &status->main_pid);
  g_variant_dict_lookup (dict, "ExecMainCode", "i", &status->exit_code);
  g_variant_dict_lookup (dict, "ExecMainStatus", "i", &status->exit_status);
  return status;
}
