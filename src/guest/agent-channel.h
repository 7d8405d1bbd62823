/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tombolo-agent/1 channel: peer-to-peer D-Bus, on which the bridge learns the exports.
 *
 *   Subscribe () -> (s version, a(sssb) exports: bus, name, owner or "", activatable)
 *   signal ExportChanged (s bus, s name, s owner, b activatable), from then on
 *
 * and what imports.h tells of imports. The bus is “system” or “session”.
 */
#pragma once

#include "agent.h"
#include "body.h"
#include "stream.h"

typedef struct AgentChannel AgentChannel;

/* Takes `stream`. `closed` is called once, when the channel has to be freed. */
AgentChannel *agent_channel_new (Agent *agent, Stream *stream,
                                 void (*closed) (AgentChannel *channel, Agent *agent));
void agent_channel_free (AgentChannel *channel);

void agent_channel_send_change (AgentChannel *channel, GuestBus bus, const OwnerEntry *entry);
void agent_channel_send_import_caller (AgentChannel *channel, uint32_t id);

/* Answers a call that had to wait; the body stays the caller's. */
void agent_channel_reply (AgentChannel *channel, uint32_t serial, const char *signature,
                          WireWriter *body);
void agent_channel_fail (AgentChannel *channel, uint32_t serial, const char *error_name,
                         const char *text);
