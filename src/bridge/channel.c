/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end of one tombolo-bus/1 channel. */
#include "channel.h"

#include <errno.h>
#include <string.h>

#include "body.h"
#include "bus-client.h"
#include "error.h"
#include "forward.h"
#include "limit.h"
#include "streams.h"
#include "tunnel-manager.h"

/* The agent's interface on its channels (src/guest/agent.h). */
#define AGENT_NAME "org.tombolo.Agent1"
#define AGENT_PATH "/org/tombolo/Agent1"
#define AGENT_CHANNEL_INTERFACE "org.tombolo.Agent1.Channel"

/* Serials of calls of the bridge's own: below the agent's, above any caller's that is met. */
#define CHANNEL_OWN_SERIALS 0xE0000000U

struct Channel
{
  Bridge *bridge;
  GuestBus guest_bus;
  const ChannelHandlers *handlers;
  void *user_data;
  TunnelAttempt *attempt;
  Stream *stream; /* the connection's */
  Connection *connection;
  sd_event_source *deadline; /* until it is open; then gone */
  uint32_t serial;
  char *unique_name;
  OwnerTable owners;
  Crossing *announced; /* of the next message */
  Crossing *crossing;  /* of the one that is being handled */
};

static void
channel_fail (Channel *channel, const char *reason)
{
  channel->handlers->closed (channel, reason, channel->user_data);
}

void
channel_misbehaved (Channel *channel, const char *what)
{
  refusals_count (channel->bridge->refusals, REFUSED_MESSAGE);
  bridge_complain (channel->bridge, LOG_ID_GUEST_MISBEHAVED,
                   "A channel was closed because the guest broke the rules: %s.", what);
  connection_abort (channel->connection, -EPROTO);
}

/* --- Opening --- */

static const char *
read_owners (Channel *channel, const WireMessage *reply)
{
  const char *unique, *name, *owner;
  WireReader reader;
  size_t end;

  wire_reader_init (&reader, reply);
  if (strcmp (reply->header.signature, "sa(ss)") != 0 || !wire_reader_string (&reader, &unique)
      || !wire_bus_name_is_unique (unique) || !wire_reader_array (&reader, &end))
    return "its answer to Open is wrong";

  while (reader.offset < end)
    {
      OwnerEntry *entry;

      wire_reader_element (&reader);
      if (!wire_reader_struct (&reader) || !wire_reader_string (&reader, &name)
          || !wire_reader_string (&reader, &owner) || !bridge_export_is_valid (name, owner)
          || (entry = owner_table_add (&channel->owners, name)) == NULL)
        return "its list of exported names is wrong";
      owner_entry_set (entry, owner);
    }

  channel->unique_name = g_strdup (unique);
  return NULL;
}

static void
take_opening (Channel *channel, const WireMessage *message)
{
  const char *problem = "it sent something else than the answer to Open";

  if (message->header.type == WIRE_ERROR)
    {
      WireReader reader;
      const char *text = "";
      g_autofree char *reason = NULL;

      wire_reader_init (&reader, message);
      wire_reader_string (&reader, &text);
      reason = log_text (text, LIMIT_LOG_LINE / 4);
      channel_fail (channel, reason);
      return;
    }

  if (message->header.type == WIRE_METHOD_RETURN)
    problem = read_owners (channel, message);
  if (problem != NULL)
    {
      channel_misbehaved (channel, problem);
      return;
    }

  channel->deadline = sd_event_source_disable_unref (channel->deadline);
  channel->handlers->opened (channel, channel->user_data);
}

/* --- Open --- */

static void
take_signal (Channel *channel, const WireMessage *message)
{
  const char *sender = message->header.sender;

  if (sender != NULL && strcmp (sender, BUS_DRIVER_NAME) == 0)
    {
      /* One of an owner that went while the channel was opened is no fault. */
      if (owner_table_take_signal (&channel->owners, message, NULL) == OWNER_SIGNAL_OTHER)
        return;
    }
  else if (sender == NULL || owner_table_find_owner (&channel->owners, sender) == NULL)
    {
      channel_misbehaved (channel, "it sent a signal of somebody who owns no exported name");
      return;
    }

  channel->handlers->signal (channel, message, channel->user_data);
}

