/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that services make to the caller behind a channel. Owners of exported names alone may; each
 * call gets a serial of the agent's own, and its answer finds the way back. Whether the caller has
 * anything to do with that service is the bridge's to say. */
#pragma once

#include "agent.h"
#include "bus-client.h"
#include "call-map.h"

typedef struct
{
  Agent *agent;
  const void *channel; /* the owner of its streams */
  Connection *host;
  BusClient *bus; /* NULL until the channel is opened */
  const OwnerTable *owners;
  CallMap calls;
  uint32_t serial;
} Callbacks;

/* All have to outlive it. */
void callbacks_init (Callbacks *callbacks, Agent *agent, const void *channel, Connection *host,
                     const OwnerTable *owners);
void callbacks_clear (Callbacks *callbacks);

/* A METHOD_CALL that came from the bus: passed on to the host, its descriptors announced, or
 * refused. */
void callbacks_take_call (Callbacks *callbacks, const WireMessage *call);

/* A METHOD_RETURN or ERROR that came from the host, with the descriptors that were announced, which
 * are taken or left. What answers no call is dropped. */
void callbacks_take_answer (Callbacks *callbacks, const WireMessage *answer, FdList *fds);

/* The owners have changed: who owns nothing any more is not kept waiting. */
void callbacks_owners_changed (Callbacks *callbacks);

/* An error to a service, unless its call wants no reply. */
void callbacks_refuse (Callbacks *callbacks, const WireHeader *call, const char *error_name,
                       const char *text);
