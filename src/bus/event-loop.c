/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event loop of the programs that move messages. */
#include "event-loop.h"

#include <signal.h>

int
event_loop_new (sd_event **ret_event)
{
  sd_event *event = NULL;
  sigset_t signals;
  int r = sd_event_new (&event);

  if (r < 0)
    return r;

  sigemptyset (&signals);
  sigaddset (&signals, SIGTERM);
  sigaddset (&signals, SIGINT);
  sigprocmask (SIG_BLOCK, &signals, NULL);
  signal (SIGPIPE, SIG_IGN);
  signal (SIGHUP, SIG_IGN);

  r = sd_event_add_signal (event, NULL, SIGTERM, NULL, NULL);
  if (r >= 0)
    r = sd_event_add_signal (event, NULL, SIGINT, NULL, NULL);
  if (r >= 0)
    r = sd_event_set_watchdog (event, 1);
  if (r < 0)
    {
      sd_event_unref (event);
      return r;
    }

  *ret_event = event;
  return 0;
}
