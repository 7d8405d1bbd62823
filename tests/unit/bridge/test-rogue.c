/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's agent that has been taken over: it has the right identity, and breaks the rules as the
 * member of each call says. `test-rogue INTERFACE`, the control link's; also for integration tests.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "connection.h"
#include "credential.h"
#include "event-loop.h"
#include "limit.h"
#include "rogue-lies.h"
#include "session.h"
#include "world.h"

#define OWNER ROGUE_OWNER

#define FLOOD_SIZE ((size_t) 4 * 1024 * 1024)
#define FLOOD_SIGNALS 40000
#define N_FLAPS 1000

#define LARGE_SIZE ((size_t) 9 * 1024 * 1024)
#define LARGE_DELAY_USEC (1500 * 1000)

#define CHURN_USEC (3 * G_USEC_PER_SEC)

#define SESSION_USEC (20 * 1000)

static sd_event *event;
static GPtrArray *channels; /* Connection, all */
static gint64 churn_end;    /* until then channels are closed as soon as they are open */
static uint32_t n_churned;
static uint32_t n_session_opens; /* channels to the session bus */
static gint64 session_end;       /* until then a session comes and goes */
static bool in_session;
static Connection *agent;    /* the agent channel */
static Connection *large[2]; /* who waits for large replies */
static guint n_large;
static TunnelListener *listener;
static bool holds_streams; /* and says nothing on them, for ever */

static void
send_message (Connection *connection, WireHeader header, WireWriter *body)
{
  const uint8_t *data = NULL;
  size_t size = 0;

  header.byte_order = wire_native_byte_order ();
  header.serial = 1;
  if (header.signature == NULL)
    header.signature = "";
  if (body != NULL)
    data = wire_writer_data (body, &size);
  connection_send (connection, &header, data, size);
  wire_writer_free (body);
}

static void
send_reply (Connection *connection, uint32_t serial)
{
  send_message (connection,
                (WireHeader){ .type = WIRE_METHOD_RETURN, .reply_serial = serial, .sender = OWNER },
                NULL);
}

static void
send_signal (Connection *connection, const char *sender)
{
  send_message (connection,
                (WireHeader){ .type = WIRE_SIGNAL,
                              .path = ECHO_PATH,
                              .interface = ECHO_INTERFACE,
                              .member = "Pinged",
                              .sender = sender },
                NULL);
}

/* A subscription and a channel's opening are the same but for the elements of the list. */
static void
write_export (WireWriter *body, const char *bus, const char *name, const char *owner,
              bool subscribe)
{
  wire_writer_begin_struct (body);
  if (subscribe)
    wire_writer_string (body, bus);
  wire_writer_string (body, name);
  wire_writer_string (body, owner);
  if (subscribe)
    wire_writer_boolean (body, false);
}

static void
answer_opening (Connection *connection, const WireHeader *call, bool subscribe)
{
  WireWriter *body = wire_writer_new ();
  size_t mark;

  wire_writer_string (body, subscribe ? "rogue" : ":1.99");
  mark = wire_writer_begin_array (body, 8);
  write_export (body, "system", ECHO_NAME, OWNER, subscribe);
  write_export (body, "system", LAZY_NAME, ROGUE_LAZY_OWNER, subscribe);
  if (subscribe)
    write_export (body, "session", ECHO_NAME, "", subscribe);
  wire_writer_end_array (body, mark);

  send_message (connection,
                (WireHeader){ .type = WIRE_METHOD_RETURN,
                              .reply_serial = call->serial,
                              .signature = subscribe ? "sa(sssb)" : "sa(ss)" },
                body);
}

/* More signals than anybody can read at once, and the reply behind them. Who reads them faster than
 * they come, or has gone, gets no more than a good many. */
static void
flood (Connection *connection, uint32_t serial)
{
  for (int n = 0; n < FLOOD_SIGNALS && connection_get_queued (connection) < FLOOD_SIZE; n++)
    send_signal (connection, OWNER);
  send_reply (connection, serial);
}

/* A reply of `total` bytes, header included; without a sender, so that a header with a destination
 * is larger. */
