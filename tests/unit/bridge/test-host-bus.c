/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What others on the host's bus do to a bridge: signals in the bus's name, names that are taken,
 * a tombolod that refuses reports, callers that want more than their share. */
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define HOST_NAME "org.tombolo.Host1"
#define LIMITS_EXCEEDED "org.tombolo.Error.LimitsExceeded"
#define CALL_TIME_USEC (10 * G_USEC_PER_SEC)

static World *world;

static void
bus_clear (sd_bus **bus)
{
  sd_bus_flush_close_unref (*bus);
}

#define auto_bus __attribute__ ((cleanup (bus_clear))) sd_bus *
#define auto_message __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *

static void
dispatch (sd_bus *bus, uint64_t usec, const unsigned *counter, unsigned until)
{
  gint64 end = g_get_monotonic_time () + (gint64) usec;

  while (g_get_monotonic_time () < end && (counter == NULL || *counter < until))
    {
      int r = sd_bus_process (bus, NULL);

      g_assert_cmpint (r, >=, 0);
      if (r == 0)
        sd_bus_wait (bus, (uint64_t) MAX (end - g_get_monotonic_time (), 0));
    }
}

static void
touch (sd_bus *bus)
{
  g_assert_cmpint (
      sd_bus_call_method (bus, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Touch", NULL, NULL, NULL),
      >=, 0);
}

/* --- Reports, and who sends them --- */

typedef struct
{
  unsigned n_reports;
  unsigned n_refused;
  unsigned refuse; /* how many are refused */
  char *bridge;    /* unique name of the bridge's control connection */
} Tombolod;

static int
on_report (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Tombolod *tombolod = user_data;
  const char *machine, *state;

  g_assert_cmpint (sd_bus_message_read (message, "ss", &machine, &state), >=, 0);
  g_assert_cmpstr (machine, ==, "work");
  g_assert_cmpstr (state, ==, "connected");

  g_free (tombolod->bridge);
  tombolod->bridge = g_strdup (sd_bus_message_get_sender (message));
  tombolod->n_reports++;
  if (tombolod->n_refused >= tombolod->refuse)
    return sd_bus_reply_method_return (message, NULL);

  tombolod->n_refused++;
  return sd_bus_error_set (error, SD_BUS_ERROR_ACCESS_DENIED, "Not yet.");
}

static const sd_bus_vtable vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD ("Report", "sssa{ss}a{ss}as", "", on_report, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_VTABLE_END,
};

static sd_bus *
become_tombolod (Tombolod *tombolod)
{
  sd_bus *bus = world_open_host (world);

  g_assert_cmpint (sd_bus_add_object_vtable (bus, NULL, "/org/tombolo/Host1",
                                             "org.tombolo.Host1.Bridge", vtable, tombolod),
                   >=, 0);
  g_assert_cmpint (sd_bus_request_name (bus, HOST_NAME, 0), >=, 0);
  return bus;
}

/* Says what only the bus may say, to the bridge alone. */
static void
forge (sd_bus *bus, const char *bridge, const char *name, const char *old_owner,
       const char *new_owner)
{
  auto_message signal = NULL;

  g_assert_cmpint (sd_bus_message_new_signal (bus, &signal, "/org/freedesktop/DBus",
                                              "org.freedesktop.DBus", "NameOwnerChanged"),
                   >=, 0);
  g_assert_cmpint (sd_bus_message_append (signal, "sss", name, old_owner, new_owner), >=, 0);
  g_assert_cmpint (sd_bus_message_set_destination (signal, bridge), >=, 0);
  g_assert_cmpint (sd_bus_send (bus, signal, NULL), >=, 0);
  g_assert_cmpint (sd_bus_flush (bus), >=, 0);
}

/* A report that was refused is sent again until it is taken, and then no more; also not because
 * somebody claims that tombolod has come. */
static void
test_report (void)
{
  Tombolod tombolod = { .refuse = 2 };
  auto_bus bus = become_tombolod (&tombolod);
  auto_bus forger = world_open_host (world);

  dispatch (bus, 5 * G_USEC_PER_SEC, &tombolod.n_reports, 3);
  g_assert_cmpuint (tombolod.n_reports, ==, 3);
  dispatch (bus, 1500000, &tombolod.n_reports, 4);
  g_assert_cmpuint (tombolod.n_reports, ==, 3);

  for (int i = 0; i < 10; i++)
    forge (forger, tombolod.bridge, HOST_NAME, "", ":1.1");
  dispatch (bus, 500000, &tombolod.n_reports, 4);
  g_assert_cmpuint (tombolod.n_reports, ==, 3);
  g_free (tombolod.bridge);
}

static int
on_reply (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  g_assert_false (sd_bus_message_is_method_error (message, NULL));
  (*(unsigned *) user_data)++;
  return 0;
}

/* A caller that is said to have left, and has not, keeps its channel, and its call is answered. */
static void
test_forged_leave (void)
{
  Tombolod tombolod = { 0 };
  auto_bus bus = become_tombolod (&tombolod);
  auto_bus caller = world_open_host (world);
  auto_bus forger = world_open_host (world);
  unsigned n_replies = 0;
  const char *name;

  dispatch (bus, 5 * G_USEC_PER_SEC, &tombolod.n_reports, 1);
  g_assert_nonnull (tombolod.bridge);
  g_assert_cmpint (sd_bus_get_unique_name (caller, &name), >=, 0);
  g_assert_cmpint (sd_bus_call_method_async (caller, NULL, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE,
                                             "Slow", on_reply, &n_replies, NULL),
                   >=, 0);
  g_assert_cmpint (sd_bus_flush (caller), >=, 0);

  g_usleep (100000);
  forge (forger, tombolod.bridge, name, name, "");
  dispatch (caller, 3 * G_USEC_PER_SEC, &n_replies, 1);
  g_assert_cmpuint (n_replies, ==, 1);
  touch (caller);
  g_free (tombolod.bridge);
}

/* --- Names --- */

/* An alias that somebody else holds is the bridge's when that one leaves. */
static void
test_taken_name (void)
{
  auto_bus caller = world_open_host (world);
  sd_bus *squatter = world_open_host (world);

  world_kill (world, WORLD_BRIDGE);
  g_assert_cmpint (sd_bus_request_name (squatter, ECHO_ALIAS, 0), >=, 0);
  world_start (world, WORLD_BRIDGE);
  g_assert_true (world_wait_name (world, LAZY_ALIAS, TRUE, 5));
  g_usleep (300000);

  sd_bus_flush_close_unref (squatter);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 5));
  touch (caller);
}

