/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole path: a client on the host's bus, the alias, polkit, the tunnel, the agent, the service
 * on the guest's bus, and back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "world.h"

#define DISCONNECTED "org.tombolo.Error.Disconnected"
#define LIMITS_EXCEEDED "org.tombolo.Error.LimitsExceeded"
#define NOT_SUPPORTED "org.tombolo.Error.NotSupported"
#define NOT_EXPORTED "org.tombolo.Error.NotExported"
#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define INTERACTION_REQUIRED "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"

#define BYTES(text) text, sizeof text - 1
#define CALL_TIME_USEC (10 * G_USEC_PER_SEC)
#define FLOOD_TIME_USEC (60 * G_USEC_PER_SEC)

static World *world;

typedef struct
{
  sd_bus *bus;
  unsigned n_pinged;
  unsigned n_told;
  uint32_t value;
} Client;

static void
client_close (Client *client)
{
  sd_bus_flush_close_unref (client->bus);
}

#define auto_client __attribute__ ((cleanup (client_close))) Client
#define auto_message __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *
#define auto_error __attribute__ ((cleanup (sd_bus_error_free))) sd_bus_error

/* Calls a method without arguments; returns the reply, or NULL with the error's name in `error`. */
static sd_bus_message *
call_at (Client *client, const char *name, const char *path, const char *interface,
         const char *member, sd_bus_error *error)
{
  auto_message call = NULL;
  sd_bus_message *reply = NULL;
  int r;

  g_assert_cmpint (
      sd_bus_message_new_method_call (client->bus, &call, name, path, interface, member), >=, 0);
  r = sd_bus_call (client->bus, call, CALL_TIME_USEC, error, &reply);
  return r < 0 ? NULL : reply;
}

static sd_bus_message *
call (Client *client, const char *member, sd_bus_error *error)
{
  return call_at (client, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, member, error);
}

/* The call gets `name` as its error, or a reply where that is NULL. */
static void
expect (Client *client, const char *destination, const char *member, const char *name)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = call_at (client, destination, ECHO_PATH, ECHO_INTERFACE, member, &error);

  g_assert_cmpstr (error.name, ==, name);
  g_assert_true ((reply != NULL) == (name == NULL));
  if (name != NULL)
    g_assert_cmpuint (strlen (error.message), >, 10);
}

static uint32_t
get_count (Client *client)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = call (client, "Count", &error);
  uint32_t count;

  g_assert_cmpstr (error.name, ==, NULL);
  g_assert_cmpint (sd_bus_message_read (reply, "u", &count), >=, 0);
  return count;
}

static int
try_echo (Client *client, const char *destination, const void *data, size_t size,
          sd_bus_error *error)
{
  auto_message message = NULL;
  auto_message reply = NULL;
  const void *answer;
  size_t answer_size;
  int r;

  g_assert_cmpint (sd_bus_message_new_method_call (client->bus, &message, destination, ECHO_PATH,
                                                   ECHO_INTERFACE, "Echo"),
                   >=, 0);
  g_assert_cmpint (sd_bus_message_append_array (message, 'y', data, size), >=, 0);
  r = sd_bus_call (client->bus, message, CALL_TIME_USEC, error, &reply);
  if (r < 0)
    return r;

  g_assert_cmpint (sd_bus_message_read_array (reply, 'y', &answer, &answer_size), >=, 0);
  g_assert_cmpmem (answer, answer_size, data, size);
  return 0;
}

static void
echo (Client *client, const char *destination, const void *data, size_t size)
{
  auto_error error = SD_BUS_ERROR_NULL;

  if (try_echo (client, destination, data, size, &error) < 0)
    g_error ("Echo: %s: %s", error.name, error.message);
}

/* Reads what has come, for `usec` at most, or until `until` is reached. */
static void
dispatch (Client *client, uint64_t usec, const unsigned *counter, unsigned until)
{
  gint64 end = g_get_monotonic_time () + (gint64) usec;

  while (g_get_monotonic_time () < end && (counter == NULL || *counter < until))
    {
      int r = sd_bus_process (client->bus, NULL);

      g_assert_cmpint (r, >=, 0);
      if (r == 0)
        sd_bus_wait (client->bus, (uint64_t) MAX (end - g_get_monotonic_time (), 0));
    }
}

static int
on_signal (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Client *client = user_data;

  if (sd_bus_message_is_signal (message, NULL, "Pinged"))
    {
      client->n_pinged++;
      sd_bus_message_read (message, "u", &client->value);
    }
  else
    client->n_told++;
  return 0;
}

/* --- The tests --- */

static void
test_echo (void)
{
  static const size_t sizes[] = { 0, 1, 16, 4096, 70000, 1000000, 10000000 };
  auto_client client = { .bus = world_open_host (world) };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *data = g_malloc (sizes[i] + 1);

      memset (data, (int) i + 1, sizes[i]);
      echo (&client, ECHO_ALIAS, data, sizes[i]);
    }
}

static void
test_errors (void)
{
  auto_client client = { .bus = world_open_host (world) };
  auto_error error = SD_BUS_ERROR_NULL;

  g_assert_null (call (&client, "Fail", &error));
  g_assert_cmpstr (error.name, ==, "org.example.Error.Oops");
  g_assert_cmpstr (error.message, ==, "It went wrong.");
  expect (&client, ECHO_ALIAS, "Unknown", "org.freedesktop.DBus.Error.UnknownMethod");
}

