/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The descriptors of one message on their way through the tunnel. Right in front of the message, on
 * its channel, a call says what they are:
 *
 *   org.tombolo.Agent1.Channel.Descriptors (a(ysu) descriptors: kind, token, window)
 *
 * for each descriptor, in order. The window is a terminal's: its rows in the upper 16 bits, its
 * columns in the lower ones; 0 for all else. A token is a one-time secret of 32 hexadecimal digits,
 * which the stream of that descriptor begins with, as STREAM_TOKEN_SIZE bytes; the same token twice
 * is the same thing twice. Streams (tombolo-stream/1) are opened by the host. */
#pragma once

#include "body.h"
#include "descriptor.h"
#include "error.h"
#include "relay-end.h"

#define CROSSING_MEMBER "Descriptors"
#define CROSSING_SIGNATURE "a(ysu)"

/* One stream, and what is at its local end. */
typedef struct
{
  DescriptorKind kind;
  uint8_t token[STREAM_TOKEN_SIZE];
  uint32_t window;
  RelayEnd *end; /* NULL until it is there, and once it was taken */
} CrossingStream;

typedef struct
{
  CrossingStream streams[LIMIT_MESSAGE_DESCRIPTORS];
  size_t n_streams;
  uint8_t descriptors[LIMIT_MESSAGE_DESCRIPTORS]; /* each one's stream */
  size_t n_descriptors;
} Crossing;

/* Closes what is left of it. NULL is allowed. */
void crossing_free (Crossing *crossing);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Crossing, crossing_free)

/* How many streams the descriptors of somebody here will be, or 0 with `error` set where one of
 * them cannot cross. Nothing is taken. */
size_t crossing_check (const FdList *fds, GError **error);

/* For descriptors of somebody here, which it takes in any case, with new tokens. NULL with `error`
 * set. */
Crossing *crossing_new (sd_event *event, FdList *fds, GError **error);
/* The body of the call. */
void crossing_write (const Crossing *crossing, WireWriter *body);

/* What such a call says; the ends are still to be made. NULL where it is wrong. */
Crossing *crossing_read (const WireMessage *call);
/* Makes them: `*ret_fds` are to be used here in the place of those on the other side. FALSE with
 * `error` set. */
gboolean crossing_open (Crossing *crossing, sd_event *event, FdList *ret_fds, GError **error);

/* Whether two tokens are the same; takes the same time whatever they are. */
bool crossing_token_equal (const uint8_t *a, const uint8_t *b);
