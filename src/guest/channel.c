/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One tombolo-bus/1 channel. Its first message is Open; then it is a D-Bus connection on which the
 * host calls exported names, their owners and the driver, and hears replies and signals of theirs,
 * and calls of those owners. */
#include "channel.h"

#include <errno.h>
#include <string.h>

#include "body.h"
#include "bus-client.h"
#include "callback.h"
#include "channel-caller.h"
#include "driver.h"
#include "error.h"
#include "limit.h"
#include "log.h"
#include "streams.h"

typedef enum
{
  STATE_NEW,     /* Open is to come */
  STATE_OPENING, /* the bus is asked for the owners */
  STATE_OPEN,
} ChannelState;

/* How a pending call's reply is treated. */
typedef enum
{
  REPLY_PASS = 1,
  REPLY_WRAP_CREDENTIALS,
} ReplyKind;

struct GuestChannel
{
  Agent *agent;
  void (*closed) (GuestChannel *channel, Agent *agent);
  GuestBus kind; /* of the bus that it was opened for */
  ChannelState state;
  Connection *host;
  SessionRequest *request; /* for a connection to the session bus */
  BusClient *bus;
  FdList incoming; /* of the next message: what was announced */
  ChannelCaller caller;
  OwnerTable owners;
  Callbacks callbacks;
  GHashTable *pending; /* serials of calls that the bus owes a reply: ReplyKind */
  sd_event_source *deadline;
  WireHeader open_call; /* its serial and flags alone */
  unsigned missing;     /* owners that are still asked for */
};

static void
channel_close (GuestChannel *channel)
{
  channel->closed (channel, channel->agent);
}

static uint32_t
next_serial (GuestChannel *channel)
{
  uint32_t serial;

  if (channel->bus == NULL)
    return 1;

  /* A serial of ours that a caller's pending call has, too, would take its reply. */
  do
    serial = bus_client_next_serial (channel->bus);
  while (g_hash_table_contains (channel->pending, GUINT_TO_POINTER (serial)));

  return serial;
}

/* The bus waits while the host does not read fast enough, and the other way round: nothing is
 * dropped, and the queues stay short. */
static void
hold_bus (GuestChannel *channel)
{
  if (connection_get_queued (channel->host) > LIMIT_FLOW_SIZE)
    connection_pause (bus_client_get_connection (channel->bus), true);
}

static void
hold_host (GuestChannel *channel)
{
  if (connection_get_queued (bus_client_get_connection (channel->bus)) > LIMIT_FLOW_SIZE)
    connection_pause (channel->host, true);
}

static void
send_to_host (GuestChannel *channel, const WireHeader *header, const void *body, size_t size)
{
  /* With the bus held back this takes a host that floods the driver and reads nothing. */
  if (connection_send (channel->host, header, body, size) == -ENOBUFS)
    connection_abort (channel->host, -ENOBUFS);
  hold_bus (channel);
}

static void
send_error (GuestChannel *channel, const WireHeader *call, const char *error_name, const char *text)
{
  connection_send_error (channel->host, call, next_serial (channel), BUS_DRIVER_NAME, NULL,
                         error_name, text);
}

static void
send_reply (GuestChannel *channel, const WireHeader *call, WireWriter *body, const char *signature)
{
  WireHeader header = { .byte_order = wire_native_byte_order (),
                        .type = WIRE_METHOD_RETURN,
                        .flags = WIRE_NO_REPLY_EXPECTED,
                        .serial = next_serial (channel),
                        .reply_serial = call->serial,
                        .sender = BUS_DRIVER_NAME,
                        .signature = signature };
  size_t size;
  const uint8_t *data = wire_writer_data (body, &size);

  if ((call->flags & WIRE_NO_REPLY_EXPECTED) == 0)
    send_to_host (channel, &header, data, size);
}

/* --- From the host --- */

