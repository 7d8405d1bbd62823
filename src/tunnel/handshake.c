/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An attempt at one session: connect, shake hands, tell the outcome; all of it within a deadline.
 */
#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit.h"
#include "session-internal.h"

/* How exactly a deadline is kept; a deadline that is met is never waited for. */
#define ACCURACY_USEC ((uint64_t) 20 * 1000)

static const char *const channel_names[] = {
  [CHANNEL_BUS] = "tombolo-bus/1",
  [CHANNEL_STREAM] = "tombolo-stream/1",
  [CHANNEL_AGENT] = "tombolo-agent/1",
};

struct TunnelAttempt
{
  TunnelSession *session;
  const char *peer;
  bool connecting;
  ChannelKind kind; /* the client's */
  uint64_t begin_usec;
  TunnelOptions options;
  sd_event_source *io;
  sd_event_source *deadline;
  TunnelDone done;
  void *user_data;
};

static void
attempt_disarm (TunnelAttempt *attempt)
{
  attempt->io = sd_event_source_disable_unref (attempt->io);
  attempt->deadline = sd_event_source_disable_unref (attempt->deadline);
}

void
tunnel_attempt_free (TunnelAttempt *attempt)
{
  if (attempt == NULL)
    return;

  attempt_disarm (attempt);
  if (attempt->session != NULL)
    stream_free (&attempt->session->stream);
  g_free (attempt);
}

/* The attempt ends here; `done` may free it. */
static void
attempt_succeed (TunnelAttempt *attempt, ChannelKind kind)
{
  TunnelSession *session = g_steal_pointer (&attempt->session);

  attempt_disarm (attempt);
  tunnel_session_establish (session);
  if (kind != CHANNEL_AGENT)
    transport_be_patient (session->stream.fd);
  attempt->done (&session->stream, kind, NULL, attempt->user_data);
}

static void
attempt_fail (TunnelAttempt *attempt, GError *error)
{
  TunnelSession *session = g_steal_pointer (&attempt->session);
  g_autoptr (GError) owned = error;

  attempt_disarm (attempt);
  stream_free (&session->stream);
  attempt->done (NULL, attempt->kind, owned, attempt->user_data);
}

static GError *
explain_alert (TunnelAttempt *attempt)
{
  gnutls_alert_description_t alert = gnutls_alert_get (attempt->session->tls);

  switch (alert)
    {
    case GNUTLS_A_PROTOCOL_VERSION:
    case GNUTLS_A_HANDSHAKE_FAILURE: /* no suite of ours: GnuTLS' answer, where it is told 1.2 */
      return g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_VERSION,
                          "The %s was refused: it does not speak TLS 1.3", attempt->peer);
    case GNUTLS_A_NO_APPLICATION_PROTOCOL:
      return g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_CHANNEL,
                          "The %s knows no channel “%s”: install the same version of tombolo on "
                          "both sides",
                          attempt->peer, channel_names[attempt->kind]);
    case GNUTLS_A_CLOSE_NOTIFY:
      return g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_CLOSED,
                          "The %s closed the connection during the handshake", attempt->peer);
    default:
      return g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_REFUSED,
                          "The %s refused this side: %s (alert %d)", attempt->peer,
                          gnutls_alert_get_name (alert), (int) alert);
    }
}

