/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text for terminals: safe, measured and cut. */
#include "terminal.h"

static const struct
{
  const char *text;
  const char *expected;
} safe[] = {
  { NULL, "" },
  { "", "" },
  { "Grüße, 日本", "Grüße, 日本" },
  { "\033]0;title\007", "?]0;title?" },
  { "a\r\nb\tc", "a??b?c" },
  { "\xc2\x9b"
    "31m",
    "?31m" },
  { "\xe2\x80\xae"
    "abc",
    "?abc" },              /* right-to-left override */
  { "\xe2\x80\x8b", "?" }, /* zero-width space */
  { "\xe2\x80\xa8", "?" }, /* line separator */
  { "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
};

static const struct
{
  const char *text;
  guint width;
  const char *expected;
} fit[] = {
  { "abc", 3, "abc" },   { "abcd", 3, "ab…" },
  { "abcd", 1, "…" },    { "abcd", 0, "" },
  { "日本", 4, "日本" }, { "日本", 3, "日…" },
  { "日本", 2, "…" },    { "", 0, "" },
  { "é", 1, "é" },       { "e\xcc\x81x", 2, "e\xcc\x81x" },
};

static void
test_safe (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (safe); i++)
    {
      g_autofree char *text = terminal_text (safe[i].text);

      g_assert_cmpstr (text, ==, safe[i].expected);
    }
}

static void
test_fit (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (fit); i++)
    {
      g_autofree char *text = terminal_text_fit (fit[i].text, fit[i].width);

      g_assert_cmpstr (text, ==, fit[i].expected);
      g_assert_cmpuint (terminal_text_width (text), <=, fit[i].width);
    }
}

/* A test's standard output is no terminal. */
static void
test_no_terminal (void)
{
  g_setenv ("COLUMNS", "132", TRUE);
  g_assert_cmpuint (terminal_width (), ==, 132);
  g_assert_false (terminal_has_colors ());
  g_assert_cmpstr (terminal_color (COLOR_BAD), ==, "");
  g_assert_cmpstr (terminal_color_end (COLOR_BAD), ==, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/terminal/safe", test_safe);
  g_test_add_func ("/client/terminal/fit", test_fit);
  g_test_add_func ("/client/terminal/no-terminal", test_no_terminal);
  return g_test_run ();
}
