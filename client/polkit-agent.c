/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* polkit's text agent (pkttyagent), which asks for passwords on the terminal. */
#include "polkit-agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"

#define NOTIFY_FD 3
#define REGISTRATION_TIME_MSEC 5000

static GPid agent = 0;

/* Between fork and exec: the agent must not outlive us on somebody's terminal. */
static void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGTERM);
}

/* The agent closes its end once it is registered, or has failed. */
static void
wait_until_registered (int fd)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

  while (poll (&poll_fd, 1, REGISTRATION_TIME_MSEC) < 0 && errno == EINTR)
    ;
}

gboolean
polkit_agent_open (void)
{
  g_autofree char *process = g_strdup_printf ("%ld", (long) getpid ());
  const char *const argv[] = { "pkttyagent", "--process",   process,
                               "--fallback", "--notify-fd", G_STRINGIFY (NOTIFY_FD),
                               NULL };
  auto_fd read_end = -1;
  auto_fd write_end = -1;
  int target = NOTIFY_FD;
  int ends[2];

  if (agent != 0)
    return TRUE;
  if (geteuid () == 0 || isatty (STDIN_FILENO) != 1 || pipe2 (ends, O_CLOEXEC) < 0)
    return FALSE;
  read_end = ends[0];
  write_end = ends[1];

  /* Without pkttyagent a graphical agent may still be there: that is for polkit to know. */
  if (!g_spawn_async_with_pipes_and_fds (NULL, argv, NULL,
                                         G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD
                                             | G_SPAWN_CHILD_INHERITS_STDIN,
                                         die_with_parent, NULL, -1, -1, -1, &write_end, &target, 1,
                                         &agent, NULL, NULL, NULL, NULL))
    {
      agent = 0;
      return FALSE;
    }

  fd_clear (&write_end);
  wait_until_registered (read_end);
  atexit (polkit_agent_close);
  return TRUE;
}

void
polkit_agent_close (void)
{
  if (agent == 0)
    return;

  kill (agent, SIGTERM);
  kill (agent, SIGCONT);
  while (waitpid (agent, NULL, 0) < 0 && errno == EINTR)
    ;
  agent = 0;
}
