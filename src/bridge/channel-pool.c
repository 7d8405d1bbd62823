/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Channels, opened ahead of the first call that needs one. */
#include "channel-pool.h"

#include <errno.h>

#include "backoff.h"
#include "limit.h"

/* Longer than the longest wait, so that losses with no more than a wait between them count as one
 * row. */
#define STABLE_USEC ((gint64) (2 * RECONNECT_LAST_USEC))

/* What there is for one of the guest's buses. */
typedef struct
{
  ChannelPool *pool;
  GuestBus guest_bus;
  bool keeps_warm;
  GQueue requests; /* PoolRequest */
  GQueue opening;  /* Spare */
  GQueue warm;     /* Spare */
  sd_event_source *retry;
  TunnelBackoff backoff;
  gint64 last_loss; /* monotonic */
} Side;

struct PoolRequest
{
  Side *side;
  GList link;
  sd_event_source *deadline;
  PoolDone done;
  void *user_data;
};

/* One spare, or one on the way to be. */
typedef struct
{
  Side *side;
  GList link;
  Channel *channel;
} Spare;

struct ChannelPool
{
  Bridge *bridge;
  bool running;
  Side sides[N_GUEST_BUSES];
  GuestBus turn; /* whose the next handshake is, where both want one */
};

static void refill (ChannelPool *pool);

static void
request_free (PoolRequest *request)
{
  g_queue_unlink (&request->side->requests, &request->link);
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
  Side *side = user_data;

  side->retry = sd_event_source_disable_unref (side->retry);
  refill (side->pool);
  return 0;
}

/* A channel that opens is no success yet: a guest that opens and closes them without end shall not
 * keep the host at handshakes. Only after a while without losses the waits start anew. */
static void
refill_later (Side *side)
{
  sd_event *event = side->pool->bridge->event;
  gint64 now = g_get_monotonic_time ();

  if (now - side->last_loss >= STABLE_USEC)
    side->backoff = (TunnelBackoff){ 0 };
  side->last_loss = now;

  if (side->retry == NULL
      && sd_event_add_time_relative (event, &side->retry, CLOCK_MONOTONIC,
                                     tunnel_backoff_next (&side->backoff), 0, on_retry, side)
             < 0)
    sd_event_exit (event, -ENOMEM);
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
  Side *side = spare->side;

  channel_free (spare_steal (spare, &side->warm));
  refill_later (side);
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
  Side *side = spare->side;
  PoolRequest *request = g_queue_peek_head (&side->requests);

  if (request != NULL)
    request_finish (request, spare_steal (spare, &side->opening), NULL);
  else if (!side->keeps_warm)
    channel_free (spare_steal (spare, &side->opening));
  else
    {
      g_queue_unlink (&side->opening, &spare->link);
      g_queue_push_tail_link (&side->warm, &spare->link);
      channel_set_handlers (channel, &warm_handlers, spare);
    }

  refill (side->pool);
}

/* Whoever waits longest hears of it; the others get the next attempts. */
static void
on_opening_failed (Channel *channel, const char *reason, void *user_data)
{
  Spare *spare = user_data;
  Side *side = spare->side;
  PoolRequest *request = g_queue_peek_head (&side->requests);
  g_autofree char *text = g_strdup (reason);

  channel_free (spare_steal (spare, &side->opening));
  refill_later (side);
  refill (side->pool);
  if (request != NULL)
    request_finish (request, NULL, text);
}

static const ChannelHandlers opening_handlers = {
  .opened = on_opened,
  .reply = on_warm_reply,
  .signal = on_warm_signal,
  .closed = on_opening_failed,
};

static bool
needs_channel (const Side *side)
{
  unsigned spares = side->keeps_warm ? LIMIT_SPARE_CHANNELS : 0;

  return side->retry == NULL
         && side->opening.length + side->warm.length < spares + side->requests.length;
}

