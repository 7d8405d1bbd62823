/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that lies (test-rogue): each lie costs it the channel at most. What it says reaches its
 * own caller where it may, and nobody else; the bridge goes on, and others' calls do not notice. */
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "world.h"

#define DISCONNECTED "org.tombolo.Error.Disconnected"
#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define LIMITS_EXCEEDED "org.tombolo.Error.LimitsExceeded"
#define TIMEOUT "org.freedesktop.DBus.Error.Timeout"

#define CALL_USEC (10 * G_USEC_PER_SEC)
#define SHORT_USEC (300 * 1000)

#define auto_message __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *
#define auto_error __attribute__ ((cleanup (sd_bus_error_free))) sd_bus_error

/* On the host's bus, or on the bus socket. */
typedef struct
{
  sd_bus *bus;
  const char *service;
  unsigned n_signals;
  unsigned n_calls;
  unsigned n_answers; /* to nothing that it asked */
  char *text;         /* of the last call */
} Client;

#define auto_client __attribute__ ((cleanup (client_close))) Client

static World *world;

/* All that is not the driver's, and no reply that sd-bus waits for. */
static int
on_anything (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Client *client = user_data;
  const char *text;

  if (g_strcmp0 (sd_bus_message_get_sender (message), "org.freedesktop.DBus") == 0)
    return 0;

  if (sd_bus_message_is_signal (message, NULL, NULL))
    client->n_signals++;
  else if (sd_bus_message_is_method_call (message, NULL, NULL))
    {
      client->n_calls++;
      if (sd_bus_message_read (message, "s", &text) >= 0)
        {
          g_free (client->text);
          client->text = g_strdup (text);
        }
    }
  else
    client->n_answers++;
  return sd_bus_message_is_method_call (message, NULL, "Never") ? 1 : 0;
}

static void
client_init (Client *client, gboolean on_socket)
{
  client->bus = on_socket ? world_open_socket (world) : world_open_host (world);
  client->service = on_socket ? ECHO_NAME : ECHO_ALIAS;
  g_assert_nonnull (client->bus);
  g_assert_cmpint (sd_bus_add_filter (client->bus, NULL, on_anything, client), >=, 0);
  if (on_socket)
    g_assert_cmpint (sd_bus_match_signal (client->bus, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                     >=, 0);
}

static void
client_close (Client *client)
{
  sd_bus_flush_close_unref (client->bus);
  g_free (client->text);
}

/* The reply, the callee's; or NULL, with the error. */
static sd_bus_message *
call (Client *client, const char *member, const char *name, uint64_t usec, sd_bus_error *error)
{
  auto_message message = NULL;
  sd_bus_message *reply = NULL;

  g_assert_cmpint (sd_bus_message_new_method_call (client->bus, &message, client->service,
                                                   ECHO_PATH, ECHO_INTERFACE, member),
                   >=, 0);
  g_assert_cmpint (sd_bus_message_append (message, "s", name), >=, 0);
  return sd_bus_call (client->bus, message, usec, error, &reply) < 0 ? NULL : reply;
}

static void
dispatch (Client *client, gint64 usec)
{
  gint64 end = g_get_monotonic_time () + usec;
  int r;

  /* A client of the bus socket loses its connection with the channel. */
  while (g_get_monotonic_time () < end && sd_bus_is_open (client->bus) > 0
         && (r = sd_bus_process (client->bus, NULL)) >= 0)
    if (r == 0)
      sd_bus_wait (client->bus, (uint64_t) MAX (end - g_get_monotonic_time (), 0));
}

static const char *
get_name (Client *client)
{
  const char *name;

  g_assert_cmpint (sd_bus_get_unique_name (client->bus, &name), >=, 0);
  return name;
}

static void
expect_echo (Client *client)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = call (client, "Echo", "x", CALL_USEC, &error);

  g_assert_cmpstr (error.name, ==, NULL);
  g_assert_nonnull (reply);
}

