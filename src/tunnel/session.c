/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An established TLS session as a stream of bytes. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit.h"
#include "session-internal.h"

/* Bytes that one write sends at most, so that one stream does not hold up the loop. */
#define WRITE_SIZE ((size_t) 256 * 1024)

static inline TunnelSession *
session_of (Stream *stream)
{
  return (TunnelSession *) stream;
}

/* Makes the stream fail for good, with GnuTLS' code where no sentence is known. */
static ssize_t
session_fail (TunnelSession *session, int code, const char *text)
{
  const char *peer = tunnel_context_get_peer (session->context);

  if (session->failure != 0)
    return session->failure;

  session->failure = -EPROTO;
  if (text != NULL)
    session->failure_text = g_strdup_printf ("The %s %s", peer, text);
  else if ((code == GNUTLS_E_PULL_ERROR || code == GNUTLS_E_PUSH_ERROR)
           && session->socket_error != 0)
    {
      session->failure = -session->socket_error;
      session->failure_text = g_strdup_printf ("The connection to the %s broke: %s", peer,
                                               g_strerror (session->socket_error));
    }
  else if (code == GNUTLS_E_PREMATURE_TERMINATION)
    {
      session->failure = -ECONNRESET;
      session->failure_text =
          g_strdup_printf ("The %s closed the connection without ending the session", peer);
    }
  else if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
    session->failure_text =
        g_strdup_printf ("The %s ended the session: %s", peer,
                         gnutls_alert_get_name (gnutls_alert_get (session->tls)));
  else if (code == GNUTLS_E_TOO_MANY_HANDSHAKE_PACKETS)
    session->failure_text = g_strdup_printf ("The %s changes its keys too often", peer);
  else
    session->failure_text =
        g_strdup_printf ("The session with the %s failed: %s", peer, gnutls_strerror (code));

  return session->failure;
}

static ssize_t
tls_read (Stream *stream, void *data, size_t size)
{
  TunnelSession *session = session_of (stream);

  if (session->failure != 0)
    return session->failure;
  if (size == 0)
    return 0;

  session->blocked = false;
  for (unsigned i = 0; i < LIMIT_EMPTY_RECORDS; i++)
    {
      ssize_t n = gnutls_record_recv (session->tls, data, size);

      if (n >= 0)
        return n;
      /* A key update, say, was read; what follows may be in memory, where poll(2) does not look. */
      if (n != GNUTLS_E_AGAIN && n != GNUTLS_E_INTERRUPTED)
        return session_fail (session, (int) n, NULL);
      if (session->blocked)
        return -EAGAIN;
    }

  return session_fail (session, 0, "sends records without data");
}

static size_t
tls_pending (Stream *stream)
{
  TunnelSession *session = session_of (stream);
  size_t ahead = session->blocked ? 0 : session->ahead_end - session->ahead_begin;

  return session->failure != 0 ? 0 : gnutls_record_check_pending (session->tls) + ahead;
}

/* The bytes of one record, from `offset` of the vectors on: from where they lie if they lie in one
 * piece, else gathered. A record never ends one byte into a vector; see tls_write(). */
static size_t
gather_record (TunnelSession *session, const struct iovec *vectors, int n_vectors, size_t offset,
               const void **ret_data)
{
  uint8_t *record = session->context->record;
  size_t size = 0;

  for (int i = 0; i < n_vectors && size < session->record_limit; i++)
    {
      const uint8_t *piece = vectors[i].iov_base;
      size_t length = vectors[i].iov_len;
      size_t skip = MIN (offset, length);
      size_t take = MIN (length - skip, session->record_limit - size);

      offset -= skip;
      if (take == 0)
        continue;
      if (size > 0 && take == 1 && length > 1)
        break;
      if (size == 0 && (take == session->record_limit || i == n_vectors - 1))
        {
          *ret_data = piece + skip;
          return take;
        }
      memcpy (record + size, piece + skip, take);
      size += take;
    }

  *ret_data = record;
  return size;
}

/* Hands the rest of a record to the socket. */
static ssize_t
flush_record (TunnelSession *session)
{
  ssize_t n;

  if (session->in_flight == 0)
    return 0;

  n = gnutls_record_send (session->tls, NULL, 0);
  if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
    return -EAGAIN;
  if (n < 0)
    return session_fail (session, (int) n, NULL);
  if ((size_t) n != session->in_flight)
    return session_fail (session, 0, "was sent a record of the wrong size");

  session->in_flight = 0;
  return 0;
}

