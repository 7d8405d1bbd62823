/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams over sockets. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
make_pair (Stream **ret_a, Stream **ret_b)
{
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                   0);
  *ret_a = stream_new_socket (pair[0]);
  *ret_b = stream_new_socket (pair[1]);
}

static void
test_bytes (void)
{
  char text[] = "hello";
  const struct iovec vectors[] = { { text, 3 }, { text, 0 }, { text + 3, 2 } };
  Stream *a, *b;
  char data[16];

  make_pair (&a, &b);
  g_assert_cmpint (stream_read (b, data, sizeof data), ==, -EAGAIN);
  g_assert_cmpint (stream_write (a, vectors, G_N_ELEMENTS (vectors)), ==, 5);
  g_assert_cmpint (stream_pending (b), ==, 0);
  g_assert_cmpint (stream_read (b, data, 2), ==, 2);
  g_assert_cmpint (stream_read (b, data + 2, sizeof data - 2), ==, 3);
  g_assert_cmpmem (data, 5, "hello", 5);
  stream_free (a);
  stream_free (b);
}

/* A full socket takes what fits, then none; nothing is lost or doubled. */
static void
test_full (void)
{
  static uint8_t block[100001];
  struct iovec vector = { block, sizeof block };
  Stream *a, *b;
  gsize written = 0, received = 0;
  ssize_t n;

  for (gsize i = 0; i < sizeof block; i++)
    block[i] = (uint8_t) (i % 251);

  make_pair (&a, &b);
  do
    {
      n = stream_write (a, &vector, 1);
      if (n > 0)
        {
          written += (gsize) n;
          vector.iov_base = block + written % sizeof block;
          vector.iov_len = sizeof block - written % sizeof block;
        }
    }
  while (n > 0);
  g_assert_cmpint (n, ==, -EAGAIN);
  g_assert_cmpint (written, >, 0);

  for (;;)
    {
      uint8_t data[8192];

      n = stream_read (b, data, sizeof data);
      if (n <= 0)
        break;
      for (ssize_t i = 0; i < n; i++, received++)
        g_assert_cmpint (data[i], ==, block[received % sizeof block]);
    }
  g_assert_cmpint (n, ==, -EAGAIN);
  g_assert_cmpint (received, ==, written);
  stream_free (a);
  stream_free (b);
}

static void
test_end (void)
{
  char text[] = "x";
  struct iovec vector = { text, 1 };
  Stream *a, *b;
  char data[16];
  int fd;

  make_pair (&a, &b);
  fd = a->fd;
  g_assert_cmpint (stream_write (a, &vector, 1), ==, 1);
  stream_free (a);
  g_assert_cmpint (fcntl (fd, F_GETFD), ==, -1);

  /* What was sent before the end still arrives; then the end, again and again. */
  g_assert_cmpint (stream_read (b, data, sizeof data), ==, 1);
  g_assert_cmpint (stream_read (b, data, sizeof data), ==, 0);
  g_assert_cmpint (stream_read (b, data, sizeof data), ==, 0);
  /* No SIGPIPE. */
  g_assert_cmpint (stream_write (b, &vector, 1), ==, -EPIPE);
  stream_free (b);
  stream_free (NULL);
}

/* A blocking descriptor must not block us all the same. */
static void
test_blocking_descriptor (void)
{
  int pair[2];
  Stream *stream;
  char data[1];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  stream = stream_new_socket (pair[0]);
  g_assert_cmpint (stream_read (stream, data, 1), ==, -EAGAIN);
  stream_free (stream);
  close (pair[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/common/stream/bytes", test_bytes);
  g_test_add_func ("/common/stream/full", test_full);
  g_test_add_func ("/common/stream/end", test_end);
  g_test_add_func ("/common/stream/blocking-descriptor", test_blocking_descriptor);

  return g_test_run ();
}
