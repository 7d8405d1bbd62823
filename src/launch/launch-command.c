/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The default mode of tombolo-launch. */
#include "launch-command.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"
#include "launch-protocol.h"
#include "limit.h"
#include "monitor.h"

void
launch_command_free (LaunchCommand *command)
{
  for (guint i = 0; i < command->fds->len; i++)
    fd_clear (&g_array_index (command->fds, int, i));
  g_array_unref (command->fds);
  g_ptr_array_unref (command->argv);
  g_free (command);
}

static gboolean
fail_errno (GError **error, const char *what)
{
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED, "%s: %s.", what,
               g_strerror (errno));
  return FALSE;
}

/* Nobody has to wait long: the socket's connection is what starts this process, and tombolod
 * writes as soon as it is connected. */
static gboolean
wait_readable (int fd, GError **error)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
  int n;

  do
    n = poll (&poll_fd, 1, LAUNCH_WAIT_MSEC);
  while (n < 0 && errno == EINTR);

  if (n < 0)
    return fail_errno (error, "Cannot wait for tombolod");
  if (n == 0)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_TIMED_OUT,
                   "tombolod did not send a command within %d s; start machines with tomboloctl.",
                   LAUNCH_WAIT_MSEC / 1000);
      return FALSE;
    }
  return TRUE;
}

int
launch_accept (int listener, uid_t peer, GError **error)
{
  auto_fd connection = -1;
  struct ucred credentials;
  socklen_t size = sizeof credentials;

  if (!wait_readable (listener, error))
    return -1;

  connection = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  if (connection < 0)
    {
      fail_errno (error, "Cannot accept tombolod's connection");
      return -1;
    }
  if (getsockopt (connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
    {
      fail_errno (error, "Cannot tell who connected");
      return -1;
    }
  if (credentials.uid != peer)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_ACCESS_DENIED,
                   "User %u is not tombolod's user and may not start this machine.",
                   credentials.uid);
      return -1;
    }

  return fd_steal (&connection);
}

/* `text` is strings that each end in a zero byte, the last one too. */
static gboolean
split_arguments (GPtrArray *argv, const char *text, gsize size, GError **error)
{
  if (size == 0 || text[size - 1] != '\0')
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                   "tombolod's message is not a command.");
      return FALSE;
    }

  for (const char *p = text; p < text + size; p += strlen (p) + 1)
    g_ptr_array_add (argv, g_strdup (p));
  return TRUE;
}

LaunchCommand *
launch_command_receive (int connection, const char *const *monitors, GError **error)
{
  g_autofree char *text = g_malloc (LIMIT_LAUNCH_MESSAGE_SIZE);
  int fds[LIMIT_LAUNCH_DESCRIPTORS];
  g_autoptr (LaunchCommand) command = g_new0 (LaunchCommand, 1);
  gsize size, n_fds;

  command->argv = g_ptr_array_new_null_terminated (64, g_free, TRUE);
  command->fds = g_array_new (FALSE, FALSE, sizeof (int));

  if (!wait_readable (connection, error)
      || !fd_receive_message (connection, text, LIMIT_LAUNCH_MESSAGE_SIZE, fds,
                              LIMIT_LAUNCH_DESCRIPTORS, &size, &n_fds, error))
    return NULL;
  g_array_append_vals (command->fds, fds, (guint) n_fds);

  if (!split_arguments (command->argv, text, size, error))
    return NULL;
  if (!g_strv_contains (monitors, command->argv->pdata[0]))
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                   "“%.64s” is not a monitor.", (const char *) command->argv->pdata[0]);
      return NULL;
    }

  return g_steal_pointer (&command);
}

/* Ignored signals and blocked ones outlive an exec; a monitor expects neither. */
static void
reset_signals (void)
{
  sigset_t none;

  for (int number = 1; number < NSIG; number++)
    signal (number, SIG_DFL);

  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

/* Gives `*fd` a number of at least `above`. */
static gboolean
move_descriptor (int *fd, int above, GError **error)
{
  int moved = fcntl (*fd, F_DUPFD_CLOEXEC, above);

  if (moved < 0)
    return fail_errno (error, "Cannot move a descriptor");

  close (*fd);
  *fd = moved;
  return TRUE;
}

/* First everything moves above the numbers that the command wants, so that nothing is overwritten.
 */
static gboolean
place_descriptors (LaunchCommand *command, int *connection, GError **error)
{
  int above = MONITOR_FIRST_DESCRIPTOR + (int) command->fds->len;

  if (!move_descriptor (connection, above, error))
    return FALSE;
  for (guint i = 0; i < command->fds->len; i++)
    if (!move_descriptor (&g_array_index (command->fds, int, i), above, error))
      return FALSE;

  for (guint i = 0; i < command->fds->len; i++)
    if (dup2 (g_array_index (command->fds, int, i), MONITOR_FIRST_DESCRIPTOR + (int) i) < 0)
      return fail_errno (error, "Cannot place a descriptor");

  if (close_range ((guint) above, G_MAXUINT, CLOSE_RANGE_CLOEXEC) < 0)
    return fail_errno (error, "Cannot keep descriptors from the monitor");
  return TRUE;
}

gboolean
launch_command_exec (LaunchCommand *command, int *connection, GError **error)
{
  static char *const environment[] = { (char *) "PATH=/usr/bin:/bin", NULL };
  char *const *argv = (char *const *) command->argv->pdata;

  if (!place_descriptors (command, connection, error))
    return FALSE;

  reset_signals ();
  execve (argv[0], argv, environment);

  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED,
               "Cannot start %s: %s; is it installed?", argv[0], g_strerror (errno));
  return FALSE;
}
