/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients of the bus socket in fuzz-conversation-bridge: such as libraries are, and such as speak
 * what the fuzzer thinks up. */
#include <string.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bridge-world.h"
#include "process.h"

#define ID "0123456789abcdef0123456789abcdef"
#define RAW_AT_MOST 255

static Client *
choose_client (void)
{
  unsigned choice = input_byte (world->input);
  Client *client;

  if (world->clients->len == 0)
    return NULL;

  client = world->clients->pdata[choice % world->clients->len];
  return client->connection != NULL ? client : NULL;
}

/* --- What reaches it --- */

/* Hello's answer tells which channel is behind the client, and it is nobody else's. */
static void
take_name (Client *client, const WireMessage *message)
{
  const char *name;
  WireReader reader;
  Guest *guest;

  wire_reader_init (&reader, message);
  fuzz_require (wire_reader_string (&reader, &name) && wire_bus_name_is_unique (name));
  client->unique_name = g_strdup (name);
  if (world->raw)
    return;

  client->guest = atoi (name + strlen (":1.")) - 100;
  fuzz_require (client->guest >= 0 && client->guest < (int) world->guests->len);
  guest = world->guests->pdata[client->guest];
  /* A call that came right behind Hello may be there already. */
  fuzz_require (guest->caller == NOBODY || guest->caller == client->number);
  guest->caller = client->number;
}

static void
take_signal (Client *client, const WireMessage *message)
{
  const WireHeader *header = &message->header;
  bool from_driver = strcmp (header->sender, BUS_DRIVER_NAME) == 0;
  int number = read_number (header->member, 'S');
  const Said *said;

  fuzz_require (client->unique_name != NULL);
  if (world->raw || world->raw_client)
    return;
  if (from_driver)
    {
      fuzz_require (strcmp (header->member, "NameAcquired") == 0
                    || strcmp (header->member, "NameOwnerChanged") == 0);
      return;
    }

  fuzz_require (number >= 0 && number < (int) world->signals->len);
  said = &g_array_index (world->signals, Said, number);
  fuzz_require (said->names != 0 && said->guest == client->guest);
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  const WireHeader *header = &message->header;
  Client *client = user_data;

  fuzz_require (header->sender != NULL
                && (strcmp (header->sender, BUS_DRIVER_NAME) == 0
                    || wire_bus_name_is_unique (header->sender)));
  if (client->raw)
    return;

  fuzz_require (header->destination == NULL
                || g_strcmp0 (header->destination, client->unique_name) == 0
                || client->unique_name == NULL);
  if (header->type == WIRE_SIGNAL)
    take_signal (client, message);
  else if (header->type == WIRE_METHOD_CALL)
    callback_arrived (client->number, NULL, message);
  else
    {
      if (client->unique_name == NULL && header->type == WIRE_METHOD_RETURN)
        take_name (client, message);
      call_take_answer (client->number, NULL, message);
    }
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  Client *client = user_data;

  fuzz_require (client->raw || reason <= 0);
  g_clear_pointer (&client->connection, connection_free);
}

static ssize_t
on_preamble (Connection *connection, const uint8_t *data, size_t size, void *user_data)
{
  Client *client = user_data;
  SaslVerdict verdict;
  size_t consumed;

  if (client->raw)
    return (ssize_t) size; /* whatever it is, nobody looks at it */

  verdict = sasl_client_feed (&client->sasl, data, size, &consumed);
  fuzz_require (verdict != SASL_FAILED);
  if (verdict == SASL_DONE)
    connection_end_preamble (connection);
  return (ssize_t) consumed;
}

static const ConnectionHandlers handlers = {
  .message = on_message,
  .closed = on_closed,
  .preamble = on_preamble,
};

/* --- What it does --- */

static int
send_call (Client *client, const char *destination, const char *interface, const char *member,
           const char *argument, uint8_t flags)
{
  g_autofree char *call_path = g_strdup_printf ("/c%d", client->number);
  bool to_driver = g_strcmp0 (destination, BUS_DRIVER_NAME) == 0;
  WireWriter *body = NULL;
  int r;

  if (argument != NULL)
    {
      body = wire_writer_new ();
      wire_writer_string (body, argument);
    }
  r = say (client->connection,
           (WireHeader){ .type = WIRE_METHOD_CALL,
                         .flags = flags,
                         .serial = client->serial,
                         .path = to_driver ? BUS_DRIVER_PATH : call_path,
                         .interface = interface,
                         .member = member,
                         .destination = destination,
                         .signature = argument != NULL ? "s" : "" },
           body);
  if (r < 0)
    call_drop_last ();
  return r;
}

static void
on_bridge_closed (BusSocketClient *end, void *user_data)
{
  Client *client = user_data;

  client->client = NULL;
  bus_socket_client_free (end);
}

