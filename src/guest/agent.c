/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's agent as a whole. */
#include "agent.h"

#include <gio/gio.h>
#include <stdio.h>

#include "agent-channel.h"
#include "channel.h"
#include "limit.h"
#include "log.h"
#include "refusals.h"
#include "session.h"
#include "streams.h"

/* A channel for each caller, the spares of each bus, and one for broadcasts. */
#define LIMIT_CHANNELS (LIMIT_CALLERS_MACHINE + N_GUEST_BUSES * LIMIT_SPARE_CHANNELS + 1)

struct Agent
{
  sd_event *event;
  const GuestPolicy *policy;
  char *bus_path;
  SessionLink *session; /* NULL: none is exported */
  Exports *exports[N_GUEST_BUSES];
  Imports *imports;
  TunnelListener *listener;
  GHashTable *channels; /* GuestChannel, a set */
  AgentChannel *control;
  GuestStreams *streams;
  Refusals *refusals;
  RateLimit complaints;
  RateLimit session_changes;
};

static void
on_channel_closed (GuestChannel *channel, Agent *agent)
{
  g_hash_table_remove (agent->channels, channel);
}

/* What came with a bridge goes with it: of one that was cut off the other channels never tell. */
static void
drop_bridge (Agent *agent)
{
  imports_clear (agent->imports);
  g_clear_pointer (&agent->control, agent_channel_free);
  g_hash_table_remove_all (agent->channels);
  guest_streams_close (agent->streams);
}

static void
on_control_closed (AgentChannel *channel, Agent *agent)
{
  log_notice (NULL, "The host's bridge is gone.");
  refusals_set_state (agent->refusals, "Not connected");
  drop_bridge (agent);
}

static void
add_channel (Agent *agent, Stream *stream)
{
  GuestChannel *channel;

  if (g_hash_table_size (agent->channels) >= LIMIT_CHANNELS)
    {
      agent_complain (agent, "The host opened more than %d channels; one is closed.",
                      LIMIT_CHANNELS);
      stream_free (stream);
      return;
    }

  channel = guest_channel_new (agent, stream, on_channel_closed);
  if (channel != NULL)
    g_hash_table_add (agent->channels, channel);
}

/* The newest wins: a bridge that was killed may leave its connection behind for a while. */
static void
replace_control (Agent *agent, Stream *stream)
{
  drop_bridge (agent);
  agent->control = agent_channel_new (agent, stream, on_control_closed);
  refusals_set_state (agent->refusals, "Connected");
  log_message (LOG_LEVEL_NOTICE, NULL, LOG_ID_TUNNEL_UP, "The host's bridge is connected.");
}

static void
on_session (Stream *stream, ChannelKind kind, const GError *error, void *user_data)
{
  Agent *agent = user_data;

  if (stream == NULL)
    {
      refusals_count (agent->refusals, REFUSED_HANDSHAKE);
      if (rate_limit_pass (&agent->complaints))
        log_message (LOG_LEVEL_WARNING, NULL, LOG_ID_TUNNEL_REFUSED, "A connection was refused: %s",
                     error->message);
      return;
    }

  switch (kind)
    {
    case CHANNEL_BUS:
      add_channel (agent, stream);
      break;
    case CHANNEL_AGENT:
      replace_control (agent, stream);
      break;
    default:
      guest_streams_take (agent->streams, stream);
      break;
    }
}

static void
on_export_changed (GuestBus bus, const OwnerEntry *entry, void *user_data)
{
  Agent *agent = user_data;

  if (agent->control != NULL)
    agent_channel_send_change (agent->control, bus, entry);
}

static gboolean
is_of_session (gpointer channel, gpointer value, gpointer user_data)
{
  return guest_channel_get_bus (channel) == GUEST_BUS_SESSION;
}

/* Without its helper the agent keeps nothing of a session: who stops the helper has taken back all
 * that it lent. */
static void
on_session_changed (SessionLink *link, void *user_data)
{
  Agent *agent = user_data;

  if (rate_limit_pass (&agent->session_changes))
    log_notice (NULL,
                session_link_is_up (link) ? "The session of user “%s” is there."
                                          : "The session of user “%s” has ended.",
                agent->policy->user);
  exports_session_changed (agent->exports[GUEST_BUS_SESSION]);
  g_hash_table_foreach_remove (agent->channels, is_of_session, NULL);
}

