/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tombolo.Host1.Bridge: what bridges report. */
#pragma once

#include <gio/gio.h>

#include "bridges.h"

typedef struct BridgeDBus BridgeDBus;

/* Tells `bridges` who reports; they outlive the face. */
BridgeDBus *bridge_dbus_new (Manager *manager, Units *units, Bridges *bridges, GDBusConnection *bus,
                             GError **error);
void bridge_dbus_free (BridgeDBus *face);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BridgeDBus, bridge_dbus_free)
