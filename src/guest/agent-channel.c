/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tombolo-agent/1 channel: the exports, and their changes. */
#include "agent-channel.h"

#include <errno.h>
#include <string.h>

#include "agent-shell.h"
#include "body.h"
#include "bus-client.h"
#include "config.h"

struct AgentChannel
{
  Agent *agent;
  void (*closed) (AgentChannel *channel, Agent *agent);
  Connection *host;
  uint32_t serial;
  bool subscribed;
  struct AgentShells *shells;
};

static uint32_t
next_serial (AgentChannel *channel)
{
  if (++channel->serial == 0)
    channel->serial = 1;
  return channel->serial;
}

static void
write_export (WireWriter *body, GuestBus bus, const OwnerEntry *entry)
{
  wire_writer_string (body, guest_bus_to_string (bus));
  wire_writer_string (body, entry->name);
  wire_writer_string (body, entry->owner != NULL ? entry->owner : "");
  wire_writer_boolean (body, entry->activatable);
}

/* A host that reads nothing is no host: its channel ends where the queue does. */
static void
send (AgentChannel *channel, WireHeader *header, WireWriter *body)
{
  size_t size;
  const uint8_t *data = wire_writer_data (body, &size);

  header->byte_order = wire_native_byte_order ();
  header->flags = WIRE_NO_REPLY_EXPECTED;
  header->serial = next_serial (channel);
  if (connection_send (channel->host, header, data, size) == -ENOBUFS)
    connection_abort (channel->host, -ENOBUFS);
}

static void
answer_subscribe (AgentChannel *channel, const WireHeader *call)
{
  WireHeader header = { .type = WIRE_METHOD_RETURN,
                        .reply_serial = call->serial,
                        .signature = "sa(sssb)" };
  WireWriter *body = wire_writer_new ();
  size_t mark;

  wire_writer_string (body, TOMBOLO_VERSION);
  mark = wire_writer_begin_array (body, 8);
  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      const OwnerTable *exports = agent_get_exports (channel->agent, bus);

      for (unsigned i = 0; i < exports->n_entries; i++)
        {
          wire_writer_begin_struct (body);
          write_export (body, bus, &exports->entries[i]);
        }
    }
  wire_writer_end_array (body, mark);

  channel->subscribed = true;
  send (channel, &header, body);
  wire_writer_free (body);
}

/* Whether the call is about imports, and was taken. */
static bool
take_import_call (AgentChannel *channel, const WireMessage *call)
{
  Imports *imports = agent_get_imports (channel->agent);
  WireHeader header = { .type = WIRE_METHOD_RETURN,
                        .reply_serial = call->header.serial,
                        .signature = "as" };
  WireWriter *refused;

  if (imports_change (imports, call))
    return true;
  if (!imports_set (imports, call, &refused))
    return false;

  send (channel, &header, refused);
  wire_writer_free (refused);
  return true;
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  const WireHeader *header = &message->header;
  AgentChannel *channel = user_data;

  if (header->type != WIRE_METHOD_CALL)
    {
      agent_complain (channel->agent, "The host sent what is not a call; its channel is closed.");
      connection_abort (connection, -EPROTO);
    }
  else if (g_strcmp0 (header->interface, AGENT_INTERFACE) == 0
           && strcmp (header->member, "Subscribe") == 0 && header->signature[0] == '\0')
    answer_subscribe (channel, header);
  else if (g_strcmp0 (header->interface, AGENT_INTERFACE) != 0
           || (!take_import_call (channel, message)
               && !agent_shells_take_call (channel->shells, message)))
    connection_send_error (connection, header, next_serial (channel), NULL, NULL,
                           "org.freedesktop.DBus.Error.UnknownMethod",
                           "This agent does not know that method.");
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  AgentChannel *channel = user_data;

  channel->closed (channel, channel->agent);
}

static const ConnectionHandlers handlers = { .message = on_message, .closed = on_closed };

AgentChannel *
agent_channel_new (Agent *agent, Stream *stream,
                   void (*closed) (AgentChannel *channel, Agent *agent))
{
  AgentChannel *channel = g_new0 (AgentChannel, 1);

  channel->agent = agent;
  channel->closed = closed;
  channel->shells = agent_shells_new (agent, channel);
  if (connection_new (agent_get_event (agent), stream, &handlers, channel, &channel->host) < 0)
    {
      stream_free (stream);
      agent_shells_free (channel->shells);
      g_free (channel);
      return NULL;
    }

  return channel;
}

void
agent_channel_free (AgentChannel *channel)
{
  if (channel == NULL)
    return;

  agent_shells_free (channel->shells);
  connection_free (channel->host);
  g_free (channel);
}

void
agent_channel_reply (AgentChannel *channel, uint32_t serial, const char *signature,
                     WireWriter *body)
{
  WireHeader header = { .type = WIRE_METHOD_RETURN,
                        .reply_serial = serial,
                        .signature = signature };

  send (channel, &header, body);
}

void
agent_channel_fail (AgentChannel *channel, uint32_t serial, const char *error_name,
                    const char *text)
{
  const WireHeader call = { .type = WIRE_METHOD_CALL, .serial = serial };

  connection_send_error (channel->host, &call, next_serial (channel), NULL, NULL, error_name, text);
}

void
agent_channel_send_change (AgentChannel *channel, GuestBus bus, const OwnerEntry *entry)
{
  WireHeader header = { .type = WIRE_SIGNAL,
                        .path = AGENT_PATH,
                        .interface = AGENT_INTERFACE,
                        .member = "ExportChanged",
                        .signature = "sssb" };
  WireWriter *body;

  if (!channel->subscribed)
    return;

  body = wire_writer_new ();
  write_export (body, bus, entry);
  send (channel, &header, body);
  wire_writer_free (body);
}

void
agent_channel_send_import_caller (AgentChannel *channel, uint32_t id)
{
  WireHeader header = { .type = WIRE_SIGNAL,
                        .path = AGENT_PATH,
                        .interface = AGENT_INTERFACE,
                        .member = "ImportCaller",
                        .signature = "u" };
  WireWriter *body = wire_writer_new ();

  wire_writer_uint32 (body, id);
  send (channel, &header, body);
  wire_writer_free (body);
}
