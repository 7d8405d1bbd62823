/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tombolo.Bridge1: the guest's bus, opened for somebody at tombolod's word and nobody else's.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "world.h"

#define HOST_NAME "org.tombolo.Host1"
#define BRIDGE_PATH "/org/tombolo/Bridge1"
#define BRIDGE_INTERFACE "org.tombolo.Bridge1"
#define ERROR_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define ERROR_ARGUMENT "org.tombolo.Error.InvalidArgument"
#define ERROR_LIMIT "org.tombolo.Error.LimitsExceeded"
#define MAX_OPEN 64 /* LIMIT_OPEN_BUSES_OPENER */

static World *world;

static void
bus_clear (sd_bus **bus)
{
  sd_bus_flush_close_unref (*bus);
}

static void
fd_close (int *fd)
{
  if (*fd >= 0)
    close (*fd);
}

#define auto_bus __attribute__ ((cleanup (bus_clear))) sd_bus *
#define auto_message __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *
#define auto_error __attribute__ ((cleanup (sd_bus_error_free))) sd_bus_error
#define auto_fd __attribute__ ((cleanup (fd_close))) int

/* --- Somebody in tombolod's place --- */

static int
on_report (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  char **bridge = user_data;

  if (!sd_bus_message_is_method_call (message, "org.tombolo.Host1.Bridge", "Report"))
    return 0;

  g_free (*bridge);
  *bridge = g_strdup (sd_bus_message_get_sender (message));
  return sd_bus_reply_method_return (message, NULL);
}

/* Returns when the bridge has reported; its unique name is `*ret_bridge`, to be freed. */
static sd_bus *
become_tombolod (char **ret_bridge)
{
  gint64 end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  sd_bus *bus = world_open_host (world);

  *ret_bridge = NULL;
  g_assert_cmpint (sd_bus_add_object (bus, NULL, "/org/tombolo/Host1", on_report, ret_bridge), >=,
                   0);
  g_assert_cmpint (sd_bus_request_name (bus, HOST_NAME, 0), >=, 0);
  while (*ret_bridge == NULL && g_get_monotonic_time () < end)
    if (sd_bus_process (bus, NULL) == 0)
      sd_bus_wait (bus, G_USEC_PER_SEC);
  g_assert_nonnull (*ret_bridge);
  return bus;
}

static int
call_open (sd_bus *bus, const char *bridge, const char *opener, const char *guest_bus, int fd,
           sd_bus_error *error)
{
  return sd_bus_call_method (bus, bridge, BRIDGE_PATH, BRIDGE_INTERFACE, "OpenBus", error, NULL,
                             "ssh", opener, guest_bus, fd);
}

static const char *
get_name (sd_bus *bus)
{
  const char *name;

  g_assert_cmpint (sd_bus_get_unique_name (bus, &name), >=, 0);
  return name;
}

/* The opener's end, or -1 with `error` set. */
static int
open_bus (sd_bus *tombolod, const char *bridge, const char *opener, sd_bus_error *error)
{
  auto_fd ours = -1, theirs = -1;
  int fds[2], r;

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  ours = fds[0];
  theirs = fds[1];
  r = call_open (tombolod, bridge, opener, "system", theirs, error);
  if (r < 0)
    return -1;

  r = ours;
  ours = -1;
  return r;
}

/* A client on the opened bus. */
static sd_bus *
connect_fd (int fd)
{
  sd_bus *bus = NULL;

  g_assert_cmpint (sd_bus_new (&bus), >=, 0);
  g_assert_cmpint (sd_bus_set_fd (bus, fd, fd), >=, 0);
  g_assert_cmpint (sd_bus_set_bus_client (bus, 1), >=, 0);
  g_assert_cmpint (sd_bus_start (bus), >=, 0);
  return bus;
}

static int
touch (sd_bus *bus)
{
  return sd_bus_call_method (bus, ECHO_NAME, ECHO_PATH, ECHO_INTERFACE, "Touch", NULL, NULL, NULL);
}