static void
send_large (Connection *connection, uint32_t serial, size_t total)
{
  WireHeader header = { .byte_order = wire_native_byte_order (),
                        .type = WIRE_METHOD_RETURN,
                        .serial = 1,
                        .reply_serial = serial,
                        .signature = "ay" };
  uint8_t bytes[1024];
  size_t size = total - wire_header_write (&header, 0, bytes, sizeof bytes);
  g_autofree uint8_t *body = g_malloc0 (size);
  uint32_t length = (uint32_t) (size - sizeof length);
  int r;

  memcpy (body, &length, sizeof length);
  r = connection_send (connection, &header, body, size);
  if (r < 0 && r != -ENOBUFS) /* who calls without reading gets no more than fits */
    exit (EXIT_FAILURE);
}

static int
on_large (sd_event_source *source, uint64_t time, void *user_data)
{
  const uint32_t *serials = user_data;

  for (guint i = 0; i < n_large; i++)
    send_large (large[i], serials[i], LARGE_SIZE);
  n_large = 0;
  sd_event_source_unref (source);
  return 0;
}

/* Two callers' large replies at the same time, some time after the second call. */
static void
answer_large (Connection *connection, uint32_t serial)
{
  static uint32_t serials[2];
  sd_event_source *source;

  large[n_large] = connection;
  serials[n_large++] = serial;
  if (n_large == G_N_ELEMENTS (large)
      && sd_event_add_time_relative (event, &source, CLOCK_MONOTONIC, LARGE_DELAY_USEC, 0, on_large,
                                     serials)
             < 0)
    exit (EXIT_FAILURE);
}

static void
tell_owner (const char *bus, const char *owner)
{
  WireWriter *body = wire_writer_new ();

  wire_writer_string (body, bus);
  wire_writer_string (body, ECHO_NAME);
  wire_writer_string (body, owner);
  wire_writer_boolean (body, false);
  send_message (agent,
                (WireHeader){ .type = WIRE_SIGNAL,
                              .path = "/org/tombolo/Agent1",
                              .interface = "org.tombolo.Agent1",
                              .member = "ExportChanged",
                              .signature = "sssb" },
                body);
}

/* One owner after the other, and the first again. */
static void
flap (Connection *connection, uint32_t serial)
{
  for (int i = 0; i <= N_FLAPS; i++)
    {
      g_autofree char *owner = g_strdup_printf (":2.%d", i);

      tell_owner ("system", i < N_FLAPS ? owner : OWNER);
    }
  send_reply (connection, serial);
}

/* A session that comes and goes. */
static int
on_session_time (sd_event_source *source, uint64_t time, void *user_data)
{
  in_session = !in_session && g_get_monotonic_time () < session_end;
  tell_owner ("session", in_session ? ":3.1" : "");
  if (in_session || g_get_monotonic_time () < session_end)
    sd_event_source_set_time_relative (source, SESSION_USEC);
  sd_event_source_set_enabled (source, in_session || g_get_monotonic_time () < session_end
                                           ? SD_EVENT_ONESHOT
                                           : SD_EVENT_OFF);
  return 0;
}

static void
flap_session (Connection *connection, uint32_t serial)
{
  sd_event_source *source;

  session_end = g_get_monotonic_time () + CHURN_USEC;
  if (sd_event_add_time_relative (event, &source, CLOCK_MONOTONIC, 0, 1, on_session_time, NULL) < 0)
    exit (EXIT_FAILURE);
  send_reply (connection, serial);
}

/* Closes every other channel, and what comes after them. */
static void
churn (Connection *connection, uint32_t serial)
{
  churn_end = g_get_monotonic_time () + CHURN_USEC;
  for (guint i = 0; i < channels->len; i++)
    if (channels->pdata[i] != connection && channels->pdata[i] != agent)
      connection_abort (channels->pdata[i], 0);
  send_reply (connection, serial);
}

static void
tell_number (Connection *connection, uint32_t serial, uint32_t number)
{
  WireWriter *body = wire_writer_new ();

  wire_writer_uint32 (body, number);
  send_message (
      connection,
      (WireHeader){
          .type = WIRE_METHOD_RETURN, .reply_serial = serial, .sender = OWNER, .signature = "u" },
      body);
}

static void
tell_answer (Connection *connection, uint32_t serial)
{
  WireWriter *body = wire_writer_new ();

  wire_writer_string (body, rogue_steal_answer ());
  send_message (
      connection,
      (WireHeader){
          .type = WIRE_METHOD_RETURN, .reply_serial = serial, .sender = OWNER, .signature = "s" },
      body);
}

