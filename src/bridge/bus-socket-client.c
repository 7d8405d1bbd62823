/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One client of the bus socket. What it may see of the bus driver the guest's agent decides; here
 * its calls get their subject, and the driver's signals pass its own match rules. */
#include "bus-socket-client.h"

#include <errno.h>
#include <string.h>

#include "body.h"
#include "bus-client.h"
#include "caller.h"
#include "descriptor.h"
#include "forward.h"
#include "limit.h"
#include "match-rule.h"
#include "sasl.h"

struct BusSocketClient
{
  Bridge *bridge;
  GuestBus guest_bus;
  void (*closed) (BusSocketClient *client, void *user_data);
  void *user_data;
  Connection *connection;
  Caller *caller;
  SaslServer sasl;
  sd_event_source *deadline; /* of SASL and Hello's arrival */
  int pidfd;                 /* of the subject, */
  char *bus_name;            /* or its name */
  uint32_t serial;
  bool saluted;      /* Hello was sent */
  bool open;         /* and answered */
  GPtrArray *rules;  /* MatchRule, the client's own */
  GPtrArray *called; /* char: exported names that it was allowed to call, and has called */
};

/* Origins of calls: where their replies come from. */
static char to_driver, to_service;

static uint32_t
next_serial (BusSocketClient *client)
{
  if (++client->serial == 0)
    client->serial = 1;
  return client->serial;
}

static const char *
get_unique_name (const BusSocketClient *client)
{
  const Channel *channel = caller_get_channel (client->caller);

  return client->open && channel != NULL ? channel_get_unique_name (channel) : NULL;
}

/* Reads as fast as the guest takes calls, each after polkit has allowed the one before it. */
static void
update_flow (BusSocketClient *client)
{
  const Channel *channel = caller_get_channel (client->caller);

  connection_pause (client->connection,
                    caller_is_waiting (client->caller)
                        || (channel != NULL && channel_get_queued (channel) > LIMIT_FLOW_SIZE));
}

/* The guest's messages wait while the client does not read. */
static void
hold_guest (BusSocketClient *client)
{
  Channel *channel = caller_get_channel (client->caller);

  if (channel != NULL && connection_get_queued (client->connection) > LIMIT_FLOW_SIZE)
    channel_pause (channel, true);
}

/* A client that reads nothing at all, and still calls, is closed where the queue ends. */
static void
send_to_client (BusSocketClient *client, const WireHeader *header, const void *body, size_t size,
                FdList *fds)
{
  int r = header->type == WIRE_SIGNAL
              ? connection_send (client->connection, header, body, size)
              : forward_send_reply (client->connection, header, body, size, fds);

  if (r == -ENOBUFS)
    connection_abort (client->connection, -ENOBUFS);
  hold_guest (client);
}

static void
send_error (BusSocketClient *client, const WireHeader *call, const char *error_name,
            const char *text)
{
  if (connection_send_error (client->connection, call, next_serial (client), BUS_DRIVER_NAME,
                             get_unique_name (client), error_name, text)
      == -ENOBUFS)
    connection_abort (client->connection, -ENOBUFS);
}

/* --- What the core asks for --- */

static void
send_reply (Caller *caller, void *origin, const WireHeader *reply, const void *body,
            size_t body_size, FdList *fds)
{
  BusSocketClient *client = caller_get_user_data (caller);
  const char *sender = BUS_DRIVER_NAME;
  WireHeader header;

  /* A service's reply bears its unique name; the driver's words are the driver's alone. */
  if (origin == &to_service && reply->sender != NULL && wire_bus_name_is_unique (reply->sender))
    sender = reply->sender;

  header = forward_reply (reply, next_serial (client), sender, get_unique_name (client));
  send_to_client (client, &header, body, body_size, fds);

  /* Who is refused the bus is not kept on it. */
  if (!client->open)
    connection_abort (client->connection, -EACCES);
}

static bool
wants_signal (const BusSocketClient *client, const WireMessage *message)
{
  for (guint i = 0; i < client->rules->len; i++)
    if (match_rule_matches (client->rules->pdata[i], message, NULL, NULL))
      return true;

  return false;
}

/* The guest's bus has applied the client's rules to all but the driver's signals, which the agent
 * needs itself. */
static void
send_signal (Caller *caller, const WireMessage *message)
{
  BusSocketClient *client = caller_get_user_data (caller);
  const char *unique = get_unique_name (client);
  WireHeader header;

  if (unique == NULL
      || (strcmp (message->header.sender, BUS_DRIVER_NAME) == 0 && !wants_signal (client, message)))
    return;

  header = forward_signal (&message->header, next_serial (client), message->header.sender,
                           message->header.destination != NULL ? unique : NULL);
  send_to_client (client, &header, message->body, message->body_size, NULL);
}

