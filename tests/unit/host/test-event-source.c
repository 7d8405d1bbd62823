/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An sd_event loop gets its timers, descriptors and deferred work inside a GLib loop. */
#include "event-source.h"

#include <unistd.h>

static int
on_timer (sd_event_source *source, uint64_t usec, void *user_data)
{
  ++*(guint *) user_data;
  return 0;
}

static int
on_readable (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  char byte;

  g_assert_cmpint (read (fd, &byte, 1), ==, 1);
  ++*(guint *) user_data;
  return 0;
}

static int
on_defer (sd_event_source *source, void *user_data)
{
  ++*(guint *) user_data;
  return 0;
}

static gboolean
give_up (gpointer user_data)
{
  g_assert_not_reached ();
}

static void
test_sources (void)
{
  sd_event *event = NULL;
  GSource *source;
  guint timers = 0, bytes = 0, deferred = 0;
  guint deadline = g_timeout_add_seconds (10, give_up, NULL);
  int pipe_fds[2];

  g_assert_cmpint (sd_event_new (&event), >=, 0);
  g_assert_cmpint (pipe (pipe_fds), ==, 0);
  source = event_source_new (event);
  g_source_attach (source, NULL);

  g_assert_cmpint (
      sd_event_add_time_relative (event, NULL, CLOCK_MONOTONIC, 1000, 1, on_timer, &timers), >=, 0);
  g_assert_cmpint (sd_event_add_io (event, NULL, pipe_fds[0], 1, on_readable, &bytes), >=, 0);
  g_assert_cmpint (sd_event_add_defer (event, NULL, on_defer, &deferred), >=, 0);
  g_assert_cmpint (write (pipe_fds[1], "ab", 2), ==, 2);
  while (timers < 1 || bytes < 2 || deferred < 1)
    g_main_context_iteration (NULL, TRUE);

  g_source_remove (deadline);
  g_source_destroy (source);
  g_source_unref (source);
  sd_event_unref (event);
  close (pipe_fds[0]);
  close (pipe_fds[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/event-source/sources", test_sources);
  return g_test_run ();
}
