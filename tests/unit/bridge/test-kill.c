/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bridge, agent and the host's bus killed at awkward moments: in the middle of a large message,
 * while polkit thinks, with a client half authenticated. Whoever waits gets an error with a name,
 * nothing is carried out that nobody was allowed, and calls come back. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "world.h"

#define LARGE_SIZE ((size_t) 12 * 1024 * 1024)
#define N_LARGE 4
#define ROUNDS 4
#define ANSWER_USEC (8 * G_USEC_PER_SEC)
#define RECOVERY_SECONDS 5
/* As long as test-polkit takes over Slow, and a bit. */
#define POLKIT_USEC (500 * 1000)

#define auto_bus __attribute__ ((cleanup (sd_bus_flush_close_unrefp))) sd_bus *
#define auto_message __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *
#define auto_error __attribute__ ((cleanup (sd_bus_error_free))) sd_bus_error

static World *world;

/* What became of calls. */
typedef struct
{
  unsigned n_sent;
  unsigned n_replies;
  unsigned n_failed;
} Outcome;

static bool
is_named (const char *error)
{
  static const char *const names[] = {
    "org.tombolo.Error.Disconnected",
    "org.tombolo.Error.LimitsExceeded",
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    NULL,
  };

  return g_strv_contains (names, error);
}

static int
on_answer (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  const sd_bus_error *problem = sd_bus_message_get_error (message);
  Outcome *outcome = user_data;

  if (problem == NULL)
    outcome->n_replies++;
  else if (is_named (problem->name))
    outcome->n_failed++;
  else
    g_error ("%s: %s", problem->name, problem->message);
  return 0;
}

static void
send_call (sd_bus *bus, const char *member, size_t size, Outcome *outcome)
{
  auto_message call = NULL;
  void *space;

  g_assert_cmpint (
      sd_bus_message_new_method_call (bus, &call, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, member),
      >=, 0);
  if (size > 0)
    {
      g_assert_cmpint (sd_bus_message_append_array_space (call, 'y', size, &space), >=, 0);
      memset (space, 'x', size);
    }
  g_assert_cmpint (sd_bus_call_async (bus, NULL, call, on_answer, outcome, ANSWER_USEC), >=, 0);
  outcome->n_sent++;
}

static void
process (sd_bus *bus, gint64 usec, const Outcome *until)
{
  gint64 end = g_get_monotonic_time () + usec;

  while (g_get_monotonic_time () < end
         && (until == NULL || until->n_replies + until->n_failed < until->n_sent))
    {
      int r = sd_bus_process (bus, NULL);

      g_assert_cmpint (r, >=, 0);
      if (r == 0)
        sd_bus_wait (bus, (uint64_t) MAX (end - g_get_monotonic_time (), 0));
    }
}

/* All were answered, one way or the other: nothing hangs. */
static void
expect_all (sd_bus *bus, const Outcome *outcome)
{
  process (bus, ANSWER_USEC + G_USEC_PER_SEC, outcome);
  g_assert_cmpuint (outcome->n_replies + outcome->n_failed, ==, outcome->n_sent);
}

static uint32_t
get_count (void)
{
  auto_bus bus = world_open_guest (world);
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = NULL;
  uint32_t count;

  g_assert_cmpint (
      sd_bus_call_method (bus, ECHO_NAME, ECHO_PATH, ECHO_INTERFACE, "Count", &error, &reply, NULL),
      >=, 0);
  g_assert_cmpint (sd_bus_message_read (reply, "u", &count), >=, 0);
  return count;
}

static void
expect_recovery (void)
{
  gint64 end = g_get_monotonic_time () + RECOVERY_SECONDS * G_USEC_PER_SEC;
  auto_bus bus = world_open_host (world);
  int r;

  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, RECOVERY_SECONDS));
  do
    r = sd_bus_call_method (bus, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Touch", NULL, NULL, NULL);
  while (r < 0 && g_get_monotonic_time () < end);
  g_assert_cmpint (r, >=, 0);
}

/* The message is somewhere else each time: at the service, in the tunnel, on the host's bus. */
static void
kill_in_large_message (WorldProcess victim)
{
  for (int round = 0; round < ROUNDS; round++)
    {
      auto_bus bus = world_open_host (world);
      Outcome outcome = { 0 };

      send_call (bus, "Touch", 0, &outcome);
      expect_all (bus, &outcome);
      for (int i = 0; i < N_LARGE; i++)
        send_call (bus, "Echo", LARGE_SIZE, &outcome);
      process (bus, round * 20000, &outcome);
      world_kill (world, victim);
      expect_all (bus, &outcome);
      world_start (world, victim);
      expect_recovery ();
    }
}

static void
test_bridge_in_large_message (void)
{
  kill_in_large_message (WORLD_BRIDGE);
}

static void
test_agent_in_large_message (void)
{
  kill_in_large_message (WORLD_AGENT);
}

static void
test_service_in_large_message (void)
{
  kill_in_large_message (WORLD_SERVICE);
}

