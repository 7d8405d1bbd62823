/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event loop of the programs that move messages. */
#include "event-loop.h"

#include <malloc.h>
#include <signal.h>

#include "limit.h"

/* What a large message took goes back to the system with it. The C library would learn from the
 * first one that such sizes are usual, and keep tens of MiB from then on, in each of many bridges.
 */
static void
give_memory_back (void)
{
  mallopt (M_MMAP_THRESHOLD, (int) LIMIT_FLOW_SIZE);
  mallopt (M_TRIM_THRESHOLD, (int) (2 * LIMIT_FLOW_SIZE));
}

int
event_loop_new (sd_event **ret_event)
{
  sd_event *event = NULL;
  sigset_t signals;
  int r = sd_event_new (&event);

  if (r < 0)
    return r;

  give_memory_back ();
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
