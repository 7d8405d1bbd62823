/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way out of a guest: a program on the guest's bus, the imported name, the agent, the tunnel,
 * rules and polkit, a connection of its own on the host's bus, the service there, and back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "world.h"

#define UNLISTED_NAME "org.example.Unlisted1" /* the guest's file does not list it */
#define AWAY_NAME "org.example.Away1"         /* nobody on the host owns it */

#define DISCONNECTED "org.tombolo.Error.Disconnected"
#define LIMITS_EXCEEDED "org.tombolo.Error.LimitsExceeded"
#define NOT_SUPPORTED "org.tombolo.Error.NotSupported"
#define NOT_EXPORTED "org.tombolo.Error.NotExported"
#define INVALID_ARGUMENT "org.tombolo.Error.InvalidArgument"
#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"

#define CALL_TIME_USEC (10 * G_USEC_PER_SEC)
#define N_CALLERS 64 /* LIMIT_IMPORT_CALLERS */
#define N_PENDING 128

static World *world;

typedef struct
{
  sd_bus *bus;
  unsigned n_pinged;
  unsigned n_told;
  uint32_t value;
} Program;

static void
program_close (Program *program)
{
  sd_bus_flush_close_unref (program->bus);
}

#define auto_program __attribute__ ((cleanup (program_close))) Program
#define auto_message __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *
#define auto_error __attribute__ ((cleanup (sd_bus_error_free))) sd_bus_error

static sd_bus_message *
call_at (sd_bus *bus, const char *name, const char *member, sd_bus_error *error)
{
  auto_message call = NULL;
  sd_bus_message *reply = NULL;

  g_assert_cmpint (
      sd_bus_message_new_method_call (bus, &call, name, ECHO_PATH, ECHO_INTERFACE, member), >=, 0);
  return sd_bus_call (bus, call, CALL_TIME_USEC, error, &reply) < 0 ? NULL : reply;
}

/* The call gets `name` as its error, or a reply where that is NULL. */
static void
expect (Program *program, const char *member, const char *name)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = call_at (program->bus, IMPORTED_NAME, member, &error);

  g_test_message ("%s: %s %s", member, error.name, error.message);
  g_assert_cmpstr (error.name, ==, name);
  g_assert_true ((reply != NULL) == (name == NULL));
}

static char *
get_string (sd_bus *bus, const char *name, const char *member)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = call_at (bus, name, member, &error);
  const char *text;

  g_assert_cmpstr (error.name, ==, NULL);
  g_assert_cmpint (sd_bus_message_read (reply, "s", &text), >=, 0);
  return g_strdup (text);
}

static void
dispatch (Program *program, uint64_t usec, const unsigned *counter, unsigned until)
{
  gint64 end = g_get_monotonic_time () + (gint64) usec;

  while (g_get_monotonic_time () < end && (counter == NULL || *counter < until))
    {
      int r = sd_bus_process (program->bus, NULL);

      g_assert_cmpint (r, >=, 0);
      if (r == 0)
        sd_bus_wait (program->bus, (uint64_t) MAX (end - g_get_monotonic_time (), 0));
    }
}

static int
on_signal (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Program *program = user_data;

  if (sd_bus_message_is_signal (message, NULL, "Pinged"))
    {
      program->n_pinged++;
      sd_bus_message_read (message, "u", &program->value);
    }
  else
    program->n_told++;
  return 0;
}

/* --- The names --- */

static void
test_names (void)
{
  g_assert_true (world_wait_guest_name (world, IMPORTED_NAME, TRUE, 5));
  g_assert_true (world_wait_guest_name (world, UNLISTED_NAME, FALSE, 0));
  g_assert_true (world_wait_guest_name (world, AWAY_NAME, FALSE, 0));
}

/* A name follows its service on the host, and another owner makes programs start over. */
static void
test_owner (void)
{
  auto_program program = { .bus = world_open_guest (world) };
  sd_bus *first = world_open_host (world), *second;

  g_assert_cmpint (sd_bus_request_name (first, AWAY_NAME, SD_BUS_NAME_ALLOW_REPLACEMENT), >=, 0);
  g_assert_true (world_wait_guest_name (world, AWAY_NAME, TRUE, 5));
  g_assert_cmpint (sd_bus_match_signal (program.bus, NULL, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "NameOwnerChanged", on_signal, &program),
                   >=, 0);

  second = world_open_host (world);
  g_assert_cmpint (sd_bus_request_name (second, AWAY_NAME, SD_BUS_NAME_REPLACE_EXISTING), >=, 0);
  dispatch (&program, 2 * G_USEC_PER_SEC, &program.n_told, 2);
  g_assert_cmpuint (program.n_told, >=, 2);
  g_assert_true (world_wait_guest_name (world, AWAY_NAME, TRUE, 5));

  sd_bus_flush_close_unref (first);
  sd_bus_flush_close_unref (second);
  g_assert_true (world_wait_guest_name (world, AWAY_NAME, FALSE, 5));
}

