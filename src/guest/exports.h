/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The exported names as one of the guest's buses has them: who owns them, and whether the bus can
 * start them. Kept over one bus connection of its own, which comes back when the bus restarts. */
#pragma once

#include <systemd/sd-event.h>

#include "guest-bus.h"
#include "owner-table.h"
#include "session-link.h"

typedef struct Exports Exports;

/* An entry of `bus` whose owner or activatability has become another. */
typedef void (*ExportsChanged) (GuestBus bus, const OwnerEntry *entry, void *user_data);

/* The bus is at `bus_path`, or reached by `session`, which outlives the exports; with neither there
 * is no such bus, and nobody owns anything. */
Exports *exports_new (sd_event *event, GuestBus bus, const char *bus_path, SessionLink *session,
                      const char *const *names, ExportsChanged changed, void *user_data);
void exports_free (Exports *exports);

/* session_link_is_up() has changed. */
void exports_session_changed (Exports *exports);

const OwnerTable *exports_get_table (const Exports *exports);
