/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus messages over a Stream on an sd-event loop: framing, checks, a bounded queue. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "descriptor.h"
#include "message.h"
#include "stream.h"

typedef struct Connection Connection;

/* Bytes that several connections may hold together, of messages that wait or are still incomplete:
 * each has LIMIT_FLOW_SIZE a direction for itself, and takes the rest from here. `parent` (or NULL)
 * is charged, too. Descriptors whose messages are incomplete are counted as well, all of them.
 * Outlives its connections. */
typedef struct ConnectionBudget ConnectionBudget;
struct ConnectionBudget
{
  size_t used;
  size_t limit;
  size_t n_descriptors;
  size_t descriptor_limit;
  ConnectionBudget *parent;
};

/* Every callback may free the connection. None is called from within a call of the owner's. */
typedef struct
{
  /* A whole message that passed wire_message_parse(). Its bytes live until the callback returns,
   * also where it frees the connection. */
  void (*message) (Connection *connection, const WireMessage *message, void *user_data);
  /* The end, once: nothing is read or written any more. `reason` is 0 where the peer closed, a
   * negative errno, or a WireVerdict where it sent what is no message. */
  void (*closed) (Connection *connection, int reason, void *user_data);
  /* The queue has become empty. May be NULL. */
  void (*drained) (Connection *connection, void *user_data);
  /* A message that may not pass, of a peer that carries others' messages, as a bus daemon does:
   * what the daemon lets through may still be more than we take, and one sender's fault must not
   * end everybody's connection. `header` is NULL where even that does not parse. Returns whether to
   * go on behind the message; NULL, false, or a message whose end nobody can tell: the connection
   * ends. */
  bool (*refused) (Connection *connection, const WireHeader *header, WireVerdict verdict,
                   void *user_data);
  /* What comes before messages (SASL), until connection_end_preamble(). Returns how many bytes it
   * took, 0 to be called again with more of them, or a negative errno. NULL: nothing does. */
  ssize_t (*preamble) (Connection *connection, const uint8_t *data, size_t size, void *user_data);
} ConnectionHandlers;

/* Takes `stream` where it returns 0; negative: -errno. `handlers` stay the caller's and outlive the
 * connection. */
int connection_new (sd_event *event, Stream *stream, const ConnectionHandlers *handlers,
                    void *user_data, Connection **ret_connection);
/* Closes at once; what is still queued is lost. NULL is allowed. */
void connection_free (Connection *connection);

/* Ends it: nothing is read or written any more, and `closed` is called from the loop with `reason`.
 */
void connection_abort (Connection *connection, int reason);

/* Gives it to another owner, from within a callback of the old one's, too. */
void connection_set_handlers (Connection *connection, const ConnectionHandlers *handlers,
                              void *user_data);

void connection_end_preamble (Connection *connection);

/* Sends a message with the known fields of `header` and a body that must fit its signature. Nothing
 * is kept of either. -ENOBUFS: the message is larger than LIMIT_MESSAGE_SIZE, or the queue
 * (LIMIT_QUEUE_SIZE; for small errors LIMIT_QUEUE_RESERVE, too) or the budget is full, and it is
 * not sent; another negative errno: nothing can be sent any more, and `closed` will be called.
 */
int connection_send (Connection *connection, const WireHeader *header, const void *body,
                     size_t body_size);

/* The same with descriptors, as many as it sets UNIX_FDS to; an empty list is connection_send(). It
 * takes them where it returns 0. -ENOBUFS also where too many are on their way already that nobody
 * has received. */
int connection_send_descriptors (Connection *connection, const WireHeader *header, const void *body,
                                 size_t body_size, FdList *fds);

/* From now on descriptors pass, at most LIMIT_MESSAGE_DESCRIPTORS a message, others are refused:
 * the stream has to carry them. At most `most_beside` may come beside one piece of the stream, or
 * it ends. Until then a message that quotes descriptors comes without them. */
void connection_pass_descriptors (Connection *connection, size_t most_beside);

bool connection_passes_descriptors (const Connection *connection);

/* Within the callback of a message: its descriptors, as many as its header says, the callee's. What
 * is not taken is closed. */
FdList connection_take_descriptors (Connection *connection);

/* Bytes that are no message. */
int connection_send_bytes (Connection *connection, const void *data, size_t size);

/* LIMIT_MESSAGE_SIZE until this is called. A lower limit is for who is not let in yet: whatever is
 * refused then ends the connection, and `refused` is not asked. */
void connection_set_message_limit (Connection *connection, size_t limit);

/* NULL, as at first: none. Where what comes in does not fit it, the connection ends with -ENOBUFS.
 */
void connection_set_budget (Connection *connection, ConnectionBudget *budget);

/* How many bytes wait. */
size_t connection_get_queued (const Connection *connection);

/* Reads nothing while paused; messages that were read already wait, too. */
void connection_pause (Connection *connection, bool paused);

/* The `reason` of `closed` as half a sentence, a constant or strerror()'s. */
const char *connection_reason_to_string (int reason);