/* Waits for the end of the socket, whatever comes before it. */
static gboolean
ends (int fd)
{
  char buffer[4096];
  struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

  while (poll (&poll_fd, 1, 5000) > 0)
    if (read (fd, buffer, sizeof buffer) <= 0)
      return TRUE;

  return FALSE;
}

static gboolean
is_open (int fd)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

  return poll (&poll_fd, 1, 200) == 0;
}

/* --- What tombolod may --- */

static void
test_open (void)
{
  g_autofree char *bridge = NULL;
  auto_bus tombolod = become_tombolod (&bridge);
  auto_bus opener = world_open_host (world);
  auto_bus client = NULL;
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = NULL;
  int fd = open_bus (tombolod, bridge, get_name (opener), &error);

  g_assert_null (error.message);
  client = connect_fd (fd);
  g_assert_cmpint (touch (client), >=, 0);
  g_assert_cmpint (sd_bus_call_method (client, HIDDEN_NAME, "/", "a.b", "C", NULL, NULL, NULL), <,
                   0);
  g_assert_cmpstr (get_name (client), !=, get_name (opener));
}

/* The bus driver of the host says when: not the guest, and not whoever has the socket. */
static void
test_opener_leaves (void)
{
  g_autofree char *bridge = NULL;
  auto_bus tombolod = become_tombolod (&bridge);
  sd_bus *opener = world_open_host (world);
  auto_bus other = world_open_host (world);
  auto_fd silent = open_bus (tombolod, bridge, get_name (opener), NULL);
  auto_fd others = open_bus (tombolod, bridge, get_name (other), NULL);
  auto_bus client = connect_fd (open_bus (tombolod, bridge, get_name (opener), NULL));

  g_assert_cmpint (touch (client), >=, 0);
  sd_bus_flush_close_unref (opener);
  g_assert_true (ends (silent));
  g_assert_cmpint (touch (client), <, 0);
  g_assert_true (is_open (others));
}

static void
test_opener_that_never_was (void)
{
  g_autofree char *bridge = NULL;
  auto_bus tombolod = become_tombolod (&bridge);
  auto_error error = SD_BUS_ERROR_NULL;

  g_assert_cmpint (open_bus (tombolod, bridge, ":1.4000000", &error), ==, -1);
  g_assert_cmpstr (error.name, ==, "org.tombolo.Error.Failed");
}

/* --- What nobody may --- */

static void
test_strangers (void)
{
  g_autofree char *bridge = NULL;
  auto_bus tombolod = become_tombolod (&bridge);
  auto_bus stranger = world_open_host (world);
  auto_error first = SD_BUS_ERROR_NULL, second = SD_BUS_ERROR_NULL;
  auto_message forged = NULL;

  g_assert_cmpint (open_bus (stranger, bridge, get_name (stranger), &first), ==, -1);
  g_assert_cmpstr (first.name, ==, ERROR_DENIED);

  /* Nor by claiming, in the bus' words, to be tombolod. */
  g_assert_cmpint (sd_bus_message_new_signal (stranger, &forged, "/org/freedesktop/DBus",
                                              "org.freedesktop.DBus", "NameOwnerChanged"),
                   >=, 0);
  g_assert_cmpint (
      sd_bus_message_append (forged, "sss", HOST_NAME, get_name (tombolod), get_name (stranger)),
      >=, 0);
  g_assert_cmpint (sd_bus_message_set_destination (forged, bridge), >=, 0);
  g_assert_cmpint (sd_bus_send (stranger, forged, NULL), >=, 0);
  g_assert_cmpint (open_bus (stranger, bridge, get_name (stranger), &second), ==, -1);
  g_assert_cmpstr (second.name, ==, ERROR_DENIED);
}