static void
take_call (Channel *channel, const WireMessage *message)
{
  const WireHeader *header = &message->header;

  if (header->sender == NULL || owner_table_find_owner (&channel->owners, header->sender) == NULL)
    channel_misbehaved (channel, "it sent a call of somebody who owns no exported name");
  else if (channel->handlers->call == NULL)
    channel_refuse (channel, header, tombolo_error_name (TOMBOLO_ERROR_ACCESS_DENIED),
                    "Nobody on the host uses this connection.");
  else
    channel->handlers->call (channel, message, channel->user_data);
}

/* The agent's own call: what the descriptors of the next message are. */
static bool
is_announcement (const WireHeader *header)
{
  return header->type == WIRE_METHOD_CALL && header->sender == NULL
         && g_strcmp0 (header->interface, AGENT_CHANNEL_INTERFACE) == 0
         && strcmp (header->member, CROSSING_MEMBER) == 0;
}

static void
take_announcement (Channel *channel, const WireMessage *message)
{
  bool again = channel->announced != NULL;

  if (!again)
    channel->announced = crossing_read (message);
  if (again || channel->announced == NULL || message->header.n_descriptors > 0)
    channel_misbehaved (channel, "it announced descriptors wrongly");
}

/* Answers to our own announcements, and replies to the caller's calls. */
static void
take_reply (Channel *channel, const WireMessage *message)
{
  const WireHeader *header = &message->header;

  bool of_own = (header->reply_serial & CHANNEL_OWN_SERIALS) == CHANNEL_OWN_SERIALS;

  if (of_own
      && streams_answered (channel->bridge->streams, channel, header->reply_serial,
                           header->type == WIRE_METHOD_RETURN))
    return;
  /* The answer to an announcement may come when its streams have ended. */
  if (!channel->handlers->reply (channel, message, channel->user_data) && !of_own)
    channel_misbehaved (channel, "it sent a reply to a call that nobody made");
}

static void
take_message (Channel *channel, const WireMessage *message)
{
  const WireHeader *header = &message->header;
  size_t announced = channel->crossing != NULL ? channel->crossing->n_descriptors : 0;

  if (header->n_descriptors != announced || (announced > 0 && header->type == WIRE_SIGNAL))
    channel_misbehaved (channel, "it sent a message with other descriptors than it announced");
  else if (header->type == WIRE_SIGNAL)
    take_signal (channel, message);
  else if (header->type == WIRE_METHOD_CALL)
    take_call (channel, message);
  else
    take_reply (channel, message);
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  Channel *channel = user_data;

  if (channel->unique_name == NULL)
    take_opening (channel, message);
  else if (is_announcement (&message->header))
    take_announcement (channel, message);
  else
    {
      /* The channel may be freed meanwhile. */
      g_autoptr (Crossing) crossing = g_steal_pointer (&channel->announced);

      channel->crossing = crossing;
      take_message (channel, message);
    }
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  Channel *channel = user_data;
  const char *failure = tunnel_stream_get_failure (channel->stream);
  g_autofree char *text = NULL;

  if (reason > 0)
    {
      refusals_count (channel->bridge->refusals, REFUSED_MESSAGE);
      bridge_complain (channel->bridge, LOG_ID_GUEST_MISBEHAVED,
                       "A channel was closed because the guest sent a bad message: %s.",
                       connection_reason_to_string (reason));
    }

  text = failure != NULL
             ? g_strdup_printf ("%s.", failure)
             : g_strdup_printf ("The channel ended: %s.", connection_reason_to_string (reason));
  channel_fail (channel, text);
}

