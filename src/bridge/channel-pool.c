/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Channels, opened ahead of the first call that needs one. */
#include "channel-pool.h"

#include <errno.h>

#include "backoff.h"
#include "limit.h"

/* Longer than the longest wait, so that losses with no more than a wait between them count as one
 * row. */
#define STABLE_USEC ((gint64) (2 * RECONNECT_LAST_USEC))

struct PoolRequest
{
  ChannelPool *pool;
  GList link;
  sd_event_source *deadline;
  PoolDone done;
  void *user_data;
};

/* One spare, or one on the way to be. */
typedef struct
{
  ChannelPool *pool;
  GList link;
  Channel *channel;
} Spare;

struct ChannelPool
{
  Bridge *bridge;
  bool running;
  GQueue requests; /* PoolRequest */
  GQueue opening;  /* Spare, at most LIMIT_HANDSHAKES_MACHINE */
  GQueue warm;     /* Spare */
  sd_event_source *retry;
  TunnelBackoff backoff;
  gint64 last_loss; /* monotonic */
};

static void refill (ChannelPool *pool);

static void
request_free (PoolRequest *request)
{
  g_queue_unlink (&request->pool->requests, &request->link);
  sd_event_source_disable_unref (request->deadline);
  g_free (request);
}

static void
request_finish (PoolRequest *request, Channel *channel, const char *reason)
{
  PoolDone done = request->done;
  void *user_data = request->user_data;

  request_free (request);
  done (channel, reason, user_data);
}

/* Takes the spare out of `queue` and returns its channel. */
static Channel *
spare_steal (Spare *spare, GQueue *queue)
{
  Channel *channel = spare->channel;

  g_queue_unlink (queue, &spare->link);
  g_free (spare);
  return channel;
}

static int
on_retry (sd_event_source *source, uint64_t time, void *user_data)
{
  ChannelPool *pool = user_data;

  pool->retry = sd_event_source_disable_unref (pool->retry);
  refill (pool);
  return 0;
}

/* A channel that opens is no success yet: a guest that opens and closes them without end shall not
 * keep the host at handshakes. Only after a while without losses the waits start anew. */
static void
refill_later (ChannelPool *pool)
{
  gint64 now = g_get_monotonic_time ();

  if (now - pool->last_loss >= STABLE_USEC)
    pool->backoff = (TunnelBackoff){ 0 };
  pool->last_loss = now;

  if (pool->retry == NULL
      && sd_event_add_time_relative (pool->bridge->event, &pool->retry, CLOCK_MONOTONIC,
                                     tunnel_backoff_next (&pool->backoff), 0, on_retry, pool)
             < 0)
    sd_event_exit (pool->bridge->event, -ENOMEM);
}

/* --- Warm channels: nobody has called anything on them --- */

static bool
on_warm_reply (Channel *channel, const WireMessage *reply, void *user_data)
{
  return false;
}

static void
on_warm_signal (Channel *channel, const WireMessage *signal, void *user_data)
{
}

static void
on_warm_closed (Channel *channel, const char *reason, void *user_data)
{
  Spare *spare = user_data;
  ChannelPool *pool = spare->pool;

  channel_free (spare_steal (spare, &pool->warm));
  refill_later (pool);
}

static const ChannelHandlers warm_handlers = {
  .reply = on_warm_reply,
  .signal = on_warm_signal,
  .closed = on_warm_closed,
};

/* --- Channels on the way --- */

static void
on_opened (Channel *channel, void *user_data)
{
  Spare *spare = user_data;
  ChannelPool *pool = spare->pool;
  PoolRequest *request = g_queue_peek_head (&pool->requests);

  if (request != NULL)
    request_finish (request, spare_steal (spare, &pool->opening), NULL);
  else
    {
      g_queue_unlink (&pool->opening, &spare->link);
      g_queue_push_tail_link (&pool->warm, &spare->link);
      channel_set_handlers (channel, &warm_handlers, spare);
    }

  refill (pool);
}

/* Whoever waits longest hears of it; the others get the next attempts. */
static void
on_opening_failed (Channel *channel, const char *reason, void *user_data)
{
  Spare *spare = user_data;
  ChannelPool *pool = spare->pool;
  PoolRequest *request = g_queue_peek_head (&pool->requests);
  g_autofree char *text = g_strdup (reason);

  channel_free (spare_steal (spare, &pool->opening));
  refill_later (pool);
  if (request != NULL)
    request_finish (request, NULL, text);
}

static const ChannelHandlers opening_handlers = {
  .opened = on_opened,
  .reply = on_warm_reply,
  .signal = on_warm_signal,
  .closed = on_opening_failed,
};

static void
refill (ChannelPool *pool)
{
  while (pool->running && pool->retry == NULL && pool->opening.length < LIMIT_HANDSHAKES_MACHINE
         && pool->opening.length + pool->warm.length < LIMIT_SPARE_CHANNELS + pool->requests.length)
    {
      Spare *spare = g_new0 (Spare, 1);

      spare->pool = pool;
      spare->link.data = spare;
      spare->channel = channel_new (pool->bridge, &opening_handlers, spare);
      g_queue_push_tail_link (&pool->opening, &spare->link);
    }
}

ChannelPool *
channel_pool_new (Bridge *bridge)
{
  ChannelPool *pool = g_new0 (ChannelPool, 1);

  pool->bridge = bridge;
  return pool;
}

static void
drop_spares (ChannelPool *pool, GQueue *queue)
{
  Spare *spare;

  while ((spare = g_queue_peek_head (queue)) != NULL)
    channel_free (spare_steal (spare, queue));
}

void
channel_pool_start (ChannelPool *pool)
{
  pool->running = true;
  refill (pool);
}

void
channel_pool_stop (ChannelPool *pool, const char *reason)
{
  PoolRequest *request;

  pool->running = false;
  pool->backoff = (TunnelBackoff){ 0 };
  pool->retry = sd_event_source_disable_unref (pool->retry);
  drop_spares (pool, &pool->opening);
  drop_spares (pool, &pool->warm);
  while ((request = g_queue_peek_head (&pool->requests)) != NULL)
    request_finish (request, NULL, reason);
}

void
channel_pool_free (ChannelPool *pool)
{
  if (pool == NULL)
    return;

  channel_pool_stop (pool, "");
  g_free (pool);
}

Channel *
channel_pool_take (ChannelPool *pool)
{
  Spare *spare = g_queue_peek_head (&pool->warm);
  Channel *channel;

  if (spare == NULL)
    return NULL;

  channel = spare_steal (spare, &pool->warm);
  refill (pool);
  return channel;
}

void
channel_pool_lost (ChannelPool *pool)
{
  if (pool->running)
    refill_later (pool);
}

static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  request_finish (user_data, NULL, "The guest's agent is too busy.");
  return 0;
}

PoolRequest *
channel_pool_wait (ChannelPool *pool, PoolDone done, void *user_data)
{
  PoolRequest *request = g_new0 (PoolRequest, 1);

  request->pool = pool;
  request->link.data = request;
  request->done = done;
  request->user_data = user_data;
  g_queue_push_tail_link (&pool->requests, &request->link);

  if (sd_event_add_time_relative (pool->bridge->event, &request->deadline, CLOCK_MONOTONIC,
                                  LIMIT_CHANNEL_WAIT_USEC, 0, on_deadline, request)
      < 0)
    sd_event_exit (pool->bridge->event, -ENOMEM);
  refill (pool);
  return request;
}

void
pool_request_cancel (PoolRequest *request)
{
  if (request != NULL)
    request_free (request);
}
