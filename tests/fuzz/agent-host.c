/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host of fuzz-conversation-agent: asks what a bridge asks, and what none would, and witnesses
 * what a host hears of the guest. */
#include <stdlib.h>
#include <string.h>

#include "agent-world.h"
#include "limit.h"

#define RAW_AT_MOST 255
#define CHANNELS_AT_MOST (LIMIT_CALLERS_MACHINE + N_GUEST_BUSES * LIMIT_SPARE_CHANNELS + 1)

static Host *
choose_host (void)
{
  unsigned choice = input_byte (world->input);
  Host *host;

  if (world->hosts->len == 0)
    return NULL;

  host = world->hosts->pdata[choice % world->hosts->len];
  return host->connection != NULL ? host : NULL;
}

/* --- What reaches it --- */

/* Open's answer names the bus connection behind the channel: it is nobody else's. */
static void
take_opening (Host *host, const WireMessage *message)
{
  const char *unique;
  WireReader reader;
  Peer *peer;

  if (message->header.type == WIRE_ERROR)
    return;

  fuzz_require (strcmp (message->header.signature, "sa(ss)") == 0);
  wire_reader_init (&reader, message);
  fuzz_require (wire_reader_string (&reader, &unique) && wire_bus_name_is_unique (unique));
  if (!g_str_has_prefix (unique, ":1.") || (guint) atoi (unique + 3) >= world->peers->len)
    return; /* the bus has lied */

  peer = world->peers->pdata[atoi (unique + 3)];
  if (peer->lies)
    return;
  fuzz_require (peer->host == NOBODY);
  peer->host = host->number;
  host->peer = peer->number;
}

static bool
take_pending (Host *host, uint32_t serial)
{
  for (guint i = 0; i < host->pending->len; i++)
    if (g_array_index (host->pending, Pending, i).serial == serial)
      {
        g_array_remove_index (host->pending, i);
        return true;
      }

  return false;
}

/* Once, for a call that waits; and a service's own words only from the right connection. */
static void
take_reply (Host *host, const WireMessage *message)
{
  const char *text;
  WireReader reader;
  const Said *said;
  int number;

  if (message->header.reply_serial == host->opening)
    {
      host->opening = UINT32_MAX;
      take_opening (host, message);
      return;
    }

  fuzz_require (host->raw || take_pending (host, message->header.reply_serial));
  wire_reader_init (&reader, message);
  if (host->peer == NOBODY || ((Peer *) world->peers->pdata[host->peer])->lies
      || !wire_reader_string (&reader, &text) || (number = read_number (text, 'R')) == NOBODY)
    return;

  fuzz_require (number < (int) world->replies->len);
  said = &g_array_index (world->replies, Said, number);
  fuzz_require (said->peer == host->peer && said->serial == message->header.reply_serial);
}

static void
take_signal (Host *host, const WireHeader *header)
{
  const Said *said;
  int number;

  fuzz_require (header->sender != NULL);
  if (host->kind == CHANNEL_AGENT)
    return;

  fuzz_require (host->opening == UINT32_MAX);
  if (host->peer == NOBODY || ((Peer *) world->peers->pdata[host->peer])->lies)
    return;
  if (strcmp (header->sender, BUS_DRIVER_NAME) == 0)
    {
      fuzz_require (strcmp (header->member, "NameOwnerChanged") == 0);
      return;
    }

  number = read_number (header->member, 'S');
  fuzz_require (number >= 0 && number < (int) world->signals->len);
  said = &g_array_index (world->signals, Said, number);
  fuzz_require (said->peer == host->peer && said->from_owner);
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  const WireHeader *header = &message->header;
  Host *host = user_data;

  fuzz_require (header->n_descriptors == 0);
  if (host->kind == CHANNEL_AGENT && header->type == WIRE_SIGNAL)
    fuzz_require (strcmp (header->member, "ExportChanged") == 0);
  else if (header->type == WIRE_SIGNAL)
    take_signal (host, header);
  else if (header->type != WIRE_METHOD_CALL)
    take_reply (host, message);
  else
    {
      fuzz_require (host->kind == CHANNEL_BUS && host->opening == UINT32_MAX);
      bus_take_callback (host, message);
    }
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  Host *host = user_data;

  fuzz_require (reason <= 0);
  g_clear_pointer (&host->connection, connection_free);
}