static void
on_drained (Connection *connection, void *user_data)
{
  Channel *channel = user_data;

  if (channel->handlers->drained != NULL)
    channel->handlers->drained (channel, channel->user_data);
}

static const ConnectionHandlers connection_handlers = {
  .message = on_message,
  .closed = on_closed,
  .drained = on_drained,
};

static uint32_t
next_serial (Channel *channel)
{
  return CHANNEL_OWN_SERIALS | (channel->serial++ & 0x0FFFFFFFU);
}

/* A call of the bridge's own; the body is freed. Returns its serial, or 0 where it was not sent. */
static uint32_t
send_own (Channel *channel, const WireHeader *call, WireWriter *body)
{
  WireHeader header = *call;
  const uint8_t *data;
  size_t size;
  int r;

  header.byte_order = wire_native_byte_order ();
  header.type = WIRE_METHOD_CALL;
  header.serial = next_serial (channel);
  data = wire_writer_data (body, &size);
  r = connection_send (channel->connection, &header, data, size);
  wire_writer_free (body);
  return r < 0 ? 0 : header.serial;
}

static void
on_session (Stream *stream, ChannelKind kind, const GError *error, void *user_data)
{
  Channel *channel = user_data;
  static const WireHeader open = { .path = AGENT_PATH,
                                   .interface = AGENT_CHANNEL_INTERFACE,
                                   .member = "Open",
                                   .destination = AGENT_NAME,
                                   .signature = "s" };
  WireWriter *body;

  g_clear_pointer (&channel->attempt, tunnel_attempt_free);
  if (stream == NULL)
    {
      if (tunnel_error_is_refusal (error))
        refusals_count (channel->bridge->refusals, REFUSED_HANDSHAKE);
      channel_fail (channel, error->message);
      return;
    }
  if (connection_new (channel->bridge->event, stream, &connection_handlers, channel,
                      &channel->connection)
      < 0)
    {
      stream_free (stream);
      channel_fail (channel, "The host is out of resources.");
      return;
    }

  channel->stream = stream;
  connection_set_budget (channel->connection, &channel->bridge->budget);
  body = wire_writer_new ();
  wire_writer_string (body, guest_bus_to_string (channel->guest_bus));
  send_own (channel, &open, body);
}

static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  channel_fail (user_data, "The guest's agent did not open a channel in time.");
  return 0;
}

/* The attempt could not begin; told from the loop like any failure. */
static int
on_no_attempt (sd_event_source *source, uint64_t time, void *user_data)
{
  channel_fail (user_data, "The control link is not there.");
  return 0;
}

Channel *
channel_new (Bridge *bridge, GuestBus guest_bus, const ChannelHandlers *handlers, void *user_data)
{
  Channel *channel = g_new0 (Channel, 1);
  int r;

  channel->bridge = bridge;
  channel->guest_bus = guest_bus;
  channel->handlers = handlers;
  channel->user_data = user_data;

  r = tunnel_manager_connect (bridge->tunnel, CHANNEL_BUS, on_session, channel, &channel->attempt);
  if (sd_event_add_time_relative (bridge->event, &channel->deadline, CLOCK_MONOTONIC,
                                  r < 0 ? 0 : LIMIT_HANDSHAKE_TIME_USEC + LIMIT_CHANNEL_TIME_USEC,
                                  0, r < 0 ? on_no_attempt : on_deadline, channel)
      < 0)
    sd_event_exit (bridge->event, -ENOMEM);

  return channel;
}

void
channel_free (Channel *channel)
{
  if (channel == NULL)
    return;

  streams_drop_owner (channel->bridge->streams, channel);
  crossing_free (channel->announced);
  tunnel_attempt_free (channel->attempt);
  connection_free (channel->connection);
  sd_event_source_disable_unref (channel->deadline);
  owner_table_clear (&channel->owners);
  g_free (channel->unique_name);
  g_free (channel);
}

