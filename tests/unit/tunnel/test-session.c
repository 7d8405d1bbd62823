/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of sessions as streams: records, back-pressure, ends, and a peer that misbehaves later. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "fixture.h"
#include "limit.h"

typedef struct
{
  Host *host;
  Start *start;
  TunnelContext *guest;
  TunnelContext *bridge;
  Link *link;
  Outcome outcome;
  Stream *near; /* the bridge's end of a session */
  Stream *far;  /* the guest's */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->host = host_new ();
  fixture->start = start_new (fixture->host, "work");
  fixture->guest = context_new (fixture->start->guest);
  fixture->bridge = context_new (fixture->start->bridge);
  fixture->link = link_new (fixture->guest);
  link_meet (fixture->link, fixture->bridge, CHANNEL_STREAM, &fixture->outcome);
  g_assert_no_error (fixture->outcome.error);
  g_assert_no_error (fixture->link->guest.error);
  fixture->near = g_steal_pointer (&fixture->outcome.stream);
  fixture->far = g_steal_pointer (&fixture->link->guest.stream);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  stream_free (fixture->near);
  stream_free (fixture->far);
  outcome_clear (&fixture->outcome);
  link_free (fixture->link);
  tunnel_context_unref (fixture->guest);
  tunnel_context_unref (fixture->bridge);
  start_free (fixture->start);
  host_free (fixture->host);
}

/* Waits for input unless some waits inside; then reads once. */
static ssize_t
read_some (Stream *stream, void *data, size_t size)
{
  struct pollfd poll_fd = { .fd = stream->fd, .events = POLLIN };

  for (;;)
    {
      ssize_t n;

      if (stream_pending (stream) == 0)
        g_assert_cmpint (poll (&poll_fd, 1, 10000), ==, 1);
      n = stream_read (stream, data, size);
      if (n != -EAGAIN)
        return n;
      g_assert_cmpuint (stream_pending (stream), ==, 0);
    }
}

static void
write_all (Stream *stream, const void *data, size_t size)
{
  struct iovec vector = { (void *) data, size };

  g_assert_cmpint (stream_write (stream, &vector, 1), ==, size);
}

static void
assert_read (Stream *stream, const char *expected)
{
  char data[64];
  ssize_t n = read_some (stream, data, sizeof data);

  g_assert_cmpmem (data, n, expected, strlen (expected));
}

static void
test_channels (Fixture *fixture, gconstpointer data)
{
  static const ChannelKind kinds[] = { CHANNEL_BUS, CHANNEL_STREAM, CHANNEL_AGENT };

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      Outcome outcome = { 0 };

      outcome_clear (&fixture->link->guest);
      link_meet (fixture->link, fixture->bridge, kinds[i], &outcome);
      g_assert_no_error (outcome.error);
      g_assert_cmpint (outcome.kind, ==, kinds[i]);
      g_assert_cmpint (fixture->link->guest.kind, ==, kinds[i]);
      write_all (outcome.stream, "there", 5);
      assert_read (fixture->link->guest.stream, "there");
      write_all (fixture->link->guest.stream, "back", 4);
      assert_read (outcome.stream, "back");
      outcome_clear (&outcome);
    }
}

static void
test_suite (Fixture *fixture, gconstpointer data)
{
  gnutls_session_t tls = ((TunnelSession *) fixture->near)->tls;

  g_assert_cmpint (gnutls_protocol_get_version (tls), ==, GNUTLS_TLS1_3);
  g_assert_cmpint (gnutls_cipher_get (tls), ==, GNUTLS_CIPHER_AES_128_GCM);
  g_assert_cmpint (gnutls_group_get (tls), ==, GNUTLS_GROUP_X25519);
  g_assert_cmpint (gnutls_sign_algorithm_get (tls), ==, GNUTLS_SIGN_EDDSA_ED25519);
  g_assert_false (gnutls_session_get_flags (tls) & GNUTLS_SFLAGS_SESSION_TICKET);
}

/* A message in pieces travels as one record: it is read as a whole. */
static void
test_gather (Fixture *fixture, gconstpointer data)
{
  struct iovec vectors[] = { { (void *) "one", 3 },
                             { NULL, 0 },
                             { (void *) " two", 4 },
                             { (void *) " three", 6 },
                             { NULL, 0 } };

  g_assert_cmpint (stream_write (fixture->near, vectors, G_N_ELEMENTS (vectors)), ==, 13);
  assert_read (fixture->far, "one two three");
  g_assert_cmpint (stream_write (fixture->near, vectors, 2), ==, 3);
  assert_read (fixture->far, "one");
  g_assert_cmpint (stream_write (fixture->near, vectors + 1, 1), ==, 0);
  g_assert_cmpint (stream_write (fixture->near, NULL, 0), ==, 0);
  g_assert_cmpint (stream_read (fixture->far, vectors, sizeof vectors), ==, -EAGAIN);
}

