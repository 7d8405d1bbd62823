/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bus socket: to unmodified clients it is one of the guest's buses. Who connects is known by the
 * socket, held by a pidfd; rules and polkit decide on each call, Hello included. */
#pragma once

#include "bridge.h"

typedef struct BusSocket BusSocket;

/* Takes the listening socket. Negative: -errno. */
int bus_socket_new (Bridge *bridge, GuestBus guest_bus, int fd, BusSocket **ret_socket);
void bus_socket_free (BusSocket *socket);
