/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may call which method: the one table. */
#include "authority-table.h"

#include <glib.h>

#define MANAGER "org.tombolo.Host1.Manager"
#define MACHINE "org.tombolo.Host1.Machine"
#define BRIDGE "org.tombolo.Host1.Bridge"
#define MANAGE_MACHINES "org.tombolo.Host1.manage-machines"
#define CREATE_MACHINES "org.tombolo.Host1.create-machines"
#define OPEN_SHELL "org.tombolo.Host1.open-shell"

static const AuthorityRow rows[] = {
  { MANAGER, "CreateMachine", ACCESS_ACTION, CREATE_MACHINES, "create" },
  { MANAGER, "DeleteMachine", ACCESS_ACTION, CREATE_MACHINES, "delete" },
  { MANAGER, "FindMachine", ACCESS_OPEN, NULL, NULL },
  { MANAGER, "Reload", ACCESS_ACTION, MANAGE_MACHINES, "reload" },
  { MACHINE, "Start", ACCESS_ACTION, MANAGE_MACHINES, "start" },
  { MACHINE, "Stop", ACCESS_ACTION, MANAGE_MACHINES, "stop" },
  { MACHINE, "Restart", ACCESS_ACTION, MANAGE_MACHINES, "restart" },
  { MACHINE, "Pause", ACCESS_ACTION, MANAGE_MACHINES, "pause" },
  { MACHINE, "Resume", ACCESS_ACTION, MANAGE_MACHINES, "resume" },
  { MACHINE, "Kill", ACCESS_ACTION, MANAGE_MACHINES, "kill" },
  /* It shows the rules and the names in them, which the file's mode may keep from others. */
  { MACHINE, "TestCall", ACCESS_ACTION, MANAGE_MACHINES, "test-call" },
  /* It gives nothing that the bus socket, which everybody may connect to, does not give: the bridge
   * has rules and polkit decide about each call on it, for the opener, from Hello on. */
  { MACHINE, "OpenBus", ACCESS_OPEN, NULL, NULL },
  { MACHINE, "OpenShell", ACCESS_ACTION, OPEN_SHELL, "open-shell", "user" },
  { BRIDGE, "Report", ACCESS_BRIDGE, NULL, NULL },
  { BRIDGE, "ReportImports", ACCESS_BRIDGE, NULL, NULL },
  { BRIDGE, "IdentifyCaller", ACCESS_BRIDGE, NULL, NULL },
};

static const AuthorityRow denied = { .access = ACCESS_DENIED };

const AuthorityRow *
authority_table_find (const char *interface, const char *method)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    if (g_strcmp0 (rows[i].interface, interface) == 0 && g_strcmp0 (rows[i].method, method) == 0)
      return &rows[i];

  return &denied;
}
