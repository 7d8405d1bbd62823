/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text of --help. */
#include "config.h"

#include "help.h"

#include <glib/gi18n.h>
#include <string.h>

#include "terminal.h"
#include "verb.h"

#define DEFAULT_WIDTH 80
#define VERB_COLUMN 12
#define OPTION_COLUMN 30

/* `text` in lines that begin at `column`, of which the first has come to `used` already. */
static void
append_wrapped (GString *help, const char *text, guint used, guint column, guint width)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  guint at = used;

  for (guint i = 0; words[i] != NULL; i++)
    {
      guint length = terminal_text_width (words[i]);

      if (at > column && at + 1 + length > width)
        {
          g_string_append_printf (help, "\n%*s", (int) column, "");
          at = column;
        }
      else if (at > column)
        {
          g_string_append_c (help, ' ');
          at++;
        }
      g_string_append (help, words[i]);
      at += length;
    }

  g_string_append_c (help, '\n');
}

static void
append_entry (GString *help, const char *name, const char *text, guint column, guint width)
{
  guint used = terminal_text_width (name) + 2;

  g_string_append_printf (help, "  %s", name);
  if (used + 1 >= column)
    {
      g_string_append_c (help, '\n');
      used = 0;
    }
  g_string_append_printf (help, "%*s", (int) (column - used), "");
  append_wrapped (help, text, column, column, width);
}

static void
append_options (GString *help, const Option *option, guint width)
{
  for (; option->code != OPTION_END; option++)
    {
      g_autoptr (GString) name = g_string_new (NULL);

      if (option->letter != 0)
        g_string_append_printf (name, "-%c%s", option->letter, option->name != NULL ? ", " : "");
      else
        g_string_append (name, "    ");
      if (option->name != NULL)
        g_string_append_printf (name, "--%s", option->name);
      if (option->takes == ARGUMENT_REQUIRED)
        g_string_append_printf (name, "=%s", _ (option->argument));
      if (option->takes == ARGUMENT_OPTIONAL)
        g_string_append_printf (name, "[=%s]", _ (option->argument));
      append_entry (help, name->str, _ (option->help), OPTION_COLUMN, width);
    }
}

static void
append_heading (GString *help, const char *text)
{
  g_string_append_printf (help, "\n%s%s%s\n", terminal_color (COLOR_BOLD), text,
                          terminal_color_end (COLOR_BOLD));
}

static void
append_verb (GString *help, const Verb *verb, guint width)
{
  g_string_append_printf (help, "%s tomboloctl [%s] %s %s\n\n", _ ("Usage:"), _ ("OPTION…"),
                          verb->name, *verb->arguments != '\0' ? _ (verb->arguments) : "");
  append_wrapped (help, _ (verb->summary), 0, 0, width);
  if (verb->description != NULL)
    {
      g_string_append_c (help, '\n');
      append_wrapped (help, _ (verb->description), 0, 0, width);
    }
  if (verb->options != NULL)
    {
      append_heading (help, _ ("Options of this verb"));
      append_options (help, verb->options, width);
    }
}

static void
append_verbs (GString *help, guint width)
{
  g_string_append_printf (help, "%s tomboloctl [%s] [%s]\n\n", _ ("Usage:"), _ ("OPTION…"),
                          _ ("VERB [ARGUMENT…]"));
  append_wrapped (help, _ ("Run virtual machines and containers, and call the services in them."),
                  0, 0, width);
  append_heading (help, _ ("Verbs"));
  for (guint i = 0; verbs[i] != NULL; i++)
    append_entry (help, verbs[i]->name, _ (verbs[i]->summary), VERB_COLUMN, width);
}

char *
help_text (const Verb *verb, guint width)
{
  GString *help = g_string_new (NULL);

  if (width == 0)
    width = DEFAULT_WIDTH;
  if (verb != NULL)
    append_verb (help, verb, width);
  else
    append_verbs (help, width);

  append_heading (help, _ ("Options"));
  append_options (help, options_of_all_verbs, width);
  if (verb == NULL)
    {
      g_string_append_c (help, '\n');
      append_wrapped (help,
                      _ ("Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such machine, 4 not "
                         "allowed, 5 no tombolod, 6 guest not reachable, 7 timed out."),
                      0, 0, width);
      append_wrapped (help, _ ("See tomboloctl(1), and “tomboloctl VERB --help”."), 0, 0, width);
    }

  return g_string_free (help, FALSE);
}