/* The reason in a sentence: our own where we found it, else what GnuTLS' code means. */
static GError *
explain (TunnelAttempt *attempt, int code)
{
  TunnelSession *session = attempt->session;
  const char *peer = attempt->peer;

  if (session->refusal != NULL)
    return g_error_copy (session->refusal);

  switch (code)
    {
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
      return g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_VERSION,
                          "The %s was refused: it does not speak TLS 1.3", peer);
    case GNUTLS_E_NO_APPLICATION_PROTOCOL:
      return g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_CHANNEL,
                          "The %s was refused: it asks for no channel that is known here", peer);
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
      return g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_NO_CERTIFICATE,
                          "The %s was refused: it presented no certificate", peer);
    case GNUTLS_E_HANDSHAKE_TOO_LARGE:
      return g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_TOO_LARGE,
                          "The %s was refused: its handshake is larger than %zu bytes", peer,
                          LIMIT_HANDSHAKE_SIZE);
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
    case GNUTLS_E_WARNING_ALERT_RECEIVED:
      return explain_alert (attempt);
    case GNUTLS_E_PREMATURE_TERMINATION:
      return g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_CLOSED,
                          "The %s closed the connection during the handshake", peer);
    case GNUTLS_E_PULL_ERROR:
    case GNUTLS_E_PUSH_ERROR:
      return g_error_new (G_IO_ERROR, (int) g_io_error_from_errno (session->socket_error),
                          "The connection to the %s broke during the handshake: %s", peer,
                          g_strerror (session->socket_error));
    default:
      return g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_FAILED, "The handshake with the %s failed: %s",
                          peer, gnutls_strerror (code));
    }
}

static void
attempt_refuse (TunnelAttempt *attempt, int code)
{
  TunnelSession *session = attempt->session;
  GError *error;

  /* GnuTLS takes up an older version and then finds that it has no suites for it. */
  if (code == GNUTLS_E_NO_CIPHER_SUITES
      && gnutls_protocol_get_version (session->tls) != GNUTLS_TLS1_3)
    code = GNUTLS_E_UNSUPPORTED_VERSION_PACKET;

  error = explain (attempt, code);
  /* Told to the peer as far as the socket takes it. */
  if (session->socket_error == 0 && code != GNUTLS_E_FATAL_ALERT_RECEIVED
      && code != GNUTLS_E_PREMATURE_TERMINATION)
    gnutls_alert_send_appropriate (session->tls, code);
  attempt_fail (attempt, error);
}

/* TRUE with the channel that both sides have agreed on. */
static bool
read_channel (gnutls_session_t tls, ChannelKind *ret_kind)
{
  gnutls_datum_t selected;

  if (gnutls_alpn_get_selected_protocol (tls, &selected) < 0)
    return false;

  for (guint i = 0; i < G_N_ELEMENTS (channel_names); i++)
    if (selected.size == strlen (channel_names[i])
        && memcmp (selected.data, channel_names[i], selected.size) == 0)
      {
        *ret_kind = (ChannelKind) i;
        return true;
      }

  return false;
}

/* GnuTLS is content; what it does not insist on is checked here. */
static void
attempt_conclude (TunnelAttempt *attempt)
{
  TunnelSession *session = attempt->session;
  ChannelKind kind;

  if (gnutls_protocol_get_version (session->tls) != GNUTLS_TLS1_3)
    attempt_refuse (attempt, GNUTLS_E_UNSUPPORTED_VERSION_PACKET);
  else if (!session->verified)
    attempt_refuse (attempt, GNUTLS_E_CERTIFICATE_REQUIRED);
  else if (!read_channel (session->tls, &kind))
    attempt_refuse (attempt, GNUTLS_E_NO_APPLICATION_PROTOCOL);
  else
    attempt_succeed (attempt, kind);
}

static int
attempt_wait (TunnelAttempt *attempt, uint32_t events)
{
  return sd_event_source_set_io_events (attempt->io, events);
}

static int
attempt_step (TunnelAttempt *attempt)
{
  TunnelSession *session = attempt->session;
  int r;

  do
    {
      session->blocked = false;
      r = gnutls_handshake (session->tls);
      if (r == GNUTLS_E_AGAIN && gnutls_record_get_direction (session->tls) == 1)
        return attempt_wait (attempt, EPOLLOUT);
      if (r == GNUTLS_E_AGAIN && session->blocked)
        return attempt_wait (attempt, EPOLLIN);
    }
  while (r < 0 && r != GNUTLS_E_WARNING_ALERT_RECEIVED && !gnutls_error_is_fatal (r));

  if (r < 0)
    attempt_refuse (attempt, r);
  else
    attempt_conclude (attempt);
  return 0;
}

