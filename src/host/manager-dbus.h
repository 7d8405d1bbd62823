/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tombolo.Host1.Manager and the ObjectManager beside it: the bus face of the manager. */
#pragma once

#include <gio/gio.h>

#include "bridges.h"
#include "caller.h"

typedef struct ManagerDBus ManagerDBus;

/* Exports the manager and its machines, those to come too. */
ManagerDBus *manager_dbus_new (Manager *manager, GDBusConnection *bus,
                               const CallerAuthority *authority, Bridges *bridges, GError **error);
void manager_dbus_free (ManagerDBus *face);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ManagerDBus, manager_dbus_free)
