/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's ends of tombolo-stream/1: descriptors of messages that crossed wait for the streams
 * that the host opens, each of which says first whose it is: a token, good once and for a while. */
#pragma once

#include "agent.h"
#include "connection.h"
#include "crossing.h"
#include "stream.h"

/* How long a token is good for; LIMIT_STREAM_TIME_USEC but for tests. */
extern uint64_t guest_streams_wait_usec;

GuestStreams *guest_streams_new (Agent *agent);
void guest_streams_free (GuestStreams *streams);

/* Whether `n` more of `owner`, a channel, fit the limits. */
bool guest_streams_has_room (const GuestStreams *streams, const void *owner, size_t n);

/* Takes the ends of `crossing`: their streams may come now. */
void guest_streams_expect (GuestStreams *streams, const void *owner, Crossing *crossing);

/* Tells the host, on `host`, what the descriptors of a message are that goes right behind, and
 * waits for their streams: `fds`, which it takes, of `n` that the message speaks of. FALSE with
 * `error` set, and nothing was sent. */
gboolean guest_streams_announce (GuestStreams *streams, const void *owner, Connection *host,
                                 uint32_t serial, FdList *fds, size_t n, GError **error);

/* A stream has come, which it takes. */
void guest_streams_take (GuestStreams *streams, Stream *stream);

/* The owner is gone: what has not been joined with its stream ends. */
void guest_streams_drop_owner (GuestStreams *streams, const void *owner);

/* The host's bridge is gone: all of them end. */
void guest_streams_close (GuestStreams *streams);
