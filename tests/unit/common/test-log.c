/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Log levels, entries and safe text. */
#include "log.h"

#include <string.h>

#include "limit.h"

static const struct
{
  LogLevel level;
  const char *text;
} levels[] = {
  { LOG_LEVEL_ERROR, "err" }, { LOG_LEVEL_WARNING, "warning" }, { LOG_LEVEL_NOTICE, "notice" },
  { LOG_LEVEL_INFO, "info" }, { LOG_LEVEL_DEBUG, "debug" },
};

static void
test_levels (void)
{
  static const char *const wrong[] = { "", "error", "ERR", "7", "debug " };
  LogLevel level = LOG_LEVEL_NOTICE;

  for (guint i = 0; i < G_N_ELEMENTS (levels); i++)
    {
      g_assert_cmpstr (log_level_to_string (levels[i].level), ==, levels[i].text);
      g_assert_true (log_level_from_string (levels[i].text, &level));
      g_assert_cmpint (level, ==, levels[i].level);
    }

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    g_assert_false (log_level_from_string (wrong[i], &level));
  g_assert_cmpint (level, ==, LOG_LEVEL_DEBUG);
}

static const struct
{
  const char *text;
  gsize limit;
  const char *safe;
} texts[] = {
  { "", 10, "" },
  { "plain", 10, "plain" },
  { "plain", 5, "plain" },
  { "plain", 4, "plai" },
  { "plain", 0, "" },
  { "a\nb\tc\r", 10, "a?b?c?" },
  { "\x1b[31mred", 20, "?[31mred" },
  { "\x7f\x01", 10, "??" },
  { "\xc2\x85|\xc2\x9b", 10, "?|?" }, /* C1 controls: one mark each */
  { "gr\xc3\xbc\xc3\x9f", 10, "gr\xc3\xbc\xc3\x9f" },
  { "\xc3\xbc\xc3\xbc", 3, "\xc3\xbc" }, /* cut between characters */
  { "\xe2\x82\xac", 2, "" },
  { "a\xff\xfe"
    "b",
    10, "a??b" }, /* no growth by replacement */
  { "\xff\xff\xff", 2, "??" },
  { "\xe2\x82", 10, "??" }, /* the text ends in a character */
  { "\xed\xa0\x80", 10, "???" },
  { "a\xe2\x80\xae"
    "b",
    10, "a?b" }, /* right-to-left override */
  { "a\xe2\x80\xa8"
    "b",
    10, "a?b" }, /* line separator */
  { "a\xe2\x81\xa6"
    "b",
    10, "a?b" },
};

static void
test_text (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autofree char *safe = log_text (texts[i].text, texts[i].limit);

      g_assert_cmpstr (safe, ==, texts[i].safe);
      g_assert_cmpint (strlen (safe), <=, texts[i].limit);
      g_assert_true (g_utf8_validate (safe, -1, NULL));
    }
}

static void
write_entries (void)
{
  log_error ("work", "an error of %d", 1);
  log_warning (NULL, "a warning");
  log_notice (NULL, "a notice");
  log_info (NULL, "an info");
  log_debug (NULL, "a debug");
  log_message (LOG_LEVEL_ERROR, "work", LOG_ID_MACHINE_STATE, "with an id");
}

/* Plain lines where standard error is no journal; entries below the level are dropped. */
static void
test_entries (void)
{
  if (g_test_subprocess ())
    {
      g_unsetenv ("SYSTEMD_LOG_LEVEL");
      log_open ("the-program", LOG_LEVEL_NOTICE);
      write_entries ();
      return;
    }

  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("the-program: an error of 1\n"
                             "the-program: a warning\n"
                             "the-program: a notice\n"
                             "the-program: with an id\n");
}

static void
test_environment (void)
{
  if (g_test_subprocess ())
    {
      g_setenv ("SYSTEMD_LOG_LEVEL", "debug", TRUE);
      log_open ("the-program", LOG_LEVEL_ERROR);
      g_assert_cmpint (log_get_level (), ==, LOG_LEVEL_DEBUG);
      log_debug (NULL, "a debug");
      log_set_level (LOG_LEVEL_INFO);
      log_debug (NULL, "dropped");
      return;
    }

  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("the-program: a debug\n");
}

static void
test_environment_nonsense (void)
{
  if (g_test_subprocess ())
    {
      g_setenv ("SYSTEMD_LOG_LEVEL", "nonsense", TRUE);
      log_open ("the-program", LOG_LEVEL_WARNING);
      g_assert_cmpint (log_get_level (), ==, LOG_LEVEL_WARNING);
      return;
    }

  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
}

/* What libraries log below the level is dropped as well. */
static void
test_library (void)
{
  if (g_test_subprocess ())
    {
      g_unsetenv ("SYSTEMD_LOG_LEVEL");
      log_open ("the-program", LOG_LEVEL_NOTICE);
      g_log_structured ("Library", G_LOG_LEVEL_MESSAGE, "MESSAGE", "shown");
      g_log_structured ("Library", G_LOG_LEVEL_INFO, "MESSAGE", "dropped");
      return;
    }

  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("the-program: shown\n");
}

/* A line past the limit is cut, and not inside a character, wherever that falls. */
static void
test_long_line (void)
{
  if (g_test_subprocess ())
    {
      g_autofree char *filler = g_strnfill (LIMIT_LOG_LINE, 'x');

      log_open ("p", LOG_LEVEL_INFO);
      for (gsize length = LIMIT_LOG_LINE - 4; length <= LIMIT_LOG_LINE - 1; length++)
        log_message (LOG_LEVEL_ERROR, NULL, NULL, "%.*s\xe2\x82\xac\xe2\x82\xac", (int) length,
                     filler);
      return;
    }

  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  {
    /* Standard error is not handed out: its pattern must hold. */
    g_autofree char *filler = g_strnfill (LIMIT_LOG_LINE - 4, 'x');
    g_autofree char *expected = g_strdup_printf ("p: %s\xe2\x82\xac\n"
                                                 "p: %sx\n"
                                                 "p: %sxx\n"
                                                 "p: %sxxx\n",
                                                 filler, filler, filler, filler);

    g_test_trap_assert_stderr (expected);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/common/log/levels", test_levels);
  g_test_add_func ("/common/log/text", test_text);
  g_test_add_func ("/common/log/entries", test_entries);
  g_test_add_func ("/common/log/environment", test_environment);
  g_test_add_func ("/common/log/environment-nonsense", test_environment_nonsense);
  g_test_add_func ("/common/log/library", test_library);
  g_test_add_func ("/common/log/long-line", test_long_line);

  return g_test_run ();
}
