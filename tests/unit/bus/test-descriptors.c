/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors beside messages: whose they are, how many there may be, and that none is left. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "disposal.h"
#include "limit.h"

typedef struct
{
  sd_event *event;
  Connection *near; /* under test */
  int peer;         /* the raw other end */
  unsigned n_open;  /* descriptors of the process before */
  unsigned n_messages;
  unsigned n_refused;
  GArray *values; /* what the received descriptors count, in order (uint64_t) */
  bool leave;     /* the handler does not take them */
  bool free;
  bool closed;
  int reason;
} Fixture;

static unsigned
count_open (void)
{
  DIR *directory = opendir ("/proc/self/fd");
  unsigned n = 0;

  g_assert_nonnull (directory);
  while (readdir (directory) != NULL)
    n++;
  closedir (directory);
  return n;
}

/* Until so many are open: what was passed is closed by and by (disposal.h). */
static void
expect_open (unsigned n)
{
  gint64 end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  while (count_open () != n && g_get_monotonic_time () < end)
    g_usleep (1000);
  g_assert_cmpuint (count_open (), ==, n);
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  Fixture *fixture = user_data;

  fixture->n_messages++;
  if (fixture->free)
    g_clear_pointer (&fixture->near, connection_free);
  else if (!fixture->leave)
    {
      auto_fd_list fds = connection_take_descriptors (connection);

      g_assert_cmpuint (fds.n, ==, message->header.n_descriptors);
      for (size_t i = 0; i < fds.n; i++)
        {
          uint64_t value;

          g_assert_cmpint (fcntl (fds.fds[i], F_GETFD), ==, FD_CLOEXEC);
          g_assert_cmpint (read (fds.fds[i], &value, sizeof value), ==, sizeof value);
          g_array_append_val (fixture->values, value);
        }
    }
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  Fixture *fixture = user_data;

  fixture->closed = true;
  fixture->reason = reason;
  g_clear_pointer (&fixture->near, connection_free);
}

static bool
on_refused (Connection *connection, const WireHeader *header, WireVerdict verdict, void *user_data)
{
  ((Fixture *) user_data)->n_refused++;
  return true;
}

static const ConnectionHandlers handlers = { .message = on_message, .closed = on_closed };
static const ConnectionHandlers tolerant_handlers = {
  .message = on_message,
  .closed = on_closed,
  .refused = on_refused,
};

static void
set_up (Fixture *fixture, gconstpointer data)
{
  int fds[2];

  fixture->n_open = count_open ();
  fixture->values = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  g_assert_cmpint (sd_event_new (&fixture->event), >=, 0);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
  fixture->peer = fds[1];
  g_assert_cmpint (connection_new (fixture->event, stream_new_socket (fds[0]),
                                   data != NULL ? data : &handlers, fixture, &fixture->near),
                   ==, 0);
  connection_pass_descriptors (fixture->near,
                               data != NULL ? LIMIT_SOCKET_DESCRIPTORS : LIMIT_MESSAGE_DESCRIPTORS);
}

/* Whatever happened, no descriptor is left. */
static void
tear_down (Fixture *fixture, gconstpointer data)
{
  connection_free (fixture->near);
  close (fixture->peer);
  sd_event_unref (fixture->event);
  g_array_unref (fixture->values);
  expect_open (fixture->n_open);
}

static void
run_loop (Fixture *fixture)
{
  while (sd_event_run (fixture->event, 20000) > 0)
    ;
}

static WireHeader
make_header (uint32_t serial, unsigned n_descriptors)
{
  return (WireHeader){ .byte_order = 'l',
                       .type = WIRE_METHOD_CALL,
                       .serial = serial,
                       .path = "/path",
                       .member = "Member",
                       .n_descriptors = n_descriptors,
                       .signature = "" };
}

static void
append_message (GByteArray *bytes, unsigned n_descriptors)
{
  WireHeader header = make_header (7, n_descriptors);
  uint8_t buffer[256];

  g_byte_array_append (bytes, buffer,
                       (guint) wire_header_write (&header, 0, buffer, sizeof buffer));
}

/* Descriptors that can be told apart: the next `n` of a row that starts with 1. */
static void
make_descriptors (int *fds, size_t n)
{
  static uint64_t value;

  if (fds == NULL)
    value = 0;
  for (size_t i = 0; i < n; i++)
    {
      fds[i] = eventfd ((unsigned) ++value, EFD_CLOEXEC);
      g_assert_cmpint (fds[i], >=, 0);
    }
}