static const ConnectionHandlers handlers = { .message = on_message, .closed = on_closed };

void
host_begin (void)
{
  world->hosts = g_ptr_array_new_with_free_func (host_free);
}

void
host_free (void *data)
{
  Host *host = data;

  connection_free (host->connection);
  g_array_unref (host->pending);
  g_free (host);
}

/* --- What it does --- */

static unsigned
count_open (void)
{
  unsigned n = 0;

  for (guint i = 0; i < world->hosts->len; i++)
    n += ((Host *) world->hosts->pdata[i])->connection != NULL
         && ((Host *) world->hosts->pdata[i])->kind == CHANNEL_BUS;

  return n;
}

static void
add_session (ChannelKind kind)
{
  Stream *stream = fake_tunnel_open (kind);
  Host *host = g_new0 (Host, 1);

  host->number = (int) world->hosts->len;
  host->kind = kind;
  host->peer = NOBODY;
  host->uid = (uint32_t) -1;
  host->pending = g_array_new (FALSE, FALSE, sizeof (Pending));
  g_ptr_array_add (world->hosts, host);
  fuzz_require (connection_new (world->event, stream, &handlers, host, &host->connection) == 0);
}

void
host_session (void)
{
  static const ChannelKind kinds[] = { CHANNEL_BUS, CHANNEL_AGENT, CHANNEL_STREAM, CHANNEL_BUS };
  ChannelKind kind = kinds[input_byte (world->input) % G_N_ELEMENTS (kinds)];

  /* One, or more than there may be. */
  for (unsigned n = input_byte (world->input) == 255 ? CHANNELS_AT_MOST + 20 : 1; n > 0; n--)
    add_session (kind);

  loop_run (world->event);
  fuzz_require (count_open () <= CHANNELS_AT_MOST);
}

/* Sends a call; returns whether that was so. */
static bool
send_call (Host *host, WireHeader header, const char *argument, size_t size)
{
  Pending pending;
  int r;

  header.type = WIRE_METHOD_CALL;
  if (header.serial == 0)
    header.serial = ++host->serial;
  pending = (Pending){ .serial = header.serial };
  if (argument != NULL && size == 0)
    {
      WireWriter *body = wire_writer_new ();

      wire_writer_string (body, argument);
      header.signature = "s";
      r = say (host->connection, header, body);
    }
  else if (size > 0)
    r = say_much (host->connection, header, argument != NULL ? argument : "", size);
  else
    r = say (host->connection, header, NULL);

  if (r >= 0 && (header.flags & WIRE_NO_REPLY_EXPECTED) == 0 && header.serial != host->opening)
    g_array_append_val (host->pending, pending);
  return r >= 0;
}

void
host_open (void)
{
  static const char *const buses[] = { "system", "system", "system", "session", "", NULL };
  Host *host = choose_host ();
  const char *bus = input_choose (world->input, buses, G_N_ELEMENTS (buses));

  if (host == NULL || host->kind != CHANNEL_BUS)
    return;

  if (host->opening == 0)
    host->opening = ++host->serial;
  send_call (host,
             (WireHeader){ .serial = host->opening != UINT32_MAX ? host->opening : 0,
                           .path = AGENT_PATH,
                           .interface = AGENT_CHANNEL_INTERFACE,
                           .member = "Open",
                           .destination = AGENT_NAME },
             bus, 0);
}

