/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of connecting and listening: options, shortage, cancellation, and addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"
#include "fixture.h"
#include "limit.h"

typedef struct
{
  Host *host;
  Start *start;
  TunnelContext *guest;
  TunnelContext *bridge;
  Link *link;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->host = host_new ();
  fixture->start = start_new (fixture->host, "work");
  fixture->guest = context_new (fixture->start->guest);
  fixture->bridge = context_new (fixture->start->bridge);
  fixture->link = link_new (fixture->guest);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  link_free (fixture->link);
  tunnel_context_unref (fixture->guest);
  tunnel_context_unref (fixture->bridge);
  start_free (fixture->start);
  host_free (fixture->host);
}

static int
option_of (int fd, int level, int name)
{
  int value = -1;
  socklen_t size = sizeof value;

  g_assert_cmpint (getsockopt (fd, level, name, &value, &size), ==, 0);
  return value;
}

static void
test_options (Fixture *fixture, gconstpointer data)
{
  Outcome outcome = { 0 };
  int fds[2];

  link_meet (fixture->link, fixture->bridge, CHANNEL_BUS, &outcome);
  fds[0] = outcome.stream->fd;
  fds[1] = fixture->link->guest.stream->fd;

  for (int i = 0; i < 2; i++)
    {
      int idle = option_of (fds[i], IPPROTO_TCP, TCP_KEEPIDLE);
      int interval = option_of (fds[i], IPPROTO_TCP, TCP_KEEPINTVL);
      int count = option_of (fds[i], IPPROTO_TCP, TCP_KEEPCNT);

      g_assert_cmpint (option_of (fds[i], IPPROTO_TCP, TCP_NODELAY), !=, 0);
      g_assert_cmpint (option_of (fds[i], SOL_SOCKET, SO_KEEPALIVE), !=, 0);
      g_assert_cmpint ((idle + interval * count) * G_USEC_PER_SEC, <=, KEEP_ALIVE_USEC);
      g_assert_cmpint (option_of (fds[i], IPPROTO_TCP, TCP_USER_TIMEOUT) * 1000, <=,
                       KEEP_ALIVE_USEC);
      g_assert_cmpint (fcntl (fds[i], F_GETFD) & FD_CLOEXEC, !=, 0);
      g_assert_cmpint (fcntl (fds[i], F_GETFL) & O_NONBLOCK, !=, 0);
    }
  outcome_clear (&outcome);
}

static void
test_nobody_listens (Fixture *fixture, gconstpointer data)
{
  Link *link = fixture->link;
  struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  Outcome outcome = { 0 };
  TunnelAttempt *attempt;

  /* The port that nobody has any more. */
  {
    auto_fd fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof address;

    g_assert_cmpint (bind (fd, (struct sockaddr *) &address, size), ==, 0);
    getsockname (fd, (struct sockaddr *) &address, &size);
  }
  attempt = link_connect_to (link, fixture->bridge, &address, CHANNEL_BUS, &outcome);
  loop_until (link->event, &outcome.n_calls, 1);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  g_assert_false (tunnel_error_is_refusal (outcome.error));
  tunnel_attempt_free (attempt);
  outcome_clear (&outcome);
}

/* Freed at each stage: nobody is told, nothing is left (the sanitizers watch). */
static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  Link *link = fixture->link;

  for (unsigned turns = 0; turns < 8; turns++)
    {
      Outcome outcome = { 0 };
      TunnelAttempt *attempt = link_connect (link, fixture->bridge, CHANNEL_BUS, &outcome);

      for (unsigned i = 0; i < turns; i++)
        sd_event_run (link->event, 0);
      tunnel_attempt_free (attempt);
      if (outcome.n_calls == 0)
        loop_for (link->event, 20 * 1000);
      outcome_clear (&outcome);
    }

  tunnel_attempt_free (NULL);
  loop_for (link->event, 50 * 1000);
  link_assert_serves (link, fixture->bridge);
}

typedef struct
{
  TunnelAttempt *attempt;
  TunnelListener *listener;
  unsigned n_calls;
} Ender;

static void
end_all (Stream *stream, ChannelKind kind, const GError *error, void *user_data)
{
  Ender *ender = user_data;

  ender->n_calls++;
  stream_free (stream);
  g_clear_pointer (&ender->attempt, tunnel_attempt_free);
  g_clear_pointer (&ender->listener, tunnel_listener_free);
  if (error != NULL)
    g_assert_nonnull (error->message);
}