/* Sends `size` bytes with `n` fresh descriptors beside them. */
static void
send_beside (Fixture *fixture, const uint8_t *data, size_t size, size_t n)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (LIMIT_SOCKET_DESCRIPTORS * sizeof (int))];
  } control = { 0 };
  struct iovec vector = { .iov_base = (void *) data, .iov_len = size };
  struct msghdr message = { .msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = CMSG_SPACE (n * sizeof (int)) };
  struct cmsghdr *header = CMSG_FIRSTHDR (&message);
  int fds[LIMIT_SOCKET_DESCRIPTORS];

  make_descriptors (fds, n);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (n * sizeof (int));
  memcpy (CMSG_DATA (header), fds, n * sizeof (int));
  g_assert_cmpint (sendmsg (fixture->peer, &message, MSG_NOSIGNAL), ==, (ssize_t) size);
  for (size_t i = 0; i < n; i++)
    close (fds[i]);
}

static void
send_message (Fixture *fixture, unsigned announced, size_t n)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  append_message (bytes, announced);
  if (n > 0)
    send_beside (fixture, bytes->data, bytes->len, n);
  else
    g_assert_cmpint (send (fixture->peer, bytes->data, bytes->len, MSG_NOSIGNAL), ==, bytes->len);
}

static void
expect_values (Fixture *fixture, guint n)
{
  g_assert_cmpuint (fixture->values->len, ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (g_array_index (fixture->values, uint64_t, i), ==, i + 1);
}

/* Messages with and without them, all written before any is read. */
static void
test_order (Fixture *fixture, gconstpointer data)
{
  static const unsigned counts[] = { 1, 0, 3, LIMIT_MESSAGE_DESCRIPTORS, 0, 0, 2 };

  make_descriptors (NULL, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (counts); i++)
    send_message (fixture, counts[i], counts[i]);
  run_loop (fixture);
  g_assert_cmpuint (fixture->n_messages, ==, G_N_ELEMENTS (counts));
  expect_values (fixture, 22);
}

/* They come with the first byte, the rest of the message with nothing. */
static void
test_pieces (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  make_descriptors (NULL, 0);
  append_message (bytes, 2);
  send_beside (fixture, bytes->data, 1, 2);
  run_loop (fixture);
  g_assert_cmpuint (fixture->n_messages, ==, 0);
  for (guint i = 1; i < bytes->len; i++)
    {
      g_assert_cmpint (send (fixture->peer, bytes->data + i, 1, MSG_NOSIGNAL), ==, 1);
      run_loop (fixture);
    }
  g_assert_cmpuint (fixture->n_messages, ==, 1);
  expect_values (fixture, 2);
}

/* Each ends the connection with what it says. */
static void
test_wrong (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *name;
    unsigned announced;
    size_t sent;
    int reason;
  } cases[] = {
    { "fewer than announced", 2, 1, WIRE_BAD_DESCRIPTOR },
    { "announced, and none", 1, 0, WIRE_BAD_DESCRIPTOR },
    { "more than a message may have", LIMIT_MESSAGE_DESCRIPTORS + 1, LIMIT_MESSAGE_DESCRIPTORS,
      WIRE_TOO_MANY_DESCRIPTORS },
    { "cut by the kernel", LIMIT_MESSAGE_DESCRIPTORS + 1, LIMIT_MESSAGE_DESCRIPTORS + 1,
      -EMSGSIZE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s", cases[i].name);
      if (i > 0)
        set_up (fixture, data);
      fixture->closed = false;
      send_message (fixture, cases[i].announced, cases[i].sent);
      run_loop (fixture);
      g_assert_true (fixture->closed);
      g_assert_cmpint (fixture->reason, ==, cases[i].reason);
      g_assert_cmpuint (fixture->n_messages, ==, 0);
      if (i + 1 < G_N_ELEMENTS (cases))
        tear_down (fixture, data);
    }
}

/* What nobody asked for is kept for a message only up to a limit. */
static void
test_unasked (Fixture *fixture, gconstpointer data)
{
  for (int i = 0; i < 3 && !fixture->closed; i++)
    {
      g_assert_false (fixture->closed);
      send_message (fixture, 0, LIMIT_MESSAGE_DESCRIPTORS);
      run_loop (fixture);
    }
  g_assert_true (fixture->closed);
  g_assert_cmpint (fixture->reason, ==, -ENOBUFS);
}

static void
test_budget (Fixture *fixture, gconstpointer data)
{
  ConnectionBudget machine = { .descriptor_limit = 3 };
  ConnectionBudget user = { .descriptor_limit = 100, .parent = &machine };

  connection_set_budget (fixture->near, &user);
  send_beside (fixture, (const uint8_t *) "l", 1, 3);
  run_loop (fixture);
  g_assert_false (fixture->closed);
  g_assert_cmpuint (user.n_descriptors, ==, 3);
  g_assert_cmpuint (machine.n_descriptors, ==, 3);

  send_beside (fixture, (const uint8_t *) "\1", 1, 1);
  run_loop (fixture);
  g_assert_true (fixture->closed);
  g_assert_cmpuint (user.n_descriptors, ==, 0);
  g_assert_cmpuint (machine.n_descriptors, ==, 0);
}

static void
test_not_taken (Fixture *fixture, gconstpointer data)
{
  fixture->leave = true;
  send_message (fixture, 3, 3);
  run_loop (fixture);
  g_assert_cmpuint (fixture->n_messages, ==, 1);
  expect_open (fixture->n_open + 3); /* socket pair and event loop */
}

static void
test_freed (Fixture *fixture, gconstpointer data)
{
  fixture->free = true;
  send_message (fixture, 3, 3);
  send_message (fixture, 1, 1);
  run_loop (fixture);
  g_assert_cmpuint (fixture->n_messages, ==, 1);
}

/* A bus may let more through than we take, beside a good message or a bad one: the next message
 * gets its own. */
static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  WireHeader header = make_header (7, 2);
  const uint32_t array = 100 * 1000;
  uint8_t start[28] = { 'l', WIRE_METHOD_CALL, 0, 1, 0, 0, 0, 0, 77, 0, 0, 0 };
  uint8_t buffer[256];

  send_message (fixture, 40, 40);
  run_loop (fixture);
  g_assert_cmpuint (fixture->n_refused, ==, 1);

  /* A body that is not what its signature says. */
  header.signature = "s";
  g_byte_array_append (bytes, buffer,
                       (guint) wire_header_write (&header, 8, buffer, sizeof buffer));
  g_byte_array_append (bytes, (const guint8 *) "\xff\0\0\0\0\0\0", 8);
  send_beside (fixture, bytes->data, bytes->len, 2);
  run_loop (fixture);
  g_assert_cmpuint (fixture->n_refused, ==, 2);

  /* A header of more than LIMIT_HEADER_SIZE, which is not looked into. */
  memcpy (start + 12, &(uint32_t){ GUINT32_TO_LE (8 + 4 + array) }, 4);
  memcpy (start + 16, "\x63\2ay", 4);
  memcpy (start + 24, &(uint32_t){ GUINT32_TO_LE (array) }, 4);
  g_byte_array_set_size (bytes, 0);
  g_byte_array_append (bytes, start, sizeof start);
  g_byte_array_set_size (bytes, sizeof start + array + 4);
  memset (bytes->data + sizeof start, 0, array + 4);
  send_beside (fixture, bytes->data, 1000, 5);
  for (gsize i = 1000; i < bytes->len; i += 1000)
    {
      g_assert_cmpint (
          send (fixture->peer, bytes->data + i, MIN (1000, bytes->len - i), MSG_NOSIGNAL), >, 0);
      run_loop (fixture);
    }
  g_assert_cmpuint (fixture->n_refused, ==, 3);

  make_descriptors (NULL, 0);
  send_message (fixture, 2, 2);
  run_loop (fixture);
  g_assert_false (fixture->closed);
  g_assert_cmpuint (fixture->n_messages, ==, 1);
  expect_values (fixture, 2);
}

