/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors as lines and exit codes. */
#include "failure.h"

static const struct
{
  const char *name; /* NULL: a local error */
  const char *message;
  ClientExit code;
  const char *expected; /* the line begins so */
} cases[] = {
  { "org.tombolo.Error.NoSuchMachine", "There is no machine “x”.", CLIENT_EXIT_NOT_FOUND,
    "There is no machine “x”. “tomboloctl list”" },
  { "org.tombolo.Error.InvalidState", "It runs.", CLIENT_EXIT_FAILED, "It runs." },
  { "org.tombolo.Error.InvalidName", "No name.", CLIENT_EXIT_USAGE, "No name." },
  { "org.tombolo.Error.Disconnected", "The tunnel is down", CLIENT_EXIT_UNREACHABLE,
    "The tunnel is down. “tomboloctl status”" },
  { "org.tombolo.Error.TimedOut", "Too late.", CLIENT_EXIT_TIMED_OUT, "Too late." },
  { "org.freedesktop.DBus.Error.AccessDenied", "No.", CLIENT_EXIT_DENIED, "No. An admin" },
  { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "Who?", CLIENT_EXIT_DENIED,
    "Who? To authenticate" },
  { "org.example.Odd", "It broke", CLIENT_EXIT_FAILED, "It broke (org.example.Odd)" },
  { "org.example.Odd", "a\033[2J\nb", CLIENT_EXIT_FAILED, "a?[2J?b (org.example.Odd)" },
  { "org.example.Odd", "", CLIENT_EXIT_FAILED, "It failed" },
  { NULL, "local", CLIENT_EXIT_FAILED, "local" },
};

static void
test_cases (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *line = NULL;

      error = cases[i].name != NULL
                  ? g_dbus_error_new_for_dbus_error (cases[i].name, cases[i].message)
                  : g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, cases[i].message);
      g_assert_cmpint (failure_describe (error, &line), ==, cases[i].code);
      if (!g_str_has_prefix (line, cases[i].expected))
        g_test_message ("“%s” does not begin with “%s”", line, cases[i].expected);
      g_assert_true (g_str_has_prefix (line, cases[i].expected));
    }
}

static void
test_local_codes (void)
{
  g_autoptr (GError) own = g_error_new_literal (CLIENT_ERROR, CLIENT_EXIT_UNREACHABLE, "x");
  g_autoptr (GError) late = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "x");
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  g_assert_cmpint (failure_describe (own, &first), ==, CLIENT_EXIT_UNREACHABLE);
  g_assert_cmpint (failure_describe (late, &second), ==, CLIENT_EXIT_TIMED_OUT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/failure/cases", test_cases);
  g_test_add_func ("/client/failure/local-codes", test_local_codes);
  return g_test_run ();
}