/* What becomes of the call that is answered with a lie, and what its caller may hear beside it. */
static const struct
{
  const char *member;
  const char *error;  /* of the call; NULL: it is answered */
  const char *told;   /* what the bridge answered to a lie that is a call, or NULL */
  unsigned n_signals; /* that the caller hears on an alias; the bus socket's as well */
  unsigned n_calls;
} cases[] = {
  /* Senders, destinations and serials. */
  { "ReplySender", NULL, NULL, 0, 0 },
  { "ReplyDriver", NULL, NULL, 0, 0 },
  { "ReplyDestination", NULL, NULL, 0, 0 },
  { "ReplyOtherSerial", DISCONNECTED, NULL, 0, 0 },
  { "ReplyTwice", NULL, NULL, 0, 0 },
  { "SignalWithSerial", NULL, NULL, 1, 0 },
  { "SignalStranger", DISCONNECTED, NULL, 0, 0 },
  { "SignalDestination", NULL, NULL, 1, 0 },
  { "SignalOfCaller", DISCONNECTED, NULL, 0, 0 },
  { "OwnerOfOthers", NULL, NULL, 0, 0 },
  { "OwnerNoUniqueName", DISCONNECTED, NULL, 0, 0 },
  { "OwnerFromService", NULL, NULL, 1, 0 },
  { "Descriptors", DISCONNECTED, NULL, 0, 0 },
  { "AnnouncedWrongly", DISCONNECTED, NULL, 0, 0 },
  { "AnnouncedTwice", DISCONNECTED, NULL, 0, 0 },
  { "AnnouncedMore", DISCONNECTED, NULL, 0, 0 },
  { "AnnouncedNothingTo", DISCONNECTED, NULL, 0, 0 },
  { "AnnouncedSignal", DISCONNECTED, NULL, 0, 0 },
  { "AnnouncedCall", NULL, NULL, 0, 1 },
  { "AnnouncedCallStranger", DISCONNECTED, NULL, 0, 0 },
  { "AnnouncedCallMore", DISCONNECTED, NULL, 0, 0 },
  { "AnnouncedCallFewer", DISCONNECTED, NULL, 0, 0 },
  { "AnnouncedCallNothing", DISCONNECTED, NULL, 0, 0 },
  { "AnnouncedCallUncalled", NULL, ACCESS_DENIED, 0, 0 },
  { "AnnouncedCallMany", NULL, LIMITS_EXCEEDED, 0, 4 },

  /* Calls. */
  { "CallNameless", DISCONNECTED, NULL, 0, 0 },
  { "CallStranger", DISCONNECTED, NULL, 0, 0 },
  { "CallDriver", DISCONNECTED, NULL, 0, 0 },
  { "CallUncalled", NULL, ACCESS_DENIED, 0, 0 },
  { "CallDestination", NULL, NULL, 0, 1 },
  { "CallSerialTwice", DISCONNECTED, NULL, 0, 1 },
  { "CallDescriptors", DISCONNECTED, NULL, 0, 0 },
  { "CallGood", NULL, NULL, 0, 1 },
  { "CallSwapped", NULL, NULL, 0, 1 },

  /* Bytes. */
  { "BadUtf8", DISCONNECTED, NULL, 0, 0 },
  { "BadPadding", DISCONNECTED, NULL, 0, 0 },
  { "BadBoolean", DISCONNECTED, NULL, 0, 0 },
  { "BadRest", DISCONNECTED, NULL, 0, 0 },
  { "ArrayPastEnd", DISCONNECTED, NULL, 0, 0 },
  { "ArrayOverCap", DISCONNECTED, NULL, 0, 0 },
  { "TooDeep", DISCONNECTED, NULL, 0, 0 },
  { "OversizeHeader", DISCONNECTED, NULL, 0, 0 },
  { "OversizeMessage", DISCONNECTED, NULL, 0, 0 },
  { "SizesThatWrap", DISCONNECTED, NULL, 0, 0 },
  { "LocalInterface", DISCONNECTED, NULL, 0, 0 },
  { "Truncated", DISCONNECTED, NULL, 0, 0 },
};