static int
on_deadline (sd_event_source *source, uint64_t usec, void *user_data)
{
  TunnelAttempt *attempt = user_data;
  GError *error =
      attempt->connecting
          ? g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_UNREACHED,
                         "No connection to the %s within %u ms", attempt->peer,
                         (guint) (attempt->options.connect_usec / 1000))
          : g_error_new (TUNNEL_ERROR, TUNNEL_ERROR_TIMED_OUT,
                         "The %s was refused: its handshake was not done within %u ms",
                         attempt->peer, (guint) (attempt->options.handshake_usec / 1000));

  attempt_fail (attempt, error);
  return 0;
}

/* connect(2) is over: the deadline becomes the handshake's. */
static int
attempt_connected (TunnelAttempt *attempt)
{
  socklen_t size = sizeof (int);
  int code = 0;

  if (getsockopt (attempt->session->stream.fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
    code = errno;
  if (code != 0)
    {
      attempt_fail (attempt,
                    g_error_new (G_IO_ERROR, (int) g_io_error_from_errno (code),
                                 "No connection to the %s: %s", attempt->peer, g_strerror (code)));
      return 0;
    }

  attempt->connecting = false;
  sd_event_source_set_time (attempt->deadline,
                            attempt->begin_usec + attempt->options.handshake_usec);
  return attempt_step (attempt);
}

static int
on_io (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  TunnelAttempt *attempt = user_data;

  return attempt->connecting ? attempt_connected (attempt) : attempt_step (attempt);
}

static int
attempt_arm (TunnelAttempt *attempt, sd_event *event)
{
  bool connecting = attempt->connecting;
  uint64_t time = connecting ? attempt->options.connect_usec : attempt->options.handshake_usec;
  int r;

  /* Not sd_event_now(), which is as old as the loop's last turn. */
  attempt->begin_usec = (uint64_t) g_get_monotonic_time ();
  r = sd_event_add_time (event, &attempt->deadline, CLOCK_MONOTONIC, attempt->begin_usec + time,
                         ACCURACY_USEC, on_deadline, attempt);
  if (r < 0)
    return r;
  return sd_event_add_io (event, &attempt->io, attempt->session->stream.fd,
                          connecting ? EPOLLOUT : EPOLLIN, on_io, attempt);
}

/* The client offers the one channel that it wants, the server takes any. */
static TunnelSession *
new_session (TunnelContext *context, int fd, ChannelKind kind)
{
  gnutls_datum_t protocols[G_N_ELEMENTS (channel_names)];

  for (guint i = 0; i < G_N_ELEMENTS (channel_names); i++)
    protocols[i] = (gnutls_datum_t){ (unsigned char *) channel_names[i],
                                     (unsigned) strlen (channel_names[i]) };

  if (context->identity->role == IDENTITY_BRIDGE)
    return tunnel_session_new (context, fd, &protocols[kind], 1, NULL);

  return tunnel_session_new (context, fd, protocols, G_N_ELEMENTS (protocols), NULL);
}

int
tunnel_attempt_new (sd_event *event, TunnelContext *context, int fd, bool connecting,
                    ChannelKind kind, const TunnelOptions *options, TunnelDone done,
                    void *user_data, TunnelAttempt **ret_attempt)
{
  TunnelAttempt *attempt = g_new0 (TunnelAttempt, 1);
  int r;

  attempt->peer = tunnel_context_get_peer (context);
  attempt->connecting = connecting;
  attempt->kind = kind;
  attempt->options = *options;
  attempt->done = done;
  attempt->user_data = user_data;

  attempt->session = new_session (context, fd, kind);
  r = attempt->session != NULL ? attempt_arm (attempt, event) : -ENOMEM;
  if (r < 0)
    {
      tunnel_attempt_free (attempt);
      return r;
    }

  *ret_attempt = attempt;
  return 0;
}