/* Where the socket is full, GnuTLS keeps the encrypted record, which can not be taken back, and the
 * caller must come again for its rest. So the caller is told that all but the record's last byte
 * was written: it waits for the socket as after any short write, comes again with that byte in
 * front, which then counts as written without being sent twice. No message of two bytes or more can
 * look unsent to a caller that would like to drop it meanwhile. (For a record of one byte the
 * answer is -EAGAIN.) */
static ssize_t
tls_write (Stream *stream, const struct iovec *vectors, int n_vectors)
{
  TunnelSession *session = session_of (stream);
  size_t total = 0, written = 0;

  if (session->failure != 0)
    return session->failure;

  for (int i = 0; i < n_vectors; i++)
    total += vectors[i].iov_len;
  if (total == 0)
    return 0;
  total = MIN (total, WRITE_SIZE);

  if (session->in_flight > 0)
    {
      ssize_t r = flush_record (session);

      if (r < 0)
        return r;
      written = 1;
    }

  while (written < total)
    {
      const void *data;
      size_t size = gather_record (session, vectors, n_vectors, written, &data);
      ssize_t n = gnutls_record_send (session->tls, data, size);

      if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
        {
          session->in_flight = size;
          written += size - 1;
          return written > 0 ? (ssize_t) written : -EAGAIN;
        }
      if (n < 0)
        return session_fail (session, (int) n, NULL);
      written += (size_t) n;
    }

  return (ssize_t) written;
}

static int
tls_end (Stream *stream)
{
  TunnelSession *session = session_of (stream);
  int r;

  if (session->failure != 0)
    return session->failure;
  if ((r = (int) flush_record (session)) < 0)
    return r;

  r = gnutls_bye (session->tls, GNUTLS_SHUT_WR);
  if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
    return -EAGAIN;
  return r < 0 ? (int) session_fail (session, r, NULL) : 0;
}

static void
tls_free (Stream *stream)
{
  TunnelSession *session = session_of (stream);

  if (session->established && session->failure == 0 && session->in_flight == 0)
    gnutls_bye (session->tls, GNUTLS_SHUT_WR);
  if (session->tls != NULL)
    gnutls_deinit (session->tls);
  tunnel_context_unref (session->context);
  g_clear_error (&session->refusal);
  g_free (session->failure_text);
  close (session->stream.fd);
  g_free (session);
}

static const StreamOperations tls_operations = {
  .read = tls_read,
  .write = tls_write,
  .end = tls_end,
  .pending = tls_pending,
  .free = tls_free,
};

const char *
tunnel_stream_get_failure (Stream *stream)
{
  return session_of (stream)->failure_text;
}

/* Bytes on their way to GnuTLS during the handshake: neither too many, nor those of a peer that
 * speaks something else. */
static bool
admit_handshake (TunnelSession *session, const uint8_t *data, size_t size)
{
  const char *peer = tunnel_context_get_peer (session->context);
  const uint8_t alert = 21, handshake = 22; /* content types (RFC 8446, 5.1) */

  if (session->handshake_size == 0 && size > 0 && data[0] != handshake && data[0] != alert)
    {
      g_set_error (&session->refusal, TUNNEL_ERROR, TUNNEL_ERROR_NOT_TLS,
                   "The %s was refused: it does not speak TLS", peer);
      return false;
    }

  session->handshake_size += size;
  if (session->handshake_size > LIMIT_HANDSHAKE_SIZE)
    {
      g_set_error (&session->refusal, TUNNEL_ERROR, TUNNEL_ERROR_TOO_LARGE,
                   "The %s was refused: its handshake is larger than %zu bytes", peer,
                   LIMIT_HANDSHAKE_SIZE);
      return false;
    }

  return true;
}

static ssize_t
transport_fail (TunnelSession *session, int code)
{
  session->blocked = code == EAGAIN;
  if (code != EAGAIN)
    session->socket_error = code;
  gnutls_transport_set_errno (session->tls, code);
  return -1;
}

static ssize_t
receive (TunnelSession *session, void *data, size_t size)
{
  struct iovec vectors[] = { { data, size }, { session->ahead, READ_AHEAD_SIZE } };
  struct msghdr message = { .msg_iov = vectors, .msg_iovlen = G_N_ELEMENTS (vectors) };
  ssize_t n = TEMP_FAILURE_RETRY (recvmsg (session->stream.fd, &message, MSG_DONTWAIT));

  if (n <= (ssize_t) size)
    return n;

  session->ahead_begin = 0;
  session->ahead_end = (size_t) n - size;
  return (ssize_t) size;
}