static void
test_service_restart (void)
{
  auto_program program = { .bus = world_open_guest (world) };

  expect (&program, "Touch", NULL);
  world_kill (world, WORLD_HOST_SERVICE);
  g_assert_true (world_wait_guest_name (world, IMPORTED_NAME, FALSE, 5));
  world_start (world, WORLD_HOST_SERVICE);
  g_assert_true (world_wait_guest_name (world, IMPORTED_NAME, TRUE, 5));
  expect (&program, "Touch", NULL);
}

/* --- Calls --- */

static void
echo (Program *program, size_t size)
{
  g_autofree uint8_t *data = g_malloc (size + 1);
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message call = NULL;
  auto_message reply = NULL;
  const void *answer;
  size_t answer_size;

  memset (data, 0x5a, size);
  g_assert_cmpint (sd_bus_message_new_method_call (program->bus, &call, IMPORTED_NAME, ECHO_PATH,
                                                   ECHO_INTERFACE, "Echo"),
                   >=, 0);
  g_assert_cmpint (sd_bus_message_append_array (call, 'y', data, size), >=, 0);
  if (sd_bus_call (program->bus, call, CALL_TIME_USEC, &error, &reply) < 0)
    g_error ("%zu bytes: %s: %s", size, error.name, error.message);
  g_assert_cmpint (sd_bus_message_read_array (reply, 'y', &answer, &answer_size), >=, 0);
  g_assert_cmpmem (answer, answer_size, data, size);
}

static void
test_calls (void)
{
  static const size_t sizes[] = { 0, 16, 4096, 70000, 1000000, 10000000 };
  auto_program program = { .bus = world_open_guest (world) };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    echo (&program, sizes[i]);
  expect (&program, "Fail", "org.example.Error.Oops");
  expect (&program, "NoSuchMethod", "org.freedesktop.DBus.Error.UnknownMethod");
}

/* Rules first, then polkit; nobody is asked for a password. */
static void
test_refusals (void)
{
  auto_program program = { .bus = world_open_guest (world) };

  expect (&program, "Touch", NULL);
  expect (&program, "Refused", ACCESS_DENIED);
  expect (&program, "Count", ACCESS_DENIED); /* by a rule */
  expect (&program, "Challenge", ACCESS_DENIED);
  sd_bus_set_allow_interactive_authorization (program.bus, 1);
  expect (&program, "Challenge", ACCESS_DENIED);
  expect (&program, "Slow", NULL);
}

static void
test_descriptors (void)
{
  auto_program program = { .bus = world_open_guest (world) };
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message call = NULL;

  expect (&program, "Descriptor", NOT_SUPPORTED);
  g_assert_cmpint (sd_bus_message_new_method_call (program.bus, &call, IMPORTED_NAME, ECHO_PATH,
                                                   ECHO_INTERFACE, "Touch"),
                   >=, 0);
  g_assert_cmpint (sd_bus_message_append (call, "h", STDIN_FILENO), >=, 0);
  g_assert_cmpint (sd_bus_call (program.bus, call, CALL_TIME_USEC, &error, NULL), <, 0);
  g_assert_cmpstr (error.name, ==, NOT_SUPPORTED);
}

/* Services tell programs apart, and see them vanish. */
static void
test_callers (void)
{
  auto_program one = { .bus = world_open_guest (world) };
  Program two = { .bus = world_open_guest (world) };
  g_autofree char *first = get_string (one.bus, IMPORTED_NAME, "Sender");
  g_autofree char *again = get_string (one.bus, IMPORTED_NAME, "Sender");
  g_autofree char *second = get_string (two.bus, IMPORTED_NAME, "Sender");

  g_assert_cmpstr (first, ==, again);
  g_assert_cmpstr (first, !=, second);
  g_assert_true (world_wait_name (world, second, TRUE, 0));
  program_close (&two);
  g_assert_true (world_wait_name (world, second, FALSE, 5));
  g_assert_true (world_wait_name (world, first, TRUE, 0));
}