static void
test_standard_interfaces (void)
{
  auto_client client = { .bus = world_open_host (world) };
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message peer = NULL;
  auto_message introspection = NULL;
  const char *text;
  uint32_t number;

  peer = call_at (&client, ECHO_ALIAS, "/", "org.freedesktop.DBus.Peer", "Ping", &error);
  g_assert_nonnull (peer);
  introspection = call_at (&client, ECHO_ALIAS, ECHO_PATH, "org.freedesktop.DBus.Introspectable",
                           "Introspect", &error);
  g_assert_nonnull (introspection);
  g_assert_cmpint (sd_bus_message_read (introspection, "s", &text), >=, 0);
  g_assert_nonnull (strstr (text, "\"Echo\""));
  g_assert_cmpint (sd_bus_get_property_trivial (client.bus, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE,
                                                "Number", &error, 'u', &number),
                   >=, 0);
  g_assert_cmpuint (number, ==, 42);
}

/* A call without an interface goes like any other, and gets what the service says to it. */
static void
test_no_interface (void)
{
  auto_client client = { .bus = world_open_host (world) };
  auto_client direct = { .bus = world_open_guest (world) };
  auto_error error = SD_BUS_ERROR_NULL;
  auto_error direct_error = SD_BUS_ERROR_NULL;

  g_assert_null (call_at (&direct, ECHO_NAME, ECHO_PATH, NULL, "Touch", &direct_error));
  g_assert_null (call_at (&client, ECHO_ALIAS, ECHO_PATH, NULL, "Touch", &error));
  g_assert_cmpstr (error.name, ==, direct_error.name);
  g_assert_cmpstr (error.message, ==, direct_error.message);
}

static void
test_authority (void)
{
  auto_client client = { .bus = world_open_host (world) };
  auto_message message = NULL;
  uint32_t count = get_count (&client);

  expect (&client, ECHO_ALIAS, "Refused", ACCESS_DENIED);
  expect (&client, ECHO_ALIAS, "Challenge", INTERACTION_REQUIRED);
  g_assert_cmpuint (get_count (&client), ==, count);

  g_assert_cmpint (sd_bus_message_new_method_call (client.bus, &message, ECHO_ALIAS, ECHO_PATH,
                                                   ECHO_INTERFACE, "Challenge"),
                   >=, 0);
  sd_bus_message_set_allow_interactive_authorization (message, 1);
  g_assert_cmpint (sd_bus_call (client.bus, message, CALL_TIME_USEC, NULL, NULL), >=, 0);
  g_assert_cmpuint (get_count (&client), ==, count + 1);
}

/* A stranger whose first call is refused leaves nothing behind, and may come again. */
static void
test_refused_stranger (void)
{
  auto_client client = { .bus = world_open_host (world) };

  expect (&client, ECHO_ALIAS, "Refused", ACCESS_DENIED);
  expect (&client, ECHO_ALIAS, "Refused", ACCESS_DENIED);
  expect (&client, ECHO_ALIAS, "Touch", NULL);
}

static void
test_vanished_caller (void)
{
  auto_client client = { .bus = world_open_host (world) };
  uint32_t count = get_count (&client);
  sd_bus *gone = world_open_host (world);

  g_assert_cmpint (sd_bus_call_method_async (gone, NULL, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE,
                                             "Slow", NULL, NULL, NULL),
                   >=, 0);
  sd_bus_flush_close_unref (gone);
  g_usleep (600000);
  g_assert_cmpuint (get_count (&client), ==, count);

  expect (&client, ECHO_ALIAS, "Slow", NULL);
  g_assert_cmpuint (get_count (&client), ==, count + 1);
}

static char *
get_guest_name (Client *client)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = call (client, "Sender", &error);
  const char *name;

  g_assert_nonnull (reply);
  g_assert_cmpint (sd_bus_message_read (reply, "s", &name), >=, 0);
  return g_strdup (name);
}

/* The service sees two callers, and sees one leave. */
static void
test_callers (void)
{
  auto_client guest = { .bus = world_open_guest (world) };
  auto_client first = { .bus = world_open_host (world) };
  Client second = { .bus = world_open_host (world) };
  g_autofree char *first_name = get_guest_name (&first);
  g_autofree char *second_name = get_guest_name (&second);
  g_autofree char *again = get_guest_name (&first);
  int r = 0;

  g_assert_cmpstr (first_name, !=, second_name);
  g_assert_cmpstr (first_name, ==, again);

  client_close (&second);
  for (int i = 0; i < 200 && r >= 0; i++)
    {
      r = sd_bus_get_name_creds (guest.bus, second_name, 0, NULL);
      g_usleep (10000);
    }
  g_assert_cmpint (r, <, 0);
  g_assert_cmpint (sd_bus_get_name_creds (guest.bus, first_name, 0, NULL), >=, 0);
}

static int
on_ordered_reply (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  GString *order = user_data;

  g_string_append_c (order, sd_bus_message_is_method_error (message, NULL) ? 'e' : 'r');
  return 0;
}

/* Calls behind one that polkit takes long over wait their turn. */
static void
test_order (void)
{
  auto_client client = { .bus = world_open_host (world) };
  g_autoptr (GString) order = g_string_new (NULL);
  gint64 begin = g_get_monotonic_time ();
  uint32_t count = get_count (&client);

  sd_bus_call_method_async (client.bus, NULL, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Slow",
                            on_ordered_reply, order, NULL);
  sd_bus_call_method_async (client.bus, NULL, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Refused",
                            on_ordered_reply, order, NULL);
  for (int i = 0; i < 5; i++)
    sd_bus_call_method_async (client.bus, NULL, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Touch",
                              on_ordered_reply, order, NULL);

  g_assert_cmpuint (get_count (&client), ==, count + 6);
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, 300000);
  dispatch (&client, 200000, NULL, 0);
  g_assert_cmpuint (order->len, ==, 7);
  g_assert_cmpint (strcspn (order->str, "e"), <, 7);
}

