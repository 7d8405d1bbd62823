/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections over a socket pair: pieces, batches, back-pressure, ends, and frees in callbacks. */
#include "connection.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit.h"

typedef struct
{
  sd_event *event;
  Connection *connection;
  int peer; /* the raw other end */
  unsigned n_messages;
  unsigned free_at; /* frees the connection within this message */
  unsigned pause_at;
  uint32_t last_serial;
  size_t last_body_size;
  bool ordered;
  bool closed;
  int reason;
  unsigned n_drained;
  unsigned n_refused;
  unsigned n_refused_known; /* with a good header */
  size_t preamble;          /* bytes of it that are still to come */
} Fixture;

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  Fixture *fixture = user_data;

  fixture->ordered = fixture->ordered && message->header.serial == fixture->last_serial + 1;
  fixture->last_serial = message->header.serial;
  fixture->last_body_size = message->body_size;
  fixture->n_messages++;

  if (fixture->n_messages == fixture->pause_at)
    connection_pause (connection, true);
  if (fixture->n_messages == fixture->free_at)
    {
      g_clear_pointer (&fixture->connection, connection_free);
      /* The message is still there. */
      g_assert_cmpstr (message->header.member, ==, "Member");
    }
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  Fixture *fixture = user_data;

  g_assert_false (fixture->closed);
  fixture->closed = true;
  fixture->reason = reason;
  g_clear_pointer (&fixture->connection, connection_free);
}

static void
on_drained (Connection *connection, void *user_data)
{
  ((Fixture *) user_data)->n_drained++;
}

static ssize_t
on_preamble (Connection *connection, const uint8_t *data, size_t size, void *user_data)
{
  Fixture *fixture = user_data;

  if (data[0] == '!')
    return -EPROTO;
  if (size < fixture->preamble)
    return 0; /* wants it in one piece */
  connection_end_preamble (connection);
  return (ssize_t) fixture->preamble;
}

static bool
on_refused (Connection *connection, const WireHeader *header, WireVerdict verdict, void *user_data)
{
  Fixture *fixture = user_data;

  g_assert_cmpint (verdict, !=, WIRE_OK);
  fixture->n_refused++;
  if (header != NULL)
    {
      g_assert_cmpstr (header->member, ==, "Member");
      fixture->n_refused_known++;
    }
  return true;
}

static const ConnectionHandlers tolerant_handlers = {
  .message = on_message,
  .closed = on_closed,
  .refused = on_refused,
};

static const ConnectionHandlers handlers = {
  .message = on_message,
  .closed = on_closed,
  .drained = on_drained,
};

static const ConnectionHandlers preamble_handlers = {
  .message = on_message,
  .closed = on_closed,
  .preamble = on_preamble,
};

static void
set_up (Fixture *fixture, gconstpointer data)
{
  int fds[2];

  g_assert_cmpint (sd_event_new (&fixture->event), >=, 0);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
  fixture->peer = fds[1];
  fixture->ordered = true;
  g_assert_cmpint (connection_new (fixture->event, stream_new_socket (fds[0]),
                                   data != NULL ? data : &handlers, fixture, &fixture->connection),
                   ==, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  connection_free (fixture->connection);
  if (fixture->peer >= 0)
    close (fixture->peer);
  sd_event_unref (fixture->event);
}

static void
run_loop (Fixture *fixture)
{
  while (sd_event_run (fixture->event, 20000) > 0)
    ;
}

static WireHeader
make_header (uint32_t serial, const char *signature)
{
  return (WireHeader){ .byte_order = 'l',
                       .type = WIRE_METHOD_CALL,
                       .serial = serial,
                       .path = "/path",
                       .member = "Member",
                       .signature = signature };
}

/* Appends a message with `size` bytes in an array. */
static void
append_message (GByteArray *bytes, uint32_t serial, uint32_t size)
{
  const uint8_t length[4] = { (uint8_t) size, (uint8_t) (size >> 8), (uint8_t) (size >> 16),
                              (uint8_t) (size >> 24) };
  uint8_t buffer[256];
  WireHeader header = make_header (serial, "ay");
  size_t n = wire_header_write (&header, size + 4, buffer, sizeof buffer);
  guint start = bytes->len;

  g_assert_cmpuint (n, >, 0);
  g_byte_array_set_size (bytes, start + (guint) n + 4 + size);
  memcpy (bytes->data + start, buffer, n);
  memcpy (bytes->data + start + n, length, 4);
  memset (bytes->data + start + n + 4, 'x', size);
}

/* Writes everything from the peer's end, `step` bytes at a time, running the loop in between. */
static void
feed (Fixture *fixture, const GByteArray *bytes, gsize step)
{
  for (gsize offset = 0; offset < bytes->len && fixture->connection != NULL;)
    {
      ssize_t n =
          send (fixture->peer, bytes->data + offset, MIN (step, bytes->len - offset), MSG_NOSIGNAL);

      if (n > 0)
        offset += (gsize) n;
      else if (errno != EAGAIN)
        break;
      if (n < 0 || step < 4096)
        sd_event_run (fixture->event, 0);
    }
  run_loop (fixture);
}

static void
test_pieces (Fixture *fixture, gconstpointer data)
{
  static const gsize steps[] = { 1, 3, 15, 16, 17, 100 };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  for (uint32_t i = 1; i <= 20; i++)
    append_message (bytes, i, i * 7);

  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      fixture->last_serial = fixture->n_messages = 0;
      feed (fixture, bytes, steps[i]);
      g_assert_cmpuint (fixture->n_messages, ==, 20);
      g_assert_true (fixture->ordered);
    }
}