static void
misbehave (Connection *connection, const WireMessage *message)
{
  static const uint8_t huge[16] = { 'l', 2, 1, 1, 0, 0, 0, 0x7f, 1, 0, 0, 0, 8, 0, 0, 0 };
  const WireHeader *call = &message->header;
  const char *name = NULL;
  WireReader reader;

  wire_reader_init (&reader, message);
  wire_reader_string (&reader, &name);
  if (rogue_lie (connection, call, name))
    return;

  if (g_str_equal (call->member, "BadSerial"))
    send_reply (connection, call->serial + 1000);
  else if (g_str_equal (call->member, "Call"))
    send_message (connection,
                  (WireHeader){ .type = WIRE_METHOD_CALL, .path = "/", .member = "Hello" }, NULL);
  else if (g_str_equal (call->member, "Spoof"))
    send_signal (connection, ROGUE_STRANGER);
  else if (g_str_equal (call->member, "Nameless"))
    send_signal (connection, NULL);
  else if (g_str_equal (call->member, "Garbage"))
    connection_send_bytes (connection, "GET / HTTP/1.1\r\n\r\n", 18);
  else if (g_str_equal (call->member, "Huge"))
    connection_send_bytes (connection, huge, sizeof huge);
  else if (g_str_equal (call->member, "Twice"))
    {
      send_signal (connection, OWNER);
      send_reply (connection, call->serial + 1);
      send_reply (connection, call->serial);
    }
  else if (g_str_equal (call->member, "Flood"))
    flood (connection, call->serial);
  else if (g_str_equal (call->member, "Largest"))
    send_large (connection, call->serial, LIMIT_MESSAGE_SIZE);
  else if (g_str_equal (call->member, "Large"))
    answer_large (connection, call->serial);
  else if (g_str_equal (call->member, "Flap"))
    flap (connection, call->serial);
  else if (g_str_equal (call->member, "Churn"))
    churn (connection, call->serial);
  else if (g_str_equal (call->member, "Churned"))
    tell_number (connection, call->serial, n_churned);
  else if (g_str_equal (call->member, "FlapSession"))
    flap_session (connection, call->serial);
  else if (g_str_equal (call->member, "SessionOpens"))
    tell_number (connection, call->serial, n_session_opens);
  else if (g_str_equal (call->member, "LastAnswer"))
    tell_answer (connection, call->serial);
  else if (g_str_equal (call->member, "Deaf"))
    {
      g_clear_pointer (&listener, tunnel_listener_free);
      send_reply (connection, call->serial);
    }
  else if (g_str_equal (call->member, "HoldStreams"))
    {
      holds_streams = true;
      send_reply (connection, call->serial);
    }
  else if (g_str_equal (call->member, "Close"))
    connection_abort (connection, 0);
  else
    send_reply (connection, call->serial);
}

/* Answers to OpenShell that are none, by the user that is asked for. */
static const struct
{
  const char *user;
  uint8_t kinds[3];
  const char *tokens[3];
} shell_lies[] = {
  { "nothing", { 0 }, { NULL } },
  { "one", { 4 }, { "00112233445566778899aabbccddeeff" } },
  { "swapped",
    { 1, 4 },
    { "00112233445566778899aabbccddeeff", "10112233445566778899aabbccddeeff" } },
  { "slave", { 5, 1 }, { "00112233445566778899aabbccddeeff", "10112233445566778899aabbccddeeff" } },
  { "written",
    { 4, 2 },
    { "00112233445566778899aabbccddeeff", "10112233445566778899aabbccddeeff" } },
  { "same", { 4, 4 }, { "00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff" } },
  { "token", { 4, 1 }, { "00112233445566778899aabbccddeeff", "x" } },
  { "three",
    { 4, 1, 1 },
    { "00112233445566778899aabbccddeeff", "10112233445566778899aabbccddeeff",
      "20112233445566778899aabbccddeeff" } },
};