static void
prepare (Caller *caller, void *origin, const char *name)
{
  BusSocketClient *client = caller_get_user_data (caller);

  if (origin == &to_service
      && !g_ptr_array_find_with_equal_func (client->called, name, g_str_equal, NULL))
    g_ptr_array_add (client->called, g_strdup (name));
}

static bool
has_called (const BusSocketClient *client, const char *owner)
{
  const OwnerTable *owners = channel_get_owners (caller_get_channel (client->caller));

  for (guint i = 0; i < client->called->len; i++)
    {
      const OwnerEntry *entry = owner_table_find (owners, client->called->pdata[i]);

      if (entry != NULL && g_strcmp0 (entry->owner, owner) == 0)
        return true;
    }

  return false;
}

/* Any interface: the client came to the guest's bus. */
static void
send_call (Caller *caller, const WireMessage *call, CallbackRoute *ret_route)
{
  BusSocketClient *client = caller_get_user_data (caller);
  WireHeader header = forward_call (&call->header, get_unique_name (client));
  auto_fd_list fds = { 0 };

  if (!client->open || !has_called (client, call->header.sender))
    {
      ret_route->error = TOMBOLO_ERROR_ACCESS_DENIED;
      ret_route->problem = "This caller has not called your service.";
      return;
    }

  if (call->header.n_descriptors > 0 && !connection_passes_descriptors (client->connection))
    {
      ret_route->error = TOMBOLO_ERROR_NOT_SUPPORTED;
      ret_route->problem = "The call brings file descriptors, which the caller's connection has "
                           "not agreed to.";
      return;
    }

  header.sender = call->header.sender;
  header.serial = next_serial (client);
  ret_route->origin = client;
  ret_route->serial = header.serial;
  ret_route->error = TOMBOLO_ERROR_LIMITS_EXCEEDED;
  if (caller_open_descriptors (caller, &fds) != NULL)
    ret_route->problem = CALLBACK_TOO_MANY;
  else if (connection_send_descriptors (client->connection, &header, call->body, call->body_size,
                                        &fds)
           < 0)
    ret_route->problem = "The caller does not read what you send; try again later.";
  hold_guest (client);
}

static void
answer_hello (Caller *caller, const WireHeader *hello)
{
  BusSocketClient *client = caller_get_user_data (caller);
  const WireHeader reply = { .byte_order = wire_native_byte_order (),
                             .type = WIRE_METHOD_RETURN,
                             .reply_serial = hello->serial,
                             .signature = "s" };
  const WireHeader acquired = { .byte_order = wire_native_byte_order (),
                                .type = WIRE_SIGNAL,
                                .path = BUS_DRIVER_PATH,
                                .interface = BUS_DRIVER_INTERFACE,
                                .member = "NameAcquired",
                                .signature = "s" };
  WireWriter *body = wire_writer_new ();
  const char *unique;
  const uint8_t *data;
  WireHeader header;
  size_t size;

  client->open = true;
  connection_set_message_limit (client->connection, LIMIT_MESSAGE_SIZE);
  /* Not before: those of somebody who is not let in never get here, the kernel drops them. */
  if (client->sasl.descriptors)
    connection_pass_descriptors (client->connection, LIMIT_SOCKET_DESCRIPTORS);
  unique = get_unique_name (client);
  wire_writer_string (body, unique);
  data = wire_writer_data (body, &size);

  header = forward_reply (&reply, next_serial (client), BUS_DRIVER_NAME, unique);
  send_to_client (client, &header, data, size, NULL);
  header = forward_signal (&acquired, next_serial (client), BUS_DRIVER_NAME, unique);
  send_to_client (client, &header, data, size, NULL);
  wire_writer_free (body);
}

/* The unique name went with the channel, and with it all that the client knew. */
static void
lose_channel (Caller *caller)
{
  BusSocketClient *client = caller_get_user_data (caller);

  connection_abort (client->connection, -ECONNRESET);
}

static void
resume (Caller *caller)
{
  update_flow (caller_get_user_data (caller));
}

static const CallerOperations operations = {
  .reply = send_reply,
  .signal = send_signal,
  .prepare = prepare,
  .call = send_call,
  .opened = answer_hello,
  .lost = lose_channel,
  .drained = resume,
  .idle = resume,
};

/* --- The client's calls --- */

static void
remove_rule (BusSocketClient *client, const MatchRule *rule)
{
  for (guint i = 0; i < client->rules->len; i++)
    if (match_rule_equal (client->rules->pdata[i], rule))
      {
        g_ptr_array_remove_index_fast (client->rules, i);
        return;
      }
}

