/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolo-guest-shell: opens one terminal for the agent, as root, where guest.conf allows it.
 * systemd starts one for each connection to tombolo-shell.socket. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "config.h"
#include "descriptor.h"
#include "error.h"
#include "limit.h"
#include "log.h"
#include "policy.h"
#include "pty-helper.h"
#include "shell-request.h"

#define POLICY_FILE TOMBOLO_SYSCONFDIR "/tombolo/guest.conf"
#define RUNUSER "/usr/sbin/runuser"

typedef struct
{
  int socket;
  int master, slave;
  int status_read, status_write;
} Shell;

#define DENIED TOMBOLO_ERROR, TOMBOLO_ERROR_ACCESS_DENIED

/* --- Who asks, and for what --- */

/* The socket's mode lets in the agent alone; so does this. */
static gboolean
check_peer (int fd, GError **error)
{
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  const struct passwd *agent = getpwnam ("tombolo-guest");

  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0
      && (credentials.uid == 0 || (agent != NULL && credentials.uid == agent->pw_uid)))
    return TRUE;

  g_set_error (error, DENIED, "A terminal is opened for the agent alone.");
  return FALSE;
}

static ShellRequest *
receive_request (int fd, GError **error)
{
  g_autofree uint8_t *data = g_malloc (LIMIT_SHELL_REQUEST);
  size_t size, n_fds;

  if (!fd_receive_message (fd, data, LIMIT_SHELL_REQUEST, NULL, 0, &size, &n_fds, error))
    return NULL;
  return shell_request_read (data, size, error);
}

/* Read again each time: the agent's word for what it says counts for nothing here. */
static gboolean
check_user (const char *user, GError **error)
{
  g_autoptr (GuestPolicy) policy = guest_policy_load (POLICY_FILE, error);

  if (policy == NULL)
    return FALSE;
  if (g_ptr_array_find_with_equal_func (policy->shell_users, user, g_str_equal, NULL))
    return TRUE;

  g_set_error (error, DENIED,
               "The guest opens no terminal as user “%s”: [Shell] of its " POLICY_FILE
               " says as whom it does.",
               user);
  return FALSE;
}

/* --- The terminal --- */

static gboolean
no_terminal (GError **error)
{
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED, "No terminal can be made: %s.",
               g_strerror (errno));
  return FALSE;
}

static gboolean
open_terminal (Shell *shell, const ShellRequest *request, const struct passwd *user, GError **error)
{
  const struct group *group = getgrnam ("tty");
  int status[2];
  int r = pty_open (request->rows, request->columns, &shell->master, &shell->slave);

  if (r < 0)
    errno = -r;
  if (r < 0 || fchown (shell->slave, user->pw_uid, group != NULL ? group->gr_gid : (gid_t) -1) < 0
      || fchmod (shell->slave, 0620) < 0 || pipe2 (status, O_CLOEXEC) < 0)
    return no_terminal (error);

  shell->status_read = status[0];
  shell->status_write = status[1];
  return TRUE;
}

/* In the child. runuser(1) makes the session, by PAM, and becomes the user. */
static void
run (const Shell *shell, const ShellRequest *request)
{
  g_autofree char *line = shell_request_to_line (request);
  const char *argv[] = { "runuser", "-l", request->user, NULL, NULL, NULL };
  g_autofree char *term = g_strconcat ("TERM=", request->term, NULL);
  const char *const environment[] = { term,
                                      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
                                      NULL };

  if (line != NULL)
    {
      argv[3] = "--session-command";
      argv[4] = line;
    }

  signal (SIGPIPE, SIG_DFL);
  if (setsid () >= 0 && ioctl (shell->slave, TIOCSCTTY, 0) >= 0 && dup2 (shell->slave, 0) >= 0
      && dup2 (shell->slave, 1) >= 0 && dup2 (shell->slave, 2) >= 0)
    execve (RUNUSER, (char *const *) argv, (char *const *) environment);
  _exit (126);
}

static int
wait_for (pid_t pid)
{
  int status;

  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      return 126;

  return WIFSIGNALED (status) ? 128 + WTERMSIG (status) : WEXITSTATUS (status);
}

/* Where the terminal is closed on the host, the kernel tells the session's leader alone; that is
 * runuser, which does not listen to a hang-up. It does to SIGTERM: it ends its shell, and with the
 * leader's end whatever runs in front is told. */
static void
end_with_terminal (const Shell *shell, pid_t pid)
{
  auto_fd process = (int) syscall (SYS_pidfd_open, pid, 0);
  struct pollfd fds[] = { { .fd = process, .events = POLLIN }, { .fd = shell->slave } };

  if (process < 0)
    return;
  while (fds[0].revents == 0 && fds[1].revents == 0)
    if (poll (fds, G_N_ELEMENTS (fds), -1) < 0 && errno != EINTR)
      return;

  if (fds[0].revents == 0)
    kill (pid, SIGTERM);
}

/* The agent alone holds the terminal's master while the program runs. */
static void
serve (Shell *shell, const ShellRequest *request)
{
  pid_t pid = fork ();
  int code = 126;

  if (pid == 0)
    run (shell, request);

  fd_clear (&shell->master);
  fd_clear (&shell->status_read);
  fd_clear (&shell->socket);
  if (pid > 0)
    {
      end_with_terminal (shell, pid);
      code = wait_for (pid);
    }
  dprintf (shell->status_write, "%d\n", code);
}

static gboolean
open_shell (Shell *shell, GError **error)
{
  g_autoptr (ShellRequest) request = NULL;
  const struct passwd *user;
  int fds[2];

  if (!check_peer (shell->socket, error)
      || (request = receive_request (shell->socket, error)) == NULL
      || !check_user (request->user, error))
    return FALSE;

  user = getpwnam (request->user);
  if (user == NULL)
    {
      g_set_error (error, DENIED, "The guest has no user “%s”.", request->user);
      return FALSE;
    }
  if (!open_terminal (shell, request, user, error))
    return FALSE;

  fds[0] = shell->master;
  fds[1] = shell->status_read;
  if (!fd_send_message (shell->socket, "", 1, fds, 2, error))
    return FALSE;

  log_notice (NULL, "The host opens a terminal as user %s.", request->user);
  serve (shell, request);
  return TRUE;
}

int
main (int argc, char **argv)
{
  Shell shell = { SD_LISTEN_FDS_START, -1, -1, -1, -1 };
  g_autoptr (GError) error = NULL;

  if (argc == 2 && g_str_equal (argv[1], "--version"))
    {
      puts ("tombolo-guest-shell " TOMBOLO_VERSION);
      return EXIT_SUCCESS;
    }
  if (argc != 1 || sd_listen_fds (1) != 1)
    {
      fputs ("tombolo-guest-shell is started by tombolo-shell.socket.\n", stderr);
      return EXIT_FAILURE;
    }

  log_open ("tombolo-guest-shell", LOG_LEVEL_INFO);
  signal (SIGPIPE, SIG_IGN);
  fcntl (shell.socket, F_SETFL, fcntl (shell.socket, F_GETFL) & ~O_NONBLOCK);
  if (open_shell (&shell, &error))
    return EXIT_SUCCESS;

  log_warning (NULL, "No terminal for the host: %s", error->message);
  if (shell.socket >= 0)
    fd_send_message (shell.socket, error->message, MIN (strlen (error->message), 1024), NULL, 0,
                     NULL);
  return EXIT_SUCCESS; /* it was an answer */
}
