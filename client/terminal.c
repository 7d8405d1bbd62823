/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The terminal: how wide it is, whether it takes colours, and text that is safe to put on it. */
#include "terminal.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ELLIPSIS "…"

static const char *const colors[] = {
  [COLOR_NONE] = "",          [COLOR_GOOD] = "\033[32m",  [COLOR_BUSY] = "\033[33m",
  [COLOR_BAD] = "\033[1;31m", [COLOR_FAINT] = "\033[90m", [COLOR_BOLD] = "\033[1m",
};

static struct
{
  gboolean known;
  gboolean output;
  gboolean colors;
  guint width;
} terminal;

static guint
width_of_environment (void)
{
  const char *columns = g_getenv ("COLUMNS");
  guint64 width;

  if (columns == NULL || !g_ascii_string_to_unsigned (columns, 10, 1, 10000, &width, NULL))
    return 0;

  return (guint) width;
}

static void
look (void)
{
  const char *no_color = g_getenv ("NO_COLOR");
  struct winsize size = { 0 };

  if (terminal.known)
    return;

  terminal.known = TRUE;
  terminal.output = isatty (STDOUT_FILENO) == 1;
  terminal.colors = terminal.output && (no_color == NULL || *no_color == '\0')
                    && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0;
  terminal.width = width_of_environment ();
  if (terminal.width == 0 && terminal.output)
    terminal.width =
        ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

guint
terminal_width (void)
{
  look ();
  return terminal.width;
}

gboolean
terminal_is_output (void)
{
  look ();
  return terminal.output;
}

gboolean
terminal_has_colors (void)
{
  look ();
  return terminal.colors;
}

const char *
terminal_color (Color color)
{
  return terminal_has_colors () ? colors[color] : "";
}

const char *
terminal_color_end (Color color)
{
  return color != COLOR_NONE && terminal_has_colors () ? "\033[0m" : "";
}

static gboolean
is_unsafe (gunichar c)
{
  switch (g_unichar_type (c))
    {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT: /* overrides of direction, invisible characters */
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_UNASSIGNED:
      return TRUE;
    default:
      return FALSE;
    }
}

char *
terminal_text (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text != NULL ? text : "", -1);
  GString *safe = g_string_sized_new (strlen (valid));

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (safe, is_unsafe (c) ? '?' : c);
    }

  return g_string_free (safe, FALSE);
}

static guint
character_width (gunichar c)
{
  return g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
}

guint
terminal_text_width (const char *text)
{
  guint width = 0;

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    width += character_width (g_utf8_get_char (p));

  return width;
}

char *
terminal_text_fit (const char *text, guint width)
{
  const char *end = text;
  guint taken = 0;

  if (terminal_text_width (text) <= width)
    return g_strdup (text);
  if (width == 0)
    return g_strdup ("");

  /* One column is the ellipsis's; a wide character that does not fit leaves its place empty. */
  for (; *end != '\0'; end = g_utf8_next_char (end))
    {
      guint next = character_width (g_utf8_get_char (end));

      if (taken + next > width - 1)
        break;
      taken += next;
    }

  return g_strdup_printf ("%.*s" ELLIPSIS, (int) (end - text), text);
}