static void
open_no_shell (Connection *connection, const WireMessage *message)
{
  WireWriter *body = wire_writer_new ();
  const char *user = "";
  WireReader reader;
  size_t mark;

  wire_reader_init (&reader, message);
  wire_reader_string (&reader, &user);
  mark = wire_writer_begin_array (body, 8);
  for (guint i = 0; i < G_N_ELEMENTS (shell_lies); i++)
    for (guint j = 0;
         g_str_equal (shell_lies[i].user, user) && j < 3 && shell_lies[i].kinds[j] != 0; j++)
      {
        wire_writer_begin_struct (body);
        wire_writer_byte (body, shell_lies[i].kinds[j]);
        wire_writer_string (body, shell_lies[i].tokens[j]);
      }
  wire_writer_end_array (body, mark);
  send_message (connection,
                (WireHeader){ .type = WIRE_METHOD_RETURN,
                              .reply_serial = message->header.serial,
                              .signature = "a(ys)" },
                body);
}

/* --- Imports --- */

static const char *import_lie;        /* the member that asked for it */
static char import_result[256] = "-"; /* what came of it: an error's name, “reply”, “closed” */
static Connection *import_channel;

static void
send_import_caller (uint32_t id)
{
  WireWriter *body = wire_writer_new ();

  wire_writer_uint32 (body, id);
  send_message (agent,
                (WireHeader){ .type = WIRE_SIGNAL,
                              .path = "/org/tombolo/Agent1",
                              .interface = "org.tombolo.Agent1",
                              .member = "ImportCaller",
                              .signature = "u" },
                body);
}

/* Asks the bridge for a channel, or for very many, to lie on. */
static void
begin_import (Connection *connection, const WireHeader *call)
{
  static const char *const lies[] = { "ImportFlood",   "ImportUnknown", "ImportDriver",
                                      "ImportForged",  "ImportReply",   "ImportSignal",
                                      "ImportSerial",  "ImportGarbage", "ImportDescriptor",
                                      "ImportBridge1", "ImportHonest" };

  g_strlcpy (import_result, "-", sizeof import_result);
  for (gsize i = 0; i < G_N_ELEMENTS (lies); i++)
    if (g_str_equal (lies[i], call->member))
      import_lie = lies[i];
  for (uint32_t id = 1; id <= (g_str_equal (import_lie, "ImportFlood") ? 1000 : 1); id++)
    send_import_caller (id);
  send_reply (connection, call->serial);
}

static void
send_import_call (Connection *connection, const char *destination, WireHeader header)
{
  header.type = header.type != 0 ? header.type : WIRE_METHOD_CALL;
  header.destination = destination;
  header.path = ECHO_PATH;
  if (header.interface == NULL)
    header.interface = ECHO_INTERFACE;
  header.member = "Sender";
  send_message (connection, header, NULL);
}

static void
lie_on_import (Connection *connection, uint32_t serial)
{
  send_message (connection, (WireHeader){ .type = WIRE_METHOD_RETURN, .reply_serial = serial },
                NULL);
  import_channel = connection;
  if (g_str_equal (import_lie, "ImportUnknown"))
    send_import_call (connection, "org.example.Other1", (WireHeader){ 0 });
  else if (g_str_equal (import_lie, "ImportDriver"))
    send_import_call (connection, "org.freedesktop.DBus", (WireHeader){ 0 });
  else if (g_str_equal (import_lie, "ImportForged"))
    send_import_call (connection, IMPORTED_NAME, (WireHeader){ .sender = ":1.1" });
  else if (g_str_equal (import_lie, "ImportReply"))
    send_import_call (connection, NULL,
                      (WireHeader){ .type = WIRE_METHOD_RETURN, .reply_serial = 3 });
  else if (g_str_equal (import_lie, "ImportSignal"))
    send_import_call (connection, NULL, (WireHeader){ .type = WIRE_SIGNAL, .sender = OWNER });
  else if (g_str_equal (import_lie, "ImportDescriptor"))
    send_import_call (connection, IMPORTED_NAME, (WireHeader){ .n_descriptors = 1 });
  else if (g_str_equal (import_lie, "ImportBridge1"))
    send_import_call (connection, IMPORTED_HOST_NAME,
                      (WireHeader){ .interface = "org.tombolo.Host1.Bridge" });
  else if (g_str_equal (import_lie, "ImportSerial"))
    for (int i = 0; i < 2; i++)
      send_import_call (connection, IMPORTED_NAME, (WireHeader){ 0 });
  else if (g_str_equal (import_lie, "ImportGarbage"))
    connection_send_bytes (connection, "GET / HTTP/1.1\r\n\r\n", 18);
  else if (g_str_equal (import_lie, "ImportHonest"))
    send_import_call (connection, IMPORTED_NAME, (WireHeader){ 0 });
}

