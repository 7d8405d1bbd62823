/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes through two relays: pipes and sockets both ways, their ends, a reader that stands still. */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chain.h"
#include "descriptor.h"
#include "disposal.h"
#include "limit.h"

#define LARGE ((size_t) 3 * 1024 * 1024 + 17)

typedef struct
{
  Chain chain;
  int near; /* the other end of what was passed */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  chain_init (&fixture->chain);
  fixture->near = -1;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  fd_clear (&fixture->near);
  chain_clear (&fixture->chain);
}

/* Passes the end of a pipe that is read, or written; both ends of the test do not block. */
static void
pass_pipe (Fixture *fixture, DescriptorKind kind)
{
  int passed = kind == DESCRIPTOR_PIPE_READ ? 0 : 1, fds[2];

  g_assert_no_errno (pipe2 (fds, O_CLOEXEC));
  fixture->near = fds[!passed];
  chain_pass (&fixture->chain, kind, fds[passed]);
  set_blocking (fixture->near, FALSE);
  set_blocking (fixture->chain.far, FALSE);
}

static void
pass_socket (Fixture *fixture)
{
  int fds[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  fixture->near = fds[0];
  chain_pass (&fixture->chain, DESCRIPTOR_SOCKET, fds[1]);
  set_blocking (fixture->near, FALSE);
  set_blocking (fixture->chain.far, FALSE);
}

static uint8_t
byte_at (size_t position)
{
  return (uint8_t) (position * 7 + position / 251);
}

/* Writes `size` bytes at one end and reads them at the other. */
static void
move (Chain *chain, int from, int to, size_t size)
{
  gint64 deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  size_t written = 0, got = 0;
  uint8_t buffer[30000];

  while (got < size)
    {
      size_t wanted = MIN (sizeof buffer, size - written);
      ssize_t n;

      for (size_t i = 0; i < wanted; i++)
        buffer[i] = byte_at (written + i);
      n = wanted > 0 ? write (from, buffer, wanted) : 0;
      written += n > 0 ? (size_t) n : 0;

      sd_event_run (chain->event, 0);
      n = read (to, buffer, sizeof buffer);
      g_assert_true (n > 0 || (n < 0 && errno == EAGAIN));
      for (ssize_t i = 0; i < n; i++)
        g_assert_cmpuint (buffer[i], ==, byte_at (got + (size_t) i));
      got += n > 0 ? (size_t) n : 0;
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    }
}

/* What a read gets when the loop has done what it could: the end, or an error. */
static ssize_t
read_end (Chain *chain, int fd)
{
  char byte;
  ssize_t n = -1;

  chain_turn_until (chain, (n = read (fd, &byte, 1)) >= 0 || errno != EAGAIN);
  return n < 0 ? -errno : n;
}

static int
write_end (Chain *chain, int fd)
{
  ssize_t n = 0;

  chain_turn_until (chain, (n = send (fd, "x", 1, MSG_NOSIGNAL)) < 0 && errno == ENOTSOCK
                               ? (n = write (fd, "x", 1)) < 0 && errno != EAGAIN
                               : n < 0 && errno != EAGAIN);
  return -errno;
}

static void
test_pipe_read (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;

  pass_pipe (fixture, DESCRIPTOR_PIPE_READ);
  move (chain, fixture->near, chain->far, LARGE);
  g_assert_true (chain_is_idle (chain));

  /* What was written before the end is read before it. */
  g_assert_cmpint (write (fixture->near, "end", 3), ==, 3);
  fd_clear (&fixture->near);
  chain_expect (chain, chain->far, "end");
  g_assert_cmpint (read_end (chain, chain->far), ==, 0);
  chain_turn_until (chain, chain_is_over (chain));
  g_assert_null (chain->problems[0]);
  g_assert_null (chain->problems[1]);
}

static void
test_pipe_write (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;

  pass_pipe (fixture, DESCRIPTOR_PIPE_WRITE);
  move (chain, chain->far, fixture->near, LARGE);
  g_assert_true (chain_is_idle (chain));
  g_assert_cmpint (write (chain->far, "end", 3), ==, 3);
  fd_clear (&chain->far);
  chain_expect (chain, fixture->near, "end");
  g_assert_cmpint (read_end (chain, fixture->near), ==, 0);
  chain_turn_until (chain, chain_is_over (chain));
}

/* Whoever writes hears that nobody reads, without a word being written. */
static void
test_pipe_unread (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;
  bool read_passed = data != NULL;
  int writer;

  pass_pipe (fixture, read_passed ? DESCRIPTOR_PIPE_READ : DESCRIPTOR_PIPE_WRITE);
  writer = read_passed ? fixture->near : chain->far;
  g_assert_true (chain_is_idle (chain));
  fd_clear (read_passed ? &chain->far : &fixture->near);
  chain_turn_until (chain, chain_is_over (chain));
  g_assert_cmpint (write (writer, "x", 1), <, 0);
  g_assert_cmpint (errno, ==, EPIPE);
}

/* Each direction of a socket ends by itself. */
static void
test_socket (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;

  pass_socket (fixture);
  move (chain, fixture->near, chain->far, LARGE);
  move (chain, chain->far, fixture->near, LARGE);
  g_assert_no_errno (shutdown (fixture->near, SHUT_WR));
  g_assert_cmpint (read_end (chain, chain->far), ==, 0);
  g_assert_true (chain_is_idle (chain));
  g_assert_false (chain_is_over (chain));

  move (chain, chain->far, fixture->near, 500000);
  g_assert_no_errno (shutdown (chain->far, SHUT_WR));
  g_assert_cmpint (read_end (chain, fixture->near), ==, 0);
  chain_turn_until (chain, chain_is_over (chain));
}

/* All that was said is heard, and then that nobody listens. */
static void
test_socket_closed (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;

  pass_socket (fixture);
  g_assert_cmpint (write (fixture->near, "goodbye", 7), ==, 7);
  fd_clear (&fixture->near);
  chain_expect (chain, chain->far, "goodbye");
  g_assert_cmpint (read_end (chain, chain->far), ==, 0);
  g_assert_true (chain_is_idle (chain));
  g_assert_cmpint (write_end (chain, chain->far), ==, -EPIPE);
  chain_turn_until (chain, chain_is_over (chain));
}

/* One side has gone, the other keeps its end and says nothing: the stream does not stay for that.
 */
static void
test_socket_kept (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;

  pass_socket (fixture);
  fd_clear (&fixture->near);
  g_assert_cmpint (read_end (chain, chain->far), ==, 0);
  g_assert_true (chain_is_idle (chain));
  g_assert_false (chain_is_over (chain));
  chain_turn_until (chain, chain->relays[0] == NULL);
  chain_turn_until (chain, chain_is_over (chain));
}

/* What stands between a writer and a reader who does not read is bounded, and nothing spins, also
 * when the writer is gone. */
static void
test_stopped_reader (Fixture *fixture, gconstpointer data)
{
  static uint8_t block[4096];
  Chain *chain = &fixture->chain;
  size_t written = 0, got = 0;
  char buffer[4096];
  ssize_t n;

  if (data != NULL)
    pass_socket (fixture);
  else
    pass_pipe (fixture, DESCRIPTOR_PIPE_READ);

  for (int quiet = 0; quiet < 3;)
    {
      n = write (fixture->near, block, sizeof block);
      written += n > 0 ? (size_t) n : 0;
      if (n < 0 && sd_event_run (chain->event, 20000) == 0)
        quiet++;
      g_assert_cmpuint (written, <, 4 * 1024 * 1024);
    }
  g_assert_true (chain_is_idle (chain));

  fd_clear (&fixture->near);
  while (sd_event_run (chain->event, 20000) > 0)
    ;
  g_assert_true (chain_is_idle (chain));

  while (got < written)
    {
      n = read (chain->far, buffer, sizeof buffer);
      g_assert_true (n > 0 || (n < 0 && errno == EAGAIN));
      got += n > 0 ? (size_t) n : 0;
      sd_event_run (chain->event, 0);
    }
  g_assert_cmpint (read_end (chain, chain->far), ==, 0);
}

/* The tunnel breaks in the middle. */
static void
test_broken (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;

  pass_pipe (fixture, DESCRIPTOR_PIPE_READ);
  move (chain, fixture->near, chain->far, 1000);
  g_clear_pointer (&chain->relays[0], relay_free);
  g_assert_cmpint (read_end (chain, chain->far), ==, 0);
  g_assert_cmpint (write (fixture->near, "x", 1), <, 0);
  g_assert_cmpint (errno, ==, EPIPE);
}

typedef struct
{
  Relay *relay;
  const char *problem;
} Lone;

static void
on_lone_closed (Relay *relay, const char *problem, void *user_data)
{
  Lone *lone = user_data;

  lone->problem = problem != NULL ? problem : "";
  g_clear_pointer (&lone->relay, relay_free);
}

/* A stream says its first words before all, and takes none against its direction. */
static void
test_first_and_wrong (Fixture *fixture, gconstpointer data)
{
  sd_event *event = fixture->chain.event;
  Lone lone = { 0 };
  RelayEnd *end;
  int sockets[2];
  char buffer[32];

  g_assert_cmpint (
      relay_end_new_counterpart (event, DESCRIPTOR_PIPE_WRITE, 0, &end, &fixture->chain.far), ==,
      0);
  g_assert_cmpint (write (fixture->chain.far, " then", 5), ==, 5);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets));
  g_assert_cmpint (relay_new (event, end, stream_new_socket (sockets[0]), "first", 5,
                              on_lone_closed, &lone, &lone.relay),
                   ==, 0);
  chain_expect (&fixture->chain, sockets[1], "first then");

  g_assert_cmpint (write (sockets[1], "x", 1), ==, 1);
  chain_turn_until (&fixture->chain, lone.relay == NULL);
  g_assert_nonnull (strstr (lone.problem, "against its direction"));
  g_assert_cmpint (read (sockets[1], buffer, sizeof buffer), ==, 0);
  close (sockets[1]);
}

