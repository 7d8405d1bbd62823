/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lies of a guest's agent that has been taken over. */
#include "rogue-lies.h"

#include <glib.h>
#include <string.h>

#include "body.h"
#include "limit.h"
#include "owner-table.h"
#include "world.h"

#define N_STORM 5000
#define N_PENDING 10000
#define TOKEN "00112233445566778899aabbccddee" /* and two digits */

static Connection *agent;
static char last_answer[LIMIT_NAME_LENGTH + 1] = "none";

typedef struct
{
  Connection *connection;
  const WireHeader *call;
  const char *name;
} Lie;

/* --- Messages that are good, but lies --- */

static void
send (const Lie *lie, WireHeader header, WireWriter *body)
{
  const uint8_t *data = NULL;
  size_t size = 0;

  header.byte_order = wire_native_byte_order ();
  if (header.serial == 0)
    header.serial = 1;
  if (header.signature == NULL)
    header.signature = "";
  if (body != NULL)
    data = wire_writer_data (body, &size);
  connection_send (lie->connection, &header, data, size);
  wire_writer_free (body);
}

static WireHeader
make_reply (const Lie *lie)
{
  return (WireHeader){ .type = WIRE_METHOD_RETURN,
                       .reply_serial = lie->call->serial,
                       .sender = ROGUE_OWNER };
}

static WireHeader
make_signal (const char *sender)
{
  return (WireHeader){ .type = WIRE_SIGNAL,
                       .path = ECHO_PATH,
                       .interface = ECHO_INTERFACE,
                       .member = "Pinged",
                       .sender = sender };
}

static WireHeader
make_call (const char *sender, uint32_t serial)
{
  return (WireHeader){ .type = WIRE_METHOD_CALL,
                       .serial = serial,
                       .path = BACK_PATH,
                       .interface = BACK_INTERFACE,
                       .member = "Tell",
                       .sender = sender,
                       .signature = "s" };
}

static WireWriter *
make_text (const char *text)
{
  WireWriter *body = wire_writer_new ();

  wire_writer_string (body, text);
  return body;
}

static void
answer (const Lie *lie)
{
  send (lie, make_reply (lie), NULL);
}

static void
tell_owner_changed (const Lie *lie, const char *name, const char *owner)
{
  WireWriter *body = make_text (name);

  wire_writer_string (body, ROGUE_OWNER);
  wire_writer_string (body, owner);
  send (lie,
        (WireHeader){ .type = WIRE_SIGNAL,
                      .path = BUS_DRIVER_PATH,
                      .interface = BUS_DRIVER_INTERFACE,
                      .member = "NameOwnerChanged",
                      .sender = BUS_DRIVER_NAME,
                      .signature = "sss" },
        body);
}

static void
reply_sender (const Lie *lie)
{
  WireHeader header = make_reply (lie);

  header.sender = lie->name;
  send (lie, header, NULL);
}

static void
reply_driver (const Lie *lie)
{
  WireHeader header = make_reply (lie);

  header.sender = BUS_DRIVER_NAME;
  send (lie, header, NULL);
}

static void
reply_destination (const Lie *lie)
{
  WireHeader header = make_reply (lie);

  header.destination = lie->name;
  send (lie, header, NULL);
}

static void
reply_other_serial (const Lie *lie)
{
  WireHeader header = make_reply (lie);

  header.reply_serial += 1000;
  send (lie, header, NULL);
}

static void
reply_twice (const Lie *lie)
{
  answer (lie);
  answer (lie);
}

static void
signal_with_serial (const Lie *lie)
{
  WireHeader header = make_signal (ROGUE_OWNER);

  header.reply_serial = lie->call->serial;
  send (lie, header, NULL);
  answer (lie);
}

static void
signal_stranger (const Lie *lie)
{
  send (lie, make_signal (ROGUE_STRANGER), NULL);
}

static void
signal_destination (const Lie *lie)
{
  WireHeader header = make_signal (ROGUE_OWNER);

  header.destination = lie->name;
  send (lie, header, NULL);
  answer (lie);
}

static void
signal_of_caller (const Lie *lie)
{
  send (lie, make_signal (lie->name), NULL);
}

static void
owner_of_others (const Lie *lie)
{
  tell_owner_changed (lie, lie->name, "");
  tell_owner_changed (lie, "org.freedesktop.PolicyKit1", "");
  tell_owner_changed (lie, BUS_DRIVER_NAME, ROGUE_STRANGER);
  answer (lie);
}