static void
forward_call (GuestChannel *channel, const WireMessage *message, const char *member, ReplyKind kind,
              FdList *fds)
{
  WireHeader header = message->header;
  bool wants_reply = (header.flags & WIRE_NO_REPLY_EXPECTED) == 0;
  gpointer serial = GUINT_TO_POINTER (header.serial);
  int r;

  if (wants_reply && g_hash_table_contains (channel->pending, serial))
    {
      agent_complain (channel->agent, "The host used a serial twice; its channel is closed.");
      connection_abort (channel->host, -EPROTO);
      return;
    }
  if (wants_reply && g_hash_table_size (channel->pending) >= LIMIT_PENDING_CALLS_CALLER)
    {
      send_error (channel, &message->header, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED),
                  "Too many calls into this guest wait for replies; wait for some of them.");
      return;
    }

  header.sender = NULL;
  header.member = member;
  r = connection_send_descriptors (bus_client_get_connection (channel->bus), &header, message->body,
                                   message->body_size, fds);
  if (r < 0)
    send_error (channel, &message->header, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED),
                "The guest's bus does not keep up with this caller; try again later.");
  else if (wants_reply)
    g_hash_table_insert (channel->pending, serial, GINT_TO_POINTER (kind));
  hold_host (channel);
}

static void
take_driver_call (GuestChannel *channel, const WireMessage *message)
{
  DriverView view = { .owners = &channel->owners,
                      .exports = agent_get_exports (channel->agent, channel->kind),
                      .unique_name = bus_client_get_unique_name (channel->bus) };
  DriverAnswer answer = { 0 };
  FdList none = { 0 };

  switch (driver_decide (&view, message, &answer))
    {
    case DRIVER_FORWARD:
      forward_call (channel, message, message->header.member, REPLY_PASS, &none);
      break;
    case DRIVER_CREDENTIALS:
      forward_call (channel, message, "GetConnectionUnixUser", REPLY_WRAP_CREDENTIALS, &none);
      break;
    case DRIVER_ANSWERED:
      send_reply (channel, &message->header, answer.body, answer.signature);
      wire_writer_free (answer.body);
      break;
    case DRIVER_REFUSED:
      send_error (channel, &message->header, answer.error_name, answer.error_text);
      g_free (answer.error_text);
      break;
    }
}

/* The exported name that a call to `destination` is for, or NULL. */
static const char *
get_exported_name (const GuestChannel *channel, const char *destination)
{
  const OwnerEntry *entry = destination[0] == ':'
                                ? owner_table_find_owner (&channel->owners, destination)
                                : owner_table_find (&channel->owners, destination);

  return entry != NULL ? entry->name : NULL;
}

static void
take_service_call (GuestChannel *channel, const WireMessage *message, const char *name, FdList *fds)
{
  const GPtrArray *rules = agent_get_rules (channel->agent, channel->kind);
  gssize found = call_rules_find (rules, name, message, &channel->caller.identity);
  g_autofree char *text = NULL;

  if (found >= 0 && call_rule_get_verdict (rules->pdata[found]) == CALL_RULE_ALLOW)
    {
      forward_call (channel, message, message->header.member, REPLY_PASS, fds);
      return;
    }

  text =
      found >= 0
          ? g_strdup_printf ("The guest refuses calls of %s on “%s”: line %u of its "
                             "/etc/tombolo/guest.conf says so.",
                             message->header.member, name, call_rule_get_line (rules->pdata[found]))
          : g_strdup_printf ("The guest does not allow calls of %s on “%s”; %s in "
                             "[Call] of its /etc/tombolo/guest.conf can.",
                             message->header.member, name,
                             channel->kind == GUEST_BUS_SESSION ? "SessionRule=" : "Rule=");
  send_error (channel, &message->header, tombolo_error_name (TOMBOLO_ERROR_ACCESS_DENIED), text);
}