/* Whoever passed a pipe may go on using it: it blocks as before, and who takes what the relay was
 * promised does not stop the loop. */
static void
test_foreign (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;
  int fds[2], copy;
  char byte;

  g_assert_no_errno (pipe2 (fds, O_CLOEXEC));
  copy = fcntl (fds[0], F_DUPFD_CLOEXEC, 3);
  fixture->near = fds[1];
  chain_pass (chain, DESCRIPTOR_PIPE_READ, fds[0]);
  set_blocking (chain->far, FALSE);
  g_assert_true (chain_is_idle (chain));
  g_assert_cmpint (fcntl (copy, F_GETFL) & O_NONBLOCK, ==, 0);

  /* The relay is woken up for a byte that is gone when it comes to read it. */
  alarm (10);
  for (int i = 0; i < 1000; i++)
    {
      g_assert_cmpint (write (fixture->near, "x", 1), ==, 1);
      g_assert_cmpint (sd_event_prepare (chain->event), >=, 0);
      g_assert_cmpint (sd_event_wait (chain->event, 0), >=, 0);
      g_assert_cmpint (read (copy, &byte, 1), ==, 1);
      g_assert_cmpint (sd_event_dispatch (chain->event), >=, 0);
    }
  alarm (0);
  close (copy);
}