/* The first answer counts, but for the second of two, which is the worse. */
static void
take_import_answer (const WireHeader *header)
{
  if (header->type == WIRE_ERROR)
    g_strlcpy (import_result, header->error_name, sizeof import_result);
  else if (header->type == WIRE_METHOD_RETURN && import_result[0] == '-')
    g_strlcpy (import_result, "reply", sizeof import_result);
}

static void
tell_import_result (Connection *connection, uint32_t serial)
{
  WireWriter *body = wire_writer_new ();

  wire_writer_string (body, import_result);
  send_message (
      connection,
      (WireHeader){
          .type = WIRE_METHOD_RETURN, .reply_serial = serial, .sender = OWNER, .signature = "s" },
      body);
}

/* Whether the message is about imports. */
static bool
take_import_message (Connection *connection, const WireHeader *header)
{
  if (header->type != WIRE_METHOD_CALL)
    {
      if (connection == import_channel)
        take_import_answer (header);
      return connection == import_channel;
    }

  if (g_str_equal (header->member, "SetImports"))
    {
      WireWriter *body = wire_writer_new ();

      wire_writer_end_array (body, wire_writer_begin_array (body, 4));
      send_message (connection,
                    (WireHeader){ .type = WIRE_METHOD_RETURN,
                                  .reply_serial = header->serial,
                                  .signature = "as" },
                    body);
    }
  else if (g_str_equal (header->member, "AcceptImport"))
    lie_on_import (connection, header->serial);
  else if (g_str_equal (header->member, "ImportResult"))
    tell_import_result (connection, header->serial);
  else if (g_str_has_prefix (header->member, "Import")
           && !g_str_equal (header->member, "ImportChanged"))
    begin_import (connection, header);
  else
    return g_str_equal (header->member, "ImportChanged");

  return true;
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  const WireHeader *header = &message->header;

  if (take_import_message (connection, header))
    return;

  if (header->type != WIRE_METHOD_CALL)
    rogue_take_answer (header);
  else if (g_str_equal (header->member, "Subscribe"))
    {
      agent = connection;
      rogue_set_agent (agent);
      answer_opening (connection, header, true);
    }
  else if (g_str_equal (header->member, "OpenShell"))
    open_no_shell (connection, message);
  else if (g_str_equal (header->member, "Open"))
    {
      const char *bus = "";
      WireReader reader;

      wire_reader_init (&reader, message);
      if (wire_reader_string (&reader, &bus) && g_str_equal (bus, "session"))
        n_session_opens++;
      answer_opening (connection, header, false);
      if (g_get_monotonic_time () < churn_end)
        {
          n_churned++;
          connection_abort (connection, 0);
        }
    }
  else if ((header->flags & WIRE_NO_REPLY_EXPECTED) == 0)
    misbehave (connection, message);
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  if (connection == import_channel)
    {
      g_strlcpy (import_result, "closed", sizeof import_result);
      import_channel = NULL;
    }
  g_ptr_array_remove (channels, connection);
  connection_free (connection);
}

static const ConnectionHandlers handlers = { .message = on_message, .closed = on_closed };

static void
on_session (Stream *stream, ChannelKind kind, const GError *error, void *user_data)
{
  Connection *connection;

  if (stream != NULL && kind == CHANNEL_STREAM)
    {
      if (!holds_streams)
        stream_free (stream);
      return;
    }
  if (stream != NULL && connection_new (event, stream, &handlers, NULL, &connection) < 0)
    exit (EXIT_FAILURE);
  if (stream != NULL)
    g_ptr_array_add (channels, connection);
}

int
main (int argc, char **argv)
{
  g_autoptr (TunnelContext) context = NULL;
  g_autoptr (Identity) identity = NULL;
  gsize size;
  char *text = credential_load (IDENTITY_CREDENTIAL, LIMIT_IDENTITY_SIZE, &size, NULL);

  channels = g_ptr_array_new ();
  identity = text == NULL ? NULL : identity_from_text (text, size, NULL);
  context = identity == NULL ? NULL : tunnel_context_new (identity, NULL);
  if (argc != 2 || context == NULL || event_loop_new (&event) < 0
      || tunnel_listen (event, context, (int) if_nametoindex (argv[1]), on_session, NULL, &listener)
             < 0)
    return EXIT_FAILURE;

  credential_free (text, size);
  return sd_event_loop (event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