/* Who was tombolod is not any more. */
static void
test_former_tombolod (void)
{
  g_autofree char *bridge = NULL, *again = NULL;
  auto_bus former = become_tombolod (&bridge);
  auto_bus opener = world_open_host (world);
  auto_bus next = NULL;
  auto_error error = SD_BUS_ERROR_NULL;
  auto_fd fd = -1;

  g_assert_cmpint (sd_bus_release_name (former, HOST_NAME), >=, 0);
  g_assert_cmpint (open_bus (former, bridge, get_name (opener), &error), ==, -1);
  g_assert_cmpstr (error.name, ==, ERROR_DENIED);

  next = become_tombolod (&again);
  g_assert_cmpstr (again, ==, bridge);
  fd = open_bus (next, bridge, get_name (opener), NULL);
  g_assert_cmpint (fd, >=, 0);
}

static void
test_bad_arguments (void)
{
  g_autofree char *bridge = NULL;
  auto_bus tombolod = become_tombolod (&bridge);
  const char *name = get_name (tombolod);
  int pipes[2], datagrams[2], streams[2];

  g_assert_cmpint (pipe (pipes), ==, 0);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_DGRAM, 0, datagrams), ==, 0);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, streams), ==, 0);

  {
    const struct
    {
      const char *opener, *bus;
      int fd;
      const char *error;
    } cases[] = {
      { "org.example.Opener", "system", streams[0], ERROR_ARGUMENT },
      { "", "system", streams[0], ERROR_ARGUMENT },
      { ":1", "system", streams[0], ERROR_ARGUMENT },
      { name, "", streams[0], "org.tombolo.Error.NotSupported" },
      { name, "System", streams[0], "org.tombolo.Error.NotSupported" },
      { name, "system", pipes[0], ERROR_ARGUMENT },
      { name, "system", datagrams[0], ERROR_ARGUMENT },
      { name, "system", STDERR_FILENO, ERROR_ARGUMENT },
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
      {
        auto_error error = SD_BUS_ERROR_NULL;

        g_assert_cmpint (
            call_open (tombolod, bridge, cases[i].opener, cases[i].bus, cases[i].fd, &error), <, 0);
        g_test_message ("case %u: %s: %s", i, error.name, error.message);
        g_assert_cmpstr (error.name, ==, cases[i].error);
      }
  }

  for (int i = 0; i < 2; i++)
    {
      close (pipes[i]);
      close (datagrams[i]);
      close (streams[i]);
    }
}

/* As many as one may have; each that is closed makes room. */
static void
test_limit (void)
{
  g_autofree char *bridge = NULL;
  auto_bus tombolod = become_tombolod (&bridge);
  auto_bus opener = world_open_host (world);
  auto_error error = SD_BUS_ERROR_NULL;
  int fds[MAX_OPEN], again = -1;

  for (int i = 0; i < MAX_OPEN; i++)
    {
      fds[i] = open_bus (tombolod, bridge, get_name (opener), NULL);
      g_assert_cmpint (fds[i], >=, 0);
    }
  g_assert_cmpint (open_bus (tombolod, bridge, get_name (opener), &error), ==, -1);
  g_assert_cmpstr (error.name, ==, ERROR_LIMIT);

  close (fds[0]);
  for (int i = 0; i < 100 && again < 0; i++, g_usleep (20000))
    again = open_bus (tombolod, bridge, get_name (opener), NULL);
  g_assert_cmpint (again, >=, 0);

  close (again);
  for (int i = 1; i < MAX_OPEN; i++)
    close (fds[i]);
}

/* A tunnel that breaks takes the buses with it, and until it is back there are none. */
static void
test_guest_gone (void)
{
  g_autofree char *bridge = NULL;
  auto_bus tombolod = become_tombolod (&bridge);
  auto_bus opener = world_open_host (world);
  auto_bus client = connect_fd (open_bus (tombolod, bridge, get_name (opener), NULL));
  auto_error error = SD_BUS_ERROR_NULL;
  auto_fd fd = -1;

  g_assert_cmpint (touch (client), >=, 0);
  world_kill (world, WORLD_AGENT);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 15));
  g_assert_cmpint (touch (client), <, 0);
  g_assert_cmpint (open_bus (tombolod, bridge, get_name (opener), &error), ==, -1);
  g_assert_cmpstr (error.name, ==, "org.tombolo.Error.Disconnected");

  world_start (world, WORLD_AGENT);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 15));
  fd = open_bus (tombolod, bridge, get_name (opener), NULL);
  g_assert_cmpint (fd, >=, 0);
}