/* A name is told to be a name's owner: it is not believed, and what it sends is a stranger's. */
static void
owner_no_unique_name (const Lie *lie)
{
  tell_owner_changed (lie, ECHO_NAME, "org.example.Fake");
  send (lie, make_signal ("org.example.Fake"), NULL);
}

static void
owner_from_service (const Lie *lie)
{
  WireHeader header = make_signal (ROGUE_OWNER);
  WireWriter *body = make_text (lie->name);

  wire_writer_string (body, lie->name);
  wire_writer_string (body, "");
  header.path = BUS_DRIVER_PATH;
  header.interface = BUS_DRIVER_INTERFACE;
  header.member = "NameOwnerChanged";
  header.signature = "sss";
  send (lie, header, body);
  answer (lie);
}

static void
descriptors (const Lie *lie)
{
  WireHeader header = make_reply (lie);

  header.n_descriptors = 1;
  send (lie, header, NULL);
}

/* What the descriptors of the next message are: `n` sockets, which are so many streams. */
static void
announce (const Lie *lie, unsigned n, const char *token)
{
  WireWriter *body = wire_writer_new ();
  size_t mark = wire_writer_begin_array (body, 8);

  for (unsigned i = 0; i < n; i++)
    {
      g_autofree char *text = g_strdup_printf ("%s%02x", token, i);

      wire_writer_begin_struct (body);
      wire_writer_byte (body, 3);
      wire_writer_string (body, text);
      wire_writer_uint32 (body, 0);
    }
  wire_writer_end_array (body, mark);
  send (lie,
        (WireHeader){ .type = WIRE_METHOD_CALL,
                      .flags = WIRE_NO_REPLY_EXPECTED,
                      .path = "/org/tombolo/Agent1",
                      .interface = "org.tombolo.Agent1.Channel",
                      .member = "Descriptors",
                      .signature = "a(ysu)" },
        body);
}

static void
announced_wrongly (const Lie *lie)
{
  announce (lie, 1, "no token");
}

static void
announced_twice (const Lie *lie)
{
  announce (lie, 1, TOKEN);
  announce (lie, 1, TOKEN);
}

static void
announced_more (const Lie *lie)
{
  WireHeader header = make_reply (lie);

  announce (lie, 2, TOKEN);
  header.n_descriptors = 1;
  send (lie, header, NULL);
}

static void
announced_nothing_to (const Lie *lie)
{
  announce (lie, 1, TOKEN);
  answer (lie);
}

static void
announced_signal (const Lie *lie)
{
  WireHeader header = make_signal (ROGUE_OWNER);

  announce (lie, 1, TOKEN);
  header.n_descriptors = 1;
  send (lie, header, NULL);
}

/* With `announced` descriptors announced, and `n` of them there. */
static void
call_announced (const Lie *lie, const char *sender, unsigned announced, unsigned n)
{
  WireHeader header = make_call (sender, 9);

  announce (lie, announced, TOKEN);
  header.n_descriptors = n;
  send (lie, header, make_text ("lie"));
}

/* As it should be; none of its streams is ever served. */
static void
announced_call (const Lie *lie)
{
  call_announced (lie, ROGUE_OWNER, 1, 1);
  answer (lie);
}

static void
announced_call_stranger (const Lie *lie)
{
  call_announced (lie, ROGUE_STRANGER, 1, 1);
}

static void
announced_call_more (const Lie *lie)
{
  call_announced (lie, ROGUE_OWNER, 2, 1);
}

static void
announced_call_fewer (const Lie *lie)
{
  call_announced (lie, ROGUE_OWNER, 1, 2);
}

static void
announced_call_nothing (const Lie *lie)
{
  call_announced (lie, ROGUE_OWNER, 1, 0);
}

/* Of a service that this caller has not called: it is refused, and the next one is good. */
static void
announced_call_uncalled (const Lie *lie)
{
  call_announced (lie, ROGUE_LAZY_OWNER, 16, 16);
  answer (lie);
}