/* What polkit has not allowed is not carried out, by whom ever it was asked. */
static void
kill_in_check (WorldProcess victim)
{
  auto_bus bus = world_open_host (world);
  uint32_t count = get_count ();
  Outcome outcome = { 0 };

  send_call (bus, "Slow", 0, &outcome);
  process (bus, 100000, NULL);
  world_kill (world, victim);
  expect_all (bus, &outcome);
  g_assert_cmpuint (outcome.n_failed, ==, 1);
  g_usleep (POLKIT_USEC);
  g_assert_cmpuint (get_count (), ==, count);
  world_start (world, victim);
  expect_recovery ();
}

static void
test_bridge_in_check (void)
{
  kill_in_check (WORLD_BRIDGE);
}

static void
test_agent_in_check (void)
{
  kill_in_check (WORLD_AGENT);
}

/* polkit itself: its silence is a refusal. */
static void
test_polkit_in_check (void)
{
  auto_bus bus = world_open_host (world);
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message call = NULL;
  uint32_t count = get_count ();

  g_assert_cmpint (
      sd_bus_message_new_method_call (bus, &call, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Slow"),
      >=, 0);
  g_assert_cmpint (sd_bus_send (bus, call, NULL), >=, 0);
  g_assert_cmpint (sd_bus_flush (bus), >=, 0);
  g_usleep (100000);
  world_kill (world, WORLD_POLKIT);
  g_assert_cmpint (
      sd_bus_call_method (bus, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Touch", &error, NULL, NULL),
      <, 0);
  g_assert_cmpstr (error.name, ==, "org.freedesktop.DBus.Error.AccessDenied");
  g_assert_cmpuint (get_count (), ==, count);
  world_start (world, WORLD_POLKIT);
  g_assert_true (world_wait_name (world, "org.freedesktop.PolicyKit1", TRUE, RECOVERY_SECONDS));
  expect_recovery ();
}

static int
connect_raw (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct timeval patience = { .tv_sec = 5 };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, world_get_socket_address (world) + strlen ("unix:path="),
             sizeof address.sun_path);
  g_assert_no_errno (connect (fd, (struct sockaddr *) &address, sizeof address));
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

/* Clients at each point of SASL find the end of the stream, and another client is served. */
static void
test_bridge_in_authentication (void)
{
  static const struct
  {
    const char *text;
    size_t size;
  } beginnings[] = {
    { "", 1 },
    { "\0AUTH EXTER", 11 },
    { "\0AUTH EXTERNAL 30\r\n", 19 },
    { "\0AUTH EXTERNAL 30\r\nBEGIN\r\nl\1", 28 },
  };
  int fds[G_N_ELEMENTS (beginnings)];
  auto_bus bus = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (beginnings); i++)
    {
      fds[i] = connect_raw ();
      g_assert_cmpint (send (fds[i], beginnings[i].text, beginnings[i].size, MSG_NOSIGNAL), >, 0);
    }

  g_usleep (200000);
  world_kill (world, WORLD_BRIDGE);
  for (gsize i = 0; i < G_N_ELEMENTS (beginnings); i++)
    {
      char buffer[256];
      ssize_t n;

      do
        n = recv (fds[i], buffer, sizeof buffer, 0);
      while (n > 0);
      if (n < 0 && errno != ECONNRESET)
        g_error ("client %zu hangs: %s", i, g_strerror (errno));
      close (fds[i]);
    }

  world_start (world, WORLD_BRIDGE);
  expect_recovery ();
  bus = world_open_socket (world);
  g_assert_nonnull (bus);
  g_assert_cmpint (
      sd_bus_call_method (bus, ECHO_NAME, ECHO_PATH, ECHO_INTERFACE, "Touch", NULL, NULL, NULL), >=,
      0);
}

/* The host's bus goes, and all who were on it; the bridge ends for its unit to start it again. */
static void
test_host_bus (void)
{
  static const char *const moments[] = { "Touch", "Slow", "Never" };

  for (gsize i = 0; i < G_N_ELEMENTS (moments); i++)
    {
      sd_bus *bus = world_open_host (world);
      Outcome outcome = { 0 };

      sd_bus_set_exit_on_disconnect (bus, 0);
      send_call (bus, moments[i], 0, &outcome);
      send_call (bus, "Echo", LARGE_SIZE, &outcome);
      process (bus, 50000, &outcome);
      world_restart_host_bus (world);
      sd_bus_close_unref (bus);
      expect_recovery ();
    }
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  world = world_new ();
  g_test_add_func ("/kill/large-message/bridge", test_bridge_in_large_message);
  g_test_add_func ("/kill/large-message/agent", test_agent_in_large_message);
  g_test_add_func ("/kill/large-message/service", test_service_in_large_message);
  g_test_add_func ("/kill/check/bridge", test_bridge_in_check);
  g_test_add_func ("/kill/check/agent", test_agent_in_check);
  g_test_add_func ("/kill/check/polkit", test_polkit_in_check);
  g_test_add_func ("/kill/authentication/bridge", test_bridge_in_authentication);
  g_test_add_func ("/kill/host-bus", test_host_bus);
  status = g_test_run ();
  world_free (world);
  return status;
}
