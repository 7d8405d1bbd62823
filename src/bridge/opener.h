/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Somebody on the host's bus for whom tombolod opened a guest's buses. The authority of a bus that
 * was opened so is its opener's, whoever holds its other end, and ends when the opener leaves the
 * host's bus. */
#pragma once

#include "bridge.h"

typedef struct Opener Opener;

/* `name` is unique on the host's bus. `over` is called once nothing is open, and nothing waits to
 * be: the opener has to be freed. `id` is the bus' own, 32 hexadecimal digits. NULL where the bus
 * cannot be asked about it. */
Opener *opener_new (Bridge *bridge, const char *name, const char *id,
                    void (*over) (Opener *opener, void *user_data), void *user_data);
/* Closes what is open. NULL is allowed. */
void opener_free (Opener *opener);

const char *opener_get_name (const Opener *opener);

/* Makes `fd`, which it takes, a client of that bus of the guest's, and answers `call` when it is
 * one: not before the bus has told who the opener is. May free the opener, by `over`. */
void opener_open (Opener *opener, sd_bus_message *call, GuestBus guest_bus, int fd);
