/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes between a local end and a stream. Each direction holds what its target does not take, and
 * then does not read its source. */
#include "relay.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "limit.h"

/* Reads of one direction before the others on the loop have their turn. */
#define READS_PER_TURN 8

/* Where nobody here has a socket any more and somebody there keeps his: how often is looked whether
 * he has got all that was said, so that the stream can be closed under him. */
#define LINGER_USEC (5 * G_USEC_PER_SEC)

static uint8_t scratch[LIMIT_STREAM_BUFFER];

/* What was read and could not be written yet. */
typedef struct
{
  uint8_t *data;
  size_t start;
  size_t end;
} Held;

struct Relay
{
  sd_event *event;
  RelayEnd *end;
  Stream *stream;
  RelayClosed closed;
  void *user_data;
  sd_event_source *local_io;
  sd_event_source *stream_io;
  sd_event_source *linger;
  sd_event_source *later; /* first turn, and what poll(2) does not tell of */

  Held out; /* for the stream */
  Held in;  /* for the local end */
  bool local_eof;
  bool stream_ended; /* we told it */
  bool stream_eof;
  bool local_ended; /* we told it */
  bool local_gone;  /* nobody reads it any more */
  bool local_hup;   /* poll(2) would not stop telling */
  bool stream_hup;

  bool over;
  const char *problem;
};

static bool
is_empty (const Held *held)
{
  return held->start == held->end;
}

static void
held_clear (Held *held)
{
  g_clear_pointer (&held->data, g_free);
  held->start = held->end = 0;
}

static void
held_set (Held *held, const uint8_t *data, size_t size)
{
  held->data = g_memdup2 (data, size);
  held->start = 0;
  held->end = size;
}

static void
held_take (Held *held, size_t n)
{
  held->start += n;
  if (is_empty (held))
    held_clear (held);
}

static void turn (Relay *relay);

static void
finish (Relay *relay, const char *problem)
{
  if (!relay->over)
    relay->problem = problem;
  relay->over = true;
}

/* --- From the local end to the stream --- */

static ssize_t
write_stream (Relay *relay, const uint8_t *data, size_t size)
{
  struct iovec vector = { .iov_base = (void *) data, .iov_len = size };
  ssize_t n = stream_write (relay->stream, &vector, 1);

  if (n == -EAGAIN)
    return 0;
  if (n < 0)
    finish (relay, "the stream broke");
  return n;
}

static void
end_stream (Relay *relay)
{
  int r = stream_end (relay->stream);

  if (r == -EAGAIN)
    return;
  relay->stream_ended = true;
  if (r < 0)
    finish (relay, "the stream broke");
}

/* Whether another turn may give more at once. */
static bool
move_out (Relay *relay)
{
  ssize_t n, written;

  if (!is_empty (&relay->out))
    {
      n = write_stream (relay, relay->out.data + relay->out.start,
                        relay->out.end - relay->out.start);
      if (n > 0)
        held_take (&relay->out, (size_t) n);
      return n > 0;
    }
  if (relay->local_eof && !relay->stream_ended)
    end_stream (relay);
  if (relay->local_eof || relay->over || (relay->end->flow & RELAY_READS) == 0)
    return false;

  n = relay_end_read (relay->end, scratch, sizeof scratch);
  if (n == -EAGAIN)
    return false;
  if (n <= 0)
    {
      /* A socket that was closed with bytes unread ends with an error: an end all the same. */
      relay->local_eof = true;
      relay->local_gone = relay->local_gone || n < 0;
      return true;
    }

  written = write_stream (relay, scratch, (size_t) n);
  if (written >= 0 && written < n)
    held_set (&relay->out, scratch + written, (size_t) (n - written));
  return written == n;
}

/* --- From the stream to the local end --- */

/* How many bytes the local end took; where nobody reads it any more, all. */
static size_t
write_local (Relay *relay, const uint8_t *data, size_t size)
{
  ssize_t n;

  if (relay->local_gone)
    return size;

  n = relay_end_write (relay->end, data, size);
  if (n == -EAGAIN)
    return 0;
  if (n < 0)
    {
      relay->local_gone = true;
      return size;
    }
  return (size_t) n;
}

/* Whether all that we said has arrived: closing a connection that has unread bytes resets it, and
 * what is still to be sent would be lost. */
static bool
has_arrived (const Relay *relay)
{
  int unsent = 0;

  return relay->stream_ended && (ioctl (relay->stream->fd, SIOCOUTQ, &unsent) < 0 || unsent == 0);
}

/* Bytes that nobody will read: whoever writes them has to hear of it. */
static void
discard (Relay *relay)
{
  if ((relay->end->flow & RELAY_READS) == 0 || has_arrived (relay))
    finish (relay, NULL);
}

static void
end_local (Relay *relay)
{
  relay->local_ended = true;
  relay_end_finish_writing (relay->end);
}

static bool
move_in (Relay *relay)
{
  size_t written;
  ssize_t n;

  if (!is_empty (&relay->in))
    {
      written =
          write_local (relay, relay->in.data + relay->in.start, relay->in.end - relay->in.start);
      held_take (&relay->in, written);
      return written > 0;
    }
  if (relay->stream_eof)
    {
      if (!relay->local_ended)
        end_local (relay);
      return false;
    }

  n = stream_read (relay->stream, scratch, sizeof scratch);
  if (n == -EAGAIN)
    return false;
  if (n < 0)
    {
      finish (relay, "the stream broke");
      return false;
    }
  if (n == 0)
    {
      relay->stream_eof = true;
      return true;
    }
  if ((relay->end->flow & RELAY_WRITES) == 0)
    {
      finish (relay, "it carries bytes against its direction");
      return false;
    }

  written = write_local (relay, scratch, (size_t) n);
  if (written < (size_t) n)
    held_set (&relay->in, scratch + written, (size_t) n - written);
  else if (relay->local_gone)
    discard (relay);
  return is_empty (&relay->in) && !relay->over;
}