/* A record that is read in parts: the rest is told by stream_pending(). */
static void
test_pending (Fixture *fixture, gconstpointer data)
{
  char piece[4];

  g_assert_cmpuint (stream_pending (fixture->far), ==, 0);
  write_all (fixture->near, "abcdefgh", 8);
  write_all (fixture->near, "ij", 2);
  g_assert_cmpint (read_some (fixture->far, piece, 4), ==, 4);
  g_assert_cmpuint (stream_pending (fixture->far), >=, 4);
  g_assert_cmpint (stream_read (fixture->far, piece, 4), ==, 4);
  g_assert_cmpmem (piece, 4, "efgh", 4);
  g_assert_cmpuint (stream_pending (fixture->far), >, 0);
  g_assert_cmpint (stream_read (fixture->far, piece, 4), ==, 2);
  g_assert_cmpuint (stream_pending (fixture->far), ==, 0);
  g_assert_cmpint (stream_read (fixture->far, piece, 4), ==, -EAGAIN);
}

/* One direction of a transfer: bytes that follow from their position, in vectors of odd sizes. */
typedef struct
{
  Stream *stream;
  size_t total;
  size_t sent;
  size_t received;
  unsigned n_blocked;
} Transfer;

static uint8_t
byte_at (size_t position)
{
  return (uint8_t) (position * 7 + (position >> 8) * 3 + (position >> 16));
}

static void
transfer_send (Transfer *transfer, size_t chunk)
{
  g_autofree uint8_t *data = g_malloc (chunk);
  size_t size = MIN (chunk, transfer->total - transfer->sent);
  size_t first = size / 3, second = size / 2;
  struct iovec vectors[] = { { data, first },
                             { data + first, second - first },
                             { data + second, size - second } };
  ssize_t n;

  if (size == 0)
    return;
  for (size_t i = 0; i < size; i++)
    data[i] = byte_at (transfer->sent + i);

  n = stream_write (transfer->stream, vectors, G_N_ELEMENTS (vectors));
  /* The buffer is gone, as a caller's may be that builds its vectors anew. */
  memset (data, 0xee, size);
  if (n == -EAGAIN)
    transfer->n_blocked++;
  else
    {
      g_assert_cmpint (n, >, 0);
      g_assert_cmpint (n, <=, size);
      transfer->n_blocked += (size_t) n < size;
      transfer->sent += (size_t) n;
    }
}

static void
transfer_receive (Transfer *transfer, Stream *stream, size_t chunk)
{
  g_autofree uint8_t *data = g_malloc (chunk);
  ssize_t n = stream_read (stream, data, chunk);

  if (n == -EAGAIN)
    return;
  g_assert_cmpint (n, >, 0);
  for (ssize_t i = 0; i < n; i++)
    if (data[i] != byte_at (transfer->received + (size_t) i))
      g_error ("Byte %zu is wrong", transfer->received + (size_t) i);
  transfer->received += (size_t) n;
}

