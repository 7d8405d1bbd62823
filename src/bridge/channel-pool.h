/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Channels, opened ahead of the first call that needs one: for each of the guest's buses
 * LIMIT_SPARE_CHANNELS wait warm while the tunnel is up, and are made up for off the call path. */
#pragma once

#include "channel.h"

typedef struct ChannelPool ChannelPool;
typedef struct PoolRequest PoolRequest;

/* An open channel, the callee's, with handlers to be set; or NULL and why, a sentence. Never called
 * from within channel_pool_wait(). The request is gone. */
typedef void (*PoolDone) (Channel *channel, const char *reason, void *user_data);

ChannelPool *channel_pool_new (Bridge *bridge);
/* Every request has been cancelled before. */
void channel_pool_free (ChannelPool *pool);

/* With the tunnel. Stopping fails every request with `reason`. */
void channel_pool_start (ChannelPool *pool);
void channel_pool_stop (ChannelPool *pool, const char *reason);

/* Whether channels to that bus are kept warm: at first those to the system bus alone. */
void channel_pool_set_warm (ChannelPool *pool, GuestBus guest_bus, bool warm);

/* A warm channel, the caller's, or NULL. */
Channel *channel_pool_take (ChannelPool *pool, GuestBus guest_bus);

/* Waits for one, at most LIMIT_CHANNEL_WAIT_USEC. */
PoolRequest *channel_pool_wait (ChannelPool *pool, GuestBus guest_bus, PoolDone done,
                                void *user_data);
/* A channel that nobody on the host had asked to use was closed: the next ones wait a little. */
void channel_pool_lost (ChannelPool *pool, GuestBus guest_bus);

void pool_request_cancel (PoolRequest *request);