/* More than one turn's worth in one read; nothing may wait for the peer to say more. */
static void
test_batch (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  for (uint32_t i = 1; i <= 139; i++)
    append_message (bytes, i, 4);
  feed (fixture, bytes, bytes->len);
  g_assert_cmpuint (fixture->n_messages, ==, 139);
  g_assert_true (fixture->ordered);
}

static void
test_large (Fixture *fixture, gconstpointer data)
{
  static const uint32_t sizes[] = { 10, 65536, 3, 5 * 1000 * 1000, 16 * 1024 * 1024 - 256, 0, 1 };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  for (uint32_t i = 0; i < G_N_ELEMENTS (sizes); i++)
    append_message (bytes, i + 1, sizes[i]);
  feed (fixture, bytes, 1 << 20);
  g_assert_cmpuint (fixture->n_messages, ==, G_N_ELEMENTS (sizes));
  g_assert_true (fixture->ordered);
  g_assert_cmpuint (fixture->last_body_size, ==, 5);
}

static void
test_limit (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  connection_set_message_limit (fixture->connection, 1024);
  append_message (bytes, 1, 500);
  append_message (bytes, 2, 1024);
  feed (fixture, bytes, 50);
  g_assert_cmpuint (fixture->n_messages, ==, 1);
  g_assert_true (fixture->closed);
  g_assert_cmpint (fixture->reason, ==, WIRE_TOO_LARGE);
}

static void
test_bad_message (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  append_message (bytes, 1, 10);
  g_byte_array_append (bytes, (const guint8 *) "this is no message at all", 25);
  feed (fixture, bytes, bytes->len);
  g_assert_cmpuint (fixture->n_messages, ==, 1);
  g_assert_true (fixture->closed);
  g_assert_cmpint (fixture->reason, ==, WIRE_BAD_BYTE_ORDER);
}

/* A message whose array is longer than its body says, and whose header is good. */
static void
append_bad_body (GByteArray *bytes)
{
  guint start = bytes->len;

  append_message (bytes, 77, 100);
  bytes->data[bytes->len - 104] = 99;
  g_assert_cmpuint (bytes->len, >, start);
}

/* A message with a header of more than LIMIT_HEADER_SIZE: an unknown field, which is a long array.
 */
static void
append_long_header (GByteArray *bytes)
{
  const uint32_t array = 100 * 1000, fields = 8 + 4 + array;
  uint8_t start[28] = { 'l', WIRE_METHOD_CALL, 0, 1, 0, 0, 0, 0, 77, 0, 0, 0 };

  memcpy (start + 12, &(uint32_t){ GUINT32_TO_LE (fields) }, 4);
  start[16] = 99; /* the field's code; then its signature, “ay”, and the array's length */
  start[17] = 2;
  start[18] = 'a';
  start[19] = 'y';
  memcpy (start + 24, &(uint32_t){ GUINT32_TO_LE (array) }, 4);
  g_byte_array_append (bytes, start, sizeof start);
  g_byte_array_set_size (bytes, bytes->len + array + 4);
  memset (bytes->data + bytes->len - array - 4, 0, array + 4);
}

/* A message of more than LIMIT_MESSAGE_SIZE, whose header is good. */
static void
append_long_body (GByteArray *bytes)
{
  const uint32_t size = 20 * 1024 * 1024;
  guint start = bytes->len, end;

  append_message (bytes, 77, 0);
  end = bytes->len - 4 + size;
  memcpy (bytes->data + start + 4, &(uint32_t){ GUINT32_TO_LE (size) }, 4);
  g_byte_array_set_size (bytes, end);
}

