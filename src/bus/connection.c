/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus messages over a Stream on an sd-event loop. */
#include "connection.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/epoll.h>

#include "byte-queue.h"
#include "descriptor-queue.h"
#include "limit.h"

/* Messages of one connection before the others have their turn. */
#define MESSAGES_PER_TURN 32

/* Small messages that follow on others which were read in one piece go out in one piece, too: what
 * one TLS record carries. */
#define CORK_SIZE ((size_t) 16 * 1024)
#define CORK_MESSAGE_SIZE ((size_t) 4 * 1024)

/* All connections read into this, so that an idle one holds no buffer: only the start of a message
 * whose rest has not come is copied to a buffer of the connection's own. Callbacks never read from
 * another connection. */
static uint8_t scratch[64 * 1024] __attribute__ ((aligned (8)));

struct Connection
{
  Stream *stream;
  sd_event *event;
  sd_event_source *io;
  sd_event_source *later; /* goes on with what poll(2) will not tell of, or reports the end */
  const ConnectionHandlers *handlers;
  void *user_data;

  size_t message_limit;
  uint8_t *input; /* the start of a message, or what waits while paused */
  size_t input_size;
  size_t input_capacity;

  ByteQueue output;
  GList corked; /* of corked_connections; its data is set while it is there */

  size_t skip; /* bytes to come of a message that was refused */
  DescriptorInbox inbox;
  DescriptorOutbox outbox;
  ConnectionBudget *budget;
  size_t charged; /* to the budget */
  size_t charged_descriptors;

  int reason; /* of the end */
  bool ended;
  bool reported;
  bool preamble;
  bool paused;
  bool dispatching;
  bool freed;
};

/* More bytes lie behind the message that is being handled. */
static bool more_follows;

/* Connections that keep bytes back until the others are handled, at the end of the turn. */
static GQueue corked_connections = G_QUEUE_INIT;

static int on_later (sd_event_source *source, void *user_data);
static void uncork (Connection *connection);

/* Wakes the connection in one of the loop's next rounds, behind what waits already. A source that
 * has run is not used again: sd-event counts a deferred one as waiting since it was made, so that a
 * busy connection would have every turn before all that became ready after its first. */
static void
arm_later (Connection *connection)
{
  int enabled;

  if (connection->later != NULL && sd_event_source_get_enabled (connection->later, &enabled) > 0)
    return;

  sd_event_source_disable_unref (connection->later);
  if (sd_event_add_defer (connection->event, &connection->later, on_later, connection) < 0)
    g_error ("Out of memory"); /* as GLib's allocators do */
}

static bool
is_corked (const Connection *connection)
{
  return connection->corked.data != NULL;
}

/* What is kept back does not wait for the stream: nobody would take that event off again. */
static void
update_events (Connection *connection)
{
  uint32_t events = 0;

  if (!connection->paused)
    events |= EPOLLIN;
  if (byte_queue_get_size (&connection->output) > 0 && !is_corked (connection))
    events |= EPOLLOUT;

  sd_event_source_set_io_events (connection->io, events);
}

/* The end is told from the loop, never from within a call of the owner's. */
void
connection_abort (Connection *connection, int reason)
{
  uncork (connection);
  if (connection->ended)
    return;

  connection->ended = true;
  connection->reason = reason;
  sd_event_source_set_enabled (connection->io, SD_EVENT_OFF);
  arm_later (connection);
}

static bool
is_stopped (const Connection *connection)
{
  return connection->freed || connection->ended || connection->paused;
}

/* --- The budget --- */

static size_t
get_charge (const Connection *connection, size_t more_output)
{
  size_t output = connection_get_queued (connection) + more_output;
  size_t input = connection->input_size;

  return (input > LIMIT_FLOW_SIZE ? input - LIMIT_FLOW_SIZE : 0)
         + (output > LIMIT_FLOW_SIZE ? output - LIMIT_FLOW_SIZE : 0);
}

static void
set_charge (Connection *connection, size_t charge)
{
  for (ConnectionBudget *budget = connection->budget; budget != NULL; budget = budget->parent)
    budget->used = budget->used - connection->charged + charge;
  connection->charged = charge;
}

/* Charges what the connection holds, and `more_output`. Returns whether that fits; what is less
 * than before always does. */
static bool
charge (Connection *connection, size_t more_output)
{
  size_t wanted = get_charge (connection, more_output);

  if (wanted > connection->charged)
    for (const ConnectionBudget *budget = connection->budget; budget != NULL;
         budget = budget->parent)
      if (budget->used - connection->charged + wanted > budget->limit)
        return false;

  set_charge (connection, wanted);
  return true;
}

