/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's agent as a whole: its listener, its exports, its channels. */
#pragma once

#include <systemd/sd-event.h>

#include "exports.h"
#include "identity.h"
#include "imports.h"
#include "policy.h"
#include "rate-limit.h"

/* The agent's interface on its channels: peer-to-peer D-Bus, there is no bus in between. */
#define AGENT_NAME "org.tombolo.Agent1"
#define AGENT_PATH "/org/tombolo/Agent1"
#define AGENT_INTERFACE "org.tombolo.Agent1"
#define AGENT_CHANNEL_INTERFACE "org.tombolo.Agent1.Channel"

typedef struct Agent Agent;
typedef struct GuestStreams GuestStreams;

/* Listens on the interface and watches the buses; the system bus is at `bus_path`, and helpers in
 * the session of `session_user` come to a socket in `session_directory` (NULL: no session is
 * exported). What is exported is `policy`'s, which has to outlive the agent. Negative: -errno with
 * `error` set. */
int agent_new (sd_event *event, const Identity *identity, int interface_index,
               const GuestPolicy *policy, const char *bus_path, const char *session_directory,
               uid_t session_user, Agent **ret_agent, GError **error);
void agent_free (Agent *agent);

/* For its channels. */
sd_event *agent_get_event (const Agent *agent);
const char *agent_get_bus_path (const Agent *agent);
/* NULL where no session is exported. */
SessionLink *agent_get_session (const Agent *agent);
const char *const *agent_get_names (const Agent *agent, GuestBus bus);
const OwnerTable *agent_get_exports (const Agent *agent, GuestBus bus);
const GPtrArray *agent_get_rules (const Agent *agent, GuestBus bus); /* CallRule */
GuestStreams *agent_get_streams (Agent *agent);
Imports *agent_get_imports (const Agent *agent);
/* Logs what the host's end, or a service, did against the rules; not too often. */
void agent_complain (Agent *agent, const char *format, ...) G_GNUC_PRINTF (2, 3);