/* Whoever was not asked for them is not read any further: what he sent is not even taken. */
static void
test_not_passed (void)
{
  Fixture fixture = { .n_open = count_open () };
  int fds[2];

  fixture.leave = true;
  fixture.values = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  g_assert_cmpint (sd_event_new (&fixture.event), >=, 0);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
  fixture.peer = fds[1];
  g_assert_cmpint (connection_new (fixture.event, stream_new_socket (fds[0]), &handlers, &fixture,
                                   &fixture.near),
                   ==, 0);
  g_assert_false (connection_passes_descriptors (fixture.near));
  send_message (&fixture, 2, 2);
  run_loop (&fixture);
  g_assert_cmpuint (fixture.n_messages, ==, 0);
  g_assert_true (fixture.closed);
  g_assert_cmpint (fixture.reason, ==, -EPROTO);
  tear_down (&fixture, NULL);
}

/* Reads from the peer's end; the descriptors come beside the first byte of their message. */
static size_t
receive (Fixture *fixture, GArray *at, size_t *position)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (LIMIT_SOCKET_DESCRIPTORS * sizeof (int))];
  } control;
  uint8_t buffer[4096];
  struct iovec vector = { .iov_base = buffer, .iov_len = sizeof buffer };
  struct msghdr message = { .msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  ssize_t n = recvmsg (fixture->peer, &message, MSG_DONTWAIT);
  struct cmsghdr *header;

  if (n <= 0)
    return 0;
  header = message.msg_controllen > 0 ? CMSG_FIRSTHDR (&message) : NULL;
  for (size_t i = 0; header != NULL && i < (header->cmsg_len - CMSG_LEN (0)) / sizeof (int); i++)
    {
      uint64_t value;
      int fd;

      memcpy (&fd, CMSG_DATA (header) + i * sizeof fd, sizeof fd);
      g_assert_cmpint (read (fd, &value, sizeof value), ==, sizeof value);
      g_array_append_val (fixture->values, value);
      g_array_append_val (at, *position);
      close (fd);
    }
  *position += (size_t) n;
  return (size_t) n;
}