static void
test_signals (void)
{
  auto_client caller = { .bus = world_open_host (world) };
  auto_client stranger = { .bus = world_open_host (world) };

  sd_bus_match_signal (caller.bus, NULL, ECHO_ALIAS, ECHO_PATH, NULL, NULL, on_signal, &caller);
  sd_bus_match_signal (stranger.bus, NULL, NULL, ECHO_PATH, NULL, NULL, on_signal, &stranger);
  expect (&caller, ECHO_ALIAS, "Touch", NULL);

  for (uint32_t i = 1; i <= 20; i++)
    {
      auto_error error = SD_BUS_ERROR_NULL;

      g_assert_cmpint (sd_bus_call_method (caller.bus, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE,
                                           "Emit", &error, NULL, "su", ECHO_INTERFACE, i),
                       >=, 0);
      /* The signal was sent before the reply, so it is here. */
      dispatch (&caller, 2 * G_USEC_PER_SEC, &caller.n_pinged, i);
      g_assert_cmpuint (caller.n_pinged, ==, i);
      g_assert_cmpuint (caller.value, ==, i);
    }

  dispatch (&stranger, 100000, NULL, 0);
  g_assert_cmpuint (stranger.n_pinged, ==, 0);
}

static void
test_broadcast (void)
{
  auto_client caller = { .bus = world_open_host (world) };
  auto_client stranger = { .bus = world_open_host (world) };

  sd_bus_match_signal (caller.bus, NULL, ECHO_ALIAS, NULL, PUBLIC_INTERFACE, NULL, on_signal,
                       &caller);
  sd_bus_match_signal (stranger.bus, NULL, ECHO_ALIAS, NULL, PUBLIC_INTERFACE, NULL, on_signal,
                       &stranger);
  g_assert_cmpint (sd_bus_call_method (caller.bus, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Emit",
                                       NULL, NULL, "su", PUBLIC_INTERFACE, 7u),
                   >=, 0);
  dispatch (&stranger, 2 * G_USEC_PER_SEC, &stranger.n_pinged, 1);
  dispatch (&caller, 200000, NULL, 0);
  g_assert_cmpuint (stranger.n_pinged, ==, 1);
  g_assert_cmpuint (caller.n_pinged, ==, 1);

  /* What the service says to one caller alone stays with it, public interface or not. */
  expect (&caller, ECHO_ALIAS, "EmitTo", NULL);
  dispatch (&caller, 2 * G_USEC_PER_SEC, &caller.n_told, 1);
  dispatch (&stranger, 100000, NULL, 0);
  g_assert_cmpuint (caller.n_told, ==, 1);
  g_assert_cmpuint (stranger.n_told, ==, 0);
}

static void
expect_pipe (Client *client, const char *destination)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = call_at (client, destination, ECHO_PATH, ECHO_INTERFACE, "Pipe", &error);
  char text[5] = "";
  int fd;

  g_assert_cmpstr (error.name, ==, NULL);
  g_assert_cmpint (sd_bus_message_read (reply, "h", &fd), >=, 0);
  g_assert_cmpint (read (fd, text, 4), ==, 4);
  g_assert_cmpstr (text, ==, "pipe");
  g_assert_cmpint (read (fd, text, 1), ==, 0);
}

/* A pipe crosses, to who has agreed to descriptors; another gets an error in the reply's place. */
static void
test_pipe (void)
{
  auto_client client = { .bus = world_open_host (world) };
  auto_client on_socket = { .bus = world_open_socket (world) };
  auto_client plain = { 0 };

  expect_pipe (&client, ECHO_ALIAS);
  expect_pipe (&on_socket, ECHO_NAME);

  g_assert_cmpint (sd_bus_new (&plain.bus), >=, 0);
  g_assert_cmpint (sd_bus_set_address (plain.bus, world_get_socket_address (world)), >=, 0);
  g_assert_cmpint (sd_bus_set_bus_client (plain.bus, 1), >=, 0);
  g_assert_cmpint (sd_bus_negotiate_fds (plain.bus, 0), >=, 0);
  g_assert_cmpint (sd_bus_start (plain.bus), >=, 0);
  expect (&plain, ECHO_NAME, "Pipe", NOT_SUPPORTED);
  expect (&plain, ECHO_NAME, "Touch", NULL);
}

static unsigned count_descriptors (GPid pid);

static int
on_descriptor_limit (sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  const sd_bus_error *found = sd_bus_message_get_error (reply);

  if (found != NULL && g_str_equal (found->name, LIMITS_EXCEEDED))
    (*(unsigned *) user_data)++;
  return 0;
}

/* Calls that wait for polkit hold their descriptors, which count; a caller that leaves meanwhile
 * leaves none of them behind. */
static void
test_waiting_descriptors (void)
{
  GPid bridge = world_get_pid (world, WORLD_BRIDGE);
  Client client = { .bus = world_open_host (world) };
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  unsigned before, refused = 0;

  expect (&client, ECHO_ALIAS, "Touch", NULL);
  before = count_descriptors (bridge);
  for (int i = 0; i < 65; i++)
    {
      auto_message message = NULL;
      int sockets[2];

      g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
      g_assert_cmpint (sd_bus_message_new_method_call (client.bus, &message, ECHO_ALIAS, ECHO_PATH,
                                                       ECHO_INTERFACE, "Slow"),
                       >=, 0);
      g_assert_cmpint (sd_bus_message_append (message, "h", sockets[0]), >=, 0);
      g_assert_cmpint (sd_bus_call_async (client.bus, NULL, message, on_descriptor_limit, &refused,
                                          CALL_TIME_USEC),
                       >=, 0);
      close (sockets[0]);
      close (sockets[1]);
    }
  dispatch (&client, 200000, &refused, 1);
  g_assert_cmpuint (refused, ==, 1);

  client_close (&client);
  while (count_descriptors (bridge) > before + 3) /* spare channels */
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_usleep (20000);
    }
}