static void
emit (Program *program, uint32_t value)
{
  auto_error error = SD_BUS_ERROR_NULL;

  if (sd_bus_call_method (program->bus, IMPORTED_NAME, ECHO_PATH, ECHO_INTERFACE, "Emit", &error,
                          NULL, "su", ECHO_INTERFACE, value)
      < 0)
    g_error ("Emit: %s", error.message);
}

/* In order with the replies, and only to programs that have called. */
static void
test_signals (void)
{
  auto_program program = { .bus = world_open_guest (world) };
  auto_program other = { .bus = world_open_guest (world) };

  g_assert_cmpint (sd_bus_match_signal (program.bus, NULL, IMPORTED_NAME, ECHO_PATH, NULL, NULL,
                                        on_signal, &program),
                   >=, 0);
  g_assert_cmpint (sd_bus_match_signal (other.bus, NULL, IMPORTED_NAME, ECHO_PATH, NULL, NULL,
                                        on_signal, &other),
                   >=, 0);
  for (uint32_t i = 1; i <= 100; i++)
    {
      emit (&program, i);
      while (sd_bus_process (program.bus, NULL) > 0)
        ;
      g_assert_cmpuint (program.value, ==, i);
    }
  expect (&program, "EmitTo", NULL);
  dispatch (&program, 2 * G_USEC_PER_SEC, &program.n_told, 1);
  g_assert_cmpuint (program.n_pinged, ==, 100);
  g_assert_cmpuint (program.n_told, ==, 1);

  dispatch (&other, 200000, NULL, 0);
  g_assert_cmpuint (other.n_pinged + other.n_told, ==, 0);
}

/* --- Limits --- */

typedef struct
{
  unsigned n_done;
  char *error;
} Outcome;

static int
on_outcome (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  const sd_bus_error *problem = sd_bus_message_get_error (message);
  Outcome *outcome = user_data;

  outcome->n_done++;
  g_free (outcome->error);
  outcome->error = g_strdup (problem != NULL ? problem->name : "");
  return 0;
}

static void
call_async (Program *program, const char *member, Outcome *outcome)
{
  g_assert_cmpint (sd_bus_call_method_async (program->bus, NULL, IMPORTED_NAME, ECHO_PATH,
                                             ECHO_INTERFACE, member, on_outcome, outcome, NULL),
                   >=, 0);
}

static void
test_pending_limit (void)
{
  auto_program program = { .bus = world_open_guest (world) };
  Outcome outcome = { 0 };

  for (int i = 0; i < N_PENDING; i++)
    call_async (&program, "Never", &outcome);
  dispatch (&program, 500000, &outcome.n_done, 1);
  g_assert_cmpuint (outcome.n_done, ==, 0);
  call_async (&program, "Never", &outcome);
  dispatch (&program, 2 * G_USEC_PER_SEC, &outcome.n_done, 1);
  g_assert_cmpstr (outcome.error, ==, LIMITS_EXCEEDED);
  g_free (outcome.error);
}

/* One program too many is refused, and gets in when another has left. */
static void
test_caller_limit (void)
{
  static Program programs[N_CALLERS + 1];
  gint64 end = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

  for (int i = 0; i <= N_CALLERS; i++)
    {
      programs[i].bus = world_open_guest (world);
      expect (&programs[i], "Touch", i < N_CALLERS ? NULL : LIMITS_EXCEEDED);
    }

  program_close (&programs[0]);
  for (;;)
    {
      auto_error error = SD_BUS_ERROR_NULL;
      auto_message reply = call_at (programs[N_CALLERS].bus, IMPORTED_NAME, "Touch", &error);

      if (reply != NULL)
        break;
      g_assert_cmpint (g_get_monotonic_time (), <, end);
    }
  for (int i = 1; i <= N_CALLERS; i++)
    program_close (&programs[i]);
}

/* --- Failures --- */

/* Whoever waits is told, the name goes and comes back, and calls go on. */
static void
lose (WorldProcess process)
{
  auto_program program = { .bus = world_open_guest (world) };
  g_autofree char *host_name = get_string (program.bus, IMPORTED_NAME, "Sender");
  Outcome outcome = { 0 };

  call_async (&program, "Never", &outcome);
  dispatch (&program, 200000, NULL, 0);
  world_kill (world, process);
  dispatch (&program, 5 * G_USEC_PER_SEC, &outcome.n_done, 1);
  g_assert_cmpstr (outcome.error, ==,
                   process == WORLD_AGENT ? "org.freedesktop.DBus.Error.NoReply" : DISCONNECTED);
  g_assert_true (world_wait_guest_name (world, IMPORTED_NAME, FALSE, 5));
  g_assert_true (world_wait_name (world, host_name, FALSE, 5));

  world_start (world, process);
  g_assert_true (world_wait_guest_name (world, IMPORTED_NAME, TRUE, 10));
  expect (&program, "Touch", NULL);
  g_free (outcome.error);
}