/* What the descriptors of the next message are: their streams may come from now on. */
static bool
take_announcement (GuestChannel *channel, const WireMessage *message)
{
  GuestStreams *streams = agent_get_streams (channel->agent);
  g_autoptr (Crossing) crossing = NULL;
  g_autoptr (GError) error = NULL;
  WireWriter *nothing;

  if (g_strcmp0 (message->header.interface, AGENT_CHANNEL_INTERFACE) != 0
      || strcmp (message->header.member, CROSSING_MEMBER) != 0
      || (crossing = crossing_read (message)) == NULL)
    return false;

  fd_list_clear (&channel->incoming);
  if (!guest_streams_has_room (streams, channel, crossing->n_streams))
    g_set_error (&error, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                 "The guest has as many descriptors of the host's as it may have.");
  else if (crossing_open (crossing, agent_get_event (channel->agent), &channel->incoming, &error))
    guest_streams_expect (streams, channel, crossing);

  if (error != NULL)
    {
      send_error (channel, &message->header, tombolo_error_name ((TomboloError) error->code),
                  error->message);
      return true;
    }

  nothing = wire_writer_new ();
  send_reply (channel, &message->header, nothing, "");
  wire_writer_free (nothing);
  return true;
}

static void
take_call (GuestChannel *channel, const WireMessage *message)
{
  auto_fd_list fds = fd_list_steal (&channel->incoming);
  const char *destination = message->header.destination != NULL ? message->header.destination : "";
  const char *name = get_exported_name (channel, destination);
  g_autofree char *text = NULL;

  if (message->header.n_descriptors != fds.n)
    send_error (channel, &message->header, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED),
                "The guest takes no more descriptors of this caller; close some of them.");
  else if (name != NULL)
    take_service_call (channel, message, name, &fds);
  else if (strcmp (destination, BUS_DRIVER_NAME) == 0)
    take_driver_call (channel, message);
  else if (strcmp (destination, AGENT_NAME) != 0
           || (!channel_caller_take (&channel->caller, message)
               && !take_announcement (channel, message)))
    {
      text = g_strdup_printf ("The guest does not export “%s”; its /etc/tombolo/guest.conf says "
                              "what it exports.",
                              destination);
      send_error (channel, &message->header, tombolo_error_name (TOMBOLO_ERROR_NOT_EXPORTED), text);
    }
}

/* --- From the bus --- */

/* Where they cannot cross the caller gets an error in place of the reply. */
static bool
announce_descriptors (GuestChannel *channel, const WireMessage *reply)
{
  auto_fd_list fds = connection_take_descriptors (bus_client_get_connection (channel->bus));
  WireHeader call = { .serial = reply->header.reply_serial };
  g_autoptr (GError) error = NULL;

  if (guest_streams_announce (agent_get_streams (channel->agent), channel, channel->host,
                              next_serial (channel), &fds, reply->header.n_descriptors, &error))
    return true;

  g_prefix_error (&error, "The guest's reply does not cross. ");
  send_error (channel, &call, tombolo_error_name ((TomboloError) error->code), error->message);
  return false;
}

static void
take_reply (GuestChannel *channel, const WireMessage *message)
{
  WireHeader call = { .serial = message->header.reply_serial };
  gpointer serial = GUINT_TO_POINTER (call.serial);
  ReplyKind kind = GPOINTER_TO_INT (g_hash_table_lookup (channel->pending, serial));
  WireHeader header = message->header;
  WireWriter *body;

  if (kind == 0)
    return;
  g_hash_table_remove (channel->pending, serial);

  if (header.n_descriptors > 0 && !announce_descriptors (channel, message))
    return;

  if (kind == REPLY_WRAP_CREDENTIALS && header.type == WIRE_METHOD_RETURN
      && (body = driver_wrap_credentials (message)) != NULL)
    {
      send_reply (channel, &call, body, "a{sv}");
      wire_writer_free (body);
    }
  else
    {
      header.destination = NULL;
      send_to_host (channel, &header, message->body, message->body_size);
    }
}

/* What passes is decided by the owner alone: a signal that quotes another's name, or that came by a
 * rule that was too wide, ends here. */
static void
take_signal (GuestChannel *channel, const WireMessage *message)
{
  WireHeader header = message->header;

  if (header.sender == NULL)
    return;
  if (header.n_descriptors > 0)
    {
      agent_complain (channel->agent, "A signal with file descriptors was dropped: nobody can tell "
                                      "who would close them.");
      return;
    }
  if (strcmp (header.sender, BUS_DRIVER_NAME) == 0)
    {
      if (owner_table_take_signal (&channel->owners, message, NULL) == OWNER_SIGNAL_OTHER)
        return;
      callbacks_owners_changed (&channel->callbacks);
    }
  else if (owner_table_find_owner (&channel->owners, header.sender) == NULL)
    return;

  if (channel->state == STATE_OPEN)
    send_to_host (channel, &header, message->body, message->body_size);
}

