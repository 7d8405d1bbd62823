/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's ends of tombolo-stream/1. */
#include "streams.h"

#include <errno.h>
#include <string.h>

#include "limit.h"
#include "relay.h"
#include "tunnel-manager.h"

typedef enum
{
  STREAM_TOLD,    /* the guest has not said yet that it waits */
  STREAM_QUEUED,  /* to be opened */
  STREAM_OPENING, /* the handshake is under way */
  STREAM_OPEN,
} StreamState;

typedef struct
{
  Streams *streams;
  GList link;
  StreamState state;
  const void *owner; /* NULL once it is open */
  uint32_t serial;
  StreamQuota *quota;
  RelayEnd *end; /* until it is open */
  uint8_t token[STREAM_TOKEN_SIZE];
  sd_event_source *deadline; /* until it is open */
  TunnelAttempt *attempt;
  Relay *relay;
} BridgeStream;

struct Streams
{
  Bridge *bridge;
  GQueue list; /* BridgeStream, in order */
};

static void open_next (Streams *streams);

static void
stream_drop (BridgeStream *stream)
{
  g_queue_unlink (&stream->streams->list, &stream->link);
  sd_event_source_disable_unref (stream->deadline);
  tunnel_attempt_free (stream->attempt);
  relay_free (stream->relay);
  relay_end_free (stream->end);
  explicit_bzero (stream->token, sizeof stream->token);
  stream_quota_release (stream->quota, 1);
  stream_quota_unref (stream->quota);
  g_free (stream);
}

static void
on_closed (Relay *relay, const char *problem, void *user_data)
{
  BridgeStream *stream = user_data;
  Bridge *bridge = stream->streams->bridge;

  if (problem != NULL)
    log_debug (bridge->machine, "A stream was closed: %s.", problem);
  stream_drop (stream);
}

static void
on_session (Stream *session, ChannelKind kind, const GError *error, void *user_data)
{
  BridgeStream *stream = user_data;
  Streams *streams = stream->streams;
  Bridge *bridge = streams->bridge;

  g_clear_pointer (&stream->attempt, tunnel_attempt_free);
  if (session == NULL)
    {
      if (tunnel_error_is_refusal (error))
        refusals_count (bridge->refusals, REFUSED_HANDSHAKE);
      bridge_complain (bridge, NULL, "A descriptor was closed, its stream did not open: %s",
                       error->message);
      stream_drop (stream);
    }
  else if (relay_new (bridge->event, g_steal_pointer (&stream->end), session, stream->token,
                      sizeof stream->token, on_closed, stream, &stream->relay)
           < 0)
    stream_drop (stream);
  else
    {
      stream->state = STREAM_OPEN;
      stream->owner = NULL;
      stream->deadline = sd_event_source_disable_unref (stream->deadline);
    }

  open_next (streams);
}

static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  BridgeStream *stream = user_data;
  Streams *streams = stream->streams;

  bridge_complain (streams->bridge, NULL,
                   "A descriptor was closed, its stream did not open within %u s.",
                   (unsigned) (LIMIT_STREAM_TIME_USEC / G_USEC_PER_SEC));
  stream_drop (stream);
  open_next (streams);
  return 0;
}

static void
stream_open (BridgeStream *stream)
{
  Bridge *bridge = stream->streams->bridge;

  stream->state = STREAM_OPENING;
  if (tunnel_manager_connect (bridge->tunnel, CHANNEL_STREAM, on_session, stream, &stream->attempt)
      < 0)
    {
      bridge_complain (bridge, NULL, "A descriptor was closed: the control link is not there.");
      stream_drop (stream);
    }
}

static void
open_next (Streams *streams)
{
  unsigned opening = 0;
  GList *link, *next;

  for (link = streams->list.head; link != NULL; link = link->next)
    opening += ((BridgeStream *) link->data)->state == STREAM_OPENING;

  for (link = streams->list.head; link != NULL && opening < LIMIT_HANDSHAKES_MACHINE; link = next)
    {
      BridgeStream *stream = link->data;

      next = link->next;
      if (stream->state != STREAM_QUEUED)
        continue;
      opening++;
      stream_open (stream);
    }
}

void
streams_add (Streams *streams, const void *owner, StreamQuota *quota, Crossing *crossing,
             uint32_t serial)
{
  for (size_t i = 0; i < crossing->n_streams; i++)
    {
      BridgeStream *stream = g_new0 (BridgeStream, 1);

      stream->streams = streams;
      stream->link.data = stream;
      stream->state = serial != 0 ? STREAM_TOLD : STREAM_QUEUED;
      stream->owner = owner;
      stream->serial = serial;
      stream->quota = stream_quota_ref (quota);
      stream->end = g_steal_pointer (&crossing->streams[i].end);
      memcpy (stream->token, crossing->streams[i].token, sizeof stream->token);
      g_queue_push_tail_link (&streams->list, &stream->link);
      if (sd_event_add_time_relative (streams->bridge->event, &stream->deadline, CLOCK_MONOTONIC,
                                      LIMIT_STREAM_TIME_USEC, 0, on_deadline, stream)
          < 0)
        sd_event_exit (streams->bridge->event, -ENOMEM);
    }

  open_next (streams);
}

/* Whether it is one of those that wait for the answer to the owner's call. */
static bool
is_told (const BridgeStream *stream, const void *owner, uint32_t serial)
{
  return stream->owner == owner && stream->state == STREAM_TOLD && stream->serial == serial;
}

bool
streams_answered (Streams *streams, const void *owner, uint32_t serial, bool accepted)
{
  bool found = false;
  GList *link, *next;

  for (link = streams->list.head; link != NULL; link = next)
    {
      BridgeStream *stream = link->data;

      next = link->next;
      if (!is_told (stream, owner, serial))
        continue;
      found = true;
      if (accepted)
        stream->state = STREAM_QUEUED;
      else
        stream_drop (stream);
    }

  if (found)
    open_next (streams);
  return found;
}

void
streams_drop (Streams *streams, const void *owner, uint32_t serial)
{
  streams_answered (streams, owner, serial, false);
}

void
streams_drop_owner (Streams *streams, const void *owner)
{
  GList *link, *next;

  for (link = streams->list.head; link != NULL; link = next)
    {
      next = link->next;
      if (((BridgeStream *) link->data)->owner == owner)
        stream_drop (link->data);
    }

  open_next (streams);
}

void
streams_close (Streams *streams)
{
  while (streams->list.head != NULL)
    stream_drop (streams->list.head->data);
}

Streams *
streams_new (Bridge *bridge)
{
  Streams *streams = g_new0 (Streams, 1);

  streams->bridge = bridge;
  return streams;
}

void
streams_free (Streams *streams)
{
  if (streams == NULL)
    return;

  streams_close (streams);
  g_free (streams);
}