/* Keeps the client's rules as the guest's bus does. Returns false where the limit is reached. A bad
 * rule is the agent's to refuse. */
static bool
track_rule (BusSocketClient *client, const WireMessage *message)
{
  bool adds = strcmp (message->header.member, "AddMatch") == 0;
  const char *text, *problem;
  WireReader reader;
  MatchRule *rule;

  if (!adds && strcmp (message->header.member, "RemoveMatch") != 0)
    return true;
  if (adds && client->rules->len >= LIMIT_MATCH_RULES_CALLER)
    return false;

  wire_reader_init (&reader, message);
  rule = wire_reader_string (&reader, &text) ? match_rule_new (text, &problem) : NULL;
  if (rule == NULL)
    return true;

  if (adds)
    g_ptr_array_add (client->rules, rule);
  else
    {
      remove_rule (client, rule);
      match_rule_free (rule);
    }

  return true;
}

static void
call_driver (BusSocketClient *client, const WireMessage *message)
{
  if (strcmp (message->header.member, "Hello") == 0)
    send_error (client, &message->header, "org.freedesktop.DBus.Error.Failed",
                "Hello was sent before.");
  else if (!track_rule (client, message))
    send_error (client, &message->header, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED),
                "A client has 512 match rules at most; remove some.");
  else
    caller_call (client->caller, &to_driver, BUS_DRIVER_NAME, message, NULL);
}

/* The exported name that polkit is asked about, or NULL. */
static const char *
get_exported_name (const BusSocketClient *client, const char *destination)
{
  const OwnerTable *owners = channel_get_owners (caller_get_channel (client->caller));
  const OwnerEntry *entry = destination[0] == ':' ? owner_table_find_owner (owners, destination)
                                                  : owner_table_find (owners, destination);

  return entry != NULL ? entry->name : NULL;
}

static void
call_service (BusSocketClient *client, const WireMessage *message, FdList *fds)
{
  const char *destination = message->header.destination;
  const char *name = get_exported_name (client, destination);
  g_autofree char *text = NULL;

  if (name != NULL)
    {
      caller_call (client->caller, &to_service, name, message, fds);
      return;
    }

  text = g_strdup_printf ("Machine “%s” does not export “%s”; its /etc/tombolo/guest.conf says "
                          "what it exports.",
                          client->bridge->machine, destination);
  send_error (client, &message->header, tombolo_error_name (TOMBOLO_ERROR_NOT_EXPORTED), text);
}

static void
take_hello (BusSocketClient *client, const WireMessage *message)
{
  const WireHeader *header = &message->header;

  if (header->type != WIRE_METHOD_CALL || strcmp (header->member, "Hello") != 0
      || g_strcmp0 (header->destination, BUS_DRIVER_NAME) != 0)
    {
      send_error (client, header, tombolo_error_name (TOMBOLO_ERROR_ACCESS_DENIED),
                  "The first message to a bus is Hello.");
      connection_abort (client->connection, -EACCES);
      return;
    }

  client->saluted = true;
  client->deadline = sd_event_source_disable_unref (client->deadline);
  caller_hello (client->caller, &to_driver, message);
  update_flow (client);
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  BusSocketClient *client = user_data;
  const char *destination = message->header.destination;

  if (!client->saluted)
    {
      take_hello (client, message);
      return;
    }
  if (client->open
      && (message->header.type == WIRE_METHOD_RETURN || message->header.type == WIRE_ERROR))
    {
      auto_fd_list fds = connection_take_descriptors (connection);

      caller_answer (client->caller, client, message, &fds);
    }
  /* Signals of the host's clients do not enter a guest, and answers to nothing neither. */
  if (!client->open || message->header.type != WIRE_METHOD_CALL)
    return;

  if (destination == NULL)
    send_error (client, &message->header, tombolo_error_name (TOMBOLO_ERROR_INVALID_ARGUMENT),
                "A call on a bus needs a destination.");
  else if (strcmp (destination, BUS_DRIVER_NAME) == 0)
    call_driver (client, message);
  else
    {
      auto_fd_list fds = connection_take_descriptors (connection);

      call_service (client, message, &fds);
    }

  update_flow (client);
}