static void
take_callback (GuestChannel *channel, const WireMessage *message)
{
  if (channel->state == STATE_OPEN)
    {
      callbacks_take_call (&channel->callbacks, message);
      hold_bus (channel);
    }
  else
    callbacks_refuse (&channel->callbacks, &message->header,
                      tombolo_error_name (TOMBOLO_ERROR_ACCESS_DENIED),
                      "Nobody on the host uses this connection.");
}

static void
on_bus_message (BusClient *bus, const WireMessage *message, void *user_data)
{
  GuestChannel *channel = user_data;

  switch (message->header.type)
    {
    case WIRE_METHOD_RETURN:
    case WIRE_ERROR:
      take_reply (channel, message);
      break;
    case WIRE_SIGNAL:
      take_signal (channel, message);
      break;
    default:
      take_callback (channel, message);
      break;
    }
}

static void
on_bus_closed (BusClient *bus, int reason, void *user_data)
{
  GuestChannel *channel = user_data;

  if (channel->state == STATE_OPENING)
    send_error (channel, &channel->open_call, tombolo_error_name (TOMBOLO_ERROR_DISCONNECTED),
                "The guest's bus does not take more connections.");
  channel_close (channel);
}

static void
on_bus_drained (BusClient *bus, void *user_data)
{
  GuestChannel *channel = user_data;

  connection_pause (channel->host, false);
}

/* --- Opening --- */

static void
finish_open (GuestChannel *channel)
{
  WireWriter *body = wire_writer_new ();
  size_t mark;

  wire_writer_string (body, bus_client_get_unique_name (channel->bus));
  mark = wire_writer_begin_array (body, 8);
  for (unsigned i = 0; i < channel->owners.n_entries; i++)
    {
      const OwnerEntry *entry = &channel->owners.entries[i];

      wire_writer_begin_struct (body);
      wire_writer_string (body, entry->name);
      wire_writer_string (body, entry->owner != NULL ? entry->owner : "");
    }
  wire_writer_end_array (body, mark);

  channel->deadline = sd_event_source_disable_unref (channel->deadline);
  channel->state = STATE_OPEN;
  send_reply (channel, &channel->open_call, body, "sa(ss)");
  wire_writer_free (body);
}

static void
on_owner (BusClient *bus, const WireMessage *reply, void *user_data)
{
  GuestChannel *channel = bus_client_get_user_data (bus);

  owner_entry_set (user_data, bus_client_read_string (reply));
  if (--channel->missing == 0)
    finish_open (channel);
}

static void
on_bus_ready (BusClient *bus, void *user_data)
{
  GuestChannel *channel = user_data;

  channel->missing = channel->owners.n_entries;
  for (unsigned i = 0; i < channel->owners.n_entries; i++)
    if (bus_client_watch_owner (bus, channel->owners.entries[i].name, on_owner,
                                &channel->owners.entries[i])
        < 0)
      {
        channel_close (channel);
        return;
      }

  if (channel->missing == 0)
    finish_open (channel);
}

/* A reply that is more than the tunnel takes: its caller is told, and the channel goes on. */
static void
on_bus_refused (BusClient *bus, const WireHeader *header, WireVerdict verdict, void *user_data)
{
  GuestChannel *channel = user_data;
  g_autofree char *text = NULL;
  WireHeader call = { 0 };

  if (header != NULL && header->type == WIRE_METHOD_CALL)
    {
      text = g_strdup_printf ("The call does not cross to the host: %s.",
                              wire_verdict_to_string (verdict));
      callbacks_refuse (&channel->callbacks, header,
                        tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED), text);
      return;
    }
  if (header == NULL || (header->type != WIRE_METHOD_RETURN && header->type != WIRE_ERROR)
      || !g_hash_table_remove (channel->pending, GUINT_TO_POINTER (header->reply_serial)))
    return;

  call.serial = header->reply_serial;
  text = g_strdup_printf ("The reply does not cross from the guest: %s.",
                          wire_verdict_to_string (verdict));
  send_error (channel, &call, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED), text);
}