static void
test_bridge_restart (void)
{
  lose (WORLD_BRIDGE);
}

static void
test_agent_restart (void)
{
  lose (WORLD_AGENT);
}

/* --- A guest that lies --- */

static const struct
{
  const char *lie;
  const char *result;
} lies[] = {
  { "ImportHonest", "reply" },
  { "ImportUnknown", NOT_EXPORTED },
  { "ImportDriver", NOT_EXPORTED },
  { "ImportForged", "reply" }, /* the sender does not cross */
  { "ImportReply", "closed" },
  { "ImportSignal", "closed" },
  { "ImportGarbage", "closed" },
  { "ImportSerial", INVALID_ARGUMENT },
  { "ImportDescriptor", NOT_SUPPORTED },
  { "ImportBridge1", ACCESS_DENIED },
};

static char *
get_result (sd_bus *bus)
{
  gint64 end = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

  for (;;)
    {
      g_autofree char *result = get_string (bus, ECHO_ALIAS, "ImportResult");

      if (!g_str_equal (result, "-") || g_get_monotonic_time () > end)
        return g_steal_pointer (&result);
      g_usleep (20000);
    }
}

static void
test_lies (void)
{
  sd_bus *bus = world_open_host (world);

  world_kill (world, WORLD_AGENT);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 5));
  world_start (world, WORLD_ROGUE);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 10));

  for (gsize i = 0; i < G_N_ELEMENTS (lies); i++)
    {
      auto_error error = SD_BUS_ERROR_NULL;
      auto_message reply = call_at (bus, ECHO_ALIAS, lies[i].lie, &error);
      g_autofree char *result = NULL;

      g_assert_cmpstr (error.name, ==, NULL);
      result = get_result (bus);
      g_test_message ("%s: %s", lies[i].lie, result);
      g_assert_cmpstr (result, ==, lies[i].result);
    }

  sd_bus_message_unref (call_at (bus, ECHO_ALIAS, "ImportFlood", NULL));
  sd_bus_message_unref (call_at (bus, ECHO_ALIAS, "ImportResult", NULL));
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 0));
  sd_bus_flush_close_unref (bus);

  world_kill (world, WORLD_ROGUE);
  world_start (world, WORLD_AGENT);
  g_assert_true (world_wait_guest_name (world, IMPORTED_NAME, TRUE, 10));
}

int
main (int argc, char **argv)
{
  int r;

  g_test_init (&argc, &argv, NULL);
  world =
      world_new_with ("Import=" ECHO_NAME ":" IMPORTED_NAME "@.host\n"
                      "Import=" ECHO_NAME ":" UNLISTED_NAME "@.host\n"
                      "Import=org.tombolo.Host1:" IMPORTED_HOST_NAME "@.host\n"
                      "Import=" AWAY_NAME "@.host\n"
                      "[Import]\nRule=7 deny " ECHO_NAME "=" ECHO_INTERFACE ".Count\n",
                      "[Import]\nSystem=" IMPORTED_NAME " " IMPORTED_HOST_NAME " " AWAY_NAME "\n");
  world_start (world, WORLD_HOST_SERVICE);
  g_test_add_func ("/imports/names", test_names);
  g_test_add_func ("/imports/owner", test_owner);
  g_test_add_func ("/imports/calls", test_calls);
  g_test_add_func ("/imports/refusals", test_refusals);
  g_test_add_func ("/imports/descriptors", test_descriptors);
  g_test_add_func ("/imports/callers", test_callers);
  g_test_add_func ("/imports/signals", test_signals);
  g_test_add_func ("/imports/pending-limit", test_pending_limit);
  g_test_add_func ("/imports/caller-limit", test_caller_limit);
  g_test_add_func ("/imports/service-restart", test_service_restart);
  g_test_add_func ("/imports/bridge-restart", test_bridge_restart);
  g_test_add_func ("/imports/agent-restart", test_agent_restart);
  g_test_add_func ("/imports/lies", test_lies);
  r = g_test_run ();
  world_free (world);
  return r;
}
