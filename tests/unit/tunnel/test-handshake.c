/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of refusals: each peer that is wrong in one way is refused for that reason, and the right
 * one is served afterwards. */
#include <arpa/inet.h>
#include <errno.h>
#include <gio/gio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"
#include "fixture.h"
#include "limit.h"

/* What the two ends hold for a test, of several starts. */
typedef struct
{
  Host *host;
  Host *other_host;
  Start *today;
  Start *yesterday;
  Start *other_machine;
  Start *foreign;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->host = host_new ();
  fixture->other_host = host_new ();
  fixture->today = start_new (fixture->host, "work");
  fixture->yesterday = start_new (fixture->host, "work");
  fixture->other_machine = start_new (fixture->host, "other");
  fixture->foreign = start_new (fixture->other_host, "work");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  start_free (fixture->today);
  start_free (fixture->yesterday);
  start_free (fixture->other_machine);
  start_free (fixture->foreign);
  host_free (fixture->host);
  host_free (fixture->other_host);
}

/* The wrong identities. */
static void
guest_of_other_machine (Fixture *f)
{
  g_clear_pointer (&f->today->guest, identity_free);
  f->today->guest = g_steal_pointer (&f->other_machine->guest);
}

static void
guest_of_yesterday (Fixture *f)
{
  g_clear_pointer (&f->today->guest, identity_free);
  f->today->guest = g_steal_pointer (&f->yesterday->guest);
}

static void
guest_of_other_host (Fixture *f)
{
  g_clear_pointer (&f->today->guest, identity_free);
  f->today->guest = g_steal_pointer (&f->foreign->guest);
}

/* The bridge's key is another's; the guest's own is as it should be. */
static void
bridge_of_other_machine (Fixture *f)
{
  identity_wear (f->today->bridge, f->other_machine->bridge);
}

static void
bridge_of_yesterday (Fixture *f)
{
  identity_wear (f->today->bridge, f->yesterday->bridge);
}

static void
bridge_of_other_host (Fixture *f)
{
  identity_wear (f->today->bridge, f->foreign->bridge);
}

static void
bridge_of_guest (Fixture *f)
{
  identity_wear (f->today->bridge, f->today->guest);
}

/* The same with the right pin, so that what comes after the pin has to tell. */
static void
pinned_bridge_of_other_machine (Fixture *f)
{
  bridge_of_other_machine (f);
  identity_pin (f->today->guest, f->today->bridge);
}

static void
pinned_bridge_of_yesterday (Fixture *f)
{
  bridge_of_yesterday (f);
  identity_pin (f->today->guest, f->today->bridge);
}

static void
pinned_bridge_of_other_host (Fixture *f)
{
  bridge_of_other_host (f);
  identity_pin (f->today->guest, f->today->bridge);
}

static void
pinned_bridge_of_guest (Fixture *f)
{
  bridge_of_guest (f);
  identity_pin (f->today->guest, f->today->bridge);
}

static void
bridge_of_other_link (Fixture *f)
{
  f->today->guest->interface[5] ^= 1;
}

static void
pinned_guest (Fixture *f, Identity *worn)
{
  identity_wear (f->today->guest, worn);
  identity_pin (f->today->bridge, worn);
}

static void
pinned_guest_of_other_machine (Fixture *f)
{
  pinned_guest (f, f->other_machine->guest);
}

static void
pinned_guest_of_yesterday (Fixture *f)
{
  pinned_guest (f, f->yesterday->guest);
}

static void
pinned_guest_of_other_host (Fixture *f)
{
  pinned_guest (f, f->foreign->guest);
}

static void
pinned_guest_of_bridge (Fixture *f)
{
  pinned_guest (f, f->yesterday->bridge);
}

static void
guest_of_other_link (Fixture *f)
{
  f->today->bridge->interface[5] ^= 1;
}

typedef struct
{
  const char *name;
  void (*spoil) (Fixture *fixture);
  bool guest_refuses; /* else the bridge does */
  TunnelError code;
  const char *message;
} WrongIdentity;

