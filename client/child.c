/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that runs in our place. */
#include "config.h"

#include "child.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"
#include "terminal.h"

static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };

static sigset_t original; /* the mask that the program gets */

typedef struct
{
  GPid pid;
  int status;
  gboolean over;
} Child;

static void
fill_set (sigset_t *set)
{
  sigemptyset (set);
  for (gsize i = 0; i < G_N_ELEMENTS (forwarded); i++)
    sigaddset (set, forwarded[i]);
}

void
child_block_signals (void)
{
  sigset_t set;

  fill_set (&set);
  sigprocmask (SIG_BLOCK, &set, &original);
}

/* Between fork() and exec(). */
static void
restore_signals (gpointer data)
{
  sigprocmask (SIG_SETMASK, &original, NULL);
}

/* What the terminal sends, it sends to the program as well: it is of our process group. */
static gboolean
on_signal (int fd, GIOCondition condition, gpointer data)
{
  const Child *child = data;
  struct signalfd_siginfo info;

  if (read (fd, &info, sizeof info) == sizeof info && info.ssi_code <= 0 && !child->over)
    kill (child->pid, (int) info.ssi_signo);
  return G_SOURCE_CONTINUE;
}

static void
on_exit_of_child (GPid pid, int status, gpointer data)
{
  Child *child = data;

  child->status = status;
  child->over = TRUE;
}

static int
report_spawn (const char *program, const GError *error)
{
  g_autofree char *shown = terminal_text (program);

  fprintf (stderr, "tomboloctl: %s: %s\n", shown, error->message);
  return g_error_matches (error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT) ? CHILD_EXIT_NOT_FOUND
                                                                     : CHILD_EXIT_NO_EXEC;
}

static void
wait_for (Child *child)
{
  guint source = 0;
  auto_fd fd = -1;
  sigset_t set;

  g_child_watch_add (child->pid, on_exit_of_child, child);
  fill_set (&set);
  fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd >= 0)
    source = g_unix_fd_add (fd, G_IO_IN, on_signal, child);

  while (!child->over)
    g_main_context_iteration (NULL, TRUE);

  g_clear_handle_id (&source, g_source_remove);
}

int
child_run (const char *const *argv, const char *const *environment)
{
  g_autoptr (GError) error = NULL;
  Child child = { 0 };

  fflush (stdout);
  if (!g_spawn_async (NULL, (char **) argv, (char **) environment,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CHILD_INHERITS_STDIN
                          | G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                      restore_signals, NULL, &child.pid, &error))
    return report_spawn (argv[0], error);

  wait_for (&child);
  return WIFSIGNALED (child.status) ? 128 + WTERMSIG (child.status) : WEXITSTATUS (child.status);
}
