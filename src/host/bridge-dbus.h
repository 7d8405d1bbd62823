/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tombolo.Host1.Bridge: what bridges report. */
#pragma once

#include <gio/gio.h>

#include "manager.h"

typedef struct BridgeDBus BridgeDBus;

BridgeDBus *bridge_dbus_new (Manager *manager, Units *units, GDBusConnection *bus, GError **error);
void bridge_dbus_free (BridgeDBus *face);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BridgeDBus, bridge_dbus_free)