static const WrongIdentity wrong_identities[] = {
  { "guest/other machine", guest_of_other_machine, false, TUNNEL_ERROR_PIN, "*guest*pin*" },
  { "guest/yesterday", guest_of_yesterday, false, TUNNEL_ERROR_PIN, "*guest*pin*" },
  { "guest/other host", guest_of_other_host, false, TUNNEL_ERROR_PIN, "*guest*pin*" },
  { "guest/other machine, pinned", pinned_guest_of_other_machine, false, TUNNEL_ERROR_MACHINE,
    "*another machine" },
  { "guest/yesterday, pinned", pinned_guest_of_yesterday, false, TUNNEL_ERROR_START,
    "*another start" },
  { "guest/other host, pinned", pinned_guest_of_other_host, false, TUNNEL_ERROR_AUTHORITY,
    "*not issued by this host's CA" },
  { "guest/bridge's role, pinned", pinned_guest_of_bridge, false, TUNNEL_ERROR_PURPOSE,
    "*other role" },
  { "guest/other link", guest_of_other_link, false, TUNNEL_ERROR_INTERFACE, "*control link" },
  { "bridge/other machine", bridge_of_other_machine, true, TUNNEL_ERROR_PIN, "*bridge*pin*" },
  { "bridge/yesterday", bridge_of_yesterday, true, TUNNEL_ERROR_PIN, "*bridge*pin*" },
  { "bridge/other host", bridge_of_other_host, true, TUNNEL_ERROR_PIN, "*bridge*pin*" },
  { "bridge/guest's role", bridge_of_guest, true, TUNNEL_ERROR_PIN, "*bridge*pin*" },
  { "bridge/other machine, pinned", pinned_bridge_of_other_machine, true, TUNNEL_ERROR_MACHINE,
    "*another machine" },
  { "bridge/yesterday, pinned", pinned_bridge_of_yesterday, true, TUNNEL_ERROR_START,
    "*another start" },
  { "bridge/other host, pinned", pinned_bridge_of_other_host, true, TUNNEL_ERROR_AUTHORITY,
    "*not issued by this host's CA" },
  { "bridge/guest's role, pinned", pinned_bridge_of_guest, true, TUNNEL_ERROR_PURPOSE,
    "*other role" },
  { "bridge/other link", bridge_of_other_link, true, TUNNEL_ERROR_INTERFACE, "*control link" },
};

static void
assert_refusal (const GError *error, int code, const char *message)
{
  g_assert_error (error, TUNNEL_ERROR, code);
  if (message != NULL && !g_pattern_match_simple (message, error->message))
    g_error ("“%s” does not match “%s”", error->message, message);
}

/* What the guest refuses the bridge hears of at its first read. */
static void
assert_refused_by_guest (Stream *stream)
{
  struct pollfd poll_fd = { .fd = stream->fd, .events = POLLIN };
  char byte;
  ssize_t n;

  g_assert_cmpint (poll (&poll_fd, 1, 5000), ==, 1);
  n = stream_read (stream, &byte, 1);
  g_assert_true (n == -EPROTO || n == -ECONNRESET);
  g_assert_nonnull (tunnel_stream_get_failure (stream));
}

static void
test_wrong_identity (Fixture *fixture, gconstpointer data)
{
  const WrongIdentity *wrong = data;
  g_autoptr (TunnelContext) guest = NULL;
  g_autoptr (TunnelContext) bridge = NULL;
  Link *link;

  wrong->spoil (fixture);
  guest = context_new (fixture->today->guest);
  bridge = context_new (fixture->today->bridge);
  link = link_new (guest);

  /* More often than a listener takes at a time, so that a lost slot would show. */
  for (int i = 0; i < LIMIT_HANDSHAKES_MACHINE + 2; i++)
    {
      Outcome outcome = { 0 };

      link_meet (link, bridge, CHANNEL_BUS, &outcome);
      g_assert_null (link->guest.stream);
      if (wrong->guest_refuses)
        {
          assert_refusal (link->guest.error, wrong->code, wrong->message);
          g_assert_no_error (outcome.error);
          assert_refused_by_guest (outcome.stream);
        }
      else
        {
          assert_refusal (outcome.error, wrong->code, wrong->message);
          assert_refusal (link->guest.error, TUNNEL_ERROR_REFUSED, NULL);
        }
      g_assert_true (tunnel_error_is_refusal (link->guest.error));
      outcome_clear (&outcome);
      outcome_clear (&link->guest);
    }

  link_free (link);
}

/* A peer of another make, in a thread of its own, with blocking calls. */
typedef struct
{
  struct sockaddr_in6 address;
  const Identity *identity;
  gint end; /* non-zero: the test is over */
} Raw;