/* Five times 16, of which the last are too many. */
static void
announced_call_many (const Lie *lie)
{
  WireHeader header = make_call (ROGUE_OWNER, 9);

  header.flags = WIRE_NO_REPLY_EXPECTED;
  header.n_descriptors = LIMIT_MESSAGE_DESCRIPTORS;
  for (int i = 0; i < 5; i++)
    {
      g_autofree char *token = g_strdup_printf ("%.28s%02d", TOKEN, i);

      header.flags = i < 4 ? WIRE_NO_REPLY_EXPECTED : 0;
      announce (lie, LIMIT_MESSAGE_DESCRIPTORS, token);
      send (lie, header, make_text ("lie"));
    }
  answer (lie);
}

/* As it should be, but for the streams, of which none is ever served. */
static void
announced_and_never (const Lie *lie)
{
  WireHeader header = make_reply (lie);
  WireWriter *body = wire_writer_new ();

  announce (lie, 1, TOKEN);
  wire_writer_uint32 (body, 0);
  header.n_descriptors = 1;
  header.signature = "h";
  send (lie, header, body);
}

static void
storm (const Lie *lie)
{
  for (int i = 0; i < N_STORM && connection_get_queued (lie->connection) < LIMIT_QUEUE_SIZE / 2;
       i++)
    send (lie, make_signal (ROGUE_OWNER), NULL);
  answer (lie);
}

/* --- Calls --- */

static void
call_nameless (const Lie *lie)
{
  send (lie, make_call (NULL, 9), make_text ("lie"));
}

static void
call_stranger (const Lie *lie)
{
  send (lie, make_call (ROGUE_STRANGER, 9), make_text ("lie"));
}

static void
call_driver (const Lie *lie)
{
  send (lie, make_call (BUS_DRIVER_NAME, 9), make_text ("lie"));
}

/* Of a service that this caller has not called. */
static void
call_uncalled (const Lie *lie)
{
  send (lie, make_call (ROGUE_LAZY_OWNER, 9), make_text ("lie"));
  answer (lie);
}

static void
call_interface (const Lie *lie)
{
  WireHeader header = make_call (ROGUE_OWNER, 9);

  header.interface = "org.freedesktop.systemd1.Manager";
  send (lie, header, make_text ("lie"));
  answer (lie);
}

static void
call_no_interface (const Lie *lie)
{
  WireHeader header = make_call (ROGUE_OWNER, 9);

  header.interface = NULL;
  send (lie, header, make_text ("lie"));
  answer (lie);
}

static void
call_destination (const Lie *lie)
{
  WireHeader header = make_call (ROGUE_OWNER, 9);

  header.destination = lie->name;
  send (lie, header, make_text ("to its caller"));
  answer (lie);
}

static void
call_serial_twice (const Lie *lie)
{
  WireHeader header = make_call (ROGUE_OWNER, 9);

  header.member = "Never";
  send (lie, header, make_text ("once"));
  send (lie, header, make_text ("lie"));
}

static void
call_descriptors (const Lie *lie)
{
  WireHeader header = make_call (ROGUE_OWNER, 9);

  header.n_descriptors = 1;
  send (lie, header, make_text ("lie"));
}

static void
call_ten_thousand (const Lie *lie)
{
  for (uint32_t i = 1; i <= N_PENDING; i++)
    {
      WireHeader header = make_call (ROGUE_OWNER, i);

      header.member = "Never";
      send (lie, header, make_text ("pending"));
    }
  answer (lie);
}

static void
call_good (const Lie *lie)
{
  send (lie, make_call (ROGUE_OWNER, 9), make_text ("good"));
  answer (lie);
}

/* In the other byte order, written by hand. */
static void
call_swapped (const Lie *lie)
{
  static const uint8_t text[] = { 0, 0, 0, 7, 's', 'w', 'a', 'p', 'p', 'e', 'd', 0 };
  static const uint8_t reversed[] = { 7, 0, 0, 0, 's', 'w', 'a', 'p', 'p', 'e', 'd', 0 };
  bool little = wire_native_byte_order () == 'l';
  WireHeader header = make_call (ROGUE_OWNER, 9);

  header.byte_order = little ? 'B' : 'l';
  connection_send (lie->connection, &header, little ? text : reversed, sizeof text);
  answer (lie);
}

/* --- On the agent's channel --- */

static void
tell_export (const char *bus, const char *name, const char *owner, const char *signature)
{
  const Lie lie = { .connection = agent };
  WireWriter *body = make_text (bus);

  wire_writer_string (body, name);
  wire_writer_string (body, owner);
  if (strcmp (signature, "sssb") == 0)
    wire_writer_boolean (body, true);
  send (&lie,
        (WireHeader){ .type = WIRE_SIGNAL,
                      .path = "/org/tombolo/Agent1",
                      .interface = "org.tombolo.Agent1",
                      .member = "ExportChanged",
                      .signature = signature },
        body);
}

