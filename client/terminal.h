/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The terminal: how wide it is, whether it takes colours, and text that is safe to put on it. */
#pragma once

#include <glib.h>

typedef enum
{
  COLOR_NONE,
  COLOR_GOOD,  /* green */
  COLOR_BUSY,  /* yellow */
  COLOR_BAD,   /* red */
  COLOR_FAINT, /* grey */
  COLOR_BOLD,
} Color;

/* Columns that fit on a line of standard output: the terminal's, else $COLUMNS, else 0, which is no
 * limit at all. Remembered from the first call, so that a pager on standard output changes
 * nothing. */
guint terminal_width (void);

/* Whether standard output was a terminal at the first call of this or of terminal_width(). */
gboolean terminal_is_output (void);

/* Whether to colour: standard output is a terminal, NO_COLOR is unset or empty and TERM is not
 * “dumb”. */
gboolean terminal_has_colors (void);

/* The sequences that begin and end a colour, or "" where terminal_has_colors() says no. */
const char *terminal_color (Color color);
const char *terminal_color_end (Color color);

/* `text`, which anybody may have chosen, for the terminal: valid UTF-8 in which each control
 * character, line break and character that reorders or hides text is “?”. NULL is "". Free with
 * g_free(). */
char *terminal_text (const char *text);

/* How many columns valid UTF-8 takes. */
guint terminal_text_width (const char *text);

/* `text` cut to `width` columns, the last of them “…” where something was cut. Free with g_free().
 */
char *terminal_text_fit (const char *text, guint width);