void
channel_set_handlers (Channel *channel, const ChannelHandlers *handlers, void *user_data)
{
  channel->handlers = handlers;
  channel->user_data = user_data;
}

const char *
channel_get_unique_name (const Channel *channel)
{
  return channel->unique_name;
}

const OwnerTable *
channel_get_owners (const Channel *channel)
{
  return &channel->owners;
}

int
channel_send (Channel *channel, const WireHeader *header, const void *body, size_t body_size)
{
  return connection_send (channel->connection, header, body, body_size);
}

uint32_t
channel_announce (Channel *channel, const Crossing *crossing)
{
  static const WireHeader announcement = { .path = AGENT_PATH,
                                           .interface = AGENT_CHANNEL_INTERFACE,
                                           .member = CROSSING_MEMBER,
                                           .destination = AGENT_NAME,
                                           .signature = CROSSING_SIGNATURE };
  WireWriter *body = wire_writer_new ();

  crossing_write (crossing, body);
  return send_own (channel, &announcement, body);
}

Crossing *
channel_get_crossing (Channel *channel)
{
  return channel->crossing;
}

/* A guest that calls and reads nothing ends its channel. */
static void
end_where_full (Channel *channel, int result)
{
  if (result == -ENOBUFS)
    connection_abort (channel->connection, -ENOBUFS);
}

void
channel_send_reply (Channel *channel, WireHeader *header, const void *body, size_t body_size)
{
  header->serial = next_serial (channel);
  end_where_full (channel, forward_send_reply (channel->connection, header, body, body_size, NULL));
}

void
channel_refuse (Channel *channel, const WireHeader *call, const char *error_name, const char *text)
{
  end_where_full (channel, connection_send_error (channel->connection, call, next_serial (channel),
                                                  NULL, NULL, error_name, text));
}

void
channel_set_budget (Channel *channel, ConnectionBudget *budget)
{
  connection_set_budget (channel->connection, budget);
}

size_t
channel_get_queued (const Channel *channel)
{
  return connection_get_queued (channel->connection);
}

void
channel_pause (Channel *channel, bool paused)
{
  connection_pause (channel->connection, paused);
}

void
channel_add_match (Channel *channel, const char *name, const char *interface)
{
  g_autofree char *rule = g_strdup_printf (
      "type='signal',sender='%s'%s%s%s", name, interface != NULL ? ",interface='" : "",
      interface != NULL ? interface : "", interface != NULL ? "'" : "");
  static const WireHeader add_match = { .flags = WIRE_NO_REPLY_EXPECTED,
                                        .path = BUS_DRIVER_PATH,
                                        .interface = BUS_DRIVER_INTERFACE,
                                        .member = "AddMatch",
                                        .destination = BUS_DRIVER_NAME,
                                        .signature = "s" };
  WireWriter *body = wire_writer_new ();

  wire_writer_string (body, rule);
  send_own (channel, &add_match, body);
}

void
channel_set_caller (Channel *channel, const CallRuleCaller *caller)
{
  static const WireHeader set_caller = { .flags = WIRE_NO_REPLY_EXPECTED,
                                         .path = AGENT_PATH,
                                         .interface = AGENT_CHANNEL_INTERFACE,
                                         .member = "SetCaller",
                                         .destination = AGENT_NAME,
                                         .signature = "ubaus" };
  bool groups_known = caller->groups != NULL && caller->n_groups <= LIMIT_CALLER_GROUPS;
  WireWriter *body = wire_writer_new ();
  size_t mark;

  wire_writer_uint32 (body, caller->uid);
  wire_writer_boolean (body, groups_known);
  mark = wire_writer_begin_array (body, 4);
  for (size_t i = 0; groups_known && i < caller->n_groups; i++)
    wire_writer_uint32 (body, caller->groups[i]);
  wire_writer_end_array (body, mark);
  wire_writer_string (body, caller->machine != NULL ? caller->machine : "");
  send_own (channel, &set_caller, body);
}