/* Bit 0: one that speaks what the fuzzer thinks up; 1: to the session bus. */
void
client_connect (void)
{
  uint8_t options = input_byte (world->input);
  AuthoritySubject subject;
  Client *client;
  int fds[2];

  if (world->clients->len == N_CLIENTS || !bridge_has_room (world->bridge))
    return;

  client = g_new0 (Client, 1);
  client->number = FIRST_CLIENT + (int) world->clients->len;
  client->guest = NOBODY;
  client->raw = options & 1;
  world->raw_client = world->raw_client || client->raw;
  g_ptr_array_add (world->clients, client);

  fuzz_require (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
  fuzz_require (connection_new (world->event, stream_new_socket (fds[0]), &handlers, client,
                                &client->connection)
                == 0);
  fuzz_require (process_get_peer (fds[1], &subject) == 0);
  client->client = bus_socket_client_new (
      world->bridge, options & 2 ? GUEST_BUS_SESSION : GUEST_BUS_SYSTEM, fds[1], ID, &subject,
      process_get_peer_groups (fds[1]), on_bridge_closed, client);
  if (client->client == NULL)
    {
      g_clear_pointer (&client->connection, connection_free);
      return;
    }

  if (!client->raw)
    {
      connection_send_bytes (client->connection, SASL_CLIENT_GREETING, SASL_CLIENT_GREETING_SIZE);
      call_add (client->number, ++client->serial, NOBODY, NULL, true);
      send_call (client, BUS_DRIVER_NAME, BUS_DRIVER_INTERFACE, "Hello", NULL, 0);
    }
}

static void
call_service (Client *client, uint8_t choice, uint8_t flags)
{
  int name = choice % N_NAMES;
  bool wants_reply = (flags & WIRE_NO_REPLY_EXPECTED) == 0;
  bool by_owner = choice & 128;
  g_autofree char *member =
      g_strdup_printf ("M%d", call_add (client->number, client->serial, by_owner ? NOBODY : name,
                                        NULL, wants_reply));

  /* An owner may have several names: which rule decides is not told by the call. */
  if (by_owner && world->has_rules)
    g_array_index (world->calls, Call, world->calls->len - 1).allowed = false;
  send_call (client, by_owner ? owner_names[name % N_OWNERS] : exported_names[name],
             exported_names[name], member, NULL, flags);
}

static const struct
{
  const char *destination;
  const char *member;
  const char *argument;
} others[] = {
  { BUS_DRIVER_NAME, "AddMatch", "type='signal'" },
  { BUS_DRIVER_NAME, "AddMatch", "type='signal',sender='org.example.Ask1'" },
  { BUS_DRIVER_NAME, "AddMatch", "eavesdrop='true'" },
  { BUS_DRIVER_NAME, "AddMatch", "no rule" },
  { BUS_DRIVER_NAME, "AddMatch", NULL },
  { BUS_DRIVER_NAME, "RemoveMatch", "type='signal'" },
  { BUS_DRIVER_NAME, "RemoveMatch", "no rule" },
  { BUS_DRIVER_NAME, "GetNameOwner", "org.example.Ask1" },
  { BUS_DRIVER_NAME, "ListNames", NULL },
  { BUS_DRIVER_NAME, "Hello", NULL },
  { BUS_DRIVER_NAME, "RequestName", "org.example.Ask1" },
  { "org.example.Hidden1", "M", NULL },
  { ":1.1", "M", NULL },
  { NULL, "M", NULL },
};

/* A call of a service, as often as a byte says, or one of `others`. */
void
client_call (void)
{
  Client *client = choose_client ();
  uint8_t choice = input_byte (world->input);
  uint8_t flags =
      input_byte (world->input)
      & (WIRE_NO_REPLY_EXPECTED | WIRE_NO_AUTO_START | WIRE_ALLOW_INTERACTIVE_AUTHORIZATION);
  unsigned n = read_times (input_byte (world->input), 0);

  if (client == NULL || client->raw)
    return;

  for (; n > 0; n--)
    {
      client->serial++;
      if ((choice & 64) == 0)
        call_service (client, choice, flags);
      else
        {
          guint i = (choice & 63) % G_N_ELEMENTS (others);

          call_add (client->number, client->serial, NOBODY, NULL,
                    (flags & WIRE_NO_REPLY_EXPECTED) == 0);
          send_call (client, others[i].destination, NULL, others[i].member, others[i].argument,
                     flags);
        }
    }
}

void
client_speak_raw (void)
{
  Client *client = choose_client ();
  size_t size;
  const uint8_t *bytes = input_bytes (world->input, RAW_AT_MOST, &size);

  if (client != NULL && client->raw)
    connection_send_bytes (client->connection, bytes, size);
}

void
client_close (void)
{
  Client *client = choose_client ();

  if (client != NULL)
    g_clear_pointer (&client->connection, connection_free);
}

void
client_pause (void)
{
  Client *client = choose_client ();
  uint8_t choice = input_byte (world->input);

  if (client != NULL)
    connection_pause (client->connection, choice & 1);
}

void
client_close_all (void)
{
  for (guint i = 0; i < world->clients->len; i++)
    g_clear_pointer (&((Client *) world->clients->pdata[i])->connection, connection_free);
}

void
client_free (void *data)
{
  Client *client = data;

  connection_free (client->connection);
  bus_socket_client_free (client->client);
  g_free (client->unique_name);
  g_free (client);
}