/* What a bus lets through for others must not end the connection; what stands around it passes. */
static void
test_refused (Fixture *fixture, gconstpointer data)
{
  static const gsize steps[] = { 13, 4096, 1 << 20 };

  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();

      fixture->last_serial = fixture->n_messages = 0;
      fixture->n_refused = fixture->n_refused_known = 0;
      append_message (bytes, 1, 10);
      append_bad_body (bytes);
      append_message (bytes, 2, 10);
      append_long_header (bytes);
      append_message (bytes, 3, 10);
      if (steps[i] > 4096)
        append_long_body (bytes);
      append_message (bytes, 4, 10);
      feed (fixture, bytes, steps[i]);
      g_assert_cmpuint (fixture->n_messages, ==, 4);
      g_assert_true (fixture->ordered);
      g_assert_cmpuint (fixture->n_refused, ==, steps[i] > 4096 ? 3 : 2);
      g_assert_cmpuint (fixture->n_refused_known, ==, fixture->n_refused - 1);
      g_assert_false (fixture->closed);
    }
}

/* Where nobody can tell the next message's begin there is nothing to go on with. */
static void
test_refused_frame (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (send (fixture->peer, "lost its frame, this stream", 27, 0), ==, 27);
  run_loop (fixture);
  g_assert_cmpuint (fixture->n_refused, ==, 0);
  g_assert_true (fixture->closed);
}

static void
test_free_in_callback (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  for (uint32_t i = 1; i <= 60; i++)
    append_message (bytes, i, 4);
  fixture->free_at = 40; /* in the second turn, from the connection's own buffer */
  feed (fixture, bytes, bytes->len);
  g_assert_cmpuint (fixture->n_messages, ==, 40);
  g_assert_null (fixture->connection);
  g_assert_false (fixture->closed);
}

static void
test_pause (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  for (uint32_t i = 1; i <= 10; i++)
    append_message (bytes, i, 4);
  fixture->pause_at = 3;
  feed (fixture, bytes, bytes->len);
  g_assert_cmpuint (fixture->n_messages, ==, 3);

  connection_pause (fixture->connection, false);
  run_loop (fixture);
  g_assert_cmpuint (fixture->n_messages, ==, 10);
  g_assert_true (fixture->ordered);
}

static void
test_hang_up_while_paused (Fixture *fixture, gconstpointer data)
{
  connection_pause (fixture->connection, true);
  close (fixture->peer);
  fixture->peer = -1;
  run_loop (fixture);
  g_assert_true (fixture->closed);
  g_assert_cmpint (fixture->reason, ==, 0);
}

static void
test_end (Fixture *fixture, gconstpointer data)
{
  shutdown (fixture->peer, SHUT_WR);
  run_loop (fixture);
  g_assert_true (fixture->closed);
  g_assert_cmpint (fixture->reason, ==, 0);
}

static void
test_abort (Fixture *fixture, gconstpointer data)
{
  WireHeader header = make_header (1, "");

  connection_abort (fixture->connection, -EPROTO);
  connection_abort (fixture->connection, -EIO);
  g_assert_false (fixture->closed);
  g_assert_cmpint (connection_send (fixture->connection, &header, NULL, 0), ==, -ENOTCONN);
  run_loop (fixture);
  g_assert_cmpint (fixture->reason, ==, -EPROTO);
}

/* The queue is bounded, keeps order and bytes, and says when it is empty. */
static void
test_queue (Fixture *fixture, gconstpointer data)
{
  g_autofree uint8_t *body = g_malloc0 (100004);
  g_autoptr (GByteArray) received = g_byte_array_new ();
  uint8_t buffer[65536];
  unsigned n_sent = 0, n_found = 0;
  size_t offset = 0, size;
  int r;

  body[0] = 100000 & 0xff;
  body[1] = (100000 >> 8) & 0xff;
  body[2] = 100000 >> 16;
  do
    {
      WireHeader header = make_header (n_sent + 1, "ay");

      r = connection_send (fixture->connection, &header, body, 100004);
      n_sent += r == 0;
    }
  while (r == 0);
  g_assert_cmpint (r, ==, -ENOBUFS);
  g_assert_cmpuint (connection_get_queued (fixture->connection), <=, LIMIT_QUEUE_SIZE);
  g_assert_cmpuint (connection_get_queued (fixture->connection), >, LIMIT_QUEUE_SIZE / 2);

  while (fixture->n_drained == 0)
    {
      ssize_t n;

      while ((n = recv (fixture->peer, buffer, sizeof buffer, 0)) > 0)
        g_byte_array_append (received, buffer, (guint) n);
      sd_event_run (fixture->event, 0);
    }
  for (ssize_t n; (n = recv (fixture->peer, buffer, sizeof buffer, 0)) > 0;)
    g_byte_array_append (received, buffer, (guint) n);

  for (; offset < received->len; offset += size, n_found++)
    {
      WireMessage message;

      g_assert_cmpint (wire_message_measure (received->data + offset, &size), ==, WIRE_OK);
      g_assert_cmpint (wire_message_parse (received->data + offset, size, &message), ==, WIRE_OK);
      g_assert_cmpuint (message.header.serial, ==, n_found + 1);
    }
  g_assert_cmpuint (n_found, ==, n_sent);
  g_assert_cmpuint (connection_get_queued (fixture->connection), ==, 0);
}

