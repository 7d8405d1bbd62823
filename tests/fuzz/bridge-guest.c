/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest of fuzz-conversation-bridge: an honest agent until the input has it lie, and a witness
 * of what reaches a guest. */
#include <stdlib.h>
#include <string.h>

#include "bridge-world.h"
#include "limit.h"

#define AGENT_NAME "org.tombolo.Agent1"
#define RAW_AT_MOST 255
#define PENDING_SHOWN 8 /* of the calls without an answer, how many the input can choose from */

/* How an honest agent's channel begins: an owner for each name, in two bits. */
#define HONEST_OWNERS 0x39

Guest *
guest_choose (ChannelKind kind)
{
  unsigned choice = input_byte (world->input), n = 0;
  Guest *chosen = NULL;

  for (guint i = 0; i < world->guests->len; i++)
    n += ((Guest *) world->guests->pdata[i])->kind == kind
         && ((Guest *) world->guests->pdata[i])->connection != NULL;
  if (n == 0)
    return NULL;

  choice %= n;
  for (guint i = 0; i < world->guests->len && chosen == NULL; i++)
    {
      Guest *guest = world->guests->pdata[i];

      if (guest->kind == kind && guest->connection != NULL && choice-- == 0)
        chosen = guest;
    }

  return chosen;
}

/* --- What reaches it --- */

static int
find_name (const char *name)
{
  for (int i = 0; name != NULL && i < N_NAMES; i++)
    if (strcmp (name, exported_names[i]) == 0)
      return i;

  return NOBODY;
}

/* A channel is one caller's, who has no other. */
static void
take_caller (Guest *guest, int caller)
{
  const Guest *other;
  int *channel;

  fuzz_require (guest->caller == NOBODY || guest->caller == caller);
  guest->caller = caller;
  if (caller >= FIRST_CLIENT)
    return;

  fuzz_require (!world->gone[caller]);
  channel = &world->channels[guest->bus][caller];
  other = *channel == NOBODY ? NULL : world->guests->pdata[*channel];
  fuzz_require (other == NULL || other == guest || other->connection == NULL);
  *channel = guest->number;
}

static void
take_call (Guest *guest, const WireMessage *message)
{
  const WireHeader *header = &message->header;
  int number = read_number (header->member, 'M'), name = find_name (header->destination);
  Call *call;

  fuzz_require (header->destination != NULL && header->sender == NULL && guest->opened);
  fuzz_require (header->n_descriptors == 0);
  if (number == NOBODY || world->raw_client)
    return;

  fuzz_require (number < (int) world->calls->len);
  call = &g_array_index (world->calls, Call, number);
  fuzz_require (!call->arrived && call->allowed && !call->denied);
  fuzz_require (!call->answered || call->doubled);
  fuzz_require (call->serial == header->serial);
  fuzz_require (call->wants_reply == ((header->flags & WIRE_NO_REPLY_EXPECTED) == 0));
  fuzz_require (call->name == NOBODY || call->name == name);
  fuzz_require (name == NOBODY || get_bus_of (name) == guest->bus);
  fuzz_require (atoi (header->path + strlen ("/c")) == call->caller);
  take_caller (guest, call->caller);

  /* In the caller's order. */
  fuzz_require (number > guest->last_call);
  guest->last_call = number;
  call->arrived = true;
  if (name != NOBODY)
    guest->called[name] = true;
}

