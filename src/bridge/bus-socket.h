/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus socket: to unmodified clients it is the guest's bus. Who connects is known by the socket,
 * held by a pidfd; rules and polkit decide on each call, Hello included. */
#pragma once

#include "bridge.h"

typedef struct BusSocket BusSocket;

/* Takes the listening socket. Negative: -errno. */
int bus_socket_new (Bridge *bridge, int fd, BusSocket **ret_socket);
void bus_socket_free (BusSocket *socket);