/* Both ways at once, with small send buffers and readers that lag behind. */
static void
test_back_pressure (Fixture *fixture, gconstpointer data)
{
  Transfer there = { .stream = fixture->near, .total = 6 * 1024 * 1024 + 1 };
  Transfer back = { .stream = fixture->far, .total = 5 * 1024 * 1024 + 3 };
  const int small = 32 * 1024;
  unsigned round = 0;

  setsockopt (fixture->near->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  setsockopt (fixture->far->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);

  while (there.received < there.total || back.received < back.total)
    {
      size_t chunk = 1 + round * 7919 % 70000;

      transfer_send (&there, chunk);
      transfer_send (&back, chunk / 2 + 1);
      if (round % 3 == 0)
        transfer_receive (&there, fixture->far, chunk);
      transfer_receive (&back, fixture->near, 100 + chunk);
      if (round % 3 == 1)
        transfer_receive (&there, fixture->far, 20000);
      round++;
    }

  g_assert_cmpuint (there.n_blocked, >, 10);
  g_assert_cmpuint (back.n_blocked, >, 10);
}

/* After a full socket the last byte of the record in flight is still the caller's, so that no
 * message looks unsent of which a byte has gone out. */
static void
test_held_byte (Fixture *fixture, gconstpointer data)
{
  g_autofree uint8_t *message = g_malloc0 (1000);
  g_autofree uint8_t *received = g_malloc (64 * 1024);
  struct iovec vector = { message, 1000 };
  size_t sent = 0, n_received = 0;
  ssize_t n;

  while ((n = stream_write (fixture->near, &vector, 1)) == 1000)
    sent += 1000;
  g_assert_cmpint (n, ==, 999);
  sent += 999;
  vector = (struct iovec){ message + 999, 1 };
  g_assert_cmpint (stream_write (fixture->near, &vector, 1), ==, -EAGAIN);
  g_assert_cmpint (stream_write (fixture->near, NULL, 0), ==, 0);

  while (n_received < sent + 1)
    {
      n = read_some (fixture->far, received, 64 * 1024);
      g_assert_cmpint (n, >, 0);
      n_received += (size_t) n;
      if (vector.iov_len > 0 && (n = stream_write (fixture->near, &vector, 1)) > 0)
        vector.iov_len = 0;
    }
  g_assert_cmpuint (n_received, ==, sent + 1);
  write_all (fixture->near, "next", 4);
  assert_read (fixture->far, "next");
}

static void
test_half_close (Fixture *fixture, gconstpointer data)
{
  char byte;

  write_all (fixture->near, "last", 4);
  g_assert_cmpint (stream_end (fixture->near), ==, 0);
  assert_read (fixture->far, "last");
  g_assert_cmpint (read_some (fixture->far, &byte, 1), ==, 0);
  g_assert_cmpint (stream_read (fixture->far, &byte, 1), ==, 0);
  write_all (fixture->far, "answer", 6);
  assert_read (fixture->near, "answer");
  g_assert_cmpint (stream_end (fixture->far), ==, 0);
  g_assert_cmpint (read_some (fixture->near, &byte, 1), ==, 0);
  g_assert_null (tunnel_stream_get_failure (fixture->near));
}

static void
test_end (Fixture *fixture, gconstpointer data)
{
  char byte;

  write_all (fixture->near, "last", 4);
  g_clear_pointer (&fixture->near, stream_free);
  assert_read (fixture->far, "last");
  g_assert_cmpint (read_some (fixture->far, &byte, 1), ==, 0);
}

/* A connection that was cut is no end: what was read may lack its tail. */
static void
test_cut (Fixture *fixture, gconstpointer data)
{
  char byte;

  shutdown (fixture->near->fd, SHUT_WR);
  g_assert_cmpint (read_some (fixture->far, &byte, 1), ==, -ECONNRESET);
  g_assert_nonnull (strstr (tunnel_stream_get_failure (fixture->far), "without ending"));
  g_assert_cmpint (stream_read (fixture->far, &byte, 1), ==, -ECONNRESET);
  g_assert_cmpint (stream_write (fixture->far, &(struct iovec){ &byte, 1 }, 1), ==, -ECONNRESET);
  g_assert_cmpuint (stream_pending (fixture->far), ==, 0);
}

/* Bytes that are no record of this session. */
static void
test_forged (Fixture *fixture, gconstpointer data)
{
  static const uint8_t record[] = { 23, 3,  3,  0,  20, 1,  2,  3,  4,  5,  6,  7, 8,
                                    9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 };
  char byte;

  g_assert_cmpint (send (fixture->near->fd, record, sizeof record, 0), ==, sizeof record);
  g_assert_cmpint (read_some (fixture->far, &byte, 1), ==, -EPROTO);
  g_assert_nonnull (tunnel_stream_get_failure (fixture->far));
}

static void
test_empty_records (Fixture *fixture, gconstpointer data)
{
  gnutls_session_t tls = ((TunnelSession *) fixture->near)->tls;

  char byte;
  ssize_t n = -EAGAIN;

  /* One is no end of the stream. */
  g_assert_cmpint (gnutls_record_send2 (tls, "", 0, 1, 0), >=, 0);
  write_all (fixture->near, "x", 1);
  assert_read (fixture->far, "x");

  for (unsigned i = 0; i < 10 * LIMIT_EMPTY_RECORDS; i++)
    g_assert_cmpint (gnutls_record_send2 (tls, "", 0, 1, 0), >=, 0);
  while (n == -EAGAIN)
    n = read_some (fixture->far, &byte, 1);
  g_assert_cmpint (n, ==, -EPROTO);
}

static void
test_key_updates (Fixture *fixture, gconstpointer data)
{
  gnutls_session_t tls = ((TunnelSession *) fixture->near)->tls;

  /* A few are in order, also where the peer asks for ours. */
  for (int i = 0; i < 4; i++)
    {
      g_assert_cmpint (gnutls_session_key_update (tls, i % 2 == 0 ? GNUTLS_KU_PEER : 0), ==, 0);
      write_all (fixture->near, "there", 5);
      assert_read (fixture->far, "there");
      write_all (fixture->far, "back", 4);
      assert_read (fixture->near, "back");
    }
}

static void
test_key_update_flood (Fixture *fixture, gconstpointer data)
{
  gnutls_session_t tls = ((TunnelSession *) fixture->near)->tls;
  /* All at once is too much for GnuTLS, one every 150 ms only for us. */
  bool slow = GPOINTER_TO_INT (data);
  int n_updates = 0;
  char byte;
  ssize_t n = -EAGAIN;

  while (n == -EAGAIN)
    {
      g_assert_cmpint (++n_updates, <=, LIMIT_KEY_UPDATES + 1);
      g_assert_cmpint (gnutls_session_key_update (tls, 0), ==, 0);
      if (slow)
        g_usleep (150 * 1000);
      n = stream_read (fixture->far, &byte, 1);
    }

  g_assert_cmpint (n, ==, -EPROTO);
  g_assert_nonnull (strstr (tunnel_stream_get_failure (fixture->far), "keys too often"));
  g_assert_cmpint (n_updates, >=, 5);
  if (slow)
    g_assert_cmpint (n_updates, ==, LIMIT_KEY_UPDATES + 1);
  link_assert_serves (fixture->link, fixture->bridge);
}

static double
measure (Fixture *fixture, size_t size, int rounds)
{
  g_autofree char *data = g_malloc0 (size);
  int64_t begin = g_get_monotonic_time ();

  for (int i = 0; i < rounds; i++)
    {
      write_all (fixture->near, data, size);
      for (size_t n = 0; n < size;)
        n += (size_t) read_some (fixture->far, data, size - n);
      write_all (fixture->far, data, size);
      for (size_t n = 0; n < size;)
        n += (size_t) read_some (fixture->near, data, size - n);
    }

  return (double) (g_get_monotonic_time () - begin) / rounds;
}

/* No verdict: numbers for the log. Both ends share this thread, so nobody waits to be woken. */
static void
test_speed (Fixture *fixture, gconstpointer data)
{
  const int rounds = 100;
  size_t before = mallinfo2 ().uordblks;
  Outcome outcomes[100] = { 0 };
  Stream *far[100];
  int64_t begin = g_get_monotonic_time ();
  double time;

  for (int i = 0; i < rounds; i++)
    {
      outcome_clear (&fixture->link->guest);
      link_meet (fixture->link, fixture->bridge, CHANNEL_BUS, &outcomes[i]);
      g_assert_no_error (outcomes[i].error);
      far[i] = g_steal_pointer (&fixture->link->guest.stream);
    }
  time = (double) (g_get_monotonic_time () - begin) / rounds;
  g_test_minimized_result (time, "connect and handshake, both ends: %.0f us", time);
  g_test_message ("memory of one end's session: %zu bytes",
                  (mallinfo2 ().uordblks - before) / (size_t) rounds / 2);
  for (int i = 0; i < rounds; i++)
    {
      outcome_clear (&outcomes[i]);
      stream_free (far[i]);
    }

  time = measure (fixture, 16, 2000);
  g_test_minimized_result (time, "round trip of 16 bytes: %.1f us", time);
  time = measure (fixture, 4096, 2000);
  g_test_minimized_result (time, "round trip of 4 KiB: %.1f us", time);
}

static void
add (const char *path, gconstpointer data, void (*function) (Fixture *, gconstpointer))
{
  g_autofree char *whole = g_strconcat ("/session/", path, NULL);

  g_test_add (whole, Fixture, data, set_up, function, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("channels", NULL, test_channels);
  add ("suite", NULL, test_suite);
  add ("gather", NULL, test_gather);
  add ("pending", NULL, test_pending);
  add ("back-pressure", NULL, test_back_pressure);
  add ("held-byte", NULL, test_held_byte);
  add ("half-close", NULL, test_half_close);
  add ("end", NULL, test_end);
  add ("cut", NULL, test_cut);
  add ("forged", NULL, test_forged);
  add ("empty-records", NULL, test_empty_records);
  add ("key-updates", NULL, test_key_updates);
  add ("key-update-flood/fast", GINT_TO_POINTER (0), test_key_update_flood);
  add ("key-update-flood/slow", GINT_TO_POINTER (1), test_key_update_flood);
  add ("speed", NULL, test_speed);
  return g_test_run ();
}