/* What a bus takes and we do not costs its sender an answer; what no bus takes, the connection. */
static bool
on_refused (Connection *connection, const WireHeader *header, WireVerdict verdict, void *user_data)
{
  BusSocketClient *client = user_data;
  g_autofree char *text = NULL;
  TomboloError code;

  if (!client->open || header == NULL
      || (verdict != WIRE_TOO_LARGE && verdict != WIRE_TOO_DEEP
          && verdict != WIRE_TOO_MANY_DESCRIPTORS))
    return false;
  if (header->type == WIRE_METHOD_RETURN || header->type == WIRE_ERROR)
    caller_answer_bad (client->caller, client, header->reply_serial,
                       wire_verdict_to_string (verdict));
  if (header->type != WIRE_METHOD_CALL)
    return true;

  text = forward_explain_refusal (client->bridge->machine, verdict, &code);
  send_error (client, header, tombolo_error_name (code), text);
  return true;
}

static ssize_t
on_preamble (Connection *connection, const uint8_t *data, size_t size, void *user_data)
{
  BusSocketClient *client = user_data;
  char answer[SASL_ANSWER_SIZE];
  SaslVerdict verdict;
  size_t consumed;

  verdict = sasl_server_feed (&client->sasl, data, size, &consumed, answer);
  if (verdict == SASL_FAILED)
    {
      refusals_count (client->bridge->refusals, REFUSED_CLIENT);
      return -EPROTO;
    }

  if (answer[0] != '\0')
    connection_send_bytes (connection, answer, strlen (answer));
  if (verdict == SASL_DONE)
    connection_end_preamble (connection);
  return (ssize_t) consumed;
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  BusSocketClient *client = user_data;

  if (reason != 0)
    log_debug (client->bridge->machine, "A client of the bus socket was closed: %s",
               connection_reason_to_string (reason));
  client->closed (client, client->user_data);
}

static void
on_drained (Connection *connection, void *user_data)
{
  BusSocketClient *client = user_data;
  Channel *channel = caller_get_channel (client->caller);

  if (channel != NULL)
    channel_pause (channel, false);
}

static const ConnectionHandlers connection_handlers = {
  .message = on_message,
  .closed = on_closed,
  .drained = on_drained,
  .refused = on_refused,
  .preamble = on_preamble,
};

static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  BusSocketClient *client = user_data;

  client->closed (client, client->user_data);
  return 0;
}

static int
start (BusSocketClient *client, int fd, const AuthoritySubject *subject, GArray *groups)
{
  Stream *stream = stream_new_socket (fd);
  int r;

  client->caller = caller_new (client->bridge, client->guest_bus, subject, &operations, client);
  caller_set_groups (client->caller, groups);
  r = caller_is_over_limit (client->caller) ? -EUSERS : 0;
  if (r >= 0)
    r = connection_new (client->bridge->event, stream, &connection_handlers, client,
                        &client->connection);
  if (r < 0)
    {
      stream_free (stream);
      return r;
    }

  connection_set_budget (client->connection,
                         bridge_get_budget (client->bridge, subject->uid, NULL));
  connection_set_message_limit (client->connection, LIMIT_HELLO_SIZE);
  return sd_event_add_time_relative (client->bridge->event, &client->deadline, CLOCK_MONOTONIC,
                                     LIMIT_SASL_TIME_USEC, 0, on_deadline, client);
}

BusSocketClient *
bus_socket_client_new (Bridge *bridge, GuestBus guest_bus, int fd, const char *id,
                       const AuthoritySubject *subject, GArray *groups,
                       void (*closed) (BusSocketClient *client, void *user_data), void *user_data)
{
  BusSocketClient *client = g_new0 (BusSocketClient, 1);
  AuthoritySubject own = *subject;
  int r;

  client->bridge = bridge;
  client->guest_bus = guest_bus;
  client->closed = closed;
  client->user_data = user_data;
  client->pidfd = subject->pidfd;
  client->bus_name = g_strdup (subject->bus_name);
  own.bus_name = client->bus_name;
  client->rules = g_ptr_array_new_with_free_func ((GDestroyNotify) match_rule_free);
  client->called = g_ptr_array_new_with_free_func (g_free);
  sasl_server_init (&client->sasl, id);

  r = start (client, fd, &own, groups);
  if (r < 0)
    {
      refusals_count (bridge->refusals, REFUSED_CLIENT);
      bridge_complain (bridge, NULL, "A client of the guest's bus cannot be served: %s.",
                       g_strerror (-r));
      bus_socket_client_free (client);
      return NULL;
    }

  return client;
}

void
bus_socket_client_free (BusSocketClient *client)
{
  if (client == NULL)
    return;

  sd_event_source_disable_unref (client->deadline);
  connection_free (client->connection); /* first: its budget goes with its user's last caller */
  if (client->caller != NULL)
    caller_free (client->caller);
  fd_clear (&client->pidfd);
  g_free (client->bus_name);
  g_ptr_array_unref (client->rules);
  g_ptr_array_unref (client->called);
  g_free (client);
}
