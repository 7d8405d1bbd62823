/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the tunnel into the guest: finds the agent, subscribes to its exports on a tombolo-agent/1
 * channel, and comes back when that breaks. The tunnel is up while that channel is. */
#pragma once

#include "body.h"
#include "bridge.h"

typedef struct TunnelManager TunnelManager;

/* Tells bridge_tunnel_up(), bridge_export_changed(), bridge_tunnel_down(). */
TunnelManager *tunnel_manager_new (Bridge *bridge);
void tunnel_manager_free (TunnelManager *manager);

bool tunnel_manager_is_up (const TunnelManager *manager);
/* Why it is not up: a sentence, or empty where it is. */
const char *tunnel_manager_get_reason (const TunnelManager *manager);

/* Calls a method of the agent's on its control channel, while the tunnel is up: `call` says what is
 * special about it, and the body is freed. Returns the call's serial. */
uint32_t tunnel_manager_call (TunnelManager *manager, const WireHeader *call, WireWriter *body);

/* tunnel_connect() to where the agent was found. */
int tunnel_manager_connect (TunnelManager *manager, ChannelKind kind, TunnelDone done,
                            void *user_data, TunnelAttempt **ret_attempt);