void
host_call (void)
{
  static const char *const destinations[] = {
    "org.example.Ask1", "org.example.Open1", ":1.10", ":1.11", "org.example.Hidden1", ":1.66", NULL,
    "org.example.Ask1"
  };
  static const char *const members[] = { "Get", "Set", "Deny" };
  Host *host = choose_host ();
  const char *to = input_choose (world->input, destinations, G_N_ELEMENTS (destinations));
  const char *member = input_choose (world->input, members, G_N_ELEMENTS (members));
  uint8_t options = input_byte (world->input);
  size_t size = read_size (options);
  uint32_t serial = 0;

  for (unsigned n = read_times (input_byte (world->input), size); host != NULL && n > 0; n--)
    {
      if (options & 16 && host->serial > 0)
        {
          serial = host->serial;
          host->raw = true; /* one serial for two calls: their replies are not told apart */
        }
      if (!send_call (host,
                      (WireHeader){ .flags = options & 7,
                                    .serial = serial,
                                    .path = "/org/example",
                                    .interface = options & 8 ? NULL : "org.example.Ask1",
                                    .member = member,
                                    .n_descriptors = (options & 24) == 24 ? 1 : 0,
                                    .sender = ":9.9",
                                    .destination = to },
                      NULL, size))
        return;
    }
}

void
host_call_driver (void)
{
  static const struct
  {
    const char *interface;
    const char *member;
    const char *argument;
  } calls[] = {
    { BUS_DRIVER_INTERFACE, "AddMatch", "type='signal',sender='org.example.Ask1'" },
    { BUS_DRIVER_INTERFACE, "AddMatch", "eavesdrop=true" },
    { BUS_DRIVER_INTERFACE, "AddMatch", "arg0='it'\\''s',eavesdrop='true'" },
    { BUS_DRIVER_INTERFACE, "AddMatch", "no rule" },
    { BUS_DRIVER_INTERFACE, "RemoveMatch", "type='signal'" },
    { BUS_DRIVER_INTERFACE, "ListNames", NULL },
    { BUS_DRIVER_INTERFACE, "ListActivatableNames", NULL },
    { BUS_DRIVER_INTERFACE, "NameHasOwner", "org.example.Ask1" },
    { BUS_DRIVER_INTERFACE, "GetNameOwner", "org.example.Open1" },
    { BUS_DRIVER_INTERFACE, "GetNameOwner", "org.example.Hidden1" },
    { BUS_DRIVER_INTERFACE, "GetConnectionUnixUser", "org.example.Ask1" },
    { BUS_DRIVER_INTERFACE, "GetConnectionCredentials", "org.example.Ask1" },
    { BUS_DRIVER_INTERFACE, "GetConnectionCredentials", ":1.66" },
    { BUS_DRIVER_INTERFACE, "StartServiceByName", "org.example.Ask1" },
    { BUS_DRIVER_INTERFACE, "GetId", NULL },
    { BUS_DRIVER_INTERFACE, "RequestName", "org.example.Ask1" },
    { BUS_DRIVER_INTERFACE, "UpdateActivationEnvironment", NULL },
    { "org.freedesktop.DBus.Monitoring", "BecomeMonitor", NULL },
    { NULL, "AddMatch", "eavesdrop='true',type='signal'" },
    { NULL, "Hello", NULL },
    { "org.freedesktop.DBus.Properties", "GetAll", BUS_DRIVER_INTERFACE },
  };
  Host *host = choose_host ();
  guint which = input_byte (world->input) % G_N_ELEMENTS (calls);
  uint8_t flags = input_byte (world->input);

  if (host != NULL)
    send_call (host,
               (WireHeader){ .flags = flags & 7,
                             .path = BUS_DRIVER_PATH,
                             .interface = calls[which].interface,
                             .member = calls[which].member,
                             .destination = BUS_DRIVER_NAME },
               calls[which].argument, 0);
}