static void
test_descriptors (void)
{
  auto_client client = { .bus = world_open_host (world) };
  auto_error error = SD_BUS_ERROR_NULL;

  expect (&client, ECHO_ALIAS, "Descriptor", NOT_SUPPORTED);
  g_assert_cmpint (sd_bus_call_method (client.bus, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Touch",
                                       &error, NULL, "h", STDIN_FILENO),
                   <, 0);
  g_assert_cmpstr (error.name, ==, NOT_SUPPORTED);
  expect (&client, ECHO_ALIAS, "Touch", NULL);
}

static void
test_no_reply (void)
{
  auto_client client = { .bus = world_open_host (world) };
  uint32_t count = get_count (&client);

  for (int i = 0; i < 100; i++)
    {
      auto_message message = NULL;

      g_assert_cmpint (sd_bus_message_new_method_call (client.bus, &message, ECHO_ALIAS, ECHO_PATH,
                                                       ECHO_INTERFACE,
                                                       i % 2 == 0 ? "Touch" : "Refused"),
                       >=, 0);
      sd_bus_message_set_expect_reply (message, 0);
      g_assert_cmpint (sd_bus_send (client.bus, message, NULL), >=, 0);
    }

  g_assert_cmpint (sd_bus_flush (client.bus), >=, 0);
  g_usleep (500000);
  g_assert_cmpuint (get_count (&client), ==, count + 50);
}

static int
on_limit (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  g_assert_cmpstr (sd_bus_message_get_error (message)->name, ==, LIMITS_EXCEEDED);
  (*(unsigned *) user_data)++;
  return 0;
}

static void
test_limit (void)
{
  auto_client client = { .bus = world_open_host (world) };
  auto_client other = { .bus = world_open_host (world) };
  unsigned n_refused = 0;

  expect (&client, ECHO_ALIAS, "Touch", NULL);
  for (int i = 0; i < 128 + 10; i++)
    sd_bus_call_method_async (client.bus, NULL, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Never",
                              on_limit, &n_refused, NULL);
  dispatch (&client, 5 * G_USEC_PER_SEC, &n_refused, 10);
  dispatch (&client, 100000, NULL, 0);
  g_assert_cmpuint (n_refused, ==, 10);
  expect (&other, ECHO_ALIAS, "Touch", NULL);
}

/* One user cannot take all the callers' places. */
static void
test_user_limit (void)
{
  Client clients[64 + 4];
  unsigned n_good = 0, n_refused = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      auto_error error = SD_BUS_ERROR_NULL;

      clients[i] = (Client){ .bus = world_open_host (world) };
      if (try_echo (&clients[i], ECHO_ALIAS, "x", 1, &error) >= 0)
        n_good++;
      else if (sd_bus_error_has_name (&error, LIMITS_EXCEEDED))
        n_refused++;
    }

  for (gsize i = 0; i < G_N_ELEMENTS (clients); i++)
    client_close (&clients[i]);
  g_assert_cmpuint (n_good, >=, 60); /* callers of earlier tests may still be leaving */
  g_assert_cmpuint (n_good, <=, 64);
  g_assert_cmpuint (n_good + n_refused, ==, G_N_ELEMENTS (clients));
}

static int
on_owner_changed (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  const char *name, *old_owner, *new_owner;

  g_assert_cmpint (sd_bus_message_read (message, "sss", &name, &old_owner, &new_owner), >=, 0);
  (*(unsigned *) user_data)++;
  return 0;
}

static void
watch_name (Client *client, const char *name, unsigned *counter)
{
  g_autofree char *rule = g_strdup_printf ("type='signal',sender='org.freedesktop.DBus',"
                                           "member='NameOwnerChanged',arg0='%s'",
                                           name);

  g_assert_cmpint (sd_bus_add_match (client->bus, NULL, rule, on_owner_changed, counter), >=, 0);
}

static void
test_activation (void)
{
  auto_client client = { .bus = world_open_host (world) };
  unsigned n_changes = 0;

  g_assert_true (world_wait_name (world, LAZY_ALIAS, TRUE, 2));
  echo (&client, LAZY_ALIAS, "lazy", 4);
  watch_name (&client, LAZY_ALIAS, &n_changes);
  expect (&client, LAZY_ALIAS, "Exit", NULL);
  /* Idle exit does not take the alias away, and the next call starts it again: then it is another
   * owner, and clients start over. */
  dispatch (&client, 200000, NULL, 0);
  g_assert_cmpuint (n_changes, ==, 0);
  echo (&client, LAZY_ALIAS, "again", 5);
  dispatch (&client, 2 * G_USEC_PER_SEC, &n_changes, 2);
  g_assert_cmpuint (n_changes, ==, 2);
  echo (&client, LAZY_ALIAS, "and again", 9);
}

/* Another owner in the guest: clients on the host see the alias go and come. */
static void
test_service_restart (void)
{
  auto_client client = { .bus = world_open_host (world) };
  unsigned n_changes = 0;

  expect (&client, ECHO_ALIAS, "Touch", NULL);
  watch_name (&client, ECHO_ALIAS, &n_changes);
  world_kill (world, WORLD_SERVICE);
  dispatch (&client, 3 * G_USEC_PER_SEC, &n_changes, 1);
  g_assert_cmpuint (n_changes, ==, 1);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 1));

  world_start (world, WORLD_SERVICE);
  dispatch (&client, 3 * G_USEC_PER_SEC, &n_changes, 2);
  g_assert_cmpuint (n_changes, ==, 2);
  expect (&client, ECHO_ALIAS, "Touch", NULL);
}

/* --- The bus socket --- */

/* Runs `template` with the bus socket's address in place of its “ADDRESS”. */
static char *
run_tool (const char *template, gboolean *ret_success)
{
  g_auto (GStrv) parts = g_strsplit (template, "ADDRESS", -1);
  g_autofree char *command = g_strjoinv (world_get_socket_address (world), parts);
  g_autofree char *errors = NULL;
  char *output = NULL;
  int status;

  g_assert_true (g_spawn_command_line_sync (command, &output, &errors, &status, NULL));
  *ret_success = g_spawn_check_wait_status (status, NULL);
  if (!*ret_success)
    g_test_message ("%s: %s", command, errors);
  return output;
}