/* --- Bytes --- */

typedef struct
{
  unsigned n_done;
  unsigned n_refused;
} Flood;

static int
on_flood (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  const sd_bus_error *problem = sd_bus_message_get_error (message);
  Flood *flood = user_data;

  flood->n_done++;
  flood->n_refused += problem != NULL && g_str_equal (problem->name, LIMITS_EXCEEDED);
  return 0;
}

/* One user's calls that wait for polkit are of 32 MiB at most, however many callers it has. */
static void
test_waiting_bytes (void)
{
  static const size_t size = 15 * 1024 * 1024;
  enum
  {
    N = 4
  };
  g_autofree uint8_t *data = g_malloc0 (size);
  Flood floods[N] = { 0 };
  sd_bus *callers[N];
  unsigned n_refused = 0;

  for (int i = 0; i < N; i++)
    {
      callers[i] = world_open_host (world);
      touch (callers[i]);
    }

  for (int i = 0; i < N; i++)
    {
      auto_message call = NULL;

      g_assert_cmpint (sd_bus_message_new_method_call (callers[i], &call, ECHO_ALIAS, ECHO_PATH,
                                                       ECHO_INTERFACE, "Slower"),
                       >=, 0);
      g_assert_cmpint (sd_bus_message_append_array (call, 'y', data, size), >=, 0);
      g_assert_cmpint (
          sd_bus_call_async (callers[i], NULL, call, on_flood, &floods[i], CALL_TIME_USEC), >=, 0);
      g_assert_cmpint (sd_bus_flush (callers[i]), >=, 0);
    }

  for (int i = 0; i < N; i++)
    {
      dispatch (callers[i], CALL_TIME_USEC, &floods[i].n_done, 1);
      g_assert_cmpuint (floods[i].n_done, ==, 1);
      n_refused += floods[i].n_refused;
      touch (callers[i]);
      sd_bus_flush_close_unref (callers[i]);
    }
  g_test_message ("%u of %u calls were refused", n_refused, N);
  g_assert_cmpuint (n_refused, >=, 1);
  g_assert_cmpuint (n_refused, <=, 2);
}

int
main (int argc, char **argv)
{
  int r;

  g_test_init (&argc, &argv, NULL);
  world = world_new ();
  g_test_add_func ("/host-bus/report", test_report);
  g_test_add_func ("/host-bus/forged-leave", test_forged_leave);
  g_test_add_func ("/host-bus/taken-name", test_taken_name);
  g_test_add_func ("/host-bus/waiting-bytes", test_waiting_bytes);
  r = g_test_run ();
  world_free (world);
  return r;
}
