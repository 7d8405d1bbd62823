/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes the two ends of a tunnel that the tests join. */
#include "fixture.h"

#include <glib/gstdio.h>
#include <net/if.h>
#include <string.h>

#define PATIENCE_USEC (10 * G_USEC_PER_SEC)

static const uint8_t mac[MAC_SIZE] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };

Host *
host_new (void)
{
  Host *host = g_new0 (Host, 1);
  g_autoptr (GError) error = NULL;

  host->directory = g_dir_make_tmp ("tombolo-tunnel-XXXXXX", &error);
  g_assert_no_error (error);
  host->authority = certificate_authority_open (host->directory, &error);
  g_assert_no_error (error);
  return host;
}

void
host_free (Host *host)
{
  static const char *const files[] = { "ca.key", "ca.pem" };

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (host->directory, files[i], NULL);

      g_assert_cmpint (g_remove (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (host->directory), ==, 0);
  certificate_authority_free (host->authority);
  g_free (host->directory);
  g_free (host);
}

Start *
start_new (Host *host, const char *machine)
{
  Start *start = g_new0 (Start, 1);
  g_autoptr (GError) error = NULL;

  certificate_authority_issue (host->authority, machine, mac, &start->guest, &start->bridge,
                               &error);
  g_assert_no_error (error);
  return start;
}

void
start_free (Start *start)
{
  identity_free (start->guest);
  identity_free (start->bridge);
  g_free (start);
}

void
identity_wear (Identity *identity, const Identity *other)
{
  g_free (identity->key);
  g_free (identity->certificate);
  identity->key = g_strdup (other->key);
  identity->certificate = g_strdup (other->certificate);
}

void
identity_pin (Identity *identity, const Identity *peer)
{
  g_assert_true (certificate_get_pin (peer->certificate, identity->pin, NULL));
}

TunnelContext *
context_new (const Identity *identity)
{
  g_autoptr (GError) error = NULL;
  TunnelContext *context = tunnel_context_new (identity, &error);

  g_assert_no_error (error);
  return context;
}

void
outcome_clear (Outcome *outcome)
{
  stream_free (outcome->stream);
  g_clear_error (&outcome->error);
  *outcome = (Outcome){ 0 };
}

static void
on_done (Stream *stream, ChannelKind kind, const GError *error, void *user_data)
{
  Outcome *outcome = user_data;

  g_assert_true ((stream != NULL) != (error != NULL));
  outcome->n_calls++;
  outcome->kind = kind;
  if (stream != NULL)
    {
      stream_free (outcome->stream);
      outcome->stream = stream;
    }
  else if (outcome->error == NULL)
    outcome->error = g_error_copy (error);
}

int
link_listen (Link *link, TunnelContext *guest, const char *interface)
{
  return tunnel_listen_full (link->event, guest, (int) if_nametoindex (interface), &link->options,
                             on_done, &link->guest, &link->listener);
}

Link *
link_new (TunnelContext *guest)
{
  Link *link = g_new0 (Link, 1);

  g_assert_cmpint (sd_event_new (&link->event), >=, 0);
  link->options = tunnel_options;
  link->options.handshake_usec = G_USEC_PER_SEC * 3 / 10;
  link->options.port = 0;
  g_assert_cmpint (link_listen (link, guest, "lo"), ==, 0);
  return link;
}

void
link_free (Link *link)
{
  outcome_clear (&link->guest);
  tunnel_listener_free (link->listener);
  sd_event_unref (link->event);
  g_free (link);
}

struct sockaddr_in6
link_address (Link *link)
{
  return (struct sockaddr_in6){ .sin6_family = AF_INET6,
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                .sin6_port = htons (tunnel_listener_get_port (link->listener)) };
}

TunnelAttempt *
link_connect_to (Link *link, TunnelContext *bridge, const struct sockaddr_in6 *address,
                 ChannelKind kind, Outcome *outcome)
{
  TunnelOptions options = tunnel_options;
  TunnelAttempt *attempt = NULL;

  g_assert_cmpint (tunnel_connect_full (link->event, bridge, address, kind, &options, on_done,
                                        outcome, &attempt),
                   ==, 0);
  return attempt;
}

TunnelAttempt *
link_connect (Link *link, TunnelContext *bridge, ChannelKind kind, Outcome *outcome)
{
  struct sockaddr_in6 address = link_address (link);

  return link_connect_to (link, bridge, &address, kind, outcome);
}

void
link_meet (Link *link, TunnelContext *bridge, ChannelKind kind, Outcome *bridge_outcome)
{
  TunnelAttempt *attempt = link_connect (link, bridge, kind, bridge_outcome);

  loop_until (link->event, &bridge_outcome->n_calls, 1);
  loop_until (link->event, &link->guest.n_calls, 1);
  tunnel_attempt_free (attempt);
}

void
link_assert_serves (Link *link, TunnelContext *bridge)
{
  Outcome outcome = { 0 };

  outcome_clear (&link->guest);
  link_meet (link, bridge, CHANNEL_BUS, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_no_error (link->guest.error);
  outcome_clear (&outcome);
  outcome_clear (&link->guest);
}

void
loop_until (sd_event *event, const unsigned *counter, unsigned target)
{
  int64_t end = g_get_monotonic_time () + PATIENCE_USEC;

  while (*counter < target)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_assert_cmpint (sd_event_run (event, PATIENCE_USEC), >=, 0);
    }
}

unsigned
loop_for (sd_event *event, uint64_t usec)
{
  int64_t end = g_get_monotonic_time () + (int64_t) usec, now;
  unsigned n = 0;

  while ((now = g_get_monotonic_time ()) < end)
    if (sd_event_run (event, (uint64_t) (end - now)) > 0)
      n++;

  return n;
}