int
main (int argc, char **argv)
{
  signal (SIGPIPE, SIG_IGN);
  fd_dispose_prepare ();
  g_test_init (&argc, &argv, NULL);
#define ADD(name, data, function)                                                                  \
  g_test_add ("/relay/" name, Fixture, data, set_up, function, tear_down)
  {
    /* What writes to foreign pipes keeps a pipe of its own from the first time on. */
    Chain chain;
    int fds[2];

    chain_init (&chain);
    g_assert_no_errno (pipe2 (fds, O_CLOEXEC));
    chain_pass (&chain, DESCRIPTOR_PIPE_WRITE, fds[1]);
    g_assert_cmpint (write (chain.far, "x", 1), ==, 1);
    set_blocking (fds[0], FALSE);
    chain_expect (&chain, fds[0], "x");
    close (fds[0]);
    chain.n_open += 2;
    chain_clear (&chain);
  }
  ADD ("pipe-read", NULL, test_pipe_read);
  ADD ("pipe-write", NULL, test_pipe_write);
  ADD ("pipe-read-unread", "read", test_pipe_unread);
  ADD ("pipe-write-unread", NULL, test_pipe_unread);
  ADD ("socket", NULL, test_socket);
  ADD ("socket-closed", NULL, test_socket_closed);
  ADD ("socket-kept", NULL, test_socket_kept);
  ADD ("stopped-reader/pipe", NULL, test_stopped_reader);
  ADD ("stopped-reader/socket", "socket", test_stopped_reader);
  ADD ("broken", NULL, test_broken);
  ADD ("first-and-wrong", NULL, test_first_and_wrong);
  ADD ("foreign", NULL, test_foreign);
  return g_test_run ();
}
