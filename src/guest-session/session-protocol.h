/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tombolo-guestd and tombolo-guest-session say to each other on SESSION_SOCKET
 * (SOCK_SEQPACKET). The helper runs in a user's session and connects; it is the socket that tells
 * whose. From then on the agent sends a SessionMessage with an id for each connection to the
 * session bus that it needs, and the helper answers with the same id, and either a fresh connection
 * as descriptor, on which nothing has been said, or an error. A message of the agent's with the id
 * SESSION_DISMISSED is its last: it does not want this helper, and a closed socket without one
 * means that the helper shall wait for an agent to come back. */
#pragma once

#include <stdint.h>

#define SESSION_DIRECTORY "/run/tombolo-guest"
#define SESSION_SOCKET_NAME "session.sock"

/* The socket is made under this name and then renamed, so that its name means that it listens. */
#define SESSION_SOCKET_NEW ".session.sock"

#define SESSION_DISMISSED 0

typedef struct
{
  uint32_t id;
  int32_t error; /* an errno, or 0 */
} SessionMessage;
