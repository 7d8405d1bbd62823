/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The descriptors of a connection's messages: those that came in and wait for the rest of their
 * message, and those that go out with a message that waits in the connection's queue. Internal to
 * src/bus. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "descriptor.h"
#include "message.h"
#include "stream.h"

typedef struct
{
  GArray *waiting; /* int, in the order of messages; NULL: none pass */
  size_t most_beside;
  FdList current; /* of the message that is being handled */
  bool skip;      /* what comes beside a message that is skipped is its own */
} DescriptorInbox;

/* Opens it: at most `most_beside` may come beside one piece of the stream. */
void descriptor_inbox_open (DescriptorInbox *inbox, size_t most_beside);
void descriptor_inbox_clear (DescriptorInbox *inbox);

/* stream_read(), with descriptors where it is open. */
ssize_t descriptor_inbox_read (DescriptorInbox *inbox, Stream *stream, void *data, size_t size);

/* Puts the message's own aside, as `current`. Anything but WIRE_OK: it has to be refused. */
WireVerdict descriptor_inbox_claim (DescriptorInbox *inbox, const WireHeader *header);

/* Drops those of a message that is refused; `header` is NULL where it does not parse. False where
 * nobody can tell which they are: the next message, another sender's, must not get them. */
bool descriptor_inbox_refuse (DescriptorInbox *inbox, const WireHeader *header, size_t header_size,
                              size_t read_size);

/* After whole messages were taken, `skipping` the rest of one: how many wait, and whether that may
 * be. */
size_t descriptor_inbox_settle (DescriptorInbox *inbox, bool skipping, bool *ret_fits);

typedef struct
{
  GArray *entries;  /* NULL where there was none */
  uint64_t written; /* bytes that left the connection's queue, ever: where it starts */
} DescriptorOutbox;

void descriptor_outbox_clear (DescriptorOutbox *outbox);

/* `fds`, which it takes, go with the first byte behind the `queued` ones. */
void descriptor_outbox_add (DescriptorOutbox *outbox, size_t queued, FdList *fds);

/* Writes of the queue what one call takes: up to where descriptors go along, or from there on. */
ssize_t descriptor_outbox_write (DescriptorOutbox *outbox, Stream *stream, const uint8_t *data,
                                 size_t size);