/* Far more than the socket takes: the queue keeps bytes and descriptors together. */
static void
test_send (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GArray) at = g_array_new (FALSE, FALSE, sizeof (size_t));
  g_autofree uint8_t *body = g_malloc0 (50000);
  size_t position = 0, sent = 0;
  WireHeader header = make_header (1, 0);
  uint8_t buffer[256];

  body[0] = (uint8_t) (49996 & 0xff);
  body[1] = (uint8_t) (49996 >> 8);
  header.signature = "ay";
  make_descriptors (NULL, 0);
  for (int i = 0; i < 40; i++)
    {
      FdList fds = { .n = (size_t) i % 3 };

      make_descriptors (fds.fds, fds.n);
      g_assert_cmpint (connection_send_descriptors (fixture->near, &header, body, 50000, &fds), ==,
                       0);
      g_assert_cmpuint (fds.n, ==, 0);
      header.n_descriptors = (uint32_t) i % 3;
      sent += wire_header_write (&header, 50000, buffer, sizeof buffer) + 50000;
    }
  g_assert_cmpuint (connection_get_queued (fixture->near), >, 1000000);

  while (position < sent)
    if (receive (fixture, at, &position) == 0)
      sd_event_run (fixture->event, 20000);
  g_assert_cmpuint (position, ==, sent);
  expect_values (fixture, 39);
  g_assert_cmpuint (at->len, ==, 39);
}

/* What is not sent stays the caller's; what waits in the queue goes with the connection. */
static void
test_send_too_much (Fixture *fixture, gconstpointer data)
{
  g_autofree uint8_t *body = g_malloc0 (1000000);
  WireHeader header = make_header (1, 0);
  FdList fds = { 0 };
  int r = 0;

  memcpy (body, &(uint32_t){ GUINT32_TO_LE (999996) }, 4);
  header.signature = "ay";
  for (int i = 0; i < 20 && r == 0; i++)
    {
      if (fds.n == 0)
        make_descriptors (fds.fds, fds.n = 2);
      r = connection_send_descriptors (fixture->near, &header, body, 1000000, &fds);
    }
  g_assert_cmpint (r, ==, -ENOBUFS);
  g_assert_cmpuint (fds.n, ==, 2);
  fd_list_clear (&fds);
}

int
main (int argc, char **argv)
{
  fd_dispose_prepare ();
  g_test_init (&argc, &argv, NULL);
#define ADD(name, data, function)                                                                  \
  g_test_add ("/descriptors/" name, Fixture, data, set_up, function, tear_down)
  ADD ("order", NULL, test_order);
  ADD ("pieces", NULL, test_pieces);
  ADD ("wrong", NULL, test_wrong);
  ADD ("unasked", NULL, test_unasked);
  ADD ("budget", NULL, test_budget);
  ADD ("not-taken", NULL, test_not_taken);
  ADD ("freed", NULL, test_freed);
  ADD ("refused", &tolerant_handlers, test_refused);
  ADD ("send", NULL, test_send);
  ADD ("send-too-much", NULL, test_send_too_much);
  g_test_add_func ("/descriptors/not-passed", test_not_passed);
  return g_test_run ();
}