/* Both callbacks free what called them. */
static void
test_free_within (Fixture *fixture, gconstpointer data)
{
  Link *link = fixture->link;
  Ender near = { 0 }, far = { 0 };
  TunnelOptions options = tunnel_options;
  struct sockaddr_in6 address;

  tunnel_listener_free (link->listener);
  g_assert_cmpint (tunnel_listen_full (link->event, fixture->guest, (int) if_nametoindex ("lo"),
                                       &link->options, end_all, &far, &link->listener),
                   ==, 0);
  far.listener = link->listener;
  address = link_address (link);
  g_assert_cmpint (tunnel_connect_full (link->event, fixture->bridge, &address, CHANNEL_BUS,
                                        &options, end_all, &near, &near.attempt),
                   ==, 0);
  loop_until (link->event, &near.n_calls, 1);
  loop_until (link->event, &far.n_calls, 1);
  link->listener = NULL;
}

/* Without a descriptor to accept with the listener rests, and serves when there is one again. */
static void
test_shortage (Fixture *fixture, gconstpointer data)
{
  Link *link = fixture->link;
  Outcome outcome = { 0 };
  TunnelAttempt *attempt = link_connect (link, fixture->bridge, CHANNEL_BUS, &outcome);
  struct rlimit before, none;
  unsigned n_turns;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &before), ==, 0);
  none = before;
  none.rlim_cur = 3;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &none), ==, 0);
  n_turns = loop_for (link->event, 500 * 1000);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &before), ==, 0);
  g_assert_cmpuint (n_turns, <, 20);
  g_assert_cmpuint (link->guest.n_calls, ==, 0);

  loop_until (link->event, &outcome.n_calls, 1);
  loop_until (link->event, &link->guest.n_calls, 1);
  g_assert_no_error (outcome.error);
  g_assert_no_error (link->guest.error);
  tunnel_attempt_free (attempt);
  outcome_clear (&outcome);
  link_assert_serves (link, fixture->bridge);
}

/* Many at once, more than are shaken hands with at a time. */
static void
test_burst (Fixture *fixture, gconstpointer data)
{
  Outcome outcomes[24] = { 0 };
  TunnelAttempt *attempts[24];

  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    attempts[i] = link_connect (fixture->link, fixture->bridge, CHANNEL_BUS, &outcomes[i]);
  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    {
      loop_until (fixture->link->event, &outcomes[i].n_calls, 1);
      g_assert_no_error (outcomes[i].error);
    }
  loop_until (fixture->link->event, &fixture->link->guest.n_calls, G_N_ELEMENTS (outcomes));
  g_assert_no_error (fixture->link->guest.error);
  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++)
    {
      tunnel_attempt_free (attempts[i]);
      outcome_clear (&outcomes[i]);
    }
}

static void
test_wrong_use (Fixture *fixture, gconstpointer data)
{
  sd_event *event = fixture->link->event;
  struct in6_addr global, local;
  TunnelAttempt *attempt = NULL;
  TunnelListener *listener = NULL;

  inet_pton (AF_INET6, "2001:db8::2", &global);
  inet_pton (AF_INET6, "fe80::2", &local);
  g_assert_cmpint (
      tunnel_connect (event, fixture->bridge, 1, &global, CHANNEL_BUS, NULL, NULL, &attempt), ==,
      -EINVAL);
  g_assert_cmpint (
      tunnel_connect (event, fixture->bridge, 0, &local, CHANNEL_BUS, NULL, NULL, &attempt), ==,
      -EINVAL);
  g_assert_cmpint (
      tunnel_connect (event, fixture->guest, 1, &local, CHANNEL_BUS, NULL, NULL, &attempt), ==,
      -EINVAL);
  g_assert_cmpint (tunnel_listen (event, fixture->guest, 0, NULL, NULL, &listener), ==, -EINVAL);
  g_assert_cmpint (tunnel_listen (event, fixture->bridge, 1, NULL, NULL, &listener), ==, -EINVAL);
  g_assert_null (attempt);
  g_assert_null (listener);
}

static void
test_broken_identity (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  Start *other = start_new (fixture->host, "work");

  /* A key that is not the certificate's. */
  g_free (other->guest->key);
  other->guest->key = g_strdup (other->bridge->key);
  g_assert_null (tunnel_context_new (other->guest, &error));
  g_assert_error (error, PKI_ERROR, PKI_ERROR_CRYPTO);
  g_clear_error (&error);

  g_free (other->bridge->authority);
  other->bridge->authority =
      g_strdup ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
  g_assert_null (tunnel_context_new (other->bridge, &error));
  g_assert_error (error, PKI_ERROR, PKI_ERROR_CRYPTO);
  start_free (other);
}

#define ADD(path, function)                                                                        \
  g_test_add ("/transport/" path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("options", test_options);
  ADD ("nobody-listens", test_nobody_listens);
  ADD ("cancel", test_cancel);
  ADD ("free-within", test_free_within);
  ADD ("shortage", test_shortage);
  ADD ("burst", test_burst);
  ADD ("wrong-use", test_wrong_use);
  ADD ("broken-identity", test_broken_identity);
  return g_test_run ();
}
