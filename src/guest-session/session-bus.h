/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the session bus is, and a connection to it. */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

/* The first unix socket that `address` names, as DBUS_SESSION_BUS_ADDRESS has it: unix:path=,
 * unix:abstract= or unix:runtime=yes, with the escapes of the D-Bus specification. NULL or empty:
 * the bus in `runtime_directory`. -EINVAL: it names none; -ENAMETOOLONG: the path does not fit. */
int session_bus_parse_address (const char *address, const char *runtime_directory,
                               struct sockaddr_un *ret_address, socklen_t *ret_size);

/* A socket that is connected to it, the callee's, or -errno. It does not wait. */
int session_bus_connect (const struct sockaddr_un *address, socklen_t size);