static const BusClientHandlers bus_handlers = {
  .ready = on_bus_ready,
  .message = on_bus_message,
  .closed = on_bus_closed,
  .drained = on_bus_drained,
  .refused = on_bus_refused,
};

/* A channel that begins with AcceptImport (u id) is for a program in the guest that calls imported
 * names: its connection changes hands. False: it is not that. */
static bool
accept_import (GuestChannel *channel, const WireMessage *message)
{
  const WireHeader reply = { .byte_order = wire_native_byte_order (),
                             .type = WIRE_METHOD_RETURN,
                             .flags = WIRE_NO_REPLY_EXPECTED,
                             .serial = next_serial (channel),
                             .reply_serial = message->header.serial,
                             .signature = "" };
  Imports *imports = agent_get_imports (channel->agent);
  Connection *host = channel->host;
  WireReader reader;
  uint32_t id;

  wire_reader_init (&reader, message);
  if (g_strcmp0 (message->header.interface, AGENT_CHANNEL_INTERFACE) != 0
      || strcmp (message->header.member, "AcceptImport") != 0
      || strcmp (message->header.signature, "u") != 0 || !wire_reader_uint32 (&reader, &id))
    return false;

  if (imports_accept (imports, id, host))
    {
      channel->host = NULL;
      connection_send (host, &reply, NULL, 0);
      imports_send_waiting (imports, id);
    }
  else
    send_error (channel, &message->header, tombolo_error_name (TOMBOLO_ERROR_CANCELLED),
                "The program has left.");
  channel_close (channel);
  return true;
}

static void
refuse_open (GuestChannel *channel, const WireHeader *call, TomboloError code, const char *text)
{
  send_error (channel, call, tombolo_error_name (code), text);
  channel_close (channel);
}

static bool
read_open (const WireMessage *message, GuestBus *ret_bus)
{
  const WireHeader *header = &message->header;
  WireReader reader;
  const char *word;

  wire_reader_init (&reader, message);
  return g_strcmp0 (header->interface, AGENT_CHANNEL_INTERFACE) == 0
         && strcmp (header->member, "Open") == 0 && strcmp (header->signature, "s") == 0
         && wire_reader_string (&reader, &word) && guest_bus_from_string (word, ret_bus);
}

/* The connection to the bus is begun, or `r` says why not. */
static void
begin_opening (GuestChannel *channel, int r)
{
  g_autofree char *text = NULL;

  if (r >= 0)
    {
      bus_client_pass_descriptors (channel->bus);
      channel->callbacks.bus = channel->bus;
      return;
    }

  text = g_strdup_printf ("The guest's %s bus cannot be reached: %s.",
                          guest_bus_to_string (channel->kind), g_strerror (-r));
  refuse_open (channel, &channel->open_call, TOMBOLO_ERROR_DISCONNECTED, text);
}

static void
on_lent (int fd, void *user_data)
{
  GuestChannel *channel = user_data;

  channel->request = NULL;
  begin_opening (channel, fd < 0
                              ? fd
                              : bus_client_new_connected (agent_get_event (channel->agent), fd,
                                                          &bus_handlers, channel, &channel->bus));
}

static void
open_session (GuestChannel *channel)
{
  SessionLink *session = agent_get_session (channel->agent);

  if (session == NULL)
    refuse_open (channel, &channel->open_call, TOMBOLO_ERROR_NOT_EXPORTED,
                 "The guest exports no session bus; User= and Session= in its "
                 "/etc/tombolo/guest.conf can.");
  else if (!session_link_is_up (session))
    refuse_open (channel, &channel->open_call, TOMBOLO_ERROR_DISCONNECTED,
                 "The user whose session bus the guest exports has no session there, or "
                 "tombolo-guest-session.service does not run in it.");
  else if ((channel->request = session_link_request (session, on_lent, channel)) == NULL)
    refuse_open (channel, &channel->open_call, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                 "Too many callers wait for the guest's session bus; try again later.");
}