static void
test_socket_tools (void)
{
  static const struct
  {
    const char *command;
    const char *expected;
    const char *unexpected;
  } tools[] = {
    { "busctl --no-pager --address=ADDRESS list", ECHO_NAME, HIDDEN_NAME },
    { "busctl --no-pager --address=ADDRESS --activatable list", LAZY_NAME, HIDDEN_NAME },
    { "busctl --no-pager --address=ADDRESS introspect " ECHO_NAME " " ECHO_PATH, "Echo", NULL },
    { "busctl --no-pager --address=ADDRESS tree " ECHO_NAME, ECHO_PATH, NULL },
    { "gdbus introspect --address ADDRESS --dest " ECHO_NAME " --object-path " ECHO_PATH, "Echo",
      NULL },
    { "gdbus call --address ADDRESS --dest " ECHO_NAME " --object-path " ECHO_PATH
      " --method " ECHO_INTERFACE ".Count",
      "uint32", NULL },
    { "dbus-send --bus=ADDRESS --print-reply --dest=" ECHO_NAME " " ECHO_PATH " " ECHO_INTERFACE
      ".Count",
      "uint32", NULL },
    { "dbus-send --bus=ADDRESS --print-reply --dest=org.freedesktop.DBus / "
      "org.freedesktop.DBus.ListNames",
      ECHO_NAME, HIDDEN_NAME },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (tools); i++)
    {
      gboolean success;
      g_autofree char *output = run_tool (tools[i].command, &success);

      if (!success || strstr (output, tools[i].expected) == NULL)
        g_error ("%s: %s", tools[i].command, output);
      if (tools[i].unexpected != NULL)
        g_assert_null (strstr (output, tools[i].unexpected));
    }
}

static void
test_socket_calls (void)
{
  auto_client client = { .bus = world_open_socket (world) };

  g_assert_nonnull (client.bus);
  echo (&client, ECHO_NAME, "over the socket", 15);
  expect (&client, ECHO_NAME, "Refused", ACCESS_DENIED);
  expect (&client, HIDDEN_NAME, "Touch", NOT_EXPORTED);
  expect (&client, ":1.1", "Touch", NOT_EXPORTED);
  expect (&client, LAZY_NAME, "Touch", NULL);
}

static void
test_socket_unique_name (void)
{
  auto_client client = { .bus = world_open_socket (world) };
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = NULL;
  const char *owner;

  g_assert_nonnull (client.bus);
  g_assert_cmpint (sd_bus_call_method (client.bus, "org.freedesktop.DBus", "/",
                                       "org.freedesktop.DBus", "GetNameOwner", &error, &reply, "s",
                                       ECHO_NAME),
                   >=, 0);
  g_assert_cmpint (sd_bus_message_read (reply, "s", &owner), >=, 0);
  echo (&client, owner, "to its owner", 12);
  expect (&client, owner, "Refused", ACCESS_DENIED);
}

static void
test_socket_driver (void)
{
  auto_client client = { .bus = world_open_socket (world) };
  static const struct
  {
    const char *member;
    const char *argument;
    const char *error;
  } calls[] = {
    { "GetNameOwner", HIDDEN_NAME, "org.freedesktop.DBus.Error.NameHasNoOwner" },
    { "GetConnectionUnixUser", HIDDEN_NAME, "org.freedesktop.DBus.Error.NameHasNoOwner" },
    { "GetConnectionUnixUser", ECHO_NAME, NULL },
    { "GetConnectionCredentials", ECHO_NAME, NULL },
    { "GetConnectionUnixProcessID", ECHO_NAME, ACCESS_DENIED },
    { "ReleaseName", ECHO_NAME, ACCESS_DENIED },
    { "AddMatch", "type='signal',eavesdrop='true'", ACCESS_DENIED },
    { "AddMatch", "type=what", "org.freedesktop.DBus.Error.MatchRuleInvalid" },
    { "AddMatch", "type='signal'", NULL },
  };

  g_assert_nonnull (client.bus);
  for (gsize i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      auto_error error = SD_BUS_ERROR_NULL;

      sd_bus_call_method (client.bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                          "org.freedesktop.DBus", calls[i].member, &error, NULL, "s",
                          calls[i].argument);
      g_assert_cmpstr (error.name, ==, calls[i].error);
    }
}

static void
test_socket_signals (void)
{
  auto_client client = { .bus = world_open_socket (world) };
  auto_client silent = { .bus = world_open_socket (world) };
  auto_client trigger = { .bus = world_open_host (world) };
  unsigned n_changes = 0;

  g_assert_nonnull (client.bus);
  g_assert_nonnull (silent.bus);
  sd_bus_match_signal (client.bus, NULL, ECHO_NAME, NULL, ECHO_INTERFACE, NULL, on_signal, &client);
  watch_name (&client, ECHO_NAME, &n_changes);
  sd_bus_add_filter (silent.bus, NULL, on_signal, &silent);

  g_assert_cmpint (sd_bus_call_method (trigger.bus, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Emit",
                                       NULL, NULL, "su", ECHO_INTERFACE, 3u),
                   >=, 0);
  dispatch (&client, 2 * G_USEC_PER_SEC, &client.n_pinged, 1);
  g_assert_cmpuint (client.n_pinged, ==, 1);

  world_kill (world, WORLD_SERVICE);
  dispatch (&client, 2 * G_USEC_PER_SEC, &n_changes, 1);
  world_start (world, WORLD_SERVICE);
  dispatch (&client, 2 * G_USEC_PER_SEC, &n_changes, 2);
  g_assert_cmpuint (n_changes, ==, 2);

  dispatch (&silent, 100000, NULL, 0);
  g_assert_cmpuint (silent.n_pinged, ==, 0);
  g_assert_cmpuint (silent.n_told, <=, 1); /* NameAcquired */
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 2));
}