static int
raw_connect (const Raw *raw)
{
  int fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct timeval patience = { .tv_sec = 5 };

  g_assert_cmpint (connect (fd, (const struct sockaddr *) &raw->address, sizeof raw->address), ==,
                   0);
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

static void
raw_send (const Raw *raw, const void *data, size_t size)
{
  auto_fd fd = raw_connect (raw);
  char buffer[256];

  g_assert_cmpint (send (fd, data, size, MSG_NOSIGNAL), ==, size);
  while (recv (fd, buffer, sizeof buffer, 0) > 0)
    ;
}

static void
raw_plain (Raw *raw)
{
  raw_send (raw, "GET / HTTP/1.1\r\nHost: guest\r\n\r\n", 31);
}

static void
raw_garbage (Raw *raw)
{
  uint8_t data[9] = { 22, 3, 1, 0, 4, 99, 0, 0, 0 };

  raw_send (raw, data, sizeof data);
}

static void
raw_silent (Raw *raw)
{
  raw_send (raw, "", 0);
}

static void
raw_stalled (Raw *raw)
{
  raw_send (raw, "\x16\x03\x01\x02", 4);
}

static void
raw_closing (Raw *raw)
{
  auto_fd fd = raw_connect (raw);
}

/* One message that is huge. */
static void
raw_large_message (Raw *raw)
{
  static uint8_t data[5 + RECORD_SIZE] = { 22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff };

  raw_send (raw, data, sizeof data);
}

/* One that keeps to the size, in records of a byte each. */
static void
raw_many_records (Raw *raw)
{
  auto_fd fd = raw_connect (raw);
  const uint8_t head[] = { 1, 0, 0x3f, 0xf0 };
  char buffer[256];

  for (size_t i = 0; i < LIMIT_HANDSHAKE_SIZE / 6 + 2; i++)
    {
      const uint8_t record[] = { 22, 3, 1, 0, 1, i < sizeof head ? head[i] : 0 };

      if (send (fd, record, sizeof record, MSG_NOSIGNAL) < 0)
        return;
    }
  while (recv (fd, buffer, sizeof buffer, 0) > 0)
    ;
}

/* A handshake over `fd`; the verdict is the other side's to give. */
static void
raw_handshake (const Raw *raw, int fd, unsigned flags, const char *priorities, const char *protocol,
               bool certificate)
{
  gnutls_session_t tls;
  gnutls_certificate_credentials_t credentials;
  gnutls_datum_t pem = { (unsigned char *) raw->identity->certificate,
                         (unsigned) strlen (raw->identity->certificate) };
  gnutls_datum_t key = { (unsigned char *) raw->identity->key,
                         (unsigned) strlen (raw->identity->key) };
  char byte;
  int r;

  gnutls_certificate_allocate_credentials (&credentials);
  if (certificate)
    g_assert_cmpint (
        gnutls_certificate_set_x509_key_mem (credentials, &pem, &key, GNUTLS_X509_FMT_PEM), ==, 0);
  gnutls_init (&tls, flags | GNUTLS_NO_SIGNAL);
  g_assert_cmpint (gnutls_priority_set_direct (tls, priorities, NULL), ==, 0);
  gnutls_credentials_set (tls, GNUTLS_CRD_CERTIFICATE, credentials);
  if (protocol != NULL)
    {
      gnutls_datum_t name = { (unsigned char *) protocol, (unsigned) strlen (protocol) };

      gnutls_alpn_set_protocols (tls, &name, 1, 0);
    }
  gnutls_transport_set_int (tls, fd);

  do
    r = gnutls_handshake (tls);
  while (r == GNUTLS_E_INTERRUPTED);
  if (r >= 0)
    gnutls_record_recv (tls, &byte, 1);
  else
    gnutls_alert_send_appropriate (tls, r);
  gnutls_deinit (tls);
  gnutls_certificate_free_credentials (credentials);
}

#define NEW_TLS "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define OLD_TLS "NORMAL:-VERS-ALL:+VERS-TLS1.2"

static void
raw_client (const Raw *raw, const char *priorities, const char *protocol, bool certificate)
{
  auto_fd fd = raw_connect (raw);

  raw_handshake (raw, fd, GNUTLS_CLIENT, priorities, protocol, certificate);
}

static void
raw_old_tls (Raw *raw)
{
  raw_client (raw, OLD_TLS, "tombolo-bus/1", true);
}

static void
raw_no_channel (Raw *raw)
{
  raw_client (raw, NEW_TLS, NULL, true);
}

static void
raw_unknown_channel (Raw *raw)
{
  raw_client (raw, NEW_TLS, "h2", true);
}

static void
raw_no_certificate (Raw *raw)
{
  raw_client (raw, NEW_TLS, "tombolo-bus/1", false);
}

typedef struct
{
  const char *name;
  void (*run) (Raw *raw);
  TunnelError code;
  const char *message;
} WrongPeer;

static const WrongPeer wrong_clients[] = {
  { "plain text", raw_plain, TUNNEL_ERROR_NOT_TLS, "*bridge*does not speak TLS" },
  { "garbage", raw_garbage, TUNNEL_ERROR_FAILED, "*handshake with the bridge failed*" },
  { "silent", raw_silent, TUNNEL_ERROR_TIMED_OUT, "*not done within 300 ms" },
  { "stalled", raw_stalled, TUNNEL_ERROR_TIMED_OUT, "*not done within 300 ms" },
  { "closing", raw_closing, TUNNEL_ERROR_CLOSED, "*closed the connection*" },
  { "large message", raw_large_message, TUNNEL_ERROR_TOO_LARGE, "*larger than 16384 bytes" },
  { "many records", raw_many_records, TUNNEL_ERROR_TOO_LARGE, "*larger than 16384 bytes" },
  { "TLS 1.2", raw_old_tls, TUNNEL_ERROR_VERSION, "*does not speak TLS 1.3" },
  { "no channel", raw_no_channel, TUNNEL_ERROR_CHANNEL, "*no channel*" },
  { "unknown channel", raw_unknown_channel, TUNNEL_ERROR_CHANNEL, "*no channel*" },
  { "no certificate", raw_no_certificate, TUNNEL_ERROR_NO_CERTIFICATE, "*no certificate" },
};

typedef struct
{
  const WrongPeer *peer;
  Raw *raw;
} Thread;

static gpointer
run_peer (gpointer data)
{
  Thread *thread = data;

  thread->peer->run (thread->raw);
  return NULL;
}

static void
test_wrong_client (Fixture *fixture, gconstpointer data)
{
  const WrongPeer *peer = data;
  g_autoptr (TunnelContext) guest = context_new (fixture->today->guest);
  g_autoptr (TunnelContext) bridge = context_new (fixture->today->bridge);
  Link *link = link_new (guest);
  Raw raw = { .address = link_address (link), .identity = fixture->today->bridge };
  Thread thread = { peer, &raw };

  for (int i = 0; i < LIMIT_HANDSHAKES_MACHINE + 1; i++)
    {
      GThread *runs = g_thread_new ("peer", run_peer, &thread);

      loop_until (link->event, &link->guest.n_calls, 1);
      g_assert_null (link->guest.stream);
      assert_refusal (link->guest.error, (int) peer->code, peer->message);
      outcome_clear (&link->guest);
      g_thread_join (runs);
    }

  link_assert_serves (link, bridge);
  link_free (link);
}

/* Two that stall take all places; the right one waits for them to run out of time, not longer. */
static void
test_crowd (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TunnelContext) guest = context_new (fixture->today->guest);
  g_autoptr (TunnelContext) bridge = context_new (fixture->today->bridge);
  Link *link = link_new (guest);
  Raw raw = { .address = link_address (link) };
  int fds[LIMIT_HANDSHAKES_MACHINE];
  Outcome outcome = { 0 };
  TunnelAttempt *attempt;

  for (int i = 0; i < LIMIT_HANDSHAKES_MACHINE; i++)
    fds[i] = raw_connect (&raw);
  loop_for (link->event, 50 * 1000);
  attempt = link_connect (link, bridge, CHANNEL_BUS, &outcome);
  /* The places are taken and the loop rests. */
  g_assert_cmpuint (loop_for (link->event, 100 * 1000), <=, 4);
  g_assert_cmpuint (outcome.n_calls, ==, 0);

  loop_until (link->event, &link->guest.n_calls, LIMIT_HANDSHAKES_MACHINE + 1);
  loop_until (link->event, &outcome.n_calls, 1);
  assert_refusal (link->guest.error, TUNNEL_ERROR_TIMED_OUT, NULL);
  g_assert_nonnull (link->guest.stream);
  g_assert_nonnull (outcome.stream);

  for (int i = 0; i < LIMIT_HANDSHAKES_MACHINE; i++)
    close (fds[i]);
  tunnel_attempt_free (attempt);
  outcome_clear (&outcome);
  link_free (link);
}