static void
take_bus (Guest *guest, const WireMessage *message)
{
  WireReader reader;
  const char *word;

  wire_reader_init (&reader, message);
  fuzz_require (wire_reader_string (&reader, &word) && guest_bus_from_string (word, &guest->bus));
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  const WireHeader *header = &message->header;
  Guest *guest = user_data;

  if (header->type == WIRE_METHOD_RETURN || header->type == WIRE_ERROR)
    {
      callback_answered (guest, message);
      return;
    }
  fuzz_require (header->type == WIRE_METHOD_CALL);

  if (strcmp (header->member, "Subscribe") == 0 || strcmp (header->member, "Open") == 0)
    {
      fuzz_require (guest->opening == 0);
      guest->opening = header->serial;
      if (guest->kind == CHANNEL_BUS)
        take_bus (guest, message);
      if (world->answers_openings)
        guest_open (guest, HONEST_OWNERS);
      return;
    }

  fuzz_require (guest->kind == CHANNEL_BUS);
  if (g_strcmp0 (header->destination, AGENT_NAME) == 0)
    return; /* SetCaller */
  take_call (guest, message);
  if ((header->flags & WIRE_NO_REPLY_EXPECTED) == 0)
    g_array_append_val (guest->pending, header->serial);
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  Guest *guest = user_data;

  fuzz_require (reason <= 0);
  g_clear_pointer (&guest->connection, connection_free);
}

static const ConnectionHandlers handlers = { .message = on_message, .closed = on_closed };

/* What a stream carries is bytes that nobody here looks at. */
static ssize_t
on_bytes (Connection *connection, const uint8_t *data, size_t size, void *user_data)
{
  return (ssize_t) size;
}

static const ConnectionHandlers stream_handlers = {
  .message = on_message,
  .closed = on_closed,
  .preamble = on_bytes,
};

static void
on_opened (Stream *stream, ChannelKind kind)
{
  Guest *guest = g_new0 (Guest, 1);

  guest->number = (int) world->guests->len;
  guest->kind = kind;
  guest->caller = guest->last_call = NOBODY;
  guest->pending = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  for (int i = 0; i < N_NAMES; i++)
    guest->owners[i] = NOBODY;
  g_ptr_array_add (world->guests, guest);
  fuzz_require (connection_new (world->event, stream,
                                kind == CHANNEL_STREAM ? &stream_handlers : &handlers, guest,
                                &guest->connection)
                == 0);
}

void
guest_begin (void)
{
  world->guests = g_ptr_array_new_with_free_func (guest_free);
  fake_tunnel_begin (on_opened);
}

void
guest_free (void *data)
{
  Guest *guest = data;

  connection_free (guest->connection);
  g_array_unref (guest->pending);
  g_free (guest);
}

/* --- What it says --- */

static const char *
get_owner (int owner)
{
  return owner == NOBODY ? "" : owner_names[owner];
}

/* Two bits a name: nobody, or who. */
static int
read_owner (unsigned owners, int name)
{
  unsigned bits = owners >> 2 * name & 3;

  return bits == 0 ? NOBODY : (int) bits - 1;
}

/* Answers Open or Subscribe. Bit 6: with a name too many; bit 7: with an error. */
void
guest_open (Guest *guest, unsigned owners)
{
  bool subscribe = guest->kind == CHANNEL_AGENT;
  g_autofree char *unique = g_strdup_printf (":1.%d", 100 + guest->number);
  WireWriter *body;
  size_t mark;

  if (guest->connection == NULL || guest->opening == 0 || guest->opened)
    return;
  if (owners & 128)
    {
      say (guest->connection,
           (WireHeader){ .type = WIRE_ERROR,
                         .reply_serial = guest->opening,
                         .error_name = "org.tombolo.Error.Disconnected" },
           NULL);
      return;
    }

  body = wire_writer_new ();
  wire_writer_string (body, subscribe ? "1.0" : unique);
  mark = wire_writer_begin_array (body, 8);
  for (int i = 0; i < N_NAMES + (int) (owners >> 6 & 1); i++)
    {
      int name = i % N_NAMES;

      if (!subscribe && get_bus_of (name) != guest->bus)
        continue;
      guest->owners[name] = read_owner (owners, name % N_OWNERS);
      wire_writer_begin_struct (body);
      if (subscribe)
        wire_writer_string (body, guest_bus_to_string (get_bus_of (name)));
      wire_writer_string (body, exported_names[name]);
      wire_writer_string (body, get_owner (guest->owners[name]));
      if (subscribe)
        wire_writer_boolean (body, i == 1);
    }
  wire_writer_end_array (body, mark);

  guest->opened = true;
  say (guest->connection,
       (WireHeader){ .type = WIRE_METHOD_RETURN,
                     .reply_serial = guest->opening,
                     .signature = subscribe ? "sa(sssb)" : "sa(ss)" },
       body);
}

