/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A socket of our own, in a directory that nobody else enters, on which a guest's bus answers: each
 * connection to it is a bus that Machine.OpenBus() opens. Runs on the default main context. */
#pragma once

#include "guest-bus.h"
#include "host.h"

typedef struct PrivateBus PrivateBus;

/* Makes the directory and listens. Each connection is a bus `bus` of the guest's, opened over
 * `machine`'s connection. */
PrivateBus *private_bus_new (TomboloMachine *machine, GuestBus bus, GError **error);
/* Removes both, and ends the connections. NULL is allowed. */
void private_bus_free (PrivateBus *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PrivateBus, private_bus_free)

/* “unix:path=…” */
const char *private_bus_get_address (const PrivateBus *self);