static void
set_descriptor_charge (Connection *connection, size_t n)
{
  for (ConnectionBudget *budget = connection->budget; budget != NULL; budget = budget->parent)
    budget->n_descriptors = budget->n_descriptors - connection->charged_descriptors + n;
  connection->charged_descriptors = n;
}

/* After messages were taken: whether the descriptors that still wait for theirs fit the limits. */
static bool
settle_descriptors (Connection *connection)
{
  bool fits;
  size_t n = descriptor_inbox_settle (&connection->inbox, connection->skip > 0, &fits);

  if (!fits || n == connection->charged_descriptors)
    return fits;

  set_descriptor_charge (connection, n);
  for (const ConnectionBudget *budget = connection->budget; budget != NULL; budget = budget->parent)
    fits = fits && budget->n_descriptors <= budget->descriptor_limit;
  return fits || n == 0;
}

/* --- The cork --- */

/* Writes what the queue holds, as far as the stream takes it. */
static void
write_output (Connection *connection)
{
  ssize_t n = descriptor_outbox_write (&connection->outbox, connection->stream,
                                       byte_queue_get_data (&connection->output),
                                       byte_queue_get_size (&connection->output));

  if (n < 0 && n != -EAGAIN)
    connection_abort (connection, (int) n);
  if (n <= 0)
    return;

  byte_queue_drop (&connection->output, (size_t) n);
  charge (connection, 0);
}

static void
uncork (Connection *connection)
{
  if (!is_corked (connection))
    return;

  g_queue_unlink (&corked_connections, &connection->corked);
  connection->corked.data = NULL;
  write_output (connection);
  if (byte_queue_get_size (&connection->output) > 0)
    update_events (connection);
}

static void
uncork_all (void)
{
  while (corked_connections.head != NULL)
    uncork (corked_connections.head->data);
}

/* Keeps a small message back where more are about to follow. Returns whether it did; a queue that
 * the stream does not take is no cork. */
static bool
cork (Connection *connection, const struct iovec *vectors, int n_vectors, size_t total)
{
  size_t queued = byte_queue_get_size (&connection->output);

  if (total > CORK_MESSAGE_SIZE || queued + total > CORK_SIZE
      || !(is_corked (connection) || (more_follows && queued == 0)))
    return false;

  byte_queue_append (&connection->output, vectors, n_vectors, 0);
  if (!is_corked (connection))
    {
      connection->corked.data = connection;
      g_queue_push_tail_link (&corked_connections, &connection->corked);
    }
  if (!more_follows)
    uncork (connection);
  return true;
}

/* --- Input --- */

/* What to do about the message at `start`, of which `size` bytes are here. Returns false where more
 * of its header has to come first. */
static bool
refuse_message (Connection *connection, const uint8_t *start, size_t size, WireVerdict verdict)
{
  size_t header_size, message_size;
  const WireHeader *known = NULL;
  WireHeader header;

  if (connection->handlers->refused == NULL || connection->message_limit < LIMIT_MESSAGE_SIZE
      || wire_message_frame (start, &header_size, &message_size) != WIRE_OK)
    {
      connection_abort (connection, (int) verdict);
      return true;
    }

  if (header_size <= LIMIT_HEADER_SIZE)
    {
      if (size < header_size)
        return false;
      if (wire_header_parse (start, header_size, &header) == WIRE_OK)
        known = &header;
    }

  connection->skip = message_size;
  if (!descriptor_inbox_refuse (&connection->inbox, known, header_size, sizeof scratch))
    connection_abort (connection, WIRE_BAD_DESCRIPTOR);
  else if (!connection->handlers->refused (connection, known, verdict, connection->user_data)
           && !connection->freed)
    connection_abort (connection, (int) verdict);
  return true;
}