void
guest_open_late (void)
{
  Guest *guest = guest_choose (input_byte (world->input) % 4 == 0 ? CHANNEL_AGENT : CHANNEL_BUS);
  uint8_t owners = input_byte (world->input);

  if (guest != NULL)
    guest_open (guest, owners);
}

const char *
guest_choose_sender (void)
{
  static const char *const senders[] = { ":1.10",  ":1.11", ":1.12",         ":1.66",
                                         ":1.100", NULL,    BUS_DRIVER_NAME, "org.example.Ask1" };

  return input_choose (world->input, senders, G_N_ELEMENTS (senders));
}

const char *
guest_choose_destination (void)
{
  static const char *const destinations[] = { NULL,     NULL,   ":1.100",
                                              ":1.103", ":2.1", "org.example.Ask1" };

  return input_choose (world->input, destinations, G_N_ELEMENTS (destinations));
}

unsigned
guest_get_names (const Guest *guest, const char *sender)
{
  unsigned names = 0;

  for (unsigned i = 0; i < N_NAMES; i++)
    if (guest->owners[i] != NOBODY && g_strcmp0 (sender, get_owner (guest->owners[i])) == 0)
      names |= 1u << i;

  return names;
}

/* Options: bits 0 to 2 which of the calls, 3: an error, 4: with descriptors, 5 to 7 the size. A
 * second byte, where it is not zero, is added to the serial. */
void
guest_reply (void)
{
  Guest *guest = guest_choose (CHANNEL_BUS);
  uint8_t options = input_byte (world->input), offset = input_byte (world->input);
  const char *sender = guest_choose_sender ();
  g_autofree char *text = g_strdup_printf ("R%u", world->replies->len);
  guint index = options % PENDING_SHOWN;
  Said said;

  if (guest == NULL)
    return;

  said = (Said){ .guest = guest->number, .serial = offset };
  if (index < guest->pending->len)
    {
      said.serial += g_array_index (guest->pending, uint32_t, index);
      if (offset == 0)
        g_array_remove_index (guest->pending, index);
    }
  if (said.serial == 0)
    return;

  g_array_append_val (world->replies, said);
  say_much (guest->connection,
            (WireHeader){ .type = options & 8 ? WIRE_ERROR : WIRE_METHOD_RETURN,
                          .reply_serial = said.serial,
                          .error_name = options & 8 ? "org.example.Error.No" : NULL,
                          .n_descriptors = options & 16 ? 1 : 0,
                          .sender = sender },
            text, read_size (options));
}

void
guest_signal (void)
{
  static const char *const interfaces[] = { "org.example.Ask1", "org.example.Public1",
                                            BUS_DRIVER_INTERFACE };
  Guest *guest = guest_choose (CHANNEL_BUS);
  const char *sender = guest_choose_sender ();
  const char *to = guest_choose_destination ();
  uint8_t options = input_byte (world->input);
  const char *interface = interfaces[options % G_N_ELEMENTS (interfaces)];

  for (unsigned n = read_times (input_byte (world->input), options); guest != NULL && n > 0; n--)
    {
      g_autofree char *member = g_strdup_printf ("S%u", world->signals->len);
      Said said = { .guest = guest->number,
                    .names = guest_get_names (guest, sender),
                    .public = to == NULL && strcmp (interface, interfaces[1]) == 0 };

      g_array_append_val (world->signals, said);
      if (say_much (guest->connection,
                    (WireHeader){ .type = WIRE_SIGNAL,
                                  .path = "/org/example",
                                  .interface = interface,
                                  .member = member,
                                  .n_descriptors = options & 16 ? 1 : 0,
                                  .sender = sender,
                                  .destination = to },
                    "", read_size (options))
          < 0)
        return;
    }
}