static void
check_told (Client *client, const char *expected)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = call (client, "LastAnswer", "", CALL_USEC, &error);
  const char *told;

  g_assert_nonnull (reply);
  g_assert_cmpint (sd_bus_message_read (reply, "s", &told), >=, 0);
  g_assert_cmpstr (told, ==, expected);
}

/* A lie to `client`, of which `bystander`, a caller as well, hears nothing. */
static void
check_lie (Client *client, Client *bystander, gsize i)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = NULL;
  bool on_socket = strcmp (client->service, ECHO_NAME) == 0;

  g_test_message ("%s on the %s", cases[i].member, on_socket ? "bus socket" : "alias");
  check_told (bystander, "none");
  reply = call (client, cases[i].member, get_name (bystander), CALL_USEC, &error);

  /* A connection that ended with the channel may say so in its own words. */
  g_assert_true ((reply == NULL) == (cases[i].error != NULL));
  if (!on_socket)
    g_assert_cmpstr (error.name, ==, cases[i].error);

  dispatch (client, 20000);
  g_assert_cmpuint (client->n_signals, ==, cases[i].n_signals);
  g_assert_cmpuint (client->n_calls, ==, cases[i].n_calls);
  g_assert_cmpuint (client->n_answers, ==, 0);
  if (strcmp (cases[i].member, "CallSwapped") == 0)
    g_assert_cmpstr (client->text, ==, "swapped");

  expect_echo (bystander);
  dispatch (bystander, 20000);
  g_assert_cmpuint (bystander->n_signals + bystander->n_calls + bystander->n_answers, ==, 0);
  if (cases[i].told != NULL)
    check_told (bystander, cases[i].told);
  else
    sd_bus_message_unref (call (bystander, "LastAnswer", "", CALL_USEC, NULL));
}

static void
check_lies (gboolean on_socket)
{
  auto_client bystander = { 0 };
  auto_client watcher = { 0 };

  client_init (&bystander, FALSE);
  client_init (&watcher, FALSE);
  expect_echo (&bystander);
  g_assert_cmpint (sd_bus_match_signal (watcher.bus, NULL, NULL, NULL, NULL, NULL, NULL, NULL), >=,
                   0);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      auto_client client = { 0 };

      client_init (&client, on_socket);
      expect_echo (&client);
      check_lie (&client, &bystander, i);
    }

  /* Somebody on the host's bus who has called nobody, and listens to all. */
  dispatch (&watcher, 100000);
  g_assert_cmpuint (watcher.n_signals + watcher.n_calls + watcher.n_answers, ==, 0);
}

static void
test_alias (void)
{
  check_lies (FALSE);
}

static void
test_socket (void)
{
  check_lies (TRUE);
}

/* On an alias: interfaces that are on no list, least of all a service's of the host. */
static void
test_interfaces (void)
{
  static const char *const members[] = { "CallInterface", "CallNoInterface" };
  auto_client client = { 0 };

  client_init (&client, FALSE);
  for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
    {
      auto_error error = SD_BUS_ERROR_NULL;
      auto_message reply = call (&client, members[i], "", CALL_USEC, &error);

      g_assert_nonnull (reply);
      check_told (&client, ACCESS_DENIED);
      g_assert_cmpuint (client.n_calls, ==, 0);
    }
}

/* 10,000 calls that wait for answers. On an alias a few come through, and the rest are refused one
 * by one; on the bus socket as many as an agent may have, then the channel ends. */