/* That nothing of a session can be exported is no reason not to serve the system bus. */
static void
open_session (Agent *agent, const char *directory, uid_t user)
{
  g_autoptr (GError) error = NULL;

  if (directory == NULL)
    return;

  agent->session =
      session_link_new (agent->event, directory, user, on_session_changed, agent, &error);
  if (agent->session == NULL)
    log_error (NULL, "No session bus is exported: %s", error->message);
}

static void
call_import (uint32_t id, void *user_data)
{
  Agent *agent = user_data;

  if (agent->control != NULL)
    agent_channel_send_import_caller (agent->control, id);
}

static void
complain_of_import (const char *what, void *user_data)
{
  agent_complain (user_data, "%s", what);
}

static const ImportsOperations imports_operations = { .call = call_import,
                                                      .complain = complain_of_import };

int
agent_new (sd_event *event, const Identity *identity, int interface_index,
           const GuestPolicy *policy, const char *bus_path, const char *session_directory,
           uid_t session_user, Agent **ret_agent, GError **error)
{
  g_autoptr (TunnelContext) context = tunnel_context_new (identity, error);
  Agent *agent;
  int r;

  if (context == NULL)
    return -EINVAL;

  agent = g_new0 (Agent, 1);
  agent->event = sd_event_ref (event);
  agent->policy = policy;
  agent->bus_path = g_strdup (bus_path);
  agent->refusals = refusals_new (event, "Not connected");
  agent->streams = guest_streams_new (agent);
  agent->channels = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) guest_channel_free, NULL);

  r = tunnel_listen (event, context, interface_index, on_session, agent, &agent->listener);
  if (r < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (-r),
                   "Cannot listen on port %d of interface %d: %s", TUNNEL_PORT, interface_index,
                   g_strerror (-r));
      agent_free (agent);
      return r;
    }

  open_session (agent, session_directory, session_user);
  agent->exports[GUEST_BUS_SYSTEM] =
      exports_new (event, GUEST_BUS_SYSTEM, bus_path, NULL,
                   agent_get_names (agent, GUEST_BUS_SYSTEM), on_export_changed, agent);
  agent->exports[GUEST_BUS_SESSION] =
      exports_new (event, GUEST_BUS_SESSION, NULL, agent->session,
                   agent_get_names (agent, GUEST_BUS_SESSION), on_export_changed, agent);
  agent->imports = imports_new (event, bus_path, policy, &imports_operations, agent);
  *ret_agent = agent;
  return 0;
}

void
agent_free (Agent *agent)
{
  if (agent == NULL)
    return;

  tunnel_listener_free (agent->listener);
  agent_channel_free (agent->control);
  g_hash_table_unref (agent->channels);
  guest_streams_free (agent->streams);
  imports_free (agent->imports);
  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    exports_free (agent->exports[bus]);
  session_link_free (agent->session);
  refusals_free (agent->refusals);
  sd_event_unref (agent->event);
  g_free (agent->bus_path);
  g_free (agent);
}

sd_event *
agent_get_event (const Agent *agent)
{
  return agent->event;
}

const char *
agent_get_bus_path (const Agent *agent)
{
  return agent->bus_path;
}

SessionLink *
agent_get_session (const Agent *agent)
{
  return agent->session;
}

const char *const *
agent_get_names (const Agent *agent, GuestBus bus)
{
  return (const char *const *) agent->policy->buses[bus].names;
}

const OwnerTable *
agent_get_exports (const Agent *agent, GuestBus bus)
{
  return exports_get_table (agent->exports[bus]);
}

GuestStreams *
agent_get_streams (Agent *agent)
{
  return agent->streams;
}

const GPtrArray *
agent_get_rules (const Agent *agent, GuestBus bus)
{
  return agent->policy->buses[bus].rules;
}

Imports *
agent_get_imports (const Agent *agent)
{
  return agent->imports;
}

void
agent_complain (Agent *agent, const char *format, ...)
{
  char text[LIMIT_LOG_LINE];
  va_list arguments;

  refusals_count (agent->refusals, REFUSED_MESSAGE);
  if (!rate_limit_pass (&agent->complaints))
    return;

  va_start (arguments, format);
  vsnprintf (text, sizeof text, format, arguments);
  va_end (arguments);
  log_warning (NULL, "%s", text);
}
