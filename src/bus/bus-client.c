/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to a message bus as raw messages. */
#include "bus-client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "body.h"
#include "descriptor.h"
#include "limit.h"
#include "sasl.h"

typedef struct
{
  uint32_t serial;
  BusClientDone done;
  void *user_data;
} PendingCall;

struct BusClient
{
  Connection *connection;
  const BusClientHandlers *handlers;
  void *user_data;
  SaslClient sasl;
  uint32_t serial;
  char *unique_name;
  GArray *calls; /* PendingCall; few, and in order */
};

static void
on_hello (BusClient *client, const WireMessage *reply, void *user_data)
{
  const char *name = bus_client_read_string (reply);

  if (name == NULL || !wire_bus_name_is_unique (name))
    {
      client->handlers->closed (client, -EACCES, client->user_data);
      return;
    }

  client->unique_name = g_strdup (name);
  client->handlers->ready (client, client->user_data);
}

/* Whether the message was the reply to a call of ours. */
static bool
take_reply (BusClient *client, const WireMessage *message)
{
  if ((message->header.type != WIRE_METHOD_RETURN && message->header.type != WIRE_ERROR)
      || g_strcmp0 (message->header.sender, BUS_DRIVER_NAME) != 0)
    return false;

  for (guint i = 0; i < client->calls->len; i++)
    {
      PendingCall call = g_array_index (client->calls, PendingCall, i);

      if (call.serial != message->header.reply_serial)
        continue;

      g_array_remove_index (client->calls, i);
      call.done (client, message, call.user_data);
      return true;
    }

  return false;
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  BusClient *client = user_data;

  if (client->calls->len > 0 && take_reply (client, message))
    return;
  if (client->unique_name != NULL)
    client->handlers->message (client, message, client->user_data);
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  BusClient *client = user_data;

  client->handlers->closed (client, reason, client->user_data);
}

static void
on_drained (Connection *connection, void *user_data)
{
  BusClient *client = user_data;

  if (client->handlers->drained != NULL)
    client->handlers->drained (client, client->user_data);
}

static bool
on_refused (Connection *connection, const WireHeader *header, WireVerdict verdict, void *user_data)
{
  BusClient *client = user_data;

  if (client->unique_name == NULL)
    return false;
  if (client->handlers->refused != NULL)
    client->handlers->refused (client, header, verdict, client->user_data);
  return true;
}

static ssize_t
on_preamble (Connection *connection, const uint8_t *data, size_t size, void *user_data)
{
  BusClient *client = user_data;
  size_t consumed;

  switch (sasl_client_feed (&client->sasl, data, size, &consumed))
    {
    case SASL_DONE:
      connection_end_preamble (connection);
      break;
    case SASL_MORE:
      break;
    case SASL_FAILED:
      return -EACCES;
    }

  return (ssize_t) consumed;
}

static const ConnectionHandlers connection_handlers = {
  .message = on_message,
  .closed = on_closed,
  .drained = on_drained,
  .preamble = on_preamble,
  .refused = on_refused,
};

/* A unix socket connects at once or not at all: EAGAIN is a full backlog, to be tried again later
 * like any failure. */
static int
open_socket (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  auto_fd fd = -1;

  if (strlen (path) >= sizeof address.sun_path)
    return -ENAMETOOLONG;
  memcpy (address.sun_path, path, strlen (path));

  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) < 0)
    return -errno;

  return fd_steal (&fd);
}

int
bus_client_new (sd_event *event, const char *path, const BusClientHandlers *handlers,
                void *user_data, BusClient **ret_client)
{
  int fd = open_socket (path);

  return fd < 0 ? fd : bus_client_new_connected (event, fd, handlers, user_data, ret_client);
}

int
bus_client_new_connected (sd_event *event, int fd, const BusClientHandlers *handlers,
                          void *user_data, BusClient **ret_client)
{
  BusClient *client;
  Stream *stream;
  int r;

  client = g_new0 (BusClient, 1);
  client->handlers = handlers;
  client->user_data = user_data;
  client->serial = BUS_OWN_SERIALS;
  client->calls = g_array_new (FALSE, FALSE, sizeof (PendingCall));

  stream = stream_new_socket (fd);
  r = connection_new (event, stream, &connection_handlers, client, &client->connection);
  if (r < 0)
    stream_free (stream);
  /* The greeting asks for descriptors, and anybody on the bus may send some, in a signal to us:
   * those that nobody takes are disposed of with their message. */
  if (r >= 0)
    bus_client_pass_descriptors (client);
  if (r >= 0)
    r = connection_send_bytes (client->connection, SASL_CLIENT_GREETING, SASL_CLIENT_GREETING_SIZE);
  if (r >= 0)
    r = bus_client_call_driver (client, "Hello", NULL, -1, on_hello, NULL);
  if (r < 0)
    {
      bus_client_free (client);
      return r;
    }

  *ret_client = client;
  return 0;
}

