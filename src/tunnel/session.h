/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TLS sessions over the control link: TLS 1.3 only, both ends authenticated against this start's
 * pins, one channel each. The bridge connects, the guest's agent listens. Everything runs on the
 * caller's sd-event loop and never blocks. */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <systemd/sd-event.h>

#include "identity.h"
#include "stream.h"

typedef enum
{
  CHANNEL_BUS,    /* ALPN tombolo-bus/1 */
  CHANNEL_STREAM, /* ALPN tombolo-stream/1 */
  CHANNEL_AGENT   /* ALPN tombolo-agent/1 */
} ChannelKind;

/* Why no session came about. Each message is a whole sentence that names the reason. */
typedef enum
{
  TUNNEL_ERROR_FAILED,         /* GnuTLS' own words */
  TUNNEL_ERROR_NOT_TLS,        /* the peer's first byte begins no TLS record */
  TUNNEL_ERROR_VERSION,        /* TLS 1.2 or older */
  TUNNEL_ERROR_CHANNEL,        /* no channel (ALPN), or another one */
  TUNNEL_ERROR_NO_CERTIFICATE, /* the peer presented none */
  TUNNEL_ERROR_PIN,            /* its key is not this start's */
  TUNNEL_ERROR_AUTHORITY,      /* its certificate is not this host CA's */
  TUNNEL_ERROR_PURPOSE,        /* … is for the other role */
  TUNNEL_ERROR_MACHINE,        /* … is for another machine */
  TUNNEL_ERROR_START,          /* … is for another start */
  TUNNEL_ERROR_INTERFACE,      /* … is for another control link, or has other names */
  TUNNEL_ERROR_TIMED_OUT,      /* LIMIT_HANDSHAKE_TIME_USEC */
  TUNNEL_ERROR_TOO_LARGE,      /* LIMIT_HANDSHAKE_SIZE */
  TUNNEL_ERROR_REFUSED,        /* the peer refused this end (its alert) */
  TUNNEL_ERROR_UNREACHED,      /* nobody answered within LIMIT_CONNECT_TIME_USEC */
  TUNNEL_ERROR_CLOSED          /* the peer closed the connection during the handshake */
} TunnelError;

#define TUNNEL_ERROR (tunnel_error_quark ())
GQuark tunnel_error_quark (void);

/* TRUE where `error` says that a peer was there and was wrong, or refused this end: what
 * LOG_ID_TUNNEL_REFUSED is for. FALSE for one that was not reached or went away. */
gboolean tunnel_error_is_refusal (const GError *error);

/* Credentials and priorities of this end, shared by its sessions; reference counted. */
typedef struct TunnelContext TunnelContext;
TunnelContext *tunnel_context_new (const Identity *identity, GError **error);
TunnelContext *tunnel_context_ref (TunnelContext *context);
void tunnel_context_unref (TunnelContext *context);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TunnelContext, tunnel_context_unref)

/* A handshake's end: a stream (to be freed by the callee; poll stream->fd) with its kind, or NULL
 * and `error` (TUNNEL_ERROR or G_IO_ERROR; the callee's to read, not to free). Never called after
 * the attempt was freed, nor from within the call that began it. It may free its attempt or
 * listener. The stream may already hold bytes (stream_pending()). Freeing it ends it as
 * stream_end() does, as well as can be without waiting.
 *
 * In TLS 1.3 the client's handshake ends before the server has looked at the client's certificate:
 * what the guest refuses the bridge learns from its first read (-EPROTO, and
 * tunnel_stream_get_failure()). */
typedef void (*TunnelDone) (Stream *stream, ChannelKind kind, const GError *error, void *user_data);

/* Of a stream that `TunnelDone` brought: why it failed, a sentence for logs, or NULL where it did
 * not. Reads and writes return the same -errno from then on. */
const char *tunnel_stream_get_failure (Stream *stream);

/* The bridge's side: connects to `address` (fe80::2, or what neighbour discovery found; scope
 * `interface_index`), port TUNNEL_PORT, and shakes hands within LIMIT_HANDSHAKE_TIME_USEC. -errno
 * where it cannot begin; -EINVAL where the address is not link-local. */
typedef struct TunnelAttempt TunnelAttempt;
int tunnel_connect (sd_event *event, TunnelContext *context, int interface_index,
                    const struct in6_addr *address, ChannelKind kind, TunnelDone done,
                    void *user_data, TunnelAttempt **ret_attempt);
/* Cancels where it still runs. NULL is allowed. */
void tunnel_attempt_free (TunnelAttempt *attempt);

/* The agent's side: listens on TUNNEL_PORT, bound to the interface, and calls `done` for each
 * session and for each refused one. At most LIMIT_HANDSHAKES_MACHINE at a time; others wait in the
 * kernel's queue. */
typedef struct TunnelListener TunnelListener;
int tunnel_listen (sd_event *event, TunnelContext *context, int interface_index, TunnelDone done,
                   void *user_data, TunnelListener **ret_listener);
void tunnel_listener_free (TunnelListener *listener);
