/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A line on standard error that tells what is waited for, and for how long. */
#include "config.h"

#include "progress.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <unistd.h>

#include "terminal.h"

struct Progress
{
  char *text;
  gint64 begin;
  guint timer;
  gboolean held;
  gboolean drawn;
};

static void
wipe (Progress *progress)
{
  if (progress->drawn)
    fputs ("\r\033[K", stderr);
  progress->drawn = FALSE;
}

static gboolean
draw (gpointer data)
{
  Progress *progress = data;
  int seconds = (int) ((g_get_monotonic_time () - progress->begin) / G_USEC_PER_SEC);

  if (!progress->held && seconds > 0)
    {
      g_autofree char *time = g_strdup_printf (_ ("%d s"), seconds);

      fprintf (stderr, "\r\033[K%s %s", progress->text, time);
      fflush (stderr);
      progress->drawn = TRUE;
    }

  return G_SOURCE_CONTINUE;
}

Progress *
progress_new (const char *text)
{
  Progress *progress = g_new0 (Progress, 1);

  progress->text = terminal_text (text);
  progress->begin = g_get_monotonic_time ();
  if (isatty (STDERR_FILENO) == 1 && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0)
    progress->timer = g_timeout_add_seconds (1, draw, progress);

  return progress;
}

void
progress_free (Progress *progress)
{
  if (progress == NULL)
    return;

  g_clear_handle_id (&progress->timer, g_source_remove);
  wipe (progress);
  g_free (progress->text);
  g_free (progress);
}

void
progress_hold (Progress *progress, gboolean held)
{
  progress->held = held;
  if (held)
    wipe (progress);
}