/* --- The loop --- */

static int
on_linger (sd_event_source *source, uint64_t time, void *user_data)
{
  Relay *relay = user_data;

  relay->linger = sd_event_source_disable_unref (relay->linger);
  if (has_arrived (relay))
    finish (relay, NULL);
  turn (relay);
  return 0;
}

static void
start_linger (Relay *relay)
{
  if (relay->linger == NULL
      && sd_event_add_time_relative (relay->event, &relay->linger, CLOCK_MONOTONIC, LINGER_USEC,
                                     LINGER_USEC / 5, on_linger, relay)
             < 0)
    finish (relay, "the loop takes no more");
}

/* Whoever says the last word waits until the other side has closed the stream: only then it has
 * been read. */
static void
conclude (Relay *relay)
{
  switch (relay->end->flow)
    {
    case RELAY_READS:
      if (relay->stream_eof)
        finish (relay, NULL);
      break;
    case RELAY_WRITES:
      if (relay->local_ended || relay->local_gone)
        finish (relay, NULL);
      break;
    default:
      if (relay->stream_ended && relay->stream_eof && is_empty (&relay->in))
        finish (relay, NULL);
      else if (relay->stream_ended && relay->local_gone)
        start_linger (relay);
      break;
    }
}

/* poll(2) tells of a hang-up whatever it is asked for: a source is asked nothing while there is
 * nothing to do about it. */
static int
set_events (sd_event_source *source, uint32_t events, bool hup)
{
  int r;

  if (source == NULL)
    return 0;
  if (events == 0 && hup)
    return sd_event_source_set_enabled (source, SD_EVENT_OFF);

  r = sd_event_source_set_io_events (source, events);
  return r < 0 ? r : sd_event_source_set_enabled (source, SD_EVENT_ON);
}

static void
update (Relay *relay)
{
  uint32_t local = 0, stream = 0;

  if ((relay->end->flow & RELAY_READS) != 0 && !relay->local_eof && is_empty (&relay->out))
    local |= EPOLLIN;
  if (!is_empty (&relay->in))
    local |= EPOLLOUT;
  if (!relay->stream_eof && is_empty (&relay->in))
    stream |= EPOLLIN;
  if (!is_empty (&relay->out) || (relay->local_eof && !relay->stream_ended))
    stream |= EPOLLOUT;

  if (set_events (relay->local_io, local, relay->local_hup) < 0
      || set_events (relay->stream_io, stream, relay->stream_hup) < 0)
    finish (relay, "the loop takes no more");
}

static void
arm_later (Relay *relay)
{
  if (sd_event_source_set_enabled (relay->later, SD_EVENT_ONESHOT) < 0)
    sd_event_exit (relay->event, -ENOMEM);
}

static void
turn (Relay *relay)
{
  bool more_out = true, more_in = true;

  for (int i = 0; i < READS_PER_TURN && (more_out || more_in); i++)
    {
      more_out = !relay->over && move_out (relay);
      more_in = !relay->over && move_in (relay);
      if (!relay->over)
        conclude (relay);
    }

  if (!relay->over)
    update (relay);
  if (!relay->over && (more_out || more_in))
    arm_later (relay);
  if (relay->over)
    relay->closed (relay, relay->problem, relay->user_data); /* frees it */
}

static int
on_local (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  Relay *relay = user_data;

  /* Of what is written one way this is the reader's end; of a socket, that nobody has it any more.
   */
  if ((events & (EPOLLHUP | EPOLLERR)) != 0)
    {
      relay->local_hup = true;
      relay->local_gone = relay->local_gone || (relay->end->flow & RELAY_WRITES) != 0;
    }
  turn (relay);
  return 0;
}

static int
on_stream (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  Relay *relay = user_data;

  if ((events & (EPOLLHUP | EPOLLERR)) != 0)
    {
      relay->stream_hup = true;
      /* Everything was read: the connection is gone. */
      if (relay->stream_eof && is_empty (&relay->in))
        finish (relay, relay->stream_ended ? NULL : "the stream broke");
    }
  turn (relay);
  return 0;
}

static int
on_later (sd_event_source *source, void *user_data)
{
  turn (user_data);
  return 0;
}

int
relay_new (sd_event *event, RelayEnd *end, Stream *stream, const void *first, size_t first_size,
           RelayClosed closed, void *user_data, Relay **ret_relay)
{
  Relay *relay = g_new0 (Relay, 1);
  int r;

  relay->event = sd_event_ref (event);
  relay->end = end;
  relay->stream = stream;
  relay->closed = closed;
  relay->user_data = user_data;
  if (first != NULL && first_size > 0)
    held_set (&relay->out, first, first_size);

  r = sd_event_add_io (event, &relay->local_io, end->fd, 0, on_local, relay);
  if (r >= 0)
    r = sd_event_add_io (event, &relay->stream_io, stream->fd, 0, on_stream, relay);
  if (r >= 0)
    r = sd_event_add_defer (event, &relay->later, on_later, relay);
  if (r < 0)
    {
      relay_free (relay);
      return r;
    }

  *ret_relay = relay;
  return 0;
}

void
relay_free (Relay *relay)
{
  if (relay == NULL)
    return;

  sd_event_source_disable_unref (relay->local_io);
  sd_event_source_disable_unref (relay->stream_io);
  sd_event_source_disable_unref (relay->later);
  sd_event_source_disable_unref (relay->linger);
  sd_event_unref (relay->event);
  stream_free (relay->stream);
  relay_end_free (relay->end);
  held_clear (&relay->out);
  held_clear (&relay->in);
  g_free (relay);
}