/* One that it has not told of before. */
static void
export_new (const Lie *lie)
{
  tell_export ("system", FORGED_NAME, ROGUE_OWNER, "sssb");
}

static void
export_driver (const Lie *lie)
{
  tell_export ("system", BUS_DRIVER_NAME, ROGUE_OWNER, "sssb");
}

static void
export_bus (const Lie *lie)
{
  tell_export ("host", ECHO_NAME, ROGUE_OWNER, "sssb");
}

static void
export_owner (const Lie *lie)
{
  tell_export ("system", ECHO_NAME, "org.example.Fake", "sssb");
}

static void
export_signature (const Lie *lie)
{
  tell_export ("system", ECHO_NAME, ROGUE_OWNER, "sss");
}

static void
export_call (const Lie *lie)
{
  const Lie on_agent = { .connection = agent };

  send (&on_agent, make_call (ROGUE_OWNER, 9), make_text ("lie"));
}

/* --- Bytes that are no message --- */

/* A reply with this body, whatever it is. */
static void
send_bytes (const Lie *lie, const char *signature, const void *body, size_t size)
{
  WireHeader header = make_reply (lie);
  uint8_t bytes[1024];
  size_t header_size;

  header.byte_order = wire_native_byte_order ();
  header.serial = 1;
  header.signature = signature;
  header_size = wire_header_write (&header, size, bytes, sizeof bytes);
  connection_send_bytes (lie->connection, bytes, header_size);
  connection_send_bytes (lie->connection, body, size);
}

static void
bad_utf8 (const Lie *lie)
{
  static const uint8_t body[] = { 2, 0, 0, 0, 0xff, 0xfe, 0 };

  send_bytes (lie, "s", body, sizeof body);
}

static void
bad_padding (const Lie *lie)
{
  static const uint8_t body[] = { 1, 0, 1, 0, 7, 0, 0, 0 };

  send_bytes (lie, "yu", body, sizeof body);
}

static void
bad_boolean (const Lie *lie)
{
  static const uint8_t body[] = { 2, 0, 0, 0 };

  send_bytes (lie, "b", body, sizeof body);
}

static void
bad_rest (const Lie *lie)
{
  static const uint8_t body[] = { 1, 0, 0, 0, 0, 0, 0, 0 };

  send_bytes (lie, "u", body, sizeof body);
}

/* Past the message's end, and past the specification's 64 MiB. */
static void
array_past_end (const Lie *lie)
{
  static const uint8_t body[] = { 100, 0, 0, 0, 1, 2, 3, 4 };

  send_bytes (lie, "ay", body, sizeof body);
}

static void
array_over_cap (const Lie *lie)
{
  static const uint8_t body[] = { 1, 0, 0, 4, 1, 2, 3, 4 };

  send_bytes (lie, "ay", body, sizeof body);
}

static void
too_deep (const Lie *lie)
{
  uint8_t body[3 * 64 + 4];

  for (size_t i = 0; i < 64; i++)
    memcpy (body + 3 * i, "\1v", 3);
  memcpy (body + sizeof body - 4, "\1y\0\7", 4);
  send_bytes (lie, "v", body, sizeof body);
}

static void
send_prefix (const Lie *lie, uint32_t body_size, uint32_t fields_size)
{
  struct
  {
    uint8_t start[4];
    uint32_t body_size, serial, fields_size;
  } prefix = { { wire_native_byte_order (), WIRE_METHOD_RETURN, 0, 1 }, body_size, 1, fields_size };

  connection_send_bytes (lie->connection, &prefix, sizeof prefix);
}

static void
oversize_header (const Lie *lie)
{
  send_prefix (lie, 0, LIMIT_HEADER_SIZE + 8);
}

static void
oversize_message (const Lie *lie)
{
  send_prefix (lie, LIMIT_MESSAGE_SIZE, 16);
}

static void
sizes_that_wrap (const Lie *lie)
{
  send_prefix (lie, UINT32_MAX - 8, UINT32_MAX - 8);
}

static void
local_interface (const Lie *lie)
{
  WireHeader header = make_signal (ROGUE_OWNER);

  header.path = "/org/freedesktop/DBus/Local";
  header.interface = "org.freedesktop.DBus.Local";
  header.member = "Disconnected";
  send (lie, header, NULL);
}