static void
test_ten_thousand (void)
{
  auto_client bystander = { 0 };

  client_init (&bystander, FALSE);
  for (int i = 0; i < 2; i++)
    {
      auto_client client = { 0 };
      auto_error error = SD_BUS_ERROR_NULL;
      auto_message reply = NULL;

      client_init (&client, i > 0);
      expect_echo (&client);
      reply = call (&client, "CallTenThousand", "", CALL_USEC, &error);
      g_assert_true ((reply == NULL) == (i > 0));
      dispatch (&client, 100000);
      g_test_message ("%u calls came through", client.n_calls);
      g_assert_cmpuint (client.n_calls, <=, i > 0 ? 128 : 32);
      expect_echo (&bystander);
    }
  g_assert_cmpuint (bystander.n_calls, ==, 0);
}

/* A message that never ends keeps its own caller waiting, as a service may that does not answer; in
 * between others get theirs. */
static void
test_endless (void)
{
  auto_client bystander = { 0 };
  Client clients[8] = { { 0 } };

  client_init (&bystander, FALSE);
  for (gsize i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      auto_error error = SD_BUS_ERROR_NULL;

      client_init (&clients[i], FALSE);
      g_assert_null (call (&clients[i], "Endless", "", SHORT_USEC / 3, &error));
      g_assert_cmpstr (error.name, ==, TIMEOUT);
      expect_echo (&bystander);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (clients); i++)
    client_close (&clients[i]);
  expect_echo (&bystander);
}

/* Signals without end: who asked for them hears them, and all the same gets the reply. */
static void
test_storm (void)
{
  auto_client bystander = { 0 };

  client_init (&bystander, FALSE);
  expect_echo (&bystander);
  for (int i = 0; i < 2; i++)
    {
      auto_client client = { 0 };
      auto_error error = SD_BUS_ERROR_NULL;
      auto_message reply = NULL;

      client_init (&client, i > 0);
      reply = call (&client, "Storm", "", CALL_USEC, &error);
      g_assert_nonnull (reply);
      expect_echo (&bystander);
      dispatch (&client, SHORT_USEC);
      g_assert_cmpuint (client.n_signals, >, 1000);
      expect_echo (&client);
    }
  g_assert_cmpuint (bystander.n_signals, ==, 0);
}

/* What the agent tells of its exports, and must not: the tunnel ends and is made anew. No name is
 * owned on its word alone. */
static void
test_exports (void)
{
  static const char *const members[] = { "ExportNew",   "ExportDriver",    "ExportBus",
                                         "ExportOwner", "ExportSignature", "ExportCall" };

  for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
    {
      auto_error error = SD_BUS_ERROR_NULL;
      auto_client client = { 0 };

      g_test_message ("%s", members[i]);
      client_init (&client, FALSE);
      g_assert_null (call (&client, members[i], "", CALL_USEC, &error));
      g_assert_cmpstr (error.name, ==, DISCONNECTED);
      g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 5));
      g_assert_true (world_wait_name (world, "org.tombolo.Guest1.work." FORGED_NAME, FALSE, 0));
      expect_echo (&client);
      g_assert_cmpuint (client.n_calls, ==, 0);
    }
}

/* Through it all it was one process. */
static GPid bridge;

static unsigned
count_descriptors (void)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", bridge);
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  unsigned n = 0;

  while (g_dir_read_name (directory) != NULL)
    n++;
  return n;
}

#define N_SPARES 3 /* channels that the bridge may have opened meanwhile, and the client's */

static void
expect_descriptors (unsigned n)
{
  gint64 deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

  while (count_descriptors () > n + N_SPARES)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_usleep (50000);
    }
}