static void
take_open (GuestChannel *channel, const WireMessage *message)
{
  const WireHeader *header = &message->header;
  const char *const *names;

  if (accept_import (channel, message))
    return;
  if (!read_open (message, &channel->kind))
    {
      refuse_open (channel, header, TOMBOLO_ERROR_NOT_SUPPORTED,
                   "A channel begins with a call of Open for bus “system” or “session”.");
      return;
    }

  channel->open_call = (WireHeader){ .serial = header->serial };
  channel->state = STATE_OPENING;
  names = agent_get_names (channel->agent, channel->kind);
  owner_table_init (&channel->owners, names, g_strv_length ((char **) names));
  if (channel->kind == GUEST_BUS_SESSION)
    open_session (channel);
  else
    begin_opening (channel, bus_client_new (agent_get_event (channel->agent),
                                            agent_get_bus_path (channel->agent), &bus_handlers,
                                            channel, &channel->bus));
}

static void
on_host_message (Connection *connection, const WireMessage *message, void *user_data)
{
  GuestChannel *channel = user_data;
  WireType type = message->header.type;

  if (channel->state == STATE_OPEN && (type == WIRE_METHOD_RETURN || type == WIRE_ERROR))
    {
      auto_fd_list fds = fd_list_steal (&channel->incoming);

      callbacks_take_answer (&channel->callbacks, message, &fds);
      hold_host (channel);
    }
  else if (type != WIRE_METHOD_CALL || channel->state == STATE_OPENING)
    {
      agent_complain (channel->agent, "The host sent what is not a call; its channel is closed.");
      channel_close (channel);
    }
  else if (channel->state == STATE_NEW)
    take_open (channel, message);
  else
    take_call (channel, message);
}

static void
on_host_closed (Connection *connection, int reason, void *user_data)
{
  GuestChannel *channel = user_data;

  if (reason > 0)
    agent_complain (channel->agent, "The host sent a bad message: %s.",
                    connection_reason_to_string (reason));
  channel_close (channel);
}

static void
on_host_drained (Connection *connection, void *user_data)
{
  GuestChannel *channel = user_data;

  if (channel->bus != NULL)
    connection_pause (bus_client_get_connection (channel->bus), false);
}

static const ConnectionHandlers host_handlers = {
  .message = on_host_message,
  .closed = on_host_closed,
  .drained = on_host_drained,
};

static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  channel_close (user_data);
  return 0;
}

GuestChannel *
guest_channel_new (Agent *agent, Stream *stream,
                   void (*closed) (GuestChannel *channel, Agent *agent))
{
  GuestChannel *channel = g_new0 (GuestChannel, 1);

  channel->agent = agent;
  channel->closed = closed;
  channel->pending = g_hash_table_new (NULL, NULL);
  channel_caller_init (&channel->caller);

  if (connection_new (agent_get_event (agent), stream, &host_handlers, channel, &channel->host) < 0)
    {
      stream_free (stream);
      guest_channel_free (channel);
      return NULL;
    }

  callbacks_init (&channel->callbacks, agent, channel, channel->host, &channel->owners);
  if (sd_event_add_time_relative (agent_get_event (agent), &channel->deadline, CLOCK_MONOTONIC,
                                  LIMIT_CHANNEL_TIME_USEC, G_USEC_PER_SEC, on_deadline, channel)
      < 0)
    {
      guest_channel_free (channel);
      return NULL;
    }

  return channel;
}

void
guest_channel_free (GuestChannel *channel)
{
  if (channel == NULL)
    return;

  guest_streams_drop_owner (agent_get_streams (channel->agent), channel);
  fd_list_clear (&channel->incoming);
  sd_event_source_disable_unref (channel->deadline);
  connection_free (channel->host);
  session_request_cancel (channel->request);
  bus_client_free (channel->bus);
  owner_table_clear (&channel->owners);
  callbacks_clear (&channel->callbacks);
  channel_caller_clear (&channel->caller);
  g_hash_table_unref (channel->pending);
  g_free (channel);
}

GuestBus
guest_channel_get_bus (const GuestChannel *channel)
{
  return channel->kind;
}