/* --- OpenShell --- */

static int
call_shell (sd_bus *bus, const char *bridge, const char *user, sd_bus_error *error)
{
  auto_message call = NULL;

  g_assert_cmpint (sd_bus_message_new_method_call (bus, &call, bridge, BRIDGE_PATH,
                                                   BRIDGE_INTERFACE, "OpenShell"),
                   >=, 0);
  g_assert_cmpint (sd_bus_message_append (call, "sassuu", user, 1, "true", "dumb", 24, 80), >=, 0);
  return sd_bus_call (bus, call, 10 * G_USEC_PER_SEC, error, NULL);
}

/* The guest here has no tombolo-shell.socket, and says so. */
static void
test_no_shell (void)
{
  g_autofree char *bridge = NULL;
  auto_bus tombolod = become_tombolod (&bridge);
  auto_bus stranger = world_open_host (world);
  auto_error first = SD_BUS_ERROR_NULL, second = SD_BUS_ERROR_NULL, third = SD_BUS_ERROR_NULL;

  g_assert_cmpint (call_shell (stranger, bridge, "root", &first), <, 0);
  g_assert_cmpstr (first.name, ==, ERROR_DENIED);
  g_assert_cmpint (call_shell (tombolod, bridge, "root", &second), <, 0);
  g_assert_cmpstr (second.name, ==, "org.tombolo.Error.NotSupported");
  g_assert_nonnull (strstr (second.message, "tombolo-shell.socket"));
  g_assert_cmpint (call_shell (tombolod, bridge, "-x", &third), <, 0);
  g_assert_cmpstr (third.name, ==, ERROR_ARGUMENT);
}

/* An agent that answers with something else than a terminal loses its tunnel. */
static void
test_false_shell (void)
{
  static const char *const lies[] = { "nothing", "one",  "swapped", "slave",
                                      "written", "same", "token",   "three" };
  g_autofree char *bridge = NULL;
  auto_bus tombolod = become_tombolod (&bridge);

  world_kill (world, WORLD_AGENT);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 15));
  world_start (world, WORLD_ROGUE);
  for (guint i = 0; i < G_N_ELEMENTS (lies); i++)
    {
      auto_error error = SD_BUS_ERROR_NULL;

      g_test_message ("%s", lies[i]);
      g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 15));
      g_assert_cmpint (call_shell (tombolod, bridge, lies[i], &error), <, 0);
      g_assert_cmpstr (error.name, ==, "org.tombolo.Error.Failed");
      g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 15));
    }
  world_kill (world, WORLD_ROGUE);
}

int
main (int argc, char **argv)
{
  int r;

  g_test_init (&argc, &argv, NULL);
  world = world_new ();
  g_test_add_func ("/open-bus/open", test_open);
  g_test_add_func ("/open-bus/opener-leaves", test_opener_leaves);
  g_test_add_func ("/open-bus/opener-that-never-was", test_opener_that_never_was);
  g_test_add_func ("/open-bus/strangers", test_strangers);
  g_test_add_func ("/open-bus/former-tombolod", test_former_tombolod);
  g_test_add_func ("/open-bus/bad-arguments", test_bad_arguments);
  g_test_add_func ("/open-bus/limit", test_limit);
  g_test_add_func ("/open-bus/guest-gone", test_guest_gone);
  g_test_add_func ("/open-bus/no-shell", test_no_shell);
  g_test_add_func ("/open-bus/false-shell", test_false_shell);
  r = g_test_run ();
  world_free (world);
  return r;
}
