/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is saved comes back, and nothing else does. */
#include "runtime-state.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limit.h"

#define SECRET "tombolo-identity 1\nRole: guest\n-----BEGIN PRIVATE KEY-----\n\\=;#\tä\n"

typedef struct
{
  char *directory;
  char *path;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("tombolo-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->directory, "work", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GHashTable) none = g_hash_table_new (g_str_hash, g_str_equal);

  runtime_state_remove_others (fixture->directory, none);
  g_assert_cmpint (rmdir (fixture->directory), ==, 0);
  g_free (fixture->directory);
  g_free (fixture->path);
}

static RuntimeState *
make_state (const char *machine)
{
  RuntimeState *state = g_new0 (RuntimeState, 1);

  state->monitor = MONITOR_CONTAINER;
  state->agent = TRUE;
  machine_name_to_interface (machine, FALSE, state->interface);
  machine_name_to_mac (machine, "control", state->mac);
  state->invocation = g_strdup ("0123456789abcdef0123456789abcdef");
  state->started = 1234567890123456;
  state->guest_identity = g_strdup (SECRET);
  state->bridge_identity = g_strdup (SECRET "two\n");
  state->bridge_credential = g_strdup ("[Bridge]\nMachine=work\n\n[Bus]\n");
  return state;
}

static void
test_round_trip (Fixture *fixture, gconstpointer data)
{
  g_autoptr (RuntimeState) state = make_state ("work");
  g_autoptr (RuntimeState) loaded = NULL;
  g_autoptr (GError) error = NULL;
  struct stat status;

  g_assert_true (runtime_state_save (fixture->directory, "work", state, &error));
  g_assert_cmpint (stat (fixture->path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 07777, ==, 0600);

  loaded = runtime_state_load (fixture->directory, "work", &error);
  g_assert_no_error (error);
  g_assert_cmpint (loaded->monitor, ==, state->monitor);
  g_assert_cmpint (loaded->agent, ==, TRUE);
  g_assert_cmpstr (loaded->interface, ==, state->interface);
  g_assert_cmpmem (loaded->mac, MAC_SIZE, state->mac, MAC_SIZE);
  g_assert_cmpstr (loaded->invocation, ==, state->invocation);
  g_assert_cmpuint (loaded->started, ==, state->started);
  g_assert_cmpstr (loaded->guest_identity, ==, state->guest_identity);
  g_assert_cmpstr (loaded->bridge_identity, ==, state->bridge_identity);
  g_assert_cmpstr (loaded->bridge_credential, ==, state->bridge_credential);
}

static void
expect_error (Fixture *fixture, const char *name)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (runtime_state_load (fixture->directory, name, &error));
  g_assert_nonnull (error);
}

static void
test_other_machine (Fixture *fixture, gconstpointer data)
{
  g_autoptr (RuntimeState) state = make_state ("work");

  g_assert_true (runtime_state_save (fixture->directory, "other", state, NULL));
  expect_error (fixture, "other");
  expect_error (fixture, "nobody");
}

/* What a /run that was full leaves: any beginning of a file is an error, or the whole file. */
static void
test_cut (Fixture *fixture, gconstpointer data)
{
  g_autoptr (RuntimeState) state = make_state ("work");
  g_autofree char *text = NULL;
  gsize size;

  g_assert_true (runtime_state_save (fixture->directory, "work", state, NULL));
  g_assert_true (g_file_get_contents (fixture->path, &text, &size, NULL));
  for (gsize i = 0; i < size / 2; i++)
    {
      g_assert_true (g_file_set_contents (fixture->path, text, (gssize) i, NULL));
      expect_error (fixture, "work");
    }

  g_assert_cmpint (truncate (fixture->path, (off_t) LIMIT_STATE_FILE_SIZE + 1), ==, 0);
  expect_error (fixture, "work");
}

static void
test_remove_others (Fixture *fixture, gconstpointer data)
{
  g_autoptr (RuntimeState) state = make_state ("work");
  g_autoptr (RuntimeState) loaded = NULL;
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  g_assert_true (runtime_state_save (fixture->directory, "work", state, NULL));
  g_assert_true (runtime_state_save (fixture->directory, "gone", state, NULL));
  g_assert_true (runtime_state_save (fixture->directory, ".work.A1B2C3", state, NULL));
  g_hash_table_add (names, (gpointer) "work");
  runtime_state_remove_others (fixture->directory, names);
  loaded = runtime_state_load (fixture->directory, "work", NULL);
  g_assert_nonnull (loaded);
  expect_error (fixture, "gone");
  expect_error (fixture, ".work.A1B2C3");
}

#define ADD(name, function)                                                                        \
  g_test_add ("/host/runtime-state/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("round-trip", test_round_trip);
  ADD ("other-machine", test_other_machine);
  ADD ("cut", test_cut);
  ADD ("remove-others", test_remove_others);
  return g_test_run ();
}