/* Half a message, and the end. */
static void
truncated (const Lie *lie)
{
  send_prefix (lie, 64, 24);
  connection_abort (lie->connection, 0);
}

/* The largest message there is, of which the rest never comes. */
static void
endless (const Lie *lie)
{
  WireHeader header = make_reply (lie);
  uint8_t bytes[1024];
  size_t size;

  header.byte_order = wire_native_byte_order ();
  header.serial = 1;
  header.signature = "ay";
  size = wire_header_write (&header, LIMIT_MESSAGE_SIZE - 1024, bytes, sizeof bytes);
  connection_send_bytes (lie->connection, bytes, size);
}

static const struct
{
  const char *member;
  void (*tell) (const Lie *lie);
} lies[] = {
  { "ReplySender", reply_sender },
  { "ReplyDriver", reply_driver },
  { "ReplyDestination", reply_destination },
  { "ReplyOtherSerial", reply_other_serial },
  { "ReplyTwice", reply_twice },
  { "SignalWithSerial", signal_with_serial },
  { "SignalStranger", signal_stranger },
  { "SignalDestination", signal_destination },
  { "SignalOfCaller", signal_of_caller },
  { "OwnerOfOthers", owner_of_others },
  { "OwnerNoUniqueName", owner_no_unique_name },
  { "OwnerFromService", owner_from_service },
  { "Descriptors", descriptors },
  { "AnnouncedWrongly", announced_wrongly },
  { "AnnouncedTwice", announced_twice },
  { "AnnouncedMore", announced_more },
  { "AnnouncedNothingTo", announced_nothing_to },
  { "AnnouncedSignal", announced_signal },
  { "AnnouncedCall", announced_call },
  { "AnnouncedCallStranger", announced_call_stranger },
  { "AnnouncedCallMore", announced_call_more },
  { "AnnouncedCallFewer", announced_call_fewer },
  { "AnnouncedCallNothing", announced_call_nothing },
  { "AnnouncedCallUncalled", announced_call_uncalled },
  { "AnnouncedCallMany", announced_call_many },
  { "AnnouncedAndNever", announced_and_never },
  { "Storm", storm },
  { "CallNameless", call_nameless },
  { "CallStranger", call_stranger },
  { "CallDriver", call_driver },
  { "CallUncalled", call_uncalled },
  { "CallInterface", call_interface },
  { "CallNoInterface", call_no_interface },
  { "CallDestination", call_destination },
  { "CallSerialTwice", call_serial_twice },
  { "CallDescriptors", call_descriptors },
  { "CallTenThousand", call_ten_thousand },
  { "CallGood", call_good },
  { "CallSwapped", call_swapped },
  { "ExportNew", export_new },
  { "ExportDriver", export_driver },
  { "ExportBus", export_bus },
  { "ExportOwner", export_owner },
  { "ExportSignature", export_signature },
  { "ExportCall", export_call },
  { "BadUtf8", bad_utf8 },
  { "BadPadding", bad_padding },
  { "BadBoolean", bad_boolean },
  { "BadRest", bad_rest },
  { "ArrayPastEnd", array_past_end },
  { "ArrayOverCap", array_over_cap },
  { "TooDeep", too_deep },
  { "OversizeHeader", oversize_header },
  { "OversizeMessage", oversize_message },
  { "SizesThatWrap", sizes_that_wrap },
  { "LocalInterface", local_interface },
  { "Truncated", truncated },
  { "Endless", endless },
};

void
rogue_set_agent (Connection *connection)
{
  agent = connection;
}

bool
rogue_lie (Connection *connection, const WireHeader *call, const char *name)
{
  const Lie lie = { connection, call, name };

  for (gsize i = 0; i < G_N_ELEMENTS (lies); i++)
    if (strcmp (call->member, lies[i].member) == 0)
      {
        lies[i].tell (&lie);
        return true;
      }

  return false;
}

void
rogue_take_answer (const WireHeader *message)
{
  g_strlcpy (last_answer, message->type == WIRE_ERROR ? message->error_name : "",
             sizeof last_answer);
}

const char *
rogue_steal_answer (void)
{
  static char stolen[sizeof last_answer];

  memcpy (stolen, last_answer, sizeof stolen);
  g_strlcpy (last_answer, "none", sizeof last_answer);
  return stolen;
}