static void
test_socket_refused (void)
{
  world_allow_hello (world, FALSE);
  g_usleep (1100000); /* an answer is reused for a second */
  g_assert_null (world_open_socket (world));
  world_allow_hello (world, TRUE);
  sd_bus_flush_close_unref (world_open_socket (world));
}

static int
open_raw_socket (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, world_get_socket_address (world) + strlen ("unix:path="),
             sizeof address.sun_path);
  g_assert_no_errno (connect (fd, (struct sockaddr *) &address, sizeof address));
  return fd;
}

/* What a client says before anybody has let it in. It is closed, and costs nothing. */
static void
test_socket_strangers (void)
{
  static const struct
  {
    const char *text;
    gsize size;
  } openings[] = {
    { BYTES ("GET / HTTP/1.1\r\n\r\n") },
    { BYTES ("\0AUTH EXTERNAL 30\r\nBEGIN\r\nwhat is this, no message?") },
    { BYTES ("\0BEGIN\r\n") },
    /* A header that announces 1 MiB, and one that announces 1 GiB. */
    { BYTES ("\0AUTH EXTERNAL 30\r\nBEGIN\r\nl\1\0\1\0\0\20\0\1\0\0\0\20\0\0\0") },
    { BYTES ("\0AUTH EXTERNAL 30\r\nBEGIN\r\nl\1\0\1\0\0\0\100\1\0\0\0\20\0\0\0") },
    { BYTES ("\0AUTH ANONYMOUS\r\nBEGIN\r\n") },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (openings); i++)
    {
      struct timeval patience = { .tv_sec = 5 };
      int fd = open_raw_socket ();
      char buffer[256];
      ssize_t n;

      setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      g_assert_cmpint (send (fd, openings[i].text, openings[i].size, MSG_NOSIGNAL), >, 0);
      do
        n = recv (fd, buffer, sizeof buffer, 0);
      while (n > 0);
      if (n < 0 && errno != ECONNRESET)
        g_error ("opening %zu was not closed: %s", i, g_strerror (errno));
      close (fd);
    }

  test_socket_calls ();
}

/* A client that hangs up while polkit thinks leaves nothing behind, and its call is not made. */
static void
test_socket_vanished (void)
{
  auto_client client = { .bus = world_open_host (world) };
  uint32_t count = get_count (&client);
  sd_bus *gone = world_open_socket (world);

  g_assert_nonnull (gone);
  g_assert_cmpint (sd_bus_call_method_async (gone, NULL, ECHO_NAME, ECHO_PATH, ECHO_INTERFACE,
                                             "Slow", NULL, NULL, NULL),
                   >=, 0);
  sd_bus_flush_close_unref (gone);
  g_usleep (600000);
  g_assert_cmpuint (get_count (&client), ==, count);
}

/* --- Failure --- */

typedef struct
{
  unsigned n_sent;
  unsigned n_replies;
  unsigned n_disconnected;
  unsigned n_unknown; /* no alias: the bus answers */
} Storm;

static int
on_storm (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  const sd_bus_error *problem = sd_bus_message_get_error (message);
  Storm *storm = user_data;

  if (problem == NULL)
    storm->n_replies++;
  else if (g_str_equal (problem->name, DISCONNECTED))
    storm->n_disconnected++;
  else if (g_str_equal (problem->name, "org.freedesktop.DBus.Error.ServiceUnknown"))
    storm->n_unknown++;
  else
    g_error ("%s: %s", problem->name, problem->message);
  return 0;
}

static void
send_storm (Client *client, Storm *storm, unsigned n, const char *member)
{
  for (unsigned i = 0; i < n; i++, storm->n_sent++)
    sd_bus_call_method_async (client->bus, NULL, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, member,
                              on_storm, storm, NULL);
}

static void
wait_for_calls (Client *client)
{
  gint64 end = g_get_monotonic_time () + 3 * G_USEC_PER_SEC;
  int r;

  do
    {
      auto_error error = SD_BUS_ERROR_NULL;

      r = try_echo (client, ECHO_ALIAS, "back", 4, &error);
      if (r < 0)
        g_usleep (10000);
    }
  while (r < 0 && g_get_monotonic_time () < end);
  g_assert_cmpint (r, >=, 0);
}

static void
test_agent_killed (void)
{
  auto_client client = { .bus = world_open_host (world) };

  for (int round = 0; round < 5; round++)
    {
      Storm storm = { 0 };
      unsigned n = 0;

      expect (&client, ECHO_ALIAS, "Touch", NULL);
      send_storm (&client, &storm, 40, "Never");
      sd_bus_flush (client.bus);
      g_usleep (20000);
      world_kill (world, WORLD_AGENT);
      send_storm (&client, &storm, 40, "Touch");

      for (int i = 0; i < 50 && n < storm.n_sent; i++)
        {
          dispatch (&client, 100000, NULL, 0);
          n = storm.n_replies + storm.n_disconnected + storm.n_unknown;
        }
      g_assert_cmpuint (n, ==, storm.n_sent);
      g_assert_cmpuint (storm.n_disconnected, >=, 40);
      g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 1));

      world_start (world, WORLD_AGENT);
      g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 3));
      wait_for_calls (&client);
    }
}

static void
test_bridge_killed (void)
{
  auto_client client = { .bus = world_open_host (world) };

  expect (&client, ECHO_ALIAS, "Touch", NULL);
  world_kill (world, WORLD_BRIDGE);
  world_start (world, WORLD_BRIDGE);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 3));
  wait_for_calls (&client);
}

/* Everything that a guest can do wrong on a channel costs it that channel, and the caller gets an
 * error; the next call opens another. */
static int
on_large_reply (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Client *client = user_data;

  g_assert_false (sd_bus_message_is_method_error (message, NULL));
  client->n_told++;
  return 0;
}

