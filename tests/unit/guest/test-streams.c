/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's ends of streams: a token opens one descriptor, once, while it is waited for. The
 * agent is a few lines here, the tunnel a socket pair. */
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit.h"

static sd_event *event;
static unsigned n_complaints;
static char owner, other;

sd_event *
agent_get_event (const Agent *agent)
{
  return event;
}

void
agent_complain (Agent *agent, const char *format, ...)
{
  n_complaints++;
}

typedef struct
{
  GuestStreams *streams;
  int far; /* what somebody in the guest has */
  uint8_t token[STREAM_TOKEN_SIZE];
} Fixture;

/* One descriptor that waits for its stream. */
static void
expect_one (Fixture *fixture, const void *of)
{
  g_autoptr (Crossing) crossing = g_new0 (Crossing, 1);
  auto_fd_list fds = { 0 };
  GError *error = NULL;

  crossing->n_streams = crossing->n_descriptors = 1;
  crossing->streams[0].kind = DESCRIPTOR_SOCKET;
  memset (crossing->streams[0].token, 'T', STREAM_TOKEN_SIZE);
  g_assert_true (crossing_open (crossing, event, &fds, &error));
  fixture->far = fd_steal (&fds.fds[0]);
  fds.n = 0;
  memcpy (fixture->token, crossing->streams[0].token, STREAM_TOKEN_SIZE);
  guest_streams_expect (fixture->streams, of, crossing);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  n_complaints = 0;
  guest_streams_wait_usec = LIMIT_STREAM_TIME_USEC;
  g_assert_cmpint (sd_event_new (&event), >=, 0);
  fixture->streams = guest_streams_new (NULL);
  fixture->far = -1;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  guest_streams_free (fixture->streams);
  fd_clear (&fixture->far);
  sd_event_unref (event);
}

