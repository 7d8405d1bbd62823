/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors: closed, sealed, sent. */
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit.h"

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static gboolean
is_open (int fd)
{
  return fcntl (fd, F_GETFD) >= 0;
}

static guint
count_descriptors (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (folder) != NULL)
    n++;

  return n;
}

static int
new_descriptor (void)
{
  int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  return fd;
}

static void
test_clear (void)
{
  int fd = new_descriptor (), number = fd;

  errno = EXDEV;
  fd_clear (&fd);
  g_assert_cmpint (errno, ==, EXDEV);
  g_assert_cmpint (fd, ==, -1);
  g_assert_false (is_open (number));

  errno = EXDEV;
  fd_clear (&fd);
  g_assert_cmpint (errno, ==, EXDEV);
}

static void
test_auto (void)
{
  int number, stolen;

  {
    auto_fd fd = new_descriptor ();

    number = fd;
    g_assert_true (is_open (number));
  }
  g_assert_false (is_open (number));

  {
    auto_fd fd = new_descriptor ();

    stolen = fd_steal (&fd);
    g_assert_cmpint (fd, ==, -1);
  }
  g_assert_true (is_open (stolen));
  fd_clear (&stolen);
}

static void
test_sealed (void)
{
  static const gsize sizes[] = { 0, 1, 4096, 300000 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *data = g_malloc (sizes[i] + 1), *read_back = g_malloc (sizes[i] + 1);
      g_autoptr (GError) error = NULL;
      auto_fd fd = -1;

      memset (data, 'd', sizes[i]);
      fd = fd_new_sealed ("test", data, sizes[i], &error);
      g_assert_no_error (error);
      g_assert_cmpint (read (fd, read_back, sizes[i] + 1), ==, sizes[i]);
      g_assert_cmpmem (read_back, sizes[i], data, sizes[i]);

      g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, !=, 0);
      g_assert_cmpint (fcntl (fd, F_GET_SEALS) & ALL_SEALS, ==, ALL_SEALS);
      g_assert_cmpint (pwrite (fd, "x", 1, 0), ==, -1);
      g_assert_cmpint (ftruncate (fd, 10000000), ==, -1);
      g_assert_cmpint (fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE), ==, -1);
    }
}

static void
make_pair (int pair[2])
{
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                   0);
}

static void
test_message (void)
{
  static const gsize counts[] = { 0, 1, 2, LIMIT_LAUNCH_DESCRIPTORS };
  int pair[2];

  make_pair (pair);
  for (guint i = 0; i < G_N_ELEMENTS (counts); i++)
    {
      g_autoptr (GError) error = NULL;
      int sent[LIMIT_LAUNCH_DESCRIPTORS], received[LIMIT_LAUNCH_DESCRIPTORS];
      char data[16];
      size_t size = 99, n = 99;

      for (gsize j = 0; j < counts[i]; j++)
        sent[j] = new_descriptor ();
      g_assert_true (fd_send_message (pair[0], "hello", 5, sent, counts[i], &error));
      g_assert_true (fd_receive_message (pair[1], data, sizeof data, received,
                                         LIMIT_LAUNCH_DESCRIPTORS, &size, &n, &error));
      g_assert_no_error (error);
      g_assert_cmpmem (data, size, "hello", 5);
      g_assert_cmpint (n, ==, counts[i]);
      for (gsize j = 0; j < n; j++)
        {
          g_assert_true (is_open (sent[j])); /* still the sender's */
          g_assert_cmpint (received[j], !=, sent[j]);
          g_assert_cmpint (fcntl (received[j], F_GETFD) & FD_CLOEXEC, !=, 0);
          fd_clear (&sent[j]);
          fd_clear (&received[j]);
        }
    }
  fd_clear (&pair[0]);
  fd_clear (&pair[1]);
}

/* Too many descriptors or bytes: an error, and nothing stays open. */
static void
test_message_cut (void)
{
  static const struct
  {
    gsize size, n_fds, max_size, max_fds;
  } cases[] = {
    { 5, 2, 16, 1 },
    { 5, 1, 16, 0 },
    { 5, 3, 4, 3 },
    { 5, 0, 4, 0 },
    { 5, LIMIT_LAUNCH_DESCRIPTORS, 16, LIMIT_LAUNCH_DESCRIPTORS - 1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      int sent[LIMIT_LAUNCH_DESCRIPTORS], received[LIMIT_LAUNCH_DESCRIPTORS];
      int pair[2];
      char data[16];
      size_t size = 99, n = 99;
      guint before;

      make_pair (pair);
      for (gsize j = 0; j < cases[i].n_fds; j++)
        sent[j] = new_descriptor ();
      before = count_descriptors ();

      g_assert_true (fd_send_message (pair[0], "hello", cases[i].size, sent, cases[i].n_fds, NULL));
      g_assert_false (fd_receive_message (pair[1], data, cases[i].max_size, received,
                                          cases[i].max_fds, &size, &n, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE);
      g_assert_cmpint (size, ==, 99);
      g_assert_cmpint (n, ==, 99);
      g_assert_cmpint (count_descriptors (), ==, before);

      for (gsize j = 0; j < cases[i].n_fds; j++)
        fd_clear (&sent[j]);
      fd_clear (&pair[0]);
      fd_clear (&pair[1]);
    }
}

static void
test_message_errors (void)
{
  int fds[LIMIT_LAUNCH_DESCRIPTORS + 1] = { 0 };
  g_autoptr (GError) many = NULL, empty = NULL, closed = NULL;
  int pair[2];
  char data[16];
  size_t size, n;

  make_pair (pair);
  g_assert_false (fd_send_message (pair[0], "x", 1, fds, G_N_ELEMENTS (fds), &many));
  g_assert_error (many, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE);

  g_assert_false (fd_receive_message (pair[1], data, sizeof data, fds, 1, &size, &n, &empty));
  g_assert_error (empty, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);

  /* The end of the stream is no error; to send into it is, and no signal. */
  fd_clear (&pair[0]);
  g_assert_true (fd_receive_message (pair[1], data, sizeof data, fds, 1, &size, &n, NULL));
  g_assert_cmpint (size, ==, 0);
  g_assert_cmpint (n, ==, 0);
  g_assert_false (fd_send_message (pair[1], "x", 1, NULL, 0, &closed));
  g_assert_error (closed, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
  fd_clear (&pair[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/common/descriptor/clear", test_clear);
  g_test_add_func ("/common/descriptor/auto", test_auto);
  g_test_add_func ("/common/descriptor/sealed", test_sealed);
  g_test_add_func ("/common/descriptor/message", test_message);
  g_test_add_func ("/common/descriptor/message-cut", test_message_cut);
  g_test_add_func ("/common/descriptor/message-errors", test_message_errors);

  return g_test_run ();
}