static void
open_channel (Side *side)
{
  Spare *spare = g_new0 (Spare, 1);

  spare->side = side;
  spare->link.data = spare;
  spare->channel = channel_new (side->pool->bridge, side->guest_bus, &opening_handlers, spare);
  g_queue_push_tail_link (&side->opening, &spare->link);
}

/* The side whose turn it is, where it wants a channel, else the other; NULL: neither does. */
static Side *
next_side (ChannelPool *pool)
{
  for (unsigned i = 0; i < N_GUEST_BUSES; i++)
    {
      Side *side = &pool->sides[(pool->turn + i) % N_GUEST_BUSES];

      if (needs_channel (side))
        return side;
    }

  return NULL;
}

/* The guest's end does LIMIT_HANDSHAKES_MACHINE at a time, whatever bus they are for. */
static void
refill (ChannelPool *pool)
{
  Side *side;

  while (pool->running
         && pool->sides[GUEST_BUS_SYSTEM].opening.length
                    + pool->sides[GUEST_BUS_SESSION].opening.length
                < LIMIT_HANDSHAKES_MACHINE
         && (side = next_side (pool)) != NULL)
    {
      open_channel (side);
      pool->turn = (side->guest_bus + 1) % N_GUEST_BUSES;
    }
}

ChannelPool *
channel_pool_new (Bridge *bridge)
{
  ChannelPool *pool = g_new0 (ChannelPool, 1);

  pool->bridge = bridge;
  for (GuestBus guest_bus = 0; guest_bus < N_GUEST_BUSES; guest_bus++)
    {
      pool->sides[guest_bus].pool = pool;
      pool->sides[guest_bus].guest_bus = guest_bus;
    }
  pool->sides[GUEST_BUS_SYSTEM].keeps_warm = true;
  return pool;
}

static void
drop_spares (GQueue *queue)
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
  pool->sides[GUEST_BUS_SESSION].keeps_warm = false;
  for (GuestBus guest_bus = 0; guest_bus < N_GUEST_BUSES; guest_bus++)
    {
      Side *side = &pool->sides[guest_bus];

      side->backoff = (TunnelBackoff){ 0 };
      side->retry = sd_event_source_disable_unref (side->retry);
      drop_spares (&side->opening);
      drop_spares (&side->warm);
      while ((request = g_queue_peek_head (&side->requests)) != NULL)
        request_finish (request, NULL, reason);
    }
}

void
channel_pool_free (ChannelPool *pool)
{
  if (pool == NULL)
    return;

  channel_pool_stop (pool, "");
  g_free (pool);
}

void
channel_pool_set_warm (ChannelPool *pool, GuestBus guest_bus, bool warm)
{
  Side *side = &pool->sides[guest_bus];

  if (side->keeps_warm == warm)
    return;

  /* A guest that changes its mind without end shall not keep the host at handshakes: spares that it
   * made us close count as lost. */
  side->keeps_warm = warm;
  if (!warm && pool->running)
    refill_later (side);
  if (!warm)
    drop_spares (&side->warm);
  refill (pool);
}

Channel *
channel_pool_take (ChannelPool *pool, GuestBus guest_bus)
{
  GQueue *warm = &pool->sides[guest_bus].warm;
  Spare *spare = g_queue_peek_head (warm);
  Channel *channel;

  if (spare == NULL)
    return NULL;

  channel = spare_steal (spare, warm);
  refill (pool);
  return channel;
}

void
channel_pool_lost (ChannelPool *pool, GuestBus guest_bus)
{
  if (pool->running)
    refill_later (&pool->sides[guest_bus]);
}

static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  request_finish (user_data, NULL, "The guest's agent is too busy.");
  return 0;
}

PoolRequest *
channel_pool_wait (ChannelPool *pool, GuestBus guest_bus, PoolDone done, void *user_data)
{
  Side *side = &pool->sides[guest_bus];
  PoolRequest *request = g_new0 (PoolRequest, 1);

  request->side = side;
  request->link.data = request;
  request->done = done;
  request->user_data = user_data;
  g_queue_push_tail_link (&side->requests, &request->link);

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