void
bus_client_free (BusClient *client)
{
  if (client == NULL)
    return;

  connection_free (client->connection);
  g_array_unref (client->calls);
  g_free (client->unique_name);
  g_free (client);
}

void
bus_client_pass_descriptors (BusClient *client)
{
  connection_pass_descriptors (client->connection, LIMIT_SOCKET_DESCRIPTORS);
}

char *
bus_client_get_system_path (void)
{
  static const char prefix[] = "unix:path=";
  const char *address = getenv ("DBUS_SYSTEM_BUS_ADDRESS");

  if (address == NULL || strncmp (address, prefix, strlen (prefix)) != 0)
    return g_strdup (BUS_SYSTEM_PATH);

  address += strlen (prefix);
  return g_strndup (address, strcspn (address, ",;"));
}

const char *
bus_client_get_unique_name (const BusClient *client)
{
  return client->unique_name;
}

Connection *
bus_client_get_connection (BusClient *client)
{
  return client->connection;
}

uint32_t
bus_client_next_serial (BusClient *client)
{
  uint32_t serial = client->serial;

  client->serial = serial == UINT32_MAX ? BUS_OWN_SERIALS : serial + 1;
  return serial;
}

int
bus_client_call_driver (BusClient *client, const char *member, const char *argument, int64_t flags,
                        BusClientDone done, void *user_data)
{
  WireHeader header = { .byte_order = wire_native_byte_order (),
                        .type = WIRE_METHOD_CALL,
                        .flags = done == NULL ? WIRE_NO_REPLY_EXPECTED : 0,
                        .serial = bus_client_next_serial (client),
                        .path = BUS_DRIVER_PATH,
                        .interface = BUS_DRIVER_INTERFACE,
                        .member = member,
                        .destination = BUS_DRIVER_NAME,
                        .signature = argument == NULL ? ""
                                     : flags < 0      ? "s"
                                                      : "su" };
  WireWriter *writer = wire_writer_new ();
  const uint8_t *body;
  size_t size;
  int r;

  if (argument != NULL)
    wire_writer_string (writer, argument);
  if (argument != NULL && flags >= 0)
    wire_writer_uint32 (writer, (uint32_t) flags);

  body = wire_writer_data (writer, &size);
  r = connection_send (client->connection, &header, body, size);
  wire_writer_free (writer);

  if (r >= 0 && done != NULL)
    {
      PendingCall call = { header.serial, done, user_data };

      g_array_append_val (client->calls, call);
    }

  return r;
}

static char *
get_owner_rule (const char *name)
{
  return g_strdup_printf ("type='signal',sender='" BUS_DRIVER_NAME "',path='" BUS_DRIVER_PATH
                          "',interface='" BUS_DRIVER_INTERFACE
                          "',member='NameOwnerChanged',arg0='%s'",
                          name);
}

int
bus_client_watch_owner (BusClient *client, const char *name, BusClientDone done, void *user_data)
{
  g_autofree char *rule = get_owner_rule (name);
  int r = bus_client_call_driver (client, "AddMatch", rule, -1, NULL, NULL);

  return r < 0 ? r : bus_client_call_driver (client, "GetNameOwner", name, -1, done, user_data);
}

void
bus_client_unwatch_owner (BusClient *client, const char *name)
{
  g_autofree char *rule = get_owner_rule (name);

  bus_client_call_driver (client, "RemoveMatch", rule, -1, NULL, NULL);
}

const char *
bus_client_read_string (const WireMessage *reply)
{
  const char *value;
  WireReader reader;

  wire_reader_init (&reader, reply);
  return reply->header.type == WIRE_METHOD_RETURN && wire_reader_string (&reader, &value) ? value
                                                                                          : NULL;
}

void *
bus_client_get_user_data (const BusClient *client)
{
  return client->user_data;
}

int
connection_send_error (Connection *connection, const WireHeader *call, uint32_t serial,
                       const char *sender, const char *destination, const char *error_name,
                       const char *text)
{
  WireHeader header = { .byte_order = wire_native_byte_order (),
                        .type = WIRE_ERROR,
                        .flags = WIRE_NO_REPLY_EXPECTED,
                        .serial = serial,
                        .reply_serial = call->serial,
                        .error_name = error_name,
                        .sender = sender,
                        .destination = destination,
                        .signature = "s" };
  WireWriter *writer;
  const uint8_t *body;
  size_t size;
  int r;

  if ((call->flags & WIRE_NO_REPLY_EXPECTED) != 0)
    return 0;

  writer = wire_writer_new ();
  wire_writer_string (writer, text);
  body = wire_writer_data (writer, &size);
  r = connection_send (connection, &header, body, size);
  wire_writer_free (writer);
  return r;
}
