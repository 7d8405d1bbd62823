/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two sockets with a relay between them: bytes, descriptors and ends pass, and nothing piles up. */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct
{
  int ends[2]; /* what the two sides hold */
  Relay *relay;
  guint n_over;
} Fixture;

static void
on_over (Relay *relay, gpointer data)
{
  Fixture *fixture = data;

  g_assert_true (relay == fixture->relay);
  fixture->n_over++;
  fixture->relay = NULL;
  relay_free (relay);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  int inner[2];

  for (int i = 0; i < 2; i++)
    {
      int pair[2];

      g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
      fixture->ends[i] = pair[0];
      inner[i] = pair[1];
      g_assert_cmpint (fcntl (pair[0], F_SETFL, O_NONBLOCK), ==, 0);
    }
  fixture->relay = relay_new (inner[0], inner[1], on_over, fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  relay_free (fixture->relay);
  for (int i = 0; i < 2; i++)
    if (fixture->ends[i] >= 0)
      close (fixture->ends[i]);
}

static void
close_end (Fixture *fixture, int i)
{
  close (fixture->ends[i]);
  fixture->ends[i] = -1;
}

static void
turn (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
test_bytes (Fixture *fixture, gconstpointer data)
{
  for (int i = 0; i < 2; i++)
    {
      char buffer[16] = "";

      g_assert_cmpint (send (fixture->ends[i], "hello", 5, 0), ==, 5);
      turn ();
      g_assert_cmpint (recv (fixture->ends[1 - i], buffer, sizeof buffer, 0), ==, 5);
      g_assert_cmpstr (buffer, ==, "hello");
    }
  g_assert_cmpuint (fixture->n_over, ==, 0);
}

/* What ends is one direction; the other goes on until it ends, too. */
static void
test_half_close (Fixture *fixture, gconstpointer data)
{
  char buffer[16];

  g_assert_cmpint (send (fixture->ends[0], "last", 4, 0), ==, 4);
  g_assert_cmpint (shutdown (fixture->ends[0], SHUT_WR), ==, 0);
  turn ();
  g_assert_cmpint (recv (fixture->ends[1], buffer, sizeof buffer, 0), ==, 4);
  g_assert_cmpint (recv (fixture->ends[1], buffer, sizeof buffer, 0), ==, 0);

  g_assert_cmpint (send (fixture->ends[1], "answer", 6, 0), ==, 6);
  turn ();
  g_assert_cmpint (recv (fixture->ends[0], buffer, sizeof buffer, 0), ==, 6);
  g_assert_cmpuint (fixture->n_over, ==, 0);

  close_end (fixture, 1);
  turn ();
  g_assert_cmpuint (fixture->n_over, ==, 1);
  g_assert_cmpint (recv (fixture->ends[0], buffer, sizeof buffer, 0), ==, 0);
}

/* A side that reads nothing holds the other: what is held here is one chunk. */
static void
test_back_pressure (Fixture *fixture, gconstpointer data)
{
  static char block[64 * 1024], buffer[64 * 1024];
  gsize sent = 0, received = 0;
  gboolean blocked = FALSE;
  gssize n;

  for (int idle = 0; idle < 50; turn ())
    {
      memset (block, (int) (sent / sizeof block) & 0xff, sizeof block);
      n = send (fixture->ends[0], block, sizeof block - sent % sizeof block, 0);
      if (n > 0)
        sent += (gsize) n;
      else
        idle++;
      g_assert_cmpuint (sent, <, 16 * 1024 * 1024);
      blocked = blocked || n < 0;
    }
  g_assert_true (blocked);
  g_assert_cmpint (errno, ==, EAGAIN);

  shutdown (fixture->ends[0], SHUT_WR);
  for (int idle = 0; idle < 1000 && (n = recv (fixture->ends[1], buffer, sizeof buffer, 0)) != 0;
       turn ())
    if (n > 0)
      {
        for (gssize i = 0; i < n; i++)
          g_assert_cmpint ((guint8) buffer[i], ==,
                           (guint8) ((received + (gsize) i) / sizeof block));
        received += (gsize) n;
      }
    else
      idle++;
  g_assert_cmpuint (received, ==, sent);
}

static void
send_with_fd (int socket, const char *text, int fd)
{
  union
  {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control = { 0 };
  struct iovec vector = { (char *) text, strlen (text) };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };

  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN (sizeof (int));
  memcpy (CMSG_DATA (&control.header), &fd, sizeof fd);
  g_assert_cmpint (sendmsg (socket, &message, 0), ==, (int) strlen (text));
}

/* At most one descriptor, and the bytes that came with it. */
static int
receive_with_fd (int socket, char *buffer, gsize size)
{
  union
  {
    struct cmsghdr header;
    char space[CMSG_SPACE (4 * sizeof (int))];
  } control;
  struct iovec vector = { buffer, size - 1 };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };
  gssize n = recvmsg (socket, &message, MSG_CMSG_CLOEXEC);
  int fd = -1;

  g_assert_cmpint (n, >, 0);
  buffer[n] = '\0';
  if (message.msg_controllen > 0)
    {
      g_assert_cmpuint (control.header.cmsg_len, ==, CMSG_LEN (sizeof (int)));
      memcpy (&fd, CMSG_DATA (&control.header), sizeof fd);
    }
  return fd;
}

/* Each with its own bytes, in order. */
static void
test_descriptors (Fixture *fixture, gconstpointer data)
{
  static const char *const texts[] = { "first", "second" };
  char buffer[64];
  int pipes[2][2];

  for (int i = 0; i < 2; i++)
    {
      g_assert_cmpint (pipe (pipes[i]), ==, 0);
      send_with_fd (fixture->ends[0], texts[i], pipes[i][1]);
      close (pipes[i][1]);
    }
  turn ();

  for (int i = 0; i < 2; i++)
    {
      int fd = receive_with_fd (fixture->ends[1], buffer, sizeof buffer);

      g_assert_cmpstr (buffer, ==, texts[i]);
      g_assert_cmpint (fd, >=, 0);
      g_assert_cmpint (write (fd, "x", 1), ==, 1);
      close (fd);
      g_assert_cmpint (read (pipes[i][0], buffer, sizeof buffer), ==, 1);
      /* Nobody else holds it any more. */
      g_assert_cmpint (read (pipes[i][0], buffer, sizeof buffer), ==, 0);
      close (pipes[i][0]);
    }
}

static void
test_freed_early (Fixture *fixture, gconstpointer data)
{
  char buffer[16];
  int pipes[2];

  g_assert_cmpint (pipe (pipes), ==, 0);
  send_with_fd (fixture->ends[0], "never read", pipes[1]);
  close (pipes[1]);
  g_clear_pointer (&fixture->relay, relay_free);
  g_assert_cmpint (recv (fixture->ends[1], buffer, sizeof buffer, 0), ==, 0);
  g_assert_cmpint (read (pipes[0], buffer, sizeof buffer), ==, 0);
  close (pipes[0]);
  g_assert_cmpuint (fixture->n_over, ==, 0);
}

static void
add (const char *path, void (*test) (Fixture *, gconstpointer))
{
  g_test_add (path, Fixture, NULL, set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/client/relay/bytes", test_bytes);
  add ("/client/relay/half-close", test_half_close);
  add ("/client/relay/back-pressure", test_back_pressure);
  add ("/client/relay/descriptors", test_descriptors);
  add ("/client/relay/freed-early", test_freed_early);
  return g_test_run ();
}
