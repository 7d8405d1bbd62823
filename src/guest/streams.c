/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's ends of tombolo-stream/1. */
#include "streams.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "limit.h"
#include "relay.h"

uint64_t guest_streams_wait_usec = LIMIT_STREAM_TIME_USEC;

/* One descriptor: it waits for its stream, and then is joined with it. */
typedef struct
{
  GuestStreams *streams;
  GList link;
  const void *owner;
  uint8_t token[STREAM_TOKEN_SIZE];
  RelayEnd *end; /* until it is joined */
  sd_event_source *deadline;
  Relay *relay;
} GuestStream;

/* A stream that has not said its token yet. */
typedef struct
{
  GuestStreams *streams;
  GList link;
  Stream *stream;
  sd_event_source *io;
  sd_event_source *deadline;
  uint8_t token[STREAM_TOKEN_SIZE];
  size_t size;
} Nameless;

struct GuestStreams
{
  Agent *agent;
  GQueue list;     /* GuestStream */
  GQueue nameless; /* Nameless */
};

static void
stream_drop (GuestStream *stream)
{
  g_queue_unlink (&stream->streams->list, &stream->link);
  sd_event_source_disable_unref (stream->deadline);
  relay_free (stream->relay);
  relay_end_free (stream->end);
  explicit_bzero (stream->token, sizeof stream->token);
  g_free (stream);
}

static void
nameless_free (Nameless *nameless)
{
  g_queue_unlink (&nameless->streams->nameless, &nameless->link);
  sd_event_source_disable_unref (nameless->io);
  sd_event_source_disable_unref (nameless->deadline);
  stream_free (nameless->stream);
  explicit_bzero (nameless->token, sizeof nameless->token);
  g_free (nameless);
}

static void
on_closed (Relay *relay, const char *problem, void *user_data)
{
  stream_drop (user_data);
}

static GuestStream *
find_waiting (const GuestStreams *streams, const uint8_t *token)
{
  GuestStream *found = NULL;

  for (const GList *link = streams->list.head; link != NULL; link = link->next)
    {
      GuestStream *stream = link->data;

      if (stream->end != NULL && crossing_token_equal (stream->token, token))
        found = stream;
    }

  return found;
}

/* The token is known: it is good for one descriptor, once. */
static void
join (Nameless *nameless)
{
  GuestStreams *streams = nameless->streams;
  GuestStream *stream = find_waiting (streams, nameless->token);
  Stream *session;

  if (stream == NULL)
    {
      agent_complain (streams->agent, "The host opened a stream with a token that was used before, "
                                      "or is nobody's; it is closed.");
      nameless_free (nameless);
      return;
    }

  nameless->io = sd_event_source_disable_unref (nameless->io);
  session = g_steal_pointer (&nameless->stream);
  nameless_free (nameless);

  stream->deadline = sd_event_source_disable_unref (stream->deadline);
  if (relay_new (agent_get_event (streams->agent), g_steal_pointer (&stream->end), session, NULL, 0,
                 on_closed, stream, &stream->relay)
      < 0)
    stream_drop (stream);
}

static int
on_nameless (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  Nameless *nameless = user_data;
  ssize_t n;

  do
    {
      n = stream_read (nameless->stream, nameless->token + nameless->size,
                       sizeof nameless->token - nameless->size);
      if (n > 0)
        nameless->size += (size_t) n;
    }
  while (n > 0 && nameless->size < sizeof nameless->token);

  if (nameless->size == sizeof nameless->token)
    join (nameless);
  else if (n != -EAGAIN)
    nameless_free (nameless);
  return 0;
}

static int
on_nameless_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  Nameless *nameless = user_data;

  agent_complain (nameless->streams->agent,
                  "The host opened a stream and did not say for what; it is closed.");
  nameless_free (nameless);
  return 0;
}

