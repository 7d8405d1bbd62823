/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Under which name a guest's service is called on the host's system bus. */
#pragma once

#include <gio/gio.h>

#include "guest-bus.h"

#include "tombolo-host1.h"

/* The alias that every exported name has unless its machine file gives another; asks nobody. Free
 * with g_free(). */
char *call_target_default (const char *machine, GuestBus guest_bus, const char *service,
                           GError **error);

/* After nobody was found under `tried`: the alias that tombolod knows where it is another one, or
 * NULL with `error` why the service cannot be reached. `*error` holds what the call itself said,
 * and keeps it where tombolod knows no better. Free with g_free(). */
char *call_target_look_up (GDBusConnection *bus, const char *machine, GuestBus guest_bus,
                           const char *service, const char *tried, GError **error);

/* Whether the error says that nobody owns the destination. */
gboolean call_target_is_absent (const GError *error);

/* Whether the agent in the machine called `name` is connected; `error` says why not, and what to
 * do. */
gboolean call_target_is_connected (TomboloMachine *machine, const char *name, GError **error);
