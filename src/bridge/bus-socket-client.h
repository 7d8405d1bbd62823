/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One client of the bus socket, or of a bus that was opened for somebody, from its authentication
 * on. */
#pragma once

#include "bridge.h"

typedef struct BusSocketClient BusSocketClient;

/* Takes `fd`, the subject's pidfd, and `groups` (uint32_t), those of the subject's user, or NULL
 * where nobody can tell. `closed` is called once, when the client has to be freed. Where it could
 * not be served it is NULL. `id` is the bus' own, 32 hexadecimal digits. */
BusSocketClient *bus_socket_client_new (Bridge *bridge, GuestBus guest_bus, int fd, const char *id,
                                        const AuthoritySubject *subject, GArray *groups,
                                        void (*closed) (BusSocketClient *client, void *user_data),
                                        void *user_data);
void bus_socket_client_free (BusSocketClient *client);
