/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The exported names as the guest's system bus has them: who owns them, and whether the bus can
 * start them. Kept over one bus connection of its own, which comes back when the bus restarts. */
#pragma once

#include <systemd/sd-event.h>

#include "owner-table.h"

typedef struct Exports Exports;

/* `changed` is called for each entry whose owner or activatability has become another. */
Exports *exports_new (sd_event *event, const char *bus_path, const char *const *names,
                      void (*changed) (const OwnerEntry *entry, void *user_data), void *user_data);
void exports_free (Exports *exports);

const OwnerTable *exports_get_table (const Exports *exports);