/* Servers that a bridge may meet in place of its guest. */
typedef struct
{
  const char *name;
  TunnelError code;
  const char *message;
  const char *banner;     /* plain text, or */
  const char *priorities; /* TLS, or neither: silence */
  const char *protocol;
} WrongServer;

static const WrongServer wrong_servers[] = {
  { "plain text", TUNNEL_ERROR_NOT_TLS, "*guest*does not speak TLS", "SSH-2.0-x\r\n", NULL, NULL },
  { "silent", TUNNEL_ERROR_TIMED_OUT, "*guest*not done within 300 ms", NULL, NULL, NULL },
  { "TLS 1.2", TUNNEL_ERROR_VERSION, "*guest*does not speak TLS 1.3", NULL, OLD_TLS,
    "tombolo-bus/1" },
  { "no channel", TUNNEL_ERROR_CHANNEL, "*guest*no channel*", NULL, NEW_TLS, NULL },
  { "other channel", TUNNEL_ERROR_CHANNEL, "*guest*no channel*", NULL, NEW_TLS, "h2" },
};

typedef struct
{
  const WrongServer *server;
  Raw *raw;
  int fd; /* listens */
} ServerThread;

static gpointer
run_server (gpointer data)
{
  ServerThread *thread = data;
  auto_fd fd = accept (thread->fd, NULL, NULL);
  char buffer[256];

  g_assert_cmpint (fd, >=, 0);
  if (thread->server->priorities != NULL)
    raw_handshake (thread->raw, fd, GNUTLS_SERVER, thread->server->priorities,
                   thread->server->protocol, true);
  else
    {
      if (thread->server->banner != NULL)
        send (fd, thread->server->banner, strlen (thread->server->banner), MSG_NOSIGNAL);
      while (recv (fd, buffer, sizeof buffer, 0) > 0)
        ;
    }
  return NULL;
}