static GPid
get_bus_pid (Client *client)
{
  auto_message reply = NULL;
  uint32_t pid;

  g_assert_cmpint (sd_bus_call_method (client->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "GetConnectionUnixProcessID", NULL,
                                       &reply, "s", "org.freedesktop.DBus"),
                   >=, 0);
  g_assert_cmpint (sd_bus_message_read (reply, "u", &pid), >=, 0);
  g_assert_cmpuint (pid, >, 1);
  return (GPid) pid;
}

/* A reply that does not fit is its caller's affair alone; large ones of several callers wait for
 * each other while the host's bus stands still. The rogue is the agent. */
static void
check_large_replies (void)
{
  auto_client first = { .bus = world_open_host (world) };
  auto_client second = { .bus = world_open_host (world) };
  Client *const callers[] = { &first, &second };
  auto_client socket = { .bus = world_open_socket (world) };
  GPid bus = get_bus_pid (&first);
  unsigned n_changes = 0;

  watch_name (&first, ECHO_ALIAS, &n_changes);
  expect (&first, ECHO_ALIAS, "Largest", LIMITS_EXCEEDED);
  expect (&socket, ECHO_NAME, "Largest", LIMITS_EXCEEDED);
  expect (&socket, ECHO_NAME, "Echo", NULL);

  for (int i = 0; i < 2; i++)
    {
      expect (callers[i], ECHO_ALIAS, "Echo", NULL);
      g_assert_cmpint (sd_bus_call_method_async (callers[i]->bus, NULL, ECHO_ALIAS, ECHO_PATH,
                                                 ECHO_INTERFACE, "Large", on_large_reply,
                                                 callers[i], NULL),
                       >=, 0);
      g_assert_cmpint (sd_bus_flush (callers[i]->bus), >=, 0);
    }

  /* The replies come while nobody takes them. */
  g_usleep (500000);
  g_assert_no_errno (kill (bus, SIGSTOP));
  g_usleep (2500000);
  g_assert_no_errno (kill (bus, SIGCONT));

  for (int i = 0; i < 2; i++)
    {
      dispatch (callers[i], CALL_TIME_USEC, &callers[i]->n_told, 1);
      g_assert_cmpuint (callers[i]->n_told, ==, 1);
    }
  expect (&first, ECHO_ALIAS, "Echo", NULL);
  dispatch (&first, 100000, NULL, 0);
  g_assert_cmpuint (n_changes, ==, 0);
}

/* Has the guest do it for a while, and asks how many channels that cost. */
static void
check_channels_in_vain (Client *client, const char *member, const char *counter, unsigned least)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = NULL;
  uint32_t n;

  expect (client, ECHO_ALIAS, member, NULL);
  dispatch (client, 4 * G_USEC_PER_SEC, NULL, 0);
  reply = call (client, counter, &error);
  g_assert_nonnull (reply);
  g_assert_cmpint (sd_bus_message_read (reply, "u", &n), >=, 0);
  g_test_message ("%s: %u channels were opened in vain", member, n);
  g_assert_cmpuint (n, >=, least);
  g_assert_cmpuint (n, <=, 30);
}

/* The reply behind a flood comes once the bus has passed all of it on, message by message: on a
 * machine that has other things to do, that takes longer than a call. */
static void
take_flood (Client *client)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = NULL;

  sd_bus_set_method_call_timeout (client->bus, FLOOD_TIME_USEC);
  sd_bus_call_method (client->bus, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Flood", &error, &reply,
                      "");
  g_assert_cmpstr (error.name, ==, NULL);
  g_assert_nonnull (reply);
}

static void
test_rogue (void)
{
  static const char *const members[] = { "BadSerial", "Call", "Spoof", "Nameless",
                                         "Garbage",   "Huge", "Twice", "Close" };
  auto_client client = { .bus = world_open_host (world) };
  auto_client flooded = { .bus = world_open_host (world) };
  GPid bridge = world_get_pid (world, WORLD_BRIDGE);
  unsigned n_changes = 0;

  world_kill (world, WORLD_AGENT);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 2));
  world_start (world, WORLD_ROGUE);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 3));

  for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
    {
      expect (&client, ECHO_ALIAS, members[i], DISCONNECTED);
      expect (&client, ECHO_ALIAS, "Echo", NULL);
    }

  /* A flood costs nobody a reply. */
  for (int i = 0; i < 2; i++)
    take_flood (&flooded);

  check_large_replies ();

  /* A guest that changes owners without end is not followed at every step: each would be two
   * changes on the host's bus. */
  watch_name (&client, ECHO_ALIAS, &n_changes);
  expect (&client, ECHO_ALIAS, "Flap", NULL);
  dispatch (&client, 3 * G_USEC_PER_SEC, NULL, 0);
  g_assert_cmpuint (n_changes, >=, 2);
  g_assert_cmpuint (n_changes, <=, 40);
  expect (&client, ECHO_ALIAS, "Echo", NULL);

  /* One that opens channels and closes them at once does not keep the host at handshakes: three
   * wait to be opened anew, two spares and that for broadcasts. */
  check_channels_in_vain (&client, "Churn", "Churned", 3);

  /* Nor does one whose session comes and goes, and with it the reason for spares to its bus. */
  check_channels_in_vain (&client, "FlapSession", "SessionOpens", 2);

  g_assert_cmpint (bridge, ==, world_get_pid (world, WORLD_BRIDGE));
  g_assert_no_errno (kill (bridge, 0));

  world_kill (world, WORLD_ROGUE);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 2));
  world_start (world, WORLD_AGENT);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 3));
}

/* --- Figures --- */

static gulong
get_resident_kb (GPid pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/statm", pid);
  g_autofree char *text = NULL;
  gulong size, resident;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpint (sscanf (text, "%lu %lu", &size, &resident), ==, 2);
  return resident * (gulong) sysconf (_SC_PAGESIZE) / 1024;
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  return *(const int *) a - *(const int *) b;
}

