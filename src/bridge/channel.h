/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end of one tombolo-bus/1 channel. What the guest says on it is checked here: whatever
 * is against the rules is logged and ends the channel. */
#pragma once

#include "bridge.h"
#include "call-rule.h"
#include "connection.h"
#include "crossing.h"
#include "owner-table.h"

typedef struct Channel Channel;

/* Any may free the channel. None is called from within a call of the owner's. */
typedef struct
{
  /* It is open. May be NULL once it is. */
  void (*opened) (Channel *channel, void *user_data);
  /* A METHOD_RETURN or ERROR. False: nobody waits for it. */
  bool (*reply) (Channel *channel, const WireMessage *reply, void *user_data);
  /* A signal of an exported name's owner, or the bus driver's NameOwnerChanged, which the table
   * of owners shows already. */
  void (*signal) (Channel *channel, const WireMessage *signal, void *user_data);
  /* A METHOD_CALL of an exported name's owner. NULL: refused, there is nobody to call. */
  void (*call) (Channel *channel, const WireMessage *call, void *user_data);
  /* The end, once. `reason` is a sentence without control characters. */
  void (*closed) (Channel *channel, const char *reason, void *user_data);
  void (*drained) (Channel *channel, void *user_data); /* may be NULL */
} ChannelHandlers;

/* Begins to open one to that bus. */
Channel *channel_new (Bridge *bridge, GuestBus guest_bus, const ChannelHandlers *handlers,
                      void *user_data);
void channel_free (Channel *channel);

void channel_set_handlers (Channel *channel, const ChannelHandlers *handlers, void *user_data);

/* The guest bus's name for it, and the owners of exported names; once it is open. */
const char *channel_get_unique_name (const Channel *channel);
const OwnerTable *channel_get_owners (const Channel *channel);

/* As connection_send(). */
int channel_send (Channel *channel, const WireHeader *header, const void *body, size_t body_size);
/* A reply to a call of the guest's; `header` says all but the serial. Where it does not fit, an
 * error in its place. */
void channel_send_reply (Channel *channel, WireHeader *header, const void *body, size_t body_size);
/* An error as the reply to a call of the guest's, unless that wants none. */
void channel_refuse (Channel *channel, const WireHeader *call, const char *error_name,
                     const char *text);
/* Tells the guest what the descriptors of the next message are. Returns the serial of the call, for
 * streams_add(), or 0 where it does not fit. */
uint32_t channel_announce (Channel *channel, const Crossing *crossing);
/* Within the callback of a message: its descriptors, or NULL where it has none. */
Crossing *channel_get_crossing (Channel *channel);
/* Who pays for what it holds from now on; the machine as a whole at first. */
void channel_set_budget (Channel *channel, ConnectionBudget *budget);
size_t channel_get_queued (const Channel *channel);
void channel_pause (Channel *channel, bool paused);

/* Tells the guest for whom the channel is from now on: its rules may ask. */
void channel_set_caller (Channel *channel, const CallRuleCaller *caller);

/* Lets signals of `name` through, of `interface` or, where that is NULL, of every one. */
void channel_add_match (Channel *channel, const char *name, const char *interface);

/* Logs what the guest did and ends the channel. */
void channel_misbehaved (Channel *channel, const char *what);
