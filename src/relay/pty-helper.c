/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and ending tombolo-pty. */
#include "pty-helper.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#include "config.h"
#include "descriptor.h"
#include "pty-program.h"

const char *pty_helper_program = TOMBOLO_LIBEXECDIR "/tombolo-pty";

/* Lives until the process is gone, whoever has let go of it before: until then its number is no
 * other's. */
struct PtyHelper
{
  pid_t pid;
  int pidfd;
  sd_event_source *ended;
  bool freed;
};

static const char *const roles[] = {
  [PTY_FOREIGN_MASTER] = PTY_ROLE_FOREIGN_MASTER,
  [PTY_FOREIGN_SLAVE] = PTY_ROLE_FOREIGN_SLAVE,
  [PTY_OWN_MASTER] = PTY_ROLE_OWN_MASTER,
  [PTY_OWN_SLAVE] = PTY_ROLE_OWN_SLAVE,
};

int
pty_open (unsigned rows, unsigned columns, int *ret_master, int *ret_slave)
{
  const struct winsize window = { .ws_row = (unsigned short) rows,
                                  .ws_col = (unsigned short) columns };
  auto_fd master = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
  int slave;

  if (master < 0 || grantpt (master) < 0 || unlockpt (master) < 0
      || ioctl (master, TIOCSWINSZ, &window) < 0)
    return -errno;
  /* By the master, not by a path that may be another file system's. */
  slave = ioctl (master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0)
    return -errno;

  *ret_master = fd_steal (&master);
  *ret_slave = slave;
  return 0;
}

int
pty_set_raw (int slave)
{
  struct termios modes;

  if (tcgetattr (slave, &modes) < 0)
    return -errno;

  cfmakeraw (&modes);
  return tcsetattr (slave, TCSANOW, &modes) < 0 ? -errno : 0;
}

static void
finish (PtyHelper *helper)
{
  sd_event_source_disable_unref (helper->ended);
  fd_clear (&helper->pidfd);
  g_free (helper);
}

static int
on_ended (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  PtyHelper *helper = user_data;

  waitpid (helper->pid, NULL, WNOHANG);
  helper->pid = 0;
  helper->ended = sd_event_source_disable_unref (helper->ended);
  if (helper->freed)
    finish (helper);
  return 0;
}

static int
spawn (PtyRole role, int pty, int socket, pid_t *ret_pid)
{
  char *argv[] = { (char *) "tombolo-pty", (char *) roles[role], NULL };
  char *environment[] = { NULL };
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  int r;

  sigemptyset (&none);
  sigfillset (&all);
  posix_spawn_file_actions_init (&actions);
  posix_spawn_file_actions_adddup2 (&actions, pty, PTY_PROGRAM_TERMINAL);
  posix_spawn_file_actions_adddup2 (&actions, socket, PTY_PROGRAM_SOCKET);
  posix_spawnattr_init (&attributes);
  posix_spawnattr_setsigmask (&attributes, &none);
  posix_spawnattr_setsigdefault (&attributes, &all);
  posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  r = posix_spawn (ret_pid, pty_helper_program, &actions, &attributes, argv, environment);

  posix_spawnattr_destroy (&attributes);
  posix_spawn_file_actions_destroy (&actions);
  return -r;
}

int
pty_helper_new (sd_event *event, PtyRole role, int pty, int *ret_socket, PtyHelper **ret_helper)
{
  /* Out of the way of the numbers that the program gets them under. */
  auto_fd terminal = fcntl (pty, F_DUPFD_CLOEXEC, PTY_PROGRAM_SOCKET + 1);
  auto_fd near = -1;
  auto_fd far = -1;
  PtyHelper *helper;
  int sockets[2];
  int r;

  if (terminal < 0 || socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
    return -errno;
  near = sockets[0];
  far = fcntl (sockets[1], F_DUPFD_CLOEXEC, PTY_PROGRAM_SOCKET + 1);
  fd_clear (&sockets[1]);
  if (far < 0)
    return -errno;

  helper = g_new0 (PtyHelper, 1);
  r = spawn (role, terminal, far, &helper->pid);
  if (r < 0)
    {
      g_free (helper);
      return r;
    }

  helper->pidfd = pidfd_open (helper->pid, 0);
  r = helper->pidfd < 0
          ? -errno
          : sd_event_add_io (event, &helper->ended, helper->pidfd, EPOLLIN, on_ended, helper);
  if (r < 0)
    {
      kill (helper->pid, SIGKILL);
      waitpid (helper->pid, NULL, 0);
      finish (helper);
      return r;
    }

  *ret_socket = fd_steal (&near);
  *ret_helper = helper;
  return 0;
}

void
pty_helper_free (PtyHelper *helper)
{
  if (helper == NULL)
    return;

  helper->freed = true;
  if (helper->pid == 0)
    finish (helper);
  else
    kill (helper->pid, SIGTERM);
}
