/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One client of the bus socket, from its authentication on. */
#pragma once

#include "bridge.h"

typedef struct BusSocketClient BusSocketClient;

/* Takes `fd`. `closed` is called once, when the client has to be freed. NULL where it could not be
 * served. `id` is the bus' own, 32 hexadecimal digits. */
BusSocketClient *bus_socket_client_new (Bridge *bridge, GuestBus guest_bus, int fd, const char *id,
                                        void (*closed) (BusSocketClient *client, void *user_data),
                                        void *user_data);
void bus_socket_client_free (BusSocketClient *client);
