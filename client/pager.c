/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long output goes through a pager, as systemctl's does. */
#include "pager.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"
#include "terminal.h"

#define LESS_OPTIONS "FRSXMK" /* quit if it fits, colours, no wrapping, no clearing, prompt, ^C */

static GPid pager = 0;

static void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGTERM);
}

/* Somebody who was lent another user's rights must not get a shell out of the pager. */
static gboolean
is_lent (void)
{
  return geteuid () != getuid ()
         || (geteuid () == 0 && (g_getenv ("SUDO_UID") != NULL || g_getenv ("PKEXEC_UID") != NULL));
}

/* The pager's words, or NULL for none. */
static char **
choose (void)
{
  const char *wanted = g_getenv ("SYSTEMD_PAGER");
  char **words;

  if (is_lent ())
    return g_strsplit ("less", " ", 1);
  if (wanted == NULL)
    wanted = g_getenv ("PAGER");
  if (wanted == NULL)
    return g_strsplit ("less", " ", 1);
  if (!g_shell_parse_argv (wanted, NULL, &words, NULL))
    return NULL;
  if (!g_str_equal (words[0], "cat"))
    return words;

  g_strfreev (words);
  return NULL;
}

static char **
environment (void)
{
  const char *less = g_getenv ("SYSTEMD_LESS");
  const char *charset = g_getenv ("SYSTEMD_LESSCHARSET");
  char **variables = g_get_environ ();

  variables = g_environ_setenv (variables, "LESS", less != NULL ? less : LESS_OPTIONS, TRUE);
  variables =
      g_environ_setenv (variables, "LESSCHARSET", charset != NULL ? charset : "utf-8", TRUE);
  if (is_lent ())
    variables = g_environ_setenv (variables, "LESSSECURE", "1", TRUE);

  return variables;
}

void
pager_open (const Options *options)
{
  g_auto (GStrv) words = NULL;
  g_auto (GStrv) variables = NULL;
  auto_fd input = -1;

  if (pager != 0 || !options->pager || options->json != JSON_OFF || !terminal_is_output ()
      || g_strcmp0 (g_getenv ("TERM"), "dumb") == 0)
    return;
  words = choose ();
  if (words == NULL)
    return;

  terminal_width ();
  variables = environment ();
  if (!g_spawn_async_with_pipes (NULL, words, variables,
                                 G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, die_with_parent,
                                 NULL, &pager, &input, NULL, NULL, NULL))
    {
      pager = 0;
      return;
    }

  /* The reader may leave early. */
  signal (SIGPIPE, SIG_IGN);
  if (dup2 (input, STDOUT_FILENO) < 0)
    return;
  atexit (pager_close);
}

void
pager_close (void)
{
  if (pager == 0)
    return;

  fflush (stdout);
  close (STDOUT_FILENO);
  while (waitpid (pager, NULL, 0) < 0 && errno == EINTR)
    ;
  pager = 0;
}