/* Streams that end at once: whoever got the descriptor reads its end, and nothing is left of it. */
static void
test_streams (void)
{
  auto_client client = { 0 };
  unsigned n;

  client_init (&client, FALSE);
  expect_echo (&client);
  n = count_descriptors ();
  for (int i = 0; i < 100; i++)
    {
      auto_error error = SD_BUS_ERROR_NULL;
      auto_message reply = call (&client, "AnnouncedAndNever", "", CALL_USEC, &error);
      struct pollfd file = { .events = POLLIN };
      char byte;

      g_assert_nonnull (reply);
      g_assert_cmpint (sd_bus_message_read (reply, "h", &file.fd), >=, 0);
      g_assert_cmpint (poll (&file, 1, 10000), ==, 1);
      g_assert_cmpint (read (file.fd, &byte, 1), ==, 0);
    }
  expect_descriptors (n);
}

/* Streams that cannot be opened at all. */
static void
test_streams_deaf (void)
{
  auto_client client = { 0 };
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = NULL;
  struct pollfd file = { .events = POLLIN };
  char byte;

  client_init (&client, FALSE);
  expect_echo (&client);
  sd_bus_message_unref (call (&client, "Deaf", "", CALL_USEC, NULL));
  reply = call (&client, "AnnouncedAndNever", "", CALL_USEC, &error);
  g_assert_nonnull (reply);
  g_assert_cmpint (sd_bus_message_read (reply, "h", &file.fd), >=, 0);
  g_assert_cmpint (poll (&file, 1, 10000), ==, 1);
  g_assert_cmpint (read (file.fd, &byte, 1), ==, 0);
  expect_echo (&client);
}

static void
unref_message (gpointer message)
{
  sd_bus_message_unref (message);
}

/* Streams that are opened, and nothing more is heard of them: so many, and no more; when the caller
 * lets go of its own they end. */
static void
test_streams_held (void)
{
  unsigned n = count_descriptors ();

  for (int on_socket = 0; on_socket < 2; on_socket++)
    {
      auto_client client = { 0 };
      GPtrArray *replies = g_ptr_array_new_with_free_func (unref_message);
      auto_error error = SD_BUS_ERROR_NULL;
      sd_bus_message *reply;

      client_init (&client, on_socket);
      expect_echo (&client);
      sd_bus_message_unref (call (&client, "HoldStreams", "", CALL_USEC, NULL));
      while ((reply = call (&client, "AnnouncedAndNever", "", CALL_USEC, &error)) != NULL)
        g_ptr_array_add (replies, reply);
      g_assert_cmpuint (replies->len, ==, 64);
      g_assert_cmpstr (error.name, ==, "org.tombolo.Error.LimitsExceeded");
      expect_echo (&client);
      g_assert_cmpuint (count_descriptors (), >=, n + 64);
      g_ptr_array_unref (replies);
      expect_descriptors (n);
    }
}

static void
test_bridge_stands (void)
{
  g_assert_cmpint (bridge, ==, world_get_pid (world, WORLD_BRIDGE));
  g_assert_no_errno (kill (bridge, 0));
  g_assert_cmpint (world_stop (world, WORLD_BRIDGE), ==, 0);
}

int
main (int argc, char **argv)
{
  int r;

  g_test_init (&argc, &argv, NULL);
  world = world_new ();
  bridge = world_get_pid (world, WORLD_BRIDGE);
  world_kill (world, WORLD_AGENT);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 5));
  world_start (world, WORLD_ROGUE);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 5));

  g_test_add_func ("/lies/alias", test_alias);
  g_test_add_func ("/lies/socket", test_socket);
  g_test_add_func ("/lies/interfaces", test_interfaces);
  g_test_add_func ("/lies/ten-thousand", test_ten_thousand);
  g_test_add_func ("/lies/endless", test_endless);
  g_test_add_func ("/lies/storm", test_storm);
  g_test_add_func ("/lies/exports", test_exports);
  g_test_add_func ("/lies/streams", test_streams);
  g_test_add_func ("/lies/streams-held", test_streams_held);
  g_test_add_func ("/lies/streams-deaf", test_streams_deaf);
  g_test_add_func ("/lies/bridge-stands", test_bridge_stands);

  r = g_test_run ();
  world_free (world);
  return r;
}
