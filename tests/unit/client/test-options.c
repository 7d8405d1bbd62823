/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line, as a table of what is taken and what is refused. */
#include <string.h>

#include "options.h"
#include "verb.h"

static Options *
parse (const char *line, GError **error)
{
  /* Options point into their words, so these live as long as the program. */
  static GPtrArray *all_words;
  char **words = *line != '\0' ? g_strsplit (line, " ", -1) : g_new0 (char *, 1);

  if (all_words == NULL)
    all_words = g_ptr_array_new ();
  g_ptr_array_add (all_words, words);
  return options_parse ((const char *const *) words, verbs, error);
}

/* `words` are the verb's, joined by blanks. */
static const struct
{
  const char *line;
  const Verb *verb;
  const char *words;
} good[] = {
  { "", NULL, "" },
  { "list", &verb_list, "" },
  { "--no-legend list --no-pager", &verb_list, "" },
  { "start a b c", &verb_start, "a b c" },
  { "start a --wait-agent b", &verb_start, "a b" },
  { "start -- --odd", &verb_start, "--odd" },
  { "stop --timeout 5 a", &verb_stop, "a" },
  { "call m s /p i M", &verb_call, "m s /p i M" },
  { "call m s /p i M i -5", &verb_call, "m s /p i M i -5" },
  { "call m s /p i M as 2 --json=off -x", &verb_call, "m s /p i M as 2 --json=off -x" },
  { "call --json=short m s /p i M --timeout=3 s --help", &verb_call, "m s /p i M s --help" },
  { "create -f - x", &verb_create, "x" },
  { "create -fx.machine x", &verb_create, "x" },
  { "start --help", &verb_start, "" },
  { "help start", &verb_help, "start" },
};

static const char *const bad[] = {
  "nothing",
  "--frob",
  "-x list",
  "--timeout=3 stop a", /* a verb's own option before the verb */
  "list a",
  "start",
  "start --timeout=3 a", /* another verb's option */
  "start --wait-agent=soon a",
  "stop --timeout a",
  "stop a --timeout",
  "stop --timeout=25h a",
  "stop --timeout=-1 a",
  "list --json=yes",
  "list --json",
  "list --no-legend=1",
  "list -jx",
  "call m s /p i",
  "create",
  "create a b",
  "create a --memory",
  "status --jso=short a", /* no abbreviations */
};

static void
test_good (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (Options) options = parse (good[i].line, &error);
      g_autofree char *words = NULL;

      g_assert_no_error (error);
      g_assert_true (options->verb == good[i].verb);
      words = g_strjoinv (" ", (char **) options->words->pdata);
      g_assert_cmpstr (words, ==, good[i].words);
    }
}

static void
test_bad (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (parse (bad[i], &error));
      g_assert_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE);
    }
}

static void
test_values (void)
{
  g_autoptr (Options) plain = parse ("start a", NULL);
  g_autoptr (Options) all = parse (
      "start a --wait-agent=1.5 --json=pretty --no-legend --no-pager --no-ask-password", NULL);
  g_autoptr (Options) stop = parse ("stop a --timeout=2min", NULL);

  g_assert_cmpint (plain->timeout, ==, -1);
  g_assert_false (plain->wait_agent);
  g_assert_cmpint (plain->json, ==, JSON_OFF);
  g_assert_true (plain->legend && plain->pager && plain->ask_password && plain->auto_start);
  g_assert_true (all->wait_agent);
  g_assert_cmpint (all->wait_agent_time, ==, 1500000);
  g_assert_cmpint (all->json, ==, JSON_PRETTY);
  g_assert_false (all->legend || all->pager || all->ask_password);
  g_assert_cmpint (stop->timeout, ==, 120 * G_USEC_PER_SEC);
}

/* Paths count from the working directory, for tombolod has another. */
static void
test_settings (void)
{
  g_autoptr (Options) options =
      parse ("create x --monitor=qemu --disk=/a:raw --disk=b:qcow2:ro --kernel=../k", NULL);
  g_autoptr (GVariant) settings = g_variant_ref_sink (settings_to_variant (options->settings));
  g_autofree char *here = g_get_current_dir ();
  g_autofree char *above = g_path_get_dirname (here);
  g_autofree char *expected =
      g_strdup_printf ("{'Machine': {'Monitor': <'qemu'>}, "
                       "'Qemu': {'Disk': <['/a:raw', '%s/b:qcow2:ro']>, 'Kernel': <'%s/k'>}}",
                       here, above);
  g_autofree char *text = g_variant_print (settings, FALSE);

  g_assert_cmpstr (text, ==, expected);
}

static const struct
{
  const char *text;
  gint64 usec; /* -1: refused */
} times[] = {
  { "0", 0 },
  { "30", 30000000 },
  { "1.5s", 1500000 },
  { "200ms", 200000 },
  { "2min", 120000000 },
  { "24h", 86400000000 },
  { "25h", -1 },
  { "", -1 },
  { "s", -1 },
  { "-1", -1 },
  { "1d", -1 },
  { "inf", -1 },
  { "1e300", -1 },
  { "5 s", -1 },
};

static void
test_times (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (times); i++)
    {
      gint64 usec = -1;

      g_assert_cmpint (options_parse_time (times[i].text, &usec), ==, times[i].usec >= 0);
      g_assert_cmpint (usec, ==, times[i].usec);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/options/good", test_good);
  g_test_add_func ("/client/options/bad", test_bad);
  g_test_add_func ("/client/options/values", test_values);
  g_test_add_func ("/client/options/settings", test_settings);
  g_test_add_func ("/client/options/times", test_times);
  return g_test_run ();
}