/* Behind the largest message only small errors are queued, and they have an end. */
static void
test_reserve (Fixture *fixture, gconstpointer data)
{
  const uint32_t size = LIMIT_MESSAGE_SIZE - 1024, error_size = 1000;
  g_autofree uint8_t *body = g_malloc0 (size + 4);
  WireHeader header = make_header (1, "ay");
  WireHeader error = { .byte_order = 'l',
                       .type = WIRE_ERROR,
                       .serial = 2,
                       .reply_serial = 1,
                       .error_name = "org.example.Error",
                       .signature = "ay" };
  size_t queued;
  int r;

  for (int i = 0; i < 4; i++)
    body[i] = (uint8_t) (size >> (8 * i));
  g_assert_cmpint (connection_send (fixture->connection, &header, body, size + 4), ==, 0);
  queued = connection_get_queued (fixture->connection);
  g_assert_cmpuint (queued, >, LIMIT_QUEUE_SIZE + LIMIT_QUEUE_RESERVE);
  g_assert_cmpint (connection_send (fixture->connection, &error, body, size + 4), ==, -ENOBUFS);

  for (int i = 0; i < 4; i++)
    body[i] = (uint8_t) (error_size >> (8 * i));
  g_assert_cmpint (connection_send (fixture->connection, &header, body, error_size + 4), ==,
                   -ENOBUFS);
  do
    r = connection_send (fixture->connection, &error, body, error_size + 4);
  while (r == 0);
  g_assert_cmpint (r, ==, -ENOBUFS);
  g_assert_cmpuint (connection_get_queued (fixture->connection), >,
                    queued + LIMIT_QUEUE_RESERVE - 2000);
  g_assert_cmpuint (connection_get_queued (fixture->connection), <=,
                    LIMIT_FLOW_SIZE + LIMIT_MESSAGE_SIZE + LIMIT_QUEUE_RESERVE);
}

/* What does not fit the budget is not sent, or ends the connection; small messages always pass, and
 * what is freed is there again. */
static void
test_budget (Fixture *fixture, gconstpointer data)
{
  ConnectionBudget machine = { .limit = 1024 * 1024 };
  ConnectionBudget user = { .limit = 512 * 1024, .parent = &machine };
  g_autofree uint8_t *body = g_malloc0 (100004);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  WireHeader header = make_header (1, "ay");
  size_t offset = 0;

  body[0] = 100000 & 0xff;
  body[1] = (100000 >> 8) & 0xff;
  body[2] = 100000 >> 16;
  connection_set_budget (fixture->connection, &user);
  while (connection_send (fixture->connection, &header, body, 100004) == 0)
    ;
  g_assert_cmpuint (user.used, <=, user.limit);
  g_assert_cmpuint (user.used, >, user.limit - 110000);
  g_assert_cmpuint (user.used, ==, machine.used);
  g_assert_cmpuint (connection_get_queued (fixture->connection), ==, user.used + LIMIT_FLOW_SIZE);

  /* Another's budget, then nobody's. */
  connection_set_budget (fixture->connection, &machine);
  g_assert_cmpuint (user.used, ==, 0);
  g_assert_cmpuint (machine.used, >, 0);
  connection_set_budget (fixture->connection, NULL);
  g_assert_cmpuint (machine.used, ==, 0);
  connection_set_budget (fixture->connection, &user);

  /* The other direction: the end of this message never comes. */
  append_message (bytes, 1, 2 * 1024 * 1024);
  while (!fixture->closed && offset < bytes->len - 1)
    {
      ssize_t n = send (fixture->peer, bytes->data + offset, bytes->len - 1 - offset, MSG_NOSIGNAL);

      if (n > 0)
        offset += (size_t) n;
      sd_event_run (fixture->event, 0);
    }
  run_loop (fixture);
  g_assert_true (fixture->closed);
  g_assert_cmpint (fixture->reason, ==, -ENOBUFS);
  g_assert_cmpuint (fixture->n_messages, ==, 0);
  g_assert_cmpuint (user.used, ==, 0);
  g_assert_cmpuint (machine.used, ==, 0);
}