static void
on_done (Stream *stream, ChannelKind kind, const GError *error, void *user_data)
{
  Outcome *outcome = user_data;

  outcome->n_calls++;
  outcome->stream = stream;
  outcome->error = error != NULL ? g_error_copy (error) : NULL;
}

static void
test_wrong_server (Fixture *fixture, gconstpointer data)
{
  const WrongServer *server = data;
  g_autoptr (TunnelContext) bridge = context_new (fixture->today->bridge);
  sd_event *event;
  Raw raw = { .identity = fixture->today->guest,
              .address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT } };
  auto_fd fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ServerThread thread = { server, &raw, fd };
  socklen_t size = sizeof raw.address;
  TunnelOptions options = tunnel_options;
  TunnelAttempt *attempt = NULL;
  Outcome outcome = { 0 };
  GThread *runs;

  g_assert_cmpint (bind (fd, (struct sockaddr *) &raw.address, size), ==, 0);
  g_assert_cmpint (listen (fd, 1), ==, 0);
  getsockname (fd, (struct sockaddr *) &raw.address, &size);
  options.handshake_usec = 300 * 1000;
  g_assert_cmpint (sd_event_new (&event), >=, 0);
  g_assert_cmpint (tunnel_connect_full (event, bridge, &raw.address, CHANNEL_BUS, &options, on_done,
                                        &outcome, &attempt),
                   ==, 0);
  runs = g_thread_new ("server", run_server, &thread);
  loop_until (event, &outcome.n_calls, 1);
  g_assert_null (outcome.stream);
  assert_refusal (outcome.error, (int) server->code, server->message);
  g_thread_join (runs);
  tunnel_attempt_free (attempt);
  outcome_clear (&outcome);
  sd_event_unref (event);
}

static void
add (const char *group, const char *name, gconstpointer data,
     void (*function) (Fixture *, gconstpointer))
{
  g_autofree char *path = g_strconcat ("/handshake/", group, "/", name, NULL);

  g_test_add (path, Fixture, data, set_up, function, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong_identities); i++)
    add ("identity", wrong_identities[i].name, &wrong_identities[i], test_wrong_identity);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong_clients); i++)
    add ("client", wrong_clients[i].name, &wrong_clients[i], test_wrong_client);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong_servers); i++)
    add ("server", wrong_servers[i].name, &wrong_servers[i], test_wrong_server);
  add ("client", "crowd", NULL, test_crowd);
  return g_test_run ();
}