void
guest_streams_take (GuestStreams *streams, Stream *stream)
{
  sd_event *event = agent_get_event (streams->agent);
  Nameless *nameless;

  if (streams->nameless.length >= LIMIT_STREAMS_NAMELESS)
    {
      agent_complain (streams->agent,
                      "The host opened more than %d streams without saying for "
                      "what; one is closed.",
                      LIMIT_STREAMS_NAMELESS);
      stream_free (stream);
      return;
    }

  nameless = g_new0 (Nameless, 1);
  nameless->streams = streams;
  nameless->link.data = nameless;
  nameless->stream = stream;
  g_queue_push_tail_link (&streams->nameless, &nameless->link);
  if (sd_event_add_io (event, &nameless->io, stream->fd, EPOLLIN, on_nameless, nameless) < 0
      || sd_event_add_time_relative (event, &nameless->deadline, CLOCK_MONOTONIC,
                                     LIMIT_CHANNEL_TIME_USEC, 0, on_nameless_deadline, nameless)
             < 0)
    nameless_free (nameless);
  else if (stream_pending (stream) > 0)
    on_nameless (nameless->io, stream->fd, EPOLLIN, nameless);
}

static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  stream_drop (user_data);
  return 0;
}

bool
guest_streams_has_room (const GuestStreams *streams, const void *owner, size_t n)
{
  size_t of_owner = n;

  for (const GList *link = streams->list.head; link != NULL; link = link->next)
    of_owner += ((const GuestStream *) link->data)->owner == owner;

  return of_owner <= LIMIT_STREAMS_CALLER && streams->list.length + n <= LIMIT_STREAMS_MACHINE;
}

void
guest_streams_expect (GuestStreams *streams, const void *owner, Crossing *crossing)
{
  for (size_t i = 0; i < crossing->n_streams; i++)
    {
      GuestStream *stream = g_new0 (GuestStream, 1);

      stream->streams = streams;
      stream->link.data = stream;
      stream->owner = owner;
      stream->end = g_steal_pointer (&crossing->streams[i].end);
      memcpy (stream->token, crossing->streams[i].token, sizeof stream->token);
      g_queue_push_tail_link (&streams->list, &stream->link);
      if (sd_event_add_time_relative (agent_get_event (streams->agent), &stream->deadline,
                                      CLOCK_MONOTONIC, guest_streams_wait_usec, 0, on_deadline,
                                      stream)
          < 0)
        stream_drop (stream);
    }
}

static void
send_announcement (Connection *host, const Crossing *crossing, uint32_t serial)
{
  const WireHeader header = { .byte_order = wire_native_byte_order (),
                              .type = WIRE_METHOD_CALL,
                              .flags = WIRE_NO_REPLY_EXPECTED,
                              .serial = serial,
                              .path = AGENT_PATH,
                              .interface = AGENT_CHANNEL_INTERFACE,
                              .member = CROSSING_MEMBER,
                              .signature = CROSSING_SIGNATURE };
  WireWriter *body = wire_writer_new ();
  const uint8_t *data;
  size_t size;

  crossing_write (crossing, body);
  data = wire_writer_data (body, &size);
  if (connection_send (host, &header, data, size) == -ENOBUFS)
    connection_abort (host, -ENOBUFS);
  wire_writer_free (body);
}

gboolean
guest_streams_announce (GuestStreams *streams, const void *owner, Connection *host, uint32_t serial,
                        FdList *fds, size_t n, GError **error)
{
  auto_fd_list list = fd_list_steal (fds);
  g_autoptr (Crossing) crossing = NULL;

  if (list.n != n)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                 "Its file descriptors have not come along.");
  else if (!guest_streams_has_room (streams, owner, n))
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                 "It brings descriptors, and as many as may be are open already; close some of "
                 "them.");
  else
    crossing = crossing_new (agent_get_event (streams->agent), &list, error);
  if (crossing == NULL)
    return FALSE;

  send_announcement (host, crossing, serial);
  guest_streams_expect (streams, owner, crossing);
  return TRUE;
}

void
guest_streams_drop_owner (GuestStreams *streams, const void *owner)
{
  GList *next;

  for (GList *link = streams->list.head; link != NULL; link = next)
    {
      GuestStream *stream = link->data;

      next = link->next;
      if (stream->owner != owner)
        continue;
      stream->owner = NULL;
      if (stream->relay == NULL)
        stream_drop (stream);
    }
}

void
guest_streams_close (GuestStreams *streams)
{
  while (streams->list.head != NULL)
    stream_drop (streams->list.head->data);
  while (streams->nameless.head != NULL)
    nameless_free (streams->nameless.head->data);
}

GuestStreams *
guest_streams_new (Agent *agent)
{
  GuestStreams *streams = g_new0 (GuestStreams, 1);

  streams->agent = agent;
  return streams;
}

void
guest_streams_free (GuestStreams *streams)
{
  if (streams == NULL)
    return;

  guest_streams_close (streams);
  g_free (streams);
}
