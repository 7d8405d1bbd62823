/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tunnel without a network and without TLS: it takes the place of src/tunnel in the targets of
 * whole conversations, function for function. What those promise is tested elsewhere. */
#include <sys/socket.h>

#include "conversation.h"
#include "discovery.h"

struct TunnelAttempt
{
  sd_event_source *source;
  ChannelKind kind;
  TunnelDone done;
  void *user_data;
};

struct TunnelListener
{
  TunnelDone done;
  void *user_data;
};

static FakeTunnelOpened fake_opened;
static unsigned n_refused;
static TunnelListener *the_listener;

void
fake_tunnel_begin (FakeTunnelOpened opened)
{
  fake_opened = opened;
  n_refused = 0;
}

void
fake_tunnel_refuse (unsigned n)
{
  n_refused = n;
}

static void
make_pair (Stream *ret_streams[2])
{
  int fds[2];

  fuzz_require (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
  ret_streams[0] = stream_new_socket (fds[0]);
  ret_streams[1] = stream_new_socket (fds[1]);
}

Stream *
fake_tunnel_open (ChannelKind kind)
{
  Stream *streams[2];

  if (the_listener == NULL)
    return NULL;

  make_pair (streams);
  the_listener->done (streams[0], kind, NULL, the_listener->user_data);
  return streams[1];
}

/* --- In place of session.h --- */

G_DEFINE_QUARK (tunnel - error - quark, tunnel_error)

gboolean
tunnel_error_is_refusal (const GError *error)
{
  return g_error_matches (error, TUNNEL_ERROR, TUNNEL_ERROR_PIN);
}

TunnelContext *
tunnel_context_new (const Identity *identity, GError **error)
{
  static char context;

  return (TunnelContext *) &context;
}

TunnelContext *
tunnel_context_ref (TunnelContext *context)
{
  return context;
}

void
tunnel_context_unref (TunnelContext *context)
{
}

const char *
tunnel_stream_get_failure (Stream *stream)
{
  return NULL;
}

static int
on_attempt (sd_event_source *source, void *user_data)
{
  TunnelAttempt *attempt = user_data;
  g_autoptr (GError) error = NULL;
  Stream *streams[2];

  if (n_refused > 0)
    {
      /* Now nobody is there, now somebody else. */
      error = g_error_new_literal (TUNNEL_ERROR,
                                   n_refused % 2 == 0 ? TUNNEL_ERROR_PIN : TUNNEL_ERROR_UNREACHED,
                                   "The fuzzer refuses.");
      n_refused--;
      attempt->done (NULL, attempt->kind, error, attempt->user_data);
      return 0;
    }

  make_pair (streams);
  fake_opened (streams[1], attempt->kind);
  attempt->done (streams[0], attempt->kind, NULL, attempt->user_data);
  return 0;
}

int
tunnel_connect (sd_event *event, TunnelContext *context, int interface_index,
                const struct in6_addr *address, ChannelKind kind, TunnelDone done, void *user_data,
                TunnelAttempt **ret_attempt)
{
  TunnelAttempt *attempt = g_new0 (TunnelAttempt, 1);

  attempt->kind = kind;
  attempt->done = done;
  attempt->user_data = user_data;
  fuzz_require (sd_event_add_defer (event, &attempt->source, on_attempt, attempt) >= 0);
  *ret_attempt = attempt;
  return 0;
}

void
tunnel_attempt_free (TunnelAttempt *attempt)
{
  if (attempt == NULL)
    return;

  sd_event_source_disable_unref (attempt->source);
  g_free (attempt);
}

int
tunnel_listen (sd_event *event, TunnelContext *context, int interface_index, TunnelDone done,
               void *user_data, TunnelListener **ret_listener)
{
  the_listener = g_new0 (TunnelListener, 1);
  the_listener->done = done;
  the_listener->user_data = user_data;
  *ret_listener = the_listener;
  return 0;
}

void
tunnel_listener_free (TunnelListener *listener)
{
  if (listener == the_listener)
    the_listener = NULL;
  g_free (listener);
}

/* --- In place of discovery.h --- */

struct TunnelFinder
{
  unsigned n;
};

TunnelFinder *
tunnel_finder_new (sd_event *event, int interface_index, const uint8_t mac[MAC_SIZE])
{
  return g_new0 (TunnelFinder, 1);
}

void
tunnel_finder_free (TunnelFinder *finder)
{
  g_free (finder);
}

void
tunnel_finder_next (TunnelFinder *finder, struct in6_addr *ret_address)
{
  *ret_address = in6addr_loopback;
  finder->n++;
}

bool
tunnel_finder_guesses_next (const TunnelFinder *finder)
{
  return finder->n % 2 != 0;
}

void
tunnel_finder_remember (TunnelFinder *finder, const struct in6_addr *address)
{
  finder->n = 0;
}

unsigned
tunnel_finder_get_n_found (TunnelFinder *finder)
{
  return 0;
}