/* Bits 0 and 1: the user; 2: its groups are known; 3: in another machine. */
void
host_set_caller (void)
{
  Host *host = choose_host ();
  uint8_t who = input_byte (world->input);
  WireWriter *body;
  size_t mark;

  if (host == NULL)
    return;

  body = wire_writer_new ();
  wire_writer_uint32 (body, 999u + who % 4);
  wire_writer_boolean (body, (who & 4) != 0);
  mark = wire_writer_begin_array (body, 4);
  for (unsigned i = 0; i < (who >> 4) * 100u; i++)
    wire_writer_uint32 (body, i);
  wire_writer_end_array (body, mark);
  wire_writer_string (body, who & 8 ? "team:web" : "");

  /* More groups than anybody may have, and the call is none. */
  if ((who >> 4) * 100u <= LIMIT_CALLER_GROUPS && host->opening == UINT32_MAX)
    {
      host->uid = 999u + who % 4;
      host->on_machine = who & 8;
    }
  say (host->connection,
       (WireHeader){ .type = WIRE_METHOD_CALL,
                     .flags = WIRE_NO_REPLY_EXPECTED,
                     .serial = ++host->serial,
                     .path = AGENT_PATH,
                     .interface = AGENT_CHANNEL_INTERFACE,
                     .member = "SetCaller",
                     .destination = AGENT_NAME,
                     .signature = "ubaus" },
       body);
}

/* Options: bit 2: with an error; 3: with descriptors; 4: another serial; the upper ones: how large.
 */
void
host_answer (void)
{
  Host *host = choose_host ();
  uint32_t serial = 0;
  int callback = host != NULL ? bus_choose_callback (host, &serial) : NOBODY;
  uint8_t options = input_byte (world->input);
  g_autofree char *text = NULL;

  if (callback == NOBODY)
    return;

  text = g_strdup_printf ("A%d", host->number);
  say_much (host->connection,
            (WireHeader){ .type = options & 4 ? WIRE_ERROR : WIRE_METHOD_RETURN,
                          .serial = ++host->serial,
                          .reply_serial = serial + (options & 16 ? 1 : 0),
                          .error_name = options & 4 ? "org.example.Error.No" : NULL,
                          .n_descriptors = options & 8 ? 1 : 0,
                          .sender = ":9.9" },
            text, read_size (options));
}

void
host_speak_raw (void)
{
  Host *host = choose_host ();
  size_t size;
  const uint8_t *bytes = input_bytes (world->input, RAW_AT_MOST, &size);

  if (host == NULL)
    return;

  host->raw = true;
  connection_send_bytes (host->connection, bytes, size);
}

void
host_speak_odd (void)
{
  Host *host = choose_host ();
  uint8_t what = input_byte (world->input);

  if (host == NULL)
    return;

  if (what % 2 == 0)
    say (host->connection,
         (WireHeader){ .type = WIRE_SIGNAL,
                       .path = "/org/example",
                       .interface = "org.example.Ask1",
                       .member = "Changed",
                       .sender = BUS_DRIVER_NAME },
         NULL);
  else
    say (host->connection,
         (WireHeader){ .type = WIRE_METHOD_RETURN, .reply_serial = what, .sender = ":1.10" }, NULL);
}

void
host_hang_up (void)
{
  Host *host = choose_host ();

  if (host != NULL)
    g_clear_pointer (&host->connection, connection_free);
}

void
host_pause (void)
{
  Host *host = choose_host ();
  uint8_t choice = input_byte (world->input);

  if (host != NULL)
    connection_pause (host->connection, choice & 1);
}

void
host_subscribe (void)
{
  Host *host = choose_host ();

  if (host != NULL)
    send_call (
        host,
        (WireHeader){ .path = AGENT_PATH, .interface = AGENT_INTERFACE, .member = "Subscribe" },
        NULL, 0);
}

void
host_close_all (void)
{
  for (guint i = 0; i < world->hosts->len; i++)
    g_clear_pointer (&((Host *) world->hosts->pdata[i])->connection, connection_free);
}