/* Whole messages at the start of `data` go to the owner; returns how many bytes they were. */
static size_t
take_messages (Connection *connection, const uint8_t *data, size_t size, unsigned *turns)
{
  size_t offset = 0;

  while (!is_stopped (connection) && *turns > 0)
    {
      const uint8_t *start = data + offset;
      size_t rest = size - offset, message_size;
      WireVerdict verdict;
      WireMessage message;

      if (connection->preamble)
        {
          ssize_t n = rest == 0 ? 0
                                : connection->handlers->preamble (connection, start, rest,
                                                                  connection->user_data);

          if (n < 0)
            connection_abort (connection, (int) n);
          if (n <= 0)
            break;
          offset += (size_t) n;
          continue;
        }

      if (connection->skip > 0 && rest > 0)
        {
          size_t n = MIN (connection->skip, rest);

          connection->skip -= n;
          offset += n;
          continue;
        }

      if (rest < WIRE_PREFIX_SIZE)
        break;

      verdict = wire_message_measure (start, &message_size);
      if (verdict == WIRE_OK && message_size > connection->message_limit)
        verdict = WIRE_TOO_LARGE;
      if (verdict == WIRE_OK && rest < message_size)
        break;
      if (verdict == WIRE_OK)
        verdict = wire_message_parse (start, message_size, &message);
      if (verdict == WIRE_OK)
        verdict = descriptor_inbox_claim (&connection->inbox, &message.header);
      if (verdict != WIRE_OK)
        {
          if (!refuse_message (connection, start, rest, verdict))
            break;
          (*turns)--;
          continue;
        }

      (*turns)--;
      offset += message_size;
      more_follows = *turns > 0 && offset < size;
      connection->handlers->message (connection, &message, connection->user_data);
      more_follows = false;
      fd_list_clear (&connection->inbox.current);
    }

  return offset;
}

/* Drops the first `taken` bytes of the connection's own buffer, and the buffer with the last. */
static void
shrink_input (Connection *connection, size_t taken)
{
  connection->input_size -= taken;

  if (connection->input_size == 0)
    {
      g_clear_pointer (&connection->input, g_free);
      connection->input_capacity = 0;
    }
  else if (taken > 0)
    memmove (connection->input, connection->input + taken, connection->input_size);

  charge (connection, 0);
}

/* How many more bytes the message at the start of the own buffer needs: no more are read into it.
 * A message that is refused will be found out by take_messages(). */
static size_t
get_missing (const Connection *connection)
{
  size_t size, header_size;

  if (connection->preamble)
    return LIMIT_SASL_LINE;
  if (connection->input_size < WIRE_PREFIX_SIZE)
    return WIRE_PREFIX_SIZE - connection->input_size;
  if (wire_message_measure (connection->input, &size) != WIRE_OK
      && wire_message_frame (connection->input, &header_size, &size) == WIRE_OK)
    size = header_size; /* enough to refuse it */

  return size > connection->input_size ? size - connection->input_size : 0;
}

/* Room for some of the `missing` bytes: the buffer doubles as bytes arrive, so that an announced
 * size alone costs nothing. */
static size_t
grow_input (Connection *connection, size_t missing)
{
  size_t wanted = connection->input_size + missing;

  if (connection->input_capacity == connection->input_size)
    {
      connection->input_capacity = MIN (wanted, MAX (connection->input_capacity * 2, 4096));
      connection->input = g_realloc (connection->input, connection->input_capacity);
    }

  return MIN (missing, connection->input_capacity - connection->input_size);
}

/* One read and what follows from it. Returns whether another may give more at once. */
static bool
read_once (Connection *connection, unsigned *turns)
{
  bool own = connection->input_size > 0;
  size_t room = own ? grow_input (connection, get_missing (connection)) : sizeof scratch;
  uint8_t *data = own ? connection->input + connection->input_size : scratch;
  ssize_t n = descriptor_inbox_read (&connection->inbox, connection->stream, data, room);
  size_t taken;

  if (n == -EAGAIN)
    return false;
  if (n <= 0)
    {
      connection_abort (connection, (int) n);
      return false;
    }

  if (own)
    {
      connection->input_size += (size_t) n;
      if (!charge (connection, 0)
          && (connection->handlers->refused == NULL
              || !refuse_message (connection, connection->input, connection->input_size,
                                  WIRE_TOO_LARGE)))
        {
          connection_abort (connection, -ENOBUFS);
          return false;
        }
      taken = take_messages (connection, connection->input, connection->input_size, turns);
      if (!connection->freed)
        shrink_input (connection, taken);
    }
  else
    {
      taken = take_messages (connection, scratch, (size_t) n, turns);
      if (!connection->freed && !connection->ended && taken < (size_t) n)
        {
          connection->input_size = connection->input_capacity = (size_t) n - taken;
          connection->input = g_memdup2 (scratch + taken, connection->input_size);
        }
    }

  if (!connection->freed && !settle_descriptors (connection))
    connection_abort (connection, -ENOBUFS);

  return !is_stopped (connection)
         && ((size_t) n == room || stream_pending (connection->stream) > 0);
}