/* The host opens a stream; returns its end. */
static int
open_stream (Fixture *fixture)
{
  int fds[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
  guest_streams_take (fixture->streams, stream_new_socket (fds[0]));
  return fds[1];
}

static void
run_loop (void)
{
  while (sd_event_run (event, 20000) > 0)
    ;
}

static void
expect_closed (int fd)
{
  char byte;
  ssize_t n;

  run_loop ();
  n = recv (fd, &byte, 1, MSG_DONTWAIT);
  g_assert_true (n == 0 || (n < 0 && errno != EAGAIN));
  close (fd);
}

static void
expect_word (int fd, const char *word)
{
  char buffer[64];

  run_loop ();
  g_assert_cmpint (recv (fd, buffer, sizeof buffer, MSG_DONTWAIT), ==, (ssize_t) strlen (word));
  g_assert_cmpmem (buffer, strlen (word), word, strlen (word));
}

static void
test_good (Fixture *fixture, gconstpointer data)
{
  int fd;

  expect_one (fixture, &owner);
  fd = open_stream (fixture);
  g_assert_cmpint (write (fd, fixture->token, STREAM_TOKEN_SIZE), ==, STREAM_TOKEN_SIZE);
  g_assert_cmpint (write (fd, "in", 2), ==, 2);
  expect_word (fixture->far, "in");
  g_assert_cmpint (write (fixture->far, "out", 3), ==, 3);
  expect_word (fd, "out");

  /* Once joined it is nobody's but the two ends'. */
  guest_streams_drop_owner (fixture->streams, &owner);
  g_assert_cmpint (write (fd, "on", 2), ==, 2);
  expect_word (fixture->far, "on");
  g_assert_cmpuint (n_complaints, ==, 0);
  guest_streams_close (fixture->streams);
  expect_closed (fd);
}

static void
test_pieces (Fixture *fixture, gconstpointer data)
{
  int fd;

  expect_one (fixture, &owner);
  fd = open_stream (fixture);
  for (int i = 0; i < STREAM_TOKEN_SIZE; i++)
    {
      g_assert_cmpint (write (fd, fixture->token + i, 1), ==, 1);
      run_loop ();
    }
  g_assert_cmpint (write (fd, "in", 2), ==, 2);
  expect_word (fixture->far, "in");
  close (fd);
}

/* Used twice, guessed, or almost right: closed, and told of. */
static void
test_bad_token (Fixture *fixture, gconstpointer data)
{
  int first, second;

  expect_one (fixture, &owner);
  first = open_stream (fixture);
  fixture->token[STREAM_TOKEN_SIZE - 1] ^= 1;
  g_assert_cmpint (write (first, fixture->token, STREAM_TOKEN_SIZE), ==, STREAM_TOKEN_SIZE);
  expect_closed (first);
  g_assert_cmpuint (n_complaints, ==, 1);

  fixture->token[STREAM_TOKEN_SIZE - 1] ^= 1;
  first = open_stream (fixture);
  g_assert_cmpint (write (first, fixture->token, STREAM_TOKEN_SIZE), ==, STREAM_TOKEN_SIZE);
  run_loop ();
  second = open_stream (fixture);
  g_assert_cmpint (write (second, fixture->token, STREAM_TOKEN_SIZE), ==, STREAM_TOKEN_SIZE);
  expect_closed (second);
  g_assert_cmpuint (n_complaints, ==, 2);
  g_assert_cmpint (write (first, "in", 2), ==, 2);
  expect_word (fixture->far, "in");
  close (first);
}

/* Of a channel that is gone. */
static void
test_dropped (Fixture *fixture, gconstpointer data)
{
  int fd;

  expect_one (fixture, &owner);
  guest_streams_drop_owner (fixture->streams, &other);
  guest_streams_drop_owner (fixture->streams, &owner);
  fd = open_stream (fixture);
  g_assert_cmpint (write (fd, fixture->token, STREAM_TOKEN_SIZE), ==, STREAM_TOKEN_SIZE);
  expect_closed (fd);
  expect_closed (fd_steal (&fixture->far));
  g_assert_cmpuint (n_complaints, ==, 1);
}

/* Nobody came for it. */
static void
test_expired (Fixture *fixture, gconstpointer data)
{
  int fd;

  guest_streams_wait_usec = 1000;
  expect_one (fixture, &owner);
  run_loop ();
  fd = open_stream (fixture);
  g_assert_cmpint (write (fd, fixture->token, STREAM_TOKEN_SIZE), ==, STREAM_TOKEN_SIZE);
  expect_closed (fd);
  expect_closed (fd_steal (&fixture->far));
}

/* Streams that say nothing: so many at a time, and each not for long. */
static void
test_nameless (Fixture *fixture, gconstpointer data)
{
  int fds[LIMIT_STREAMS_NAMELESS + 1];
  gint64 end = g_get_monotonic_time () + LIMIT_CHANNEL_TIME_USEC + G_USEC_PER_SEC;

  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
    fds[i] = open_stream (fixture);
  g_assert_cmpuint (n_complaints, ==, 1);
  expect_closed (fds[LIMIT_STREAMS_NAMELESS]);

  while (n_complaints < G_N_ELEMENTS (fds) && g_get_monotonic_time () < end)
    sd_event_run (event, 100000);
  for (gsize i = 0; i < LIMIT_STREAMS_NAMELESS; i++)
    expect_closed (fds[i]);
}

static void
test_room (Fixture *fixture, gconstpointer data)
{
  int fds[LIMIT_STREAMS_CALLER];

  for (int i = 0; i < LIMIT_STREAMS_CALLER; i++)
    {
      g_assert_true (guest_streams_has_room (fixture->streams, &owner, 1));
      expect_one (fixture, &owner);
      fds[i] = fd_steal (&fixture->far);
    }
  g_assert_false (guest_streams_has_room (fixture->streams, &owner, 1));
  g_assert_true (guest_streams_has_room (fixture->streams, &other, LIMIT_STREAMS_CALLER));
  guest_streams_drop_owner (fixture->streams, &owner);
  g_assert_true (guest_streams_has_room (fixture->streams, &owner, LIMIT_STREAMS_CALLER));
  for (int i = 0; i < LIMIT_STREAMS_CALLER; i++)
    close (fds[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
  g_test_add ("/guest/streams/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("good", test_good);
  ADD ("pieces", test_pieces);
  ADD ("bad-token", test_bad_token);
  ADD ("dropped", test_dropped);
  ADD ("expired", test_expired);
  ADD ("nameless", test_nameless);
  ADD ("room", test_room);
  return g_test_run ();
}