void
guest_change_owner (void)
{
  Guest *guest = guest_choose (CHANNEL_BUS);
  int name = input_byte (world->input) % N_NAMES;
  uint8_t choice = input_byte (world->input);
  int owner = read_owner (choice, 0);
  WireWriter *body;

  if (guest == NULL || !guest->opened || get_bus_of (name) != guest->bus)
    return;

  body = wire_writer_new ();
  wire_writer_string (body, exported_names[name]);
  wire_writer_string (body, get_owner (guest->owners[name]));
  /* A well-known name is nobody's owner, and changes nothing. */
  wire_writer_string (body, choice & 128 ? "org.example.Ask1" : get_owner (owner));
  if ((choice & 128) == 0)
    guest->owners[name] = owner;
  say (guest->connection,
       (WireHeader){ .type = WIRE_SIGNAL,
                     .path = BUS_DRIVER_PATH,
                     .interface = BUS_DRIVER_INTERFACE,
                     .member = "NameOwnerChanged",
                     .sender = BUS_DRIVER_NAME,
                     .signature = "sss" },
       body);
}

void
guest_change_export (void)
{
  static const char *const names[] = { "org.example.Ask1", "org.example.Open1", "org.example.Shut1",
                                       "org.example.New1", BUS_DRIVER_NAME,     ":1.7",
                                       "not a name",       "org.example.Mine1" };
  static const char *const owners[] = { "", ":1.10", ":1.11", ":1.12", "org.example.Ask1" };
  Guest *guest = guest_choose (CHANNEL_AGENT);
  const char *name = input_choose (world->input, names, G_N_ELEMENTS (names));
  const char *owner = input_choose (world->input, owners, G_N_ELEMENTS (owners));
  WireWriter *body;
  uint8_t options;

  if (guest == NULL)
    return;

  options = input_byte (world->input);
  body = wire_writer_new ();
  wire_writer_string (body, options & 2 ? "session" : options & 4 ? "" : "system");
  wire_writer_string (body, name);
  wire_writer_string (body, owner);
  wire_writer_boolean (body, options & 1);
  say (guest->connection,
       (WireHeader){ .type = WIRE_SIGNAL,
                     .path = "/org/tombolo/Agent1",
                     .interface = "org.tombolo.Agent1",
                     .member = "ExportChanged",
                     .signature = "sssb" },
       body);
}

void
guest_speak_raw (void)
{
  Guest *guest = guest_choose (input_byte (world->input) % 4 == 0 ? CHANNEL_AGENT : CHANNEL_BUS);
  size_t size;
  const uint8_t *bytes = input_bytes (world->input, RAW_AT_MOST, &size);

  if (guest == NULL)
    return;

  world->raw = true;
  connection_send_bytes (guest->connection, bytes, size);
}

void
guest_close (void)
{
  Guest *guest = guest_choose (input_byte (world->input) % 4 == 0 ? CHANNEL_AGENT : CHANNEL_BUS);

  if (guest != NULL)
    g_clear_pointer (&guest->connection, connection_free);
}

/* It does not read any more, or again. */
void
guest_pause (void)
{
  uint8_t choice = input_byte (world->input);
  Guest *guest = guest_choose (choice % 4 == 0 ? CHANNEL_AGENT : CHANNEL_BUS);

  if (guest != NULL)
    connection_pause (guest->connection, choice & 128);
}

void
guest_close_all (void)
{
  for (guint i = 0; i < world->guests->len; i++)
    g_clear_pointer (&((Guest *) world->guests->pdata[i])->connection, connection_free);
}