/* One that is full does not keep small messages of others from passing. */
static void
test_budget_spent (Fixture *fixture, gconstpointer data)
{
  ConnectionBudget spent = { .used = 1000, .limit = 1000 };
  g_autofree uint8_t *body = g_malloc0 (LIMIT_FLOW_SIZE + 4);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  WireHeader header = make_header (1, "ay");

  connection_set_budget (fixture->connection, &spent);
  body[2] = LIMIT_FLOW_SIZE >> 16;
  g_assert_cmpint (connection_send (fixture->connection, &header, body, LIMIT_FLOW_SIZE + 4), ==,
                   -ENOBUFS);
  body[2] = 1;
  g_assert_cmpint (connection_send (fixture->connection, &header, body, 0x10004), ==, 0);

  append_message (bytes, 1, 100000);
  g_assert_cmpint (send (fixture->peer, bytes->data, bytes->len, 0), ==, bytes->len);
  run_loop (fixture);
  g_assert_cmpuint (fixture->n_messages, ==, 1);
  g_clear_pointer (&fixture->connection, connection_free); /* before the budget */
  g_assert_cmpuint (spent.used, ==, 1000);
}

static void
test_preamble (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  fixture->preamble = 11;
  g_byte_array_append (bytes, (const guint8 *) "hello there", 11);
  append_message (bytes, 1, 10);
  feed (fixture, bytes, 3);
  g_assert_cmpuint (fixture->n_messages, ==, 1);
}

static void
test_bad_preamble (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (send (fixture->peer, "!", 1, 0), ==, 1);
  run_loop (fixture);
  g_assert_true (fixture->closed);
  g_assert_cmpint (fixture->reason, ==, -EPROTO);
}

static void
send_messages (Fixture *fixture, uint32_t n)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  for (uint32_t i = 1; i <= n; i++)
    append_message (bytes, i, 1);
  g_assert_cmpint (send (fixture->peer, bytes->data, bytes->len, MSG_NOSIGNAL), ==, bytes->len);
}

/* A connection that has more than it may handle in a turn has its next ones behind those of others,
 * also when it has had some already. */
static void
test_turns (Fixture *busy, gconstpointer data)
{
  enum
  {
    MANY = 1000,
    SOME = 100
  };
  Fixture quiet = { .event = sd_event_ref (busy->event), .ordered = true };
  int fds[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
  quiet.peer = fds[1];
  g_assert_cmpint (connection_new (quiet.event, stream_new_socket (fds[0]), &handlers, &quiet,
                                   &quiet.connection),
                   ==, 0);

  send_messages (busy, MANY);
  while (busy->n_messages < SOME)
    g_assert_cmpint (sd_event_run (busy->event, 0), >, 0);

  send_messages (&quiet, 1);
  while (quiet.n_messages == 0)
    g_assert_cmpint (sd_event_run (busy->event, 0), >, 0);
  g_assert_cmpuint (busy->n_messages, <, 4 * SOME);

  run_loop (busy);
  g_assert_cmpuint (busy->n_messages, ==, MANY);
  g_assert_true (busy->ordered);
  tear_down (&quiet, NULL);
}

#define ADD(name, data, function)                                                                  \
  g_test_add ("/connection/" name, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("pieces", NULL, test_pieces);
  ADD ("batch", NULL, test_batch);
  ADD ("turns", NULL, test_turns);
  ADD ("large", NULL, test_large);
  ADD ("limit", NULL, test_limit);
  ADD ("bad-message", NULL, test_bad_message);
  ADD ("refused", &tolerant_handlers, test_refused);
  ADD ("refused-frame", &tolerant_handlers, test_refused_frame);
  ADD ("free-in-callback", NULL, test_free_in_callback);
  ADD ("pause", NULL, test_pause);
  ADD ("hang-up-while-paused", NULL, test_hang_up_while_paused);
  ADD ("end", NULL, test_end);
  ADD ("abort", NULL, test_abort);
  ADD ("queue", NULL, test_queue);
  ADD ("reserve", NULL, test_reserve);
  ADD ("budget", NULL, test_budget);
  ADD ("budget-spent", NULL, test_budget_spent);
  ADD ("preamble", &preamble_handlers, test_preamble);
  ADD ("bad-preamble", &preamble_handlers, test_bad_preamble);
  return g_test_run ();
}
