/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every verb has help, every option is in it, and it fits the line. */
#include <string.h>

#include "help.h"
#include "terminal.h"
#include "verb.h"

static void
check_lines (const char *text, guint width)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  /* A usage line is a line, however long. */
  for (guint i = 1; lines[i] != NULL; i++)
    g_assert_cmpuint (terminal_text_width (lines[i]), <=, width);
}

static void
check_options (const char *text, const Option *option)
{
  for (; option != NULL && option->code != OPTION_END; option++)
    {
      g_assert_nonnull (option->help);
      g_assert_true (option->takes == ARGUMENT_NONE || option->argument != NULL);
      if (option->name != NULL)
        g_assert_nonnull (strstr (text, option->name));
    }
}

static void
test_verbs (void)
{
  g_autofree char *all = help_text (NULL, 80);

  check_lines (all, 80);
  check_options (all, options_of_all_verbs);
  for (guint i = 0; verbs[i] != NULL; i++)
    {
      g_autofree char *text = help_text (verbs[i], 60);

      g_assert_nonnull (strstr (all, verbs[i]->name));
      g_assert_nonnull (verbs[i]->run);
      g_assert_cmpuint (verbs[i]->minimum, <=, verbs[i]->maximum);
      check_lines (text, 60);
      check_options (text, verbs[i]->options);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/help/verbs", test_verbs);
  return g_test_run ();
}
