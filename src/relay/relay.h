/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes between a local end and a stream of the tunnel, both ways, with their ends: what is written
 * on one side of the tunnel is read on the other, each direction ends by itself, whoever writes
 * where nobody reads any more hears of it, and whoever does not read holds up whoever writes. */
#pragma once

#include "relay-end.h"
#include "stream.h"

typedef struct Relay Relay;

/* It is over, once; to be freed. Called from the loop. `problem` is a constant where the stream
 * broke or said what is against the rules, else NULL. */
typedef void (*RelayClosed) (Relay *relay, const char *problem, void *user_data);

/* Takes `end` and `stream`, in any case. `first` (NULL: nothing) is what the stream says before
 * anything else, at most LIMIT_STREAM_BUFFER. Negative: -errno. */
int relay_new (sd_event *event, RelayEnd *end, Stream *stream, const void *first, size_t first_size,
               RelayClosed closed, void *user_data, Relay **ret_relay);
/* Closes both at once. NULL is allowed. */
void relay_free (Relay *relay);
