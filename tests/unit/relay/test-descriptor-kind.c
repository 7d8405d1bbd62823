/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What descriptors are: those that cross, and the names of those that do not. */
#include "descriptor-kind.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "pty-helper.h"

/* Closes `fd`. */
static void
expect (const char *name, int fd, DescriptorKind kind, const char *what)
{
  const char *found = NULL;

  g_test_message ("%s", name);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (descriptor_kind_of (fd, &found), ==, kind);
  if (kind == 0)
    g_assert_cmpstr (found, ==, what);
  close (fd);
}

static void
test_crossing (void)
{
  int fds[2];

  g_assert_no_errno (pipe (fds));
  expect ("read", fds[0], DESCRIPTOR_PIPE_READ, NULL);
  expect ("write", fds[1], DESCRIPTOR_PIPE_WRITE, NULL);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM, 0, fds));
  expect ("socket", fds[0], DESCRIPTOR_SOCKET, NULL);
  expect ("socket whose peer has gone", fds[1], DESCRIPTOR_SOCKET, NULL);
  g_assert_cmpint (pty_open (0, 0, &fds[0], &fds[1]), ==, 0);
  expect ("slave", fds[1], DESCRIPTOR_PTY_SLAVE, NULL);
  expect ("master", fds[0], DESCRIPTOR_PTY_MASTER, NULL);
}

static int
make_listening (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  /* An abstract name that the kernel chooses. */
  g_assert_no_errno (bind (fd, (struct sockaddr *) &address, sizeof address.sun_family));
  g_assert_no_errno (listen (fd, 1));
  return fd;
}

static int
make_pair (int type)
{
  int fds[2];

  g_assert_no_errno (socketpair (AF_UNIX, type, 0, fds));
  close (fds[1]);
  return fds[0];
}

static void
test_others (void)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "tombolo-test-XXXXXX", NULL);
  g_autofree char *fifo = NULL;
  sigset_t signals;

  sigemptyset (&signals);
  expect ("file", g_mkstemp (path), 0, "a regular file");
  fifo = g_strconcat (path, ".fifo", NULL);
  g_assert_no_errno (mkfifo (fifo, 0600));
  expect ("fifo, both ways", open (fifo, O_RDWR), 0, "a FIFO that is open for reading and writing");
  expect ("path", open (path, O_PATH), 0, "a path without a file that is open");
  unlink (fifo);
  unlink (path);
  expect ("directory", open ("/", O_RDONLY | O_DIRECTORY), 0, "a directory");
  expect ("device", open ("/dev/null", O_RDWR), 0, "a character device");
  expect ("listening", make_listening (), 0, "a listening socket");
  expect ("unconnected", socket (AF_UNIX, SOCK_STREAM, 0), 0, "a socket that is not connected");
  expect ("datagrams", make_pair (SOCK_DGRAM), 0, "a datagram socket");
  expect ("packets", make_pair (SOCK_SEQPACKET), 0, "a socket for packets");
  expect ("tcp", socket (AF_INET, SOCK_STREAM, 0), 0, "a TCP socket");
  expect ("tcp, IPv6", socket (AF_INET6, SOCK_STREAM, 0), 0, "a TCP socket");
  expect ("udp", socket (AF_INET, SOCK_DGRAM, 0), 0, "a UDP socket");
  expect ("netlink", socket (AF_NETLINK, SOCK_RAW, 0), 0, "a netlink socket");
  expect ("epoll", epoll_create1 (0), 0, "an epoll instance");
  expect ("eventfd", eventfd (0, 0), 0, "an event counter");
  expect ("timerfd", timerfd_create (CLOCK_MONOTONIC, 0), 0, "a timer");
  expect ("signalfd", signalfd (-1, &signals, 0), 0, "a signal descriptor");
  expect ("inotify", inotify_init (), 0, "an inotify instance");
  expect ("pidfd", pidfd_open (getpid (), 0), 0, "a process descriptor");
  expect ("memfd", memfd_create ("test", 0), 0, "a memory file");
}

static void
test_same (void)
{
  int pipes[2], others[2], pty[2], other_pty[2], copy;

  g_assert_no_errno (pipe (pipes));
  g_assert_no_errno (pipe (others));
  g_assert_cmpint (pty_open (0, 0, &pty[0], &pty[1]), ==, 0);
  g_assert_cmpint (pty_open (0, 0, &other_pty[0], &other_pty[1]), ==, 0);
  copy = dup (pipes[0]);
  g_assert_true (descriptor_kind_is_same (DESCRIPTOR_PIPE_READ, pipes[0], copy));
  g_assert_false (descriptor_kind_is_same (DESCRIPTOR_PIPE_READ, pipes[0], others[0]));
  g_assert_true (descriptor_kind_is_same (DESCRIPTOR_PTY_MASTER, pty[0], pty[0]));
  g_assert_false (descriptor_kind_is_same (DESCRIPTOR_PTY_MASTER, pty[0], other_pty[0]));
  g_assert_false (descriptor_kind_is_same (DESCRIPTOR_PTY_SLAVE, pty[1], other_pty[1]));
  for (int i = 0; i < 2; i++)
    {
      close (pipes[i]);
      close (others[i]);
      close (pty[i]);
      close (other_pty[i]);
    }
  close (copy);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/descriptor-kind/crossing", test_crossing);
  g_test_add_func ("/relay/descriptor-kind/others", test_others);
  g_test_add_func ("/relay/descriptor-kind/same", test_same);
  return g_test_run ();
}
