/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes in one piece goes out in one: messages that are passed on from one connection to
 * another, whose every write is a packet. */
#include "connection.h"

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit.h"

typedef struct
{
  sd_event *event;
  Connection *in;
  Connection *out;
  int in_peer;
  int out_peer;
  unsigned n_messages;
  unsigned free_at; /* frees the second connection within this message */
  unsigned abort_at;
  unsigned pause_at; /* the second connection */
} Fixture;

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  Fixture *fixture = user_data;

  fixture->n_messages++;
  g_assert_cmpint (
      connection_send (fixture->out, &message->header, message->body, message->body_size), ==, 0);
  if (fixture->n_messages == fixture->free_at)
    {
      g_clear_pointer (&fixture->out, connection_free);
      connection_pause (connection, true);
    }
  if (fixture->n_messages == fixture->pause_at)
    connection_pause (fixture->out, true);
  if (fixture->n_messages == fixture->abort_at)
    {
      connection_abort (fixture->out, -EPROTO);
      connection_pause (connection, true);
    }
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  Fixture *fixture = user_data;

  g_assert_true (connection == fixture->out);
  g_clear_pointer (&fixture->out, connection_free);
}

static const ConnectionHandlers handlers = { .message = on_message, .closed = on_closed };

static void
set_up (Fixture *fixture, gconstpointer data)
{
  const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  int fds[2];

  g_assert_cmpint (sd_event_new (&fixture->event), >=, 0);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | flags, 0, fds));
  fixture->in_peer = fds[1];
  g_assert_cmpint (
      connection_new (fixture->event, stream_new_socket (fds[0]), &handlers, fixture, &fixture->in),
      ==, 0);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_SEQPACKET | flags, 0, fds));
  fixture->out_peer = fds[1];
  g_assert_cmpint (connection_new (fixture->event, stream_new_socket (fds[0]), &handlers, fixture,
                                   &fixture->out),
                   ==, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  connection_free (fixture->in);
  connection_free (fixture->out);
  close (fixture->in_peer);
  close (fixture->out_peer);
  sd_event_unref (fixture->event);
}

/* The message with this serial and `size` bytes in an array, at most 64 KiB. */
static void
append_message (GByteArray *bytes, uint32_t serial, uint32_t size)
{
  const WireHeader header = { .byte_order = 'l',
                              .type = WIRE_METHOD_CALL,
                              .serial = serial,
                              .path = "/path",
                              .member = "Member",
                              .signature = "ay" };
  const uint8_t length[4] = { (uint8_t) size, (uint8_t) (size >> 8), 0, 0 };
  uint8_t buffer[256];
  size_t n = wire_header_write (&header, size + 4, buffer, sizeof buffer);

  g_byte_array_append (bytes, buffer, (guint) n);
  g_byte_array_append (bytes, length, 4);
  g_byte_array_set_size (bytes, bytes->len + size);
  memset (bytes->data + bytes->len - size, 'x', size);
}

/* Sends the bytes in one piece. */
static void
feed (Fixture *fixture, const GByteArray *bytes)
{
  g_assert_cmpint (send (fixture->in_peer, bytes->data, bytes->len, MSG_NOSIGNAL), ==, bytes->len);
  while (sd_event_run (fixture->event, 20000) > 0)
    ;
}

/* Reads all that has come out, which must be what `bytes` begins with; returns in how many pieces.
 */
static unsigned
count_pieces (Fixture *fixture, const GByteArray *bytes, gsize expected)
{
  static uint8_t piece[256 * 1024];
  gsize offset = 0;
  unsigned pieces = 0;
  ssize_t n;

  while ((n = recv (fixture->out_peer, piece, sizeof piece, 0)) > 0)
    {
      g_assert_cmpuint (offset + (gsize) n, <=, bytes->len);
      g_assert_cmpmem (piece, (gsize) n, bytes->data + offset, (gsize) n);
      offset += (gsize) n;
      pieces++;
    }

  g_assert_cmpuint (offset, ==, expected);
  return pieces;
}

static void
test_pieces (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    unsigned n;
    uint32_t sizes[40];
    unsigned pieces;
  } cases[] = {
    { 1, { 4 }, 1 },
    { 3, { 4, 100, 0 }, 1 },
    { 2, { 60000, 4 }, 2 },                                       /* a large one waits for nobody */
    { 4, { 4, 4, 60000, 4 }, 3 },                                 /* and overtakes nobody */
    { 8, { 3000, 3000, 3000, 3000, 3000, 3000, 3000, 3000 }, 3 }, /* no more than a record */
    { 40, { 0 }, 2 },                                             /* two turns */
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();

      for (uint32_t j = 0; j < cases[i].n; j++)
        append_message (bytes, j + 1, cases[i].sizes[j]);
      feed (fixture, bytes);
      g_assert_cmpuint (count_pieces (fixture, bytes, bytes->len), ==, cases[i].pieces);
      g_assert_cmpuint (connection_get_queued (fixture->out), ==, 0);
    }
}

/* The start of a message behind the last one holds nothing back: its rest may never come. */
static void
test_incomplete (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gsize whole;

  append_message (bytes, 1, 4);
  whole = bytes->len;
  append_message (bytes, 2, 4);
  g_byte_array_set_size (bytes, bytes->len - 1);
  feed (fixture, bytes);
  g_assert_cmpuint (count_pieces (fixture, bytes, whole), ==, 1);
}

/* What was sent before the end is not lost with it. */
static void
test_end (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gsize sent = 0;

  if (data != NULL)
    fixture->free_at = 2;
  else
    fixture->abort_at = 2;

  for (uint32_t i = 1; i <= 3; i++)
    {
      append_message (bytes, i, 4);
      if (i == 2)
        sent = bytes->len;
    }
  feed (fixture, bytes);
  g_assert_null (fixture->out);
  g_assert_cmpuint (count_pieces (fixture, bytes, sent), ==, 1);
}

/* One that is paused while it keeps something back does not keep the loop awake after. */
static void
test_pause (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  unsigned n = 0;

  fixture->pause_at = 2;
  for (uint32_t i = 1; i <= 3; i++)
    append_message (bytes, i, 4);
  g_assert_cmpint (send (fixture->in_peer, bytes->data, bytes->len, MSG_NOSIGNAL), ==, bytes->len);
  while (sd_event_run (fixture->event, 0) > 0)
    g_assert_cmpuint (n++, <, 100);
  g_assert_cmpuint (count_pieces (fixture, bytes, bytes->len), ==, 1);
}

#define ADD(name, data, function)                                                                  \
  g_test_add ("/cork/" name, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("pieces", NULL, test_pieces);
  ADD ("incomplete", NULL, test_incomplete);
  ADD ("freed", "free", test_end);
  ADD ("aborted", NULL, test_end);
  ADD ("paused", NULL, test_pause);
  return g_test_run ();
}
