/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals that every local user may see: of services on the guest's system bus alone. */
#include "broadcast.h"

#include <string.h>

#include "alias.h"
#include "channel-pool.h"

struct Broadcast
{
  Bridge *bridge;
  Channel *channel;
  PoolRequest *request;
  bool running;
};

static void request_channel (Broadcast *broadcast);

static bool
on_reply (Channel *channel, const WireMessage *reply, void *user_data)
{
  return false; /* this channel asks for no replies */
}

static void
on_signal (Channel *channel, const WireMessage *signal, void *user_data)
{
  Broadcast *broadcast = user_data;
  Bridge *bridge = broadcast->bridge;
  const OwnerTable *owners = channel_get_owners (channel);
  const WireHeader *header = &signal->header;

  /* What a service says to one connection is not for all. */
  if (header->destination != NULL)
    return;

  for (guint i = 0; i < bridge->aliases->len; i++)
    {
      Alias *alias = bridge->aliases->pdata[i];
      const OwnerEntry *entry = owner_table_find (owners, alias_get_exported (alias));

      /* A session may have a name of the system bus, too, and never speaks to all. */
      if (alias_get_guest_bus (alias) == GUEST_BUS_SYSTEM && entry != NULL && entry->owner != NULL
          && strcmp (entry->owner, header->sender) == 0 && alias_is_owned (alias)
          && bridge_settings_broadcast (bridge->settings, entry->name, header->interface))
        {
          alias_send_signal (alias, signal, NULL);
          if (alias_is_full (alias))
            channel_pause (channel, true);
        }
    }
}

static void
on_closed (Channel *channel, const char *reason, void *user_data)
{
  Broadcast *broadcast = user_data;

  g_clear_pointer (&broadcast->channel, channel_free);
  channel_pool_lost (broadcast->bridge->pool, GUEST_BUS_SYSTEM);
  request_channel (broadcast);
}

static const ChannelHandlers handlers = {
  .reply = on_reply,
  .signal = on_signal,
  .closed = on_closed,
};

static void
on_pool_done (Channel *channel, const char *reason, void *user_data)
{
  Broadcast *broadcast = user_data;
  const GPtrArray *broadcasts = broadcast->bridge->settings->broadcasts;

  broadcast->request = NULL;
  if (channel == NULL)
    {
      request_channel (broadcast);
      return;
    }

  broadcast->channel = channel;
  channel_set_handlers (channel, &handlers, broadcast);
  for (guint i = 0; i < broadcasts->len; i++)
    {
      const MachineBroadcast *entry = broadcasts->pdata[i];

      if (owner_table_find (channel_get_owners (channel), entry->name) != NULL)
        channel_add_match (channel, entry->name, entry->interface);
    }
}

static void
request_channel (Broadcast *broadcast)
{
  if (broadcast->running && broadcast->request == NULL)
    broadcast->request =
        channel_pool_wait (broadcast->bridge->pool, GUEST_BUS_SYSTEM, on_pool_done, broadcast);
}

Broadcast *
broadcast_new (Bridge *bridge)
{
  Broadcast *broadcast = g_new0 (Broadcast, 1);

  broadcast->bridge = bridge;
  return broadcast;
}

void
broadcast_free (Broadcast *broadcast)
{
  if (broadcast == NULL)
    return;

  broadcast_stop (broadcast);
  g_free (broadcast);
}

void
broadcast_start (Broadcast *broadcast)
{
  broadcast->running = broadcast->bridge->settings->broadcasts->len > 0;
  request_channel (broadcast);
}

void
broadcast_stop (Broadcast *broadcast)
{
  broadcast->running = false;
  g_clear_pointer (&broadcast->request, pool_request_cancel);
  g_clear_pointer (&broadcast->channel, channel_free);
}

void
broadcast_resume (Broadcast *broadcast)
{
  if (broadcast->channel != NULL)
    channel_pause (broadcast->channel, false);
}
