/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nobody keeps us by what we close for him: each of these took as long as the socket lingers. */
#include "disposal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"
#include "stream.h"

#define LINGER_SECONDS 20
#define LONG_USEC (LINGER_SECONDS * G_USEC_PER_SEC / 2)

/* A connection whose last close waits: its peer reads nothing, and it has more to say. */
static int
new_lingering (int *ret_peer)
{
  const struct linger linger = { .l_onoff = 1, .l_linger = LINGER_SECONDS };
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  auto_fd listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 2048;
  socklen_t size = sizeof address;
  static const char bytes[64 * 1024];

  g_assert_cmpint (setsockopt (listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), ==, 0);
  g_assert_cmpint (bind (listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (listener, 1), ==, 0);
  g_assert_cmpint (getsockname (listener, (struct sockaddr *) &address, &size), ==, 0);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  *ret_peer = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  g_assert_cmpint (*ret_peer, >=, 0);

  while (send (fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
    ;
  g_assert_cmpint (setsockopt (fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), ==, 0);
  return fd;
}

/* Sends it, the last of its kind, over `socket`. */
static void
send_away (int socket, int fd)
{
  union
  {
    struct cmsghdr header;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control = { 0 };
  char byte = 0;
  struct iovec vector = { &byte, 1 };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };

  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN (sizeof (int));
  memcpy (CMSG_DATA (&control.header), &fd, sizeof fd);
  g_assert_cmpint (sendmsg (socket, &message, 0), ==, 1);
  close (fd);
}

/* What is left of a connection on which it was sent. */
static int
new_loaded (int *ret_peer)
{
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  send_away (pair[1], new_lingering (ret_peer));
  close (pair[1]);
  return pair[0];
}

/* The peer hears of the end, by and by. */
static void
wait_for_close (int peer)
{
  const struct timeval patience = { .tv_sec = LINGER_SECONDS / 2 };
  char bytes[4096];
  ssize_t n;

  g_assert_cmpint (setsockopt (peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), ==, 0);
  do
    n = recv (peer, bytes, sizeof bytes, 0);
  while (n > 0);
  g_assert_cmpint (n, ==, 0);
  close (peer);
}

static void
test_lingering (void)
{
  int peer, fd = new_lingering (&peer);
  gint64 start = g_get_monotonic_time ();

  errno = EXDEV;
  fd_dispose (fd);
  g_assert_cmpint (errno, ==, EXDEV);
  g_assert_cmpint (g_get_monotonic_time () - start, <, LONG_USEC);
  wait_for_close (peer);
}

/* More than one, so that none keeps the thread that closes the next. */
static void
test_loaded (void)
{
  gint64 start = g_get_monotonic_time ();
  int peers[3];

  for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
    fd_dispose (new_loaded (&peers[i]));
  for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
    wait_for_close (peers[i]);
  g_assert_cmpint (g_get_monotonic_time () - start, <, LONG_USEC);
}

static void
test_own_socket (void)
{
  int peer, fd = new_loaded (&peer);
  gint64 start = g_get_monotonic_time ();

  fd_dispose_socket (fd);
  g_assert_cmpint (g_get_monotonic_time () - start, <, LONG_USEC);
  wait_for_close (peer);
}

/* A stream without descriptors ends where one is sent over it, and not before what came first. */
static void
test_stream (void)
{
  gint64 start = g_get_monotonic_time ();
  Stream *stream;
  char data[16];
  int pair[2], peer;

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  stream = stream_new_socket (pair[0]);
  g_assert_cmpint (send (pair[1], "ab", 2, 0), ==, 2);
  g_assert_cmpint (stream_read (stream, data, sizeof data), ==, 2);
  send_away (pair[1], new_lingering (&peer));
  g_assert_cmpint (stream_read (stream, data, sizeof data), ==, -EPROTO);
  stream_free (stream);
  g_assert_cmpint (g_get_monotonic_time () - start, <, LONG_USEC);
  close (pair[1]);
  wait_for_close (peer);
}

/* What cannot wait is closed before we come back; the rest soon. */
static void
test_numbers (void)
{
  int pair[2], pipes[2];

  fd_dispose (-1);
  fd_dispose_socket (-1);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  g_assert_cmpint (pipe2 (pipes, O_CLOEXEC), ==, 0);
  fd_dispose (pipes[0]);
  fd_dispose (pipes[1]);
  fd_dispose_socket (pair[0]);
  g_assert_cmpint (fcntl (pipes[0], F_GETFD), ==, -1);
  g_assert_cmpint (fcntl (pipes[1], F_GETFD), ==, -1);
  g_assert_cmpint (fcntl (pair[0], F_GETFD), ==, -1);

  fd_dispose (pair[1]);
  while (fcntl (pair[1], F_GETFD) >= 0)
    g_thread_yield ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/common/disposal/lingering", test_lingering);
  g_test_add_func ("/common/disposal/loaded", test_loaded);
  g_test_add_func ("/common/disposal/own-socket", test_own_socket);
  g_test_add_func ("/common/disposal/stream", test_stream);
  g_test_add_func ("/common/disposal/numbers", test_numbers);

  return g_test_run ();
}
