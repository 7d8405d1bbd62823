/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Headers of messages that cross: what the other side may say of itself, and what is said for it.
 */
#pragma once

#include "connection.h"
#include "error.h"

/* A caller's call on its way into the guest: serial and flags are the caller's, the sender is
 * whoever holds the channel, the destination ours. */
WireHeader forward_call (const WireHeader *call, const char *destination);

/* A reply on its way out. `sender` may be NULL: the bus fills it in. */
WireHeader forward_reply (const WireHeader *reply, uint32_t serial, const char *sender,
                          const char *destination);

/* Sends what forward_reply() made; where it does not fit, an error that says so in its place, since
 * a reply is never dropped. `fds` (NULL: none) go with it; where they cannot they stay the
 * caller's. As connection_send(): -ENOBUFS where even that does not fit. */
int forward_send_reply (Connection *connection, const WireHeader *reply, const void *body,
                        size_t body_size, FdList *fds);

/* What a caller is told of a call that is `verdict` and so does not cross; to be freed. */
char *forward_explain_refusal (const char *machine, WireVerdict verdict, TomboloError *ret_code);

/* A signal on its way out; `destination` NULL: to everybody. */
WireHeader forward_signal (const WireHeader *signal, uint32_t serial, const char *sender,
                           const char *destination);