/* The median of `n` calls, in microseconds: others use this machine, too. */
static int
measure (Client *client, const char *destination, int n)
{
  g_autofree int *times = g_new (int, n);

  for (int i = 0; i < n; i++)
    {
      gint64 begin = g_get_monotonic_time ();

      echo (client, destination, "0123456789abcdef", 16);
      times[i] = (int) (g_get_monotonic_time () - begin);
    }

  qsort (times, (size_t) n, sizeof *times, compare_times);
  return times[n / 2];
}

static void
test_memory (void)
{
  const int n = g_test_slow () ? 100000 : 10000;
  auto_client client = { .bus = world_open_host (world) };
  auto_client direct = { .bus = world_open_guest (world) };
  GPid bridge = world_get_pid (world, WORLD_BRIDGE);
  GPid agent = world_get_pid (world, WORLD_AGENT);
  gulong bridge_before, agent_before;
  int forwarded;

  measure (&client, ECHO_ALIAS, 1000);
  bridge_before = get_resident_kb (bridge);
  agent_before = get_resident_kb (agent);
  forwarded = measure (&client, ECHO_ALIAS, n);

  g_test_message ("a forwarded call of 16 bytes takes %d us, a direct one %d us", forwarded,
                  measure (&direct, ECHO_NAME, n));
  g_test_message ("resident: bridge %lu -> %lu KiB, agent %lu -> %lu KiB", bridge_before,
                  get_resident_kb (bridge), agent_before, get_resident_kb (agent));
  if (g_getenv ("TEST_SANITIZED") == NULL)
    {
      g_assert_cmpuint (get_resident_kb (bridge), <=, bridge_before + 64);
      g_assert_cmpuint (get_resident_kb (agent), <=, agent_before + 64);
    }
}

/* Callers that come and go leave no descriptors, and no memory, behind. */
static unsigned
count_descriptors (GPid pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", pid);
  GDir *directory = g_dir_open (path, 0, NULL);
  unsigned n = 0;

  if (directory == NULL)
    return 0;
  while (g_dir_read_name (directory) != NULL)
    n++;
  g_dir_close (directory);
  return n;
}

static void
test_churn (void)
{
  GPid bridge = world_get_pid (world, WORLD_BRIDGE);
  GPid agent = world_get_pid (world, WORLD_AGENT);
  unsigned bridge_descriptors = 0, agent_descriptors = 0;

  for (int i = 0; i < 300; i++)
    {
      auto_client client = { .bus =
                                 i % 2 == 0 ? world_open_host (world) : world_open_socket (world) };

      g_assert_nonnull (client.bus);
      echo (&client, i % 2 == 0 ? ECHO_ALIAS : ECHO_NAME, "x", 1);
      if (i == 20)
        {
          g_usleep (300000);
          bridge_descriptors = count_descriptors (bridge);
          agent_descriptors = count_descriptors (agent);
        }
    }

  g_usleep (300000);
  g_assert_cmpuint (count_descriptors (bridge), <=, bridge_descriptors);
  g_assert_cmpuint (count_descriptors (agent), <=, agent_descriptors);
}

/* Last: both end by SIGTERM, with nothing left over (LeakSanitizer looks). */
static void
test_stop (void)
{
  g_assert_cmpint (world_stop (world, WORLD_BRIDGE), ==, 0);
  g_assert_cmpint (world_stop (world, WORLD_AGENT), ==, 0);
}

int
main (int argc, char **argv)
{
  int r;

  g_test_init (&argc, &argv, NULL);
  world = world_new ();

  g_test_add_func ("/path/echo", test_echo);
  g_test_add_func ("/path/errors", test_errors);
  g_test_add_func ("/path/standard-interfaces", test_standard_interfaces);
  g_test_add_func ("/path/no-interface", test_no_interface);
  g_test_add_func ("/path/authority", test_authority);
  g_test_add_func ("/path/refused-stranger", test_refused_stranger);
  g_test_add_func ("/path/vanished-caller", test_vanished_caller);
  g_test_add_func ("/path/callers", test_callers);
  g_test_add_func ("/path/order", test_order);
  g_test_add_func ("/path/signals", test_signals);
  g_test_add_func ("/path/broadcast", test_broadcast);
  g_test_add_func ("/path/descriptors", test_descriptors);
  g_test_add_func ("/path/pipe", test_pipe);
  g_test_add_func ("/path/waiting-descriptors", test_waiting_descriptors);
  g_test_add_func ("/path/no-reply", test_no_reply);
  g_test_add_func ("/path/limit", test_limit);
  g_test_add_func ("/path/user-limit", test_user_limit);
  g_test_add_func ("/path/activation", test_activation);
  g_test_add_func ("/path/service-restart", test_service_restart);
  g_test_add_func ("/socket/tools", test_socket_tools);
  g_test_add_func ("/socket/calls", test_socket_calls);
  g_test_add_func ("/socket/unique-name", test_socket_unique_name);
  g_test_add_func ("/socket/driver", test_socket_driver);
  g_test_add_func ("/socket/signals", test_socket_signals);
  g_test_add_func ("/socket/strangers", test_socket_strangers);
  g_test_add_func ("/socket/vanished", test_socket_vanished);
  g_test_add_func ("/socket/refused", test_socket_refused);
  g_test_add_func ("/failure/agent-killed", test_agent_killed);
  g_test_add_func ("/failure/bridge-killed", test_bridge_killed);
  g_test_add_func ("/failure/rogue", test_rogue);
  g_test_add_func ("/figures/memory", test_memory);
  g_test_add_func ("/figures/churn", test_churn);
  g_test_add_func ("/end/stop", test_stop);

  r = g_test_run ();
  world_free (world);
  return r;
}
