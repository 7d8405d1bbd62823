/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's ends of tombolo-stream/1: descriptors of messages that crossed, joined with those on
 * the other side. The host opens each stream, LIMIT_HANDSHAKES_MACHINE at a time; until it is there
 * whoever has the descriptor waits, and where it does not come finds it closed. */
#pragma once

#include "bridge.h"
#include "crossing.h"
#include "stream-quota.h"

typedef struct Streams Streams;

Streams *streams_new (Bridge *bridge);
void streams_free (Streams *streams);

/* Takes the ends of `crossing`, which were counted with `quota`; each is given back when its stream
 * is over. A `serial` is that of the call by which the guest hears of them: they wait for
 * streams_answered(). 0: it knows already. They end with `owner`, unless they are connected then.
 */
void streams_add (Streams *streams, const void *owner, StreamQuota *quota, Crossing *crossing,
                  uint32_t serial);

/* The guest's answer to that call: it waits for the streams, or it does not. False where no stream
 * waits for such an answer. */
bool streams_answered (Streams *streams, const void *owner, uint32_t serial, bool accepted);

/* The owner is gone, or what it added has not crossed after all. */
void streams_drop (Streams *streams, const void *owner, uint32_t serial);
void streams_drop_owner (Streams *streams, const void *owner);

/* The tunnel is down: all of them end. */
void streams_close (Streams *streams);
