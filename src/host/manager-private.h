/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What manager.c, which holds the table, and manager-open.c, which fills it at start, share. */
#pragma once

#include "manager.h"

struct _Manager
{
  GObject parent;
  HostContext *host;
  GHashTable *machines; /* name -> Machine */
};

/* Takes `entry`, which may be NULL: a machine that runs and has no file. Returns the table's. */
Machine *manager_add (Manager *manager, const char *name, MachineEntry *entry);
void manager_machine_changed (Machine *machine, gpointer user_data);
