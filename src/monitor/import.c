/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One entry of Import= in a machine file. */
#include "import.h"

#include <gio/gio.h>
#include <string.h>

#include "limit.h"
#include "name.h"

#define BUS_NAME "org.freedesktop.DBus"
#define SYNTAX                                                                                     \
  "write NAME@SOURCE or NAME:AS@SOURCE, such as org.freedesktop.NetworkManager@net or "            \
  "org.freedesktop.hostname1:org.example.HostName@.host."

void
machine_import_free (MachineImport *import)
{
  g_free (import->name);
  g_free (import->as);
  g_free (import->source);
  g_free (import);
}

gboolean
machine_import_is_of_host (const MachineImport *import)
{
  return g_str_equal (import->source, IMPORT_SOURCE_HOST);
}

char *
machine_import_get_host_name (const MachineImport *import)
{
  return machine_import_is_of_host (import)
             ? g_strdup (import->name)
             : machine_name_to_alias (import->source, GUEST_BUS_SYSTEM, import->name);
}

/* The bus itself is no service: who may call it could own names, and watch everybody. */
static gboolean
is_service_name (const char *text)
{
  return g_dbus_is_name (text) && !g_dbus_is_unique_name (text) && !g_str_equal (text, BUS_NAME);
}

/* Whether tombolo owns the name on the host's bus for a machine. */
static gboolean
is_of_machine (const char *name)
{
  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      g_autofree char *prefix = g_strconcat (guest_bus_to_prefix (bus), ".", NULL);

      if (g_str_equal (name, guest_bus_to_prefix (bus)) || g_str_has_prefix (name, prefix))
        return TRUE;
    }

  return FALSE;
}

/* NULL where the source is good for the name, else what is wrong. */
static const char *
source_problem (const MachineImport *import)
{
  g_autofree char *name = NULL;

  if (machine_import_is_of_host (import))
    return is_of_machine (import->name)
               ? "that name stands for another machine's; write the name that it has there, and "
                 "the machine behind “@”."
               : NULL;

  if (!machine_name_validate (import->source, NULL))
    return "what stands behind “@” is neither a machine name nor .host; " SYNTAX;

  name = machine_import_get_host_name (import);
  return name == NULL ? "the name on the host's bus that stands for it would be longer than 255 "
                        "bytes; such a name cannot be imported."
                      : NULL;
}

/* Adds the import, which it takes. */
static const char *
add (GPtrArray *imports, MachineImport *import)
{
  const char *problem = !is_service_name (import->name) || !is_service_name (import->as)
                            ? SYNTAX
                            : source_problem (import);

  for (guint i = 0; problem == NULL && i < imports->len; i++)
    if (g_str_equal (((MachineImport *) imports->pdata[i])->as, import->as))
      problem = "another import has that name in the guest already; give another one behind “:”.";

  if (problem != NULL)
    machine_import_free (import);
  else
    g_ptr_array_add (imports, import);
  return problem;
}

char *
setting_read_import (const char *value, gpointer member)
{
  GPtrArray *imports = *(GPtrArray **) member;
  g_auto (GStrv) parts = g_strsplit (value, "@", 2);
  g_auto (GStrv) names = NULL;
  MachineImport *import;

  if (imports->len == LIMIT_IMPORTED_NAMES)
    return g_strdup_printf ("a machine has at most %u imports; remove one.", LIMIT_IMPORTED_NAMES);
  if (parts[0] == NULL || parts[1] == NULL)
    return g_strdup (SYNTAX);

  names = g_strsplit (parts[0], ":", 2);
  import = g_new0 (MachineImport, 1);
  import->name = g_strdup (names[0] != NULL ? names[0] : "");
  import->as = g_strdup (names[0] != NULL && names[1] != NULL ? names[1] : import->name);
  import->source = g_strdup (parts[1]);
  return g_strdup (add (imports, import));
}
