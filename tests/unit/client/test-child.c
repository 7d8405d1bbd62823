/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that runs in our place: what it returns, and which signals it gets. */
#include "child.h"

#include <signal.h>
#include <unistd.h>

static const struct
{
  const char *script;
  int code;
} scripts[] = {
  { "exit 0", 0 },
  { "exit 7", 7 },
  { "exit 255", 255 },
  { "kill -TERM $$", 128 + SIGTERM },
  { "kill -KILL $$", 128 + SIGKILL },
  /* It has the environment that it was given, and none of our blocked signals. */
  { "test \"$GIVEN\" = yes", 0 },
  { "trap 'exit 9' INT; kill -INT $$; exit 1", 9 },
};

static const char *const environment[] = { "GIVEN=yes", "PATH=/usr/bin:/bin", NULL };

static void
test_codes (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (scripts); i++)
    {
      const char *const argv[] = { "sh", "-c", scripts[i].script, NULL };

      g_test_message ("%s", scripts[i].script);
      g_assert_cmpint (child_run (argv, environment), ==, scripts[i].code);
    }
}

static void
test_no_program (void)
{
  const char *const missing[] = { "/no/such/program", NULL };
  const char *const no_program[] = { "/dev/null", NULL };

  g_assert_cmpint (child_run (missing, environment), ==, CHILD_EXIT_NOT_FOUND);
  g_assert_cmpint (child_run (no_program, environment), ==, CHILD_EXIT_NO_EXEC);
}

/* What somebody sends us, the program gets: sent by itself, so that it is there to hear it. */
static void
test_forwarded (void)
{
  const char *const argv[] = {
    "sh", "-c",
    "trap 'exit 11' TERM; kill -TERM $PPID; for i in 1 2 3 4 5; do sleep 1; done; exit 1", NULL
  };

  g_assert_cmpint (child_run (argv, environment), ==, 11);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  child_block_signals ();
  g_test_add_func ("/client/child/codes", test_codes);
  g_test_add_func ("/client/child/no-program", test_no_program);
  g_test_add_func ("/client/child/forwarded", test_forwarded);
  return g_test_run ();
}