static void
finish_free (Connection *connection)
{
  descriptor_inbox_clear (&connection->inbox);
  descriptor_outbox_clear (&connection->outbox);
  g_free (connection->input);
  byte_queue_clear (&connection->output);
  g_free (connection);
}

/* Reads until there is no more, or the turn is over. */
static void
read_messages (Connection *connection)
{
  unsigned turns = MESSAGES_PER_TURN;
  bool more = true;

  connection->dispatching = true;

  if (connection->input_size > 0)
    {
      size_t taken = take_messages (connection, connection->input, connection->input_size, &turns);

      if (!connection->freed)
        shrink_input (connection, taken);
    }

  while (more && turns > 0 && !is_stopped (connection))
    more = read_once (connection, &turns);

  connection->dispatching = false;
  uncork_all ();
  if (connection->freed)
    finish_free (connection);
  else if ((more || turns == 0) && !is_stopped (connection))
    arm_later (connection); /* also for whole messages in the own buffer */
}

static void
flush (Connection *connection)
{
  if (byte_queue_get_size (&connection->output) == 0)
    return;

  write_output (connection);
  if (byte_queue_get_size (&connection->output) > 0)
    return;

  update_events (connection);
  if (connection->handlers->drained != NULL)
    {
      connection->dispatching = true;
      connection->handlers->drained (connection, connection->user_data);
      connection->dispatching = false;
    }
}

static int
on_io (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  Connection *connection = user_data;

  if ((events & EPOLLOUT) != 0)
    {
      flush (connection);
      if (connection->freed)
        {
          finish_free (connection);
          return 0;
        }
    }

  if (connection->ended)
    return 0;
  if ((events & EPOLLIN) != 0 && !connection->paused)
    read_messages (connection);
  else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
    connection_abort (connection, 0);

  return 0;
}

static int
on_later (sd_event_source *source, void *user_data)
{
  Connection *connection = user_data;

  if (!connection->ended)
    {
      if (!connection->paused)
        read_messages (connection);
    }
  else if (!connection->reported)
    {
      connection->reported = true;
      connection->handlers->closed (connection, connection->reason, connection->user_data);
    }

  return 0;
}

int
connection_new (sd_event *event, Stream *stream, const ConnectionHandlers *handlers,
                void *user_data, Connection **ret_connection)
{
  Connection *connection = g_new0 (Connection, 1);
  int r = sd_event_add_io (event, &connection->io, stream->fd, EPOLLIN, on_io, connection);

  if (r < 0)
    {
      g_free (connection);
      return r;
    }

  connection->stream = stream;
  connection->event = sd_event_ref (event);
  connection->handlers = handlers;
  connection->user_data = user_data;
  connection->preamble = handlers->preamble != NULL;
  connection->message_limit = LIMIT_MESSAGE_SIZE;

  /* A TLS session may hold bytes that came with the handshake's last ones. */
  if (stream_pending (stream) > 0)
    arm_later (connection);

  *ret_connection = connection;
  return 0;
}

void
connection_free (Connection *connection)
{
  if (connection == NULL)
    return;

  g_assert (!connection->freed);
  uncork (connection);
  sd_event_source_disable_unref (connection->io);
  sd_event_source_disable_unref (connection->later);
  sd_event_unref (connection->event);
  stream_free (connection->stream);
  set_charge (connection, 0);
  set_descriptor_charge (connection, 0);
  connection->budget = NULL;
  connection->freed = true;

  /* Within a callback the message's bytes are still needed. */
  if (!connection->dispatching)
    finish_free (connection);
}

void
connection_end_preamble (Connection *connection)
{
  connection->preamble = false;
}

/* Whether the queue and the budget take `total` more bytes; a short queue takes any message. A
 * small error may use the reserve, and where the queue is short it also passes a spent budget. */
static bool
has_room (Connection *connection, size_t total, bool small_error)
{
  size_t queued = connection_get_queued (connection);
  size_t limit =
      small_error ? LIMIT_FLOW_SIZE + LIMIT_MESSAGE_SIZE + LIMIT_QUEUE_RESERVE : LIMIT_QUEUE_SIZE;

  if (queued > LIMIT_FLOW_SIZE && queued + total > limit)
    return false;
  return charge (connection, total) || (small_error && queued <= LIMIT_FLOW_SIZE);
}