static ssize_t
transport_pull (gnutls_transport_ptr_t pointer, void *data, size_t size)
{
  TunnelSession *session = pointer;
  ssize_t n = (ssize_t) MIN (size, session->ahead_end - session->ahead_begin);

  if (n > 0)
    {
      memcpy (data, session->ahead + session->ahead_begin, (size_t) n);
      session->ahead_begin += (size_t) n;
    }
  else
    {
      n = receive (session, data, size);
      if (n < 0)
        return transport_fail (session, errno);
    }

  if (!session->established && session->refusal == NULL
      && !admit_handshake (session, data, (size_t) n))
    return transport_fail (session, EPROTO);

  return n;
}

static ssize_t
transport_push (gnutls_transport_ptr_t pointer, const giovec_t *vectors, int n_vectors)
{
  TunnelSession *session = pointer;
  struct msghdr message = { .msg_iov = (struct iovec *) (void *) vectors,
                            .msg_iovlen = (size_t) n_vectors };
  ssize_t n;

  G_STATIC_ASSERT (sizeof (giovec_t) == sizeof (struct iovec));

  n = TEMP_FAILURE_RETRY (sendmsg (session->stream.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
  if (n < 0)
    {
      if (errno != EAGAIN)
        session->socket_error = errno;
      gnutls_transport_set_errno (session->tls, errno);
    }
  return n;
}

/* Counts the peer's key updates; GnuTLS' own limit, some a second, lets a slow flood pass. */
static int
count_key_update (gnutls_session_t tls, unsigned type, unsigned when, unsigned incoming,
                  const gnutls_datum_t *message)
{
  TunnelSession *session = gnutls_session_get_ptr (tls);
  uint64_t now = (uint64_t) g_get_monotonic_time ();

  if (!incoming)
    return 0;

  if (now - session->window_usec >= LIMIT_KEY_UPDATES_USEC)
    {
      session->window_usec = now;
      session->n_key_updates = 0;
    }
  return ++session->n_key_updates > LIMIT_KEY_UPDATES ? GNUTLS_E_TOO_MANY_HANDSHAKE_PACKETS : 0;
}

static int
session_start (TunnelSession *session, const gnutls_datum_t *protocols, unsigned n_protocols)
{
  TunnelContext *context = session->context;
  bool server = context->identity->role == IDENTITY_GUEST;
  int r;

  /* GNUTLS_POST_HANDSHAKE_AUTH is not among the flags: nobody changes who they are. */
  if ((r = gnutls_init (&session->tls, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK
                                           | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS
                                           | GNUTLS_NO_EXTENSIONS))
          < 0
      || (r = gnutls_priority_set (session->tls, context->priorities)) < 0
      || (r = gnutls_credentials_set (session->tls, GNUTLS_CRD_CERTIFICATE, context->credentials))
             < 0
      || (r = gnutls_alpn_set_protocols (session->tls, protocols, n_protocols,
                                         GNUTLS_ALPN_MANDATORY))
             < 0)
    return r;

  if (server)
    gnutls_certificate_server_set_request (session->tls, GNUTLS_CERT_REQUIRE);
  gnutls_session_set_ptr (session->tls, session);
  gnutls_handshake_set_max_packet_length (session->tls, LIMIT_HANDSHAKE_SIZE);
  gnutls_handshake_set_hook_function (session->tls, GNUTLS_HANDSHAKE_KEY_UPDATE, GNUTLS_HOOK_POST,
                                      count_key_update);
  gnutls_transport_set_ptr (session->tls, session);
  gnutls_transport_set_pull_function (session->tls, transport_pull);
  gnutls_transport_set_vec_push_function (session->tls, transport_push);
  return 0;
}

TunnelSession *
tunnel_session_new (TunnelContext *context, int fd, const gnutls_datum_t *protocols,
                    unsigned n_protocols, GError **error)
{
  TunnelSession *session = g_new0 (TunnelSession, 1);
  int r;

  session->stream.operations = &tls_operations;
  session->stream.fd = fd;
  session->context = tunnel_context_ref (context);
  r = session_start (session, protocols, n_protocols);
  if (r < 0)
    {
      g_set_error (error, TUNNEL_ERROR, TUNNEL_ERROR_FAILED, "No TLS session: %s",
                   gnutls_strerror (r));
      stream_free (&session->stream);
      return NULL;
    }

  return session;
}

void
tunnel_session_establish (TunnelSession *session)
{
  session->established = true;
  session->blocked = false;
  session->record_limit = MIN (RECORD_SIZE, gnutls_record_get_max_size (session->tls));
}