/* Only what the stream does not take at once is copied. */
static int
send_vectors (Connection *connection, const struct iovec *vectors, int n_vectors, size_t total,
              bool small_error, FdList *fds)
{
  bool attached = fds != NULL && fds->n > 0;
  size_t queued;
  ssize_t n = 0;

  if (connection->ended)
    return -ENOTCONN;
  if (!has_room (connection, total, small_error))
    return -ENOBUFS;

  if (!attached && cork (connection, vectors, n_vectors, total))
    {
      charge (connection, 0);
      return 0;
    }

  uncork (connection);
  if (connection->ended)
    return -ENOTCONN;

  queued = connection_get_queued (connection);
  if (queued == 0)
    {
      n = attached ? stream_send (connection->stream, vectors, n_vectors, fds)
                   : stream_write (connection->stream, vectors, n_vectors);
      if (n == -EAGAIN)
        n = 0;
      /* The kernel counts what a user has sent and nobody has received: not this peer's fault. */
      if (n == -ETOOMANYREFS)
        {
          charge (connection, 0);
          return -ENOBUFS;
        }
      if (n < 0)
        {
          connection_abort (connection, (int) n);
          return (int) n;
        }
    }

  if (attached && n > 0)
    fd_list_clear (fds);
  else if (attached)
    descriptor_outbox_add (&connection->outbox, queued, fds);
  if ((size_t) n < total)
    {
      byte_queue_append (&connection->output, vectors, n_vectors, (size_t) n);
      if (queued == 0)
        update_events (connection);
    }

  charge (connection, 0);
  return 0;
}

static int
send_message (Connection *connection, const WireHeader *header, const void *body, size_t body_size,
              FdList *fds)
{
  uint8_t bytes[LIMIT_HEADER_SIZE];
  size_t header_size = wire_header_write (header, body_size, bytes, sizeof bytes);
  struct iovec vectors[2] = { { .iov_base = bytes, .iov_len = header_size },
                              { .iov_base = (void *) body, .iov_len = body_size } };

  size_t total = header_size + body_size;

  if (header_size == 0 || total > LIMIT_MESSAGE_SIZE)
    return -ENOBUFS;

  return send_vectors (connection, vectors, body_size > 0 ? 2 : 1, total,
                       header->type == WIRE_ERROR && total <= LIMIT_SMALL_ERROR, fds);
}

int
connection_send (Connection *connection, const WireHeader *header, const void *body,
                 size_t body_size)
{
  return send_message (connection, header, body, body_size, NULL);
}

int
connection_send_descriptors (Connection *connection, const WireHeader *header, const void *body,
                             size_t body_size, FdList *fds)
{
  WireHeader copy = *header;

  g_return_val_if_fail (fds->n == 0 || stream_carries_descriptors (connection->stream), -EINVAL);
  copy.n_descriptors = (uint32_t) fds->n;
  return send_message (connection, &copy, body, body_size, fds);
}

void
connection_pass_descriptors (Connection *connection, size_t most_beside)
{
  g_return_if_fail (stream_carries_descriptors (connection->stream));
  descriptor_inbox_open (&connection->inbox, most_beside);
}

bool
connection_passes_descriptors (const Connection *connection)
{
  return connection->inbox.waiting != NULL;
}

FdList
connection_take_descriptors (Connection *connection)
{
  return fd_list_steal (&connection->inbox.current);
}

int
connection_send_bytes (Connection *connection, const void *data, size_t size)
{
  struct iovec vector = { .iov_base = (void *) data, .iov_len = size };

  return send_vectors (connection, &vector, 1, size, false, NULL);
}

void
connection_set_message_limit (Connection *connection, size_t limit)
{
  connection->message_limit = limit;
}

void
connection_set_budget (Connection *connection, ConnectionBudget *budget)
{
  size_t held = connection->charged, n_descriptors = connection->charged_descriptors;

  set_charge (connection, 0);
  set_descriptor_charge (connection, 0);
  connection->budget = budget;
  set_charge (connection, held);
  set_descriptor_charge (connection, n_descriptors);
}

size_t
connection_get_queued (const Connection *connection)
{
  return byte_queue_get_size (&connection->output);
}

void
connection_pause (Connection *connection, bool paused)
{
  if (connection->paused == paused)
    return;

  connection->paused = paused;
  if (connection->ended)
    return;

  update_events (connection);
  if (!paused && (connection->input_size > 0 || stream_pending (connection->stream) > 0))
    arm_later (connection);
}

void
connection_set_handlers (Connection *connection, const ConnectionHandlers *handlers,
                         void *user_data)
{
  connection->handlers = handlers;
  connection->user_data = user_data;
}

const char *
connection_reason_to_string (int reason)
{
  if (reason == 0)
    return "the other side closed it";
  if (reason < 0)
    return g_strerror (-reason);

  return wire_verdict_to_string ((WireVerdict) reason);
}
