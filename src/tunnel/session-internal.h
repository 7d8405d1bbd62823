/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of src/tunnel/ share, and what the tests turn: ports, addresses, deadlines. */
#pragma once

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>

#include "session.h"

/* A record's most plaintext bytes (RFC 8446, 5.1). */
#define RECORD_SIZE ((size_t) 16 * 1024)

/* Bytes that are read off the socket beyond what GnuTLS asks for, so that a small record costs one
 * system call and not one for its head and one for its body. */
#define READ_AHEAD_SIZE ((size_t) 2 * 1024)

struct TunnelContext
{
  unsigned n_references;
  Identity *identity; /* without key and certificates */
  gnutls_certificate_credentials_t credentials;
  gnutls_priority_t priorities;
  gnutls_x509_trust_list_t authorities;
  uint8_t record[RECORD_SIZE]; /* where a record is gathered: one thread, one at a time */
};

/* "guest" or "bridge": the peer, for sentences. */
const char *tunnel_context_get_peer (TunnelContext *context);

/* One TLS session, from the first byte of its handshake to its end. */
typedef struct
{
  Stream stream; /* the first member: this is its implementation */
  TunnelContext *context;
  gnutls_session_t tls;

  /* During the handshake. */
  GError *refusal; /* where the reason is known better than from GnuTLS' code */
  size_t handshake_size;
  bool verified;
  bool established;

  /* Input. */
  int socket_error; /* errno of the last failed system call */
  bool blocked;     /* the socket had nothing more */
  size_t ahead_begin;
  size_t ahead_end;
  uint8_t ahead[READ_AHEAD_SIZE];

  /* Output: bytes of the record that GnuTLS has taken and the socket has not. */
  size_t in_flight;
  size_t record_limit;

  /* Key updates that the peer made in the window. */
  uint64_t window_usec;
  unsigned n_key_updates;

  int failure; /* 0 or -errno */
  char *failure_text;
} TunnelSession;

/* A session over the socket `fd`, which it takes in any case, that offers or accepts the ALPN
 * `protocols`. NULL with `error` set. */
TunnelSession *tunnel_session_new (TunnelContext *context, int fd, const gnutls_datum_t *protocols,
                                   unsigned n_protocols, GError **error);

/* The handshake is done: the session is a stream from now on. */
void tunnel_session_establish (TunnelSession *session);

/* The verification of the peer's certificate: GnuTLS calls it in the handshake. */
int tunnel_verify (gnutls_session_t tls);

/* What is fixed in programs and turned in tests. */
typedef struct
{
  uint64_t connect_usec;
  uint64_t handshake_usec;
  uint16_t port;
} TunnelOptions;

extern const TunnelOptions tunnel_options;

/* Of a connection whose reader may stand still for as long as it likes: bytes that wait for it are
 * no sign that it is dead. A peer that is gone while some wait is found by the agent's channel,
 * whose end is that of all others. */
void transport_be_patient (int fd);

/* An attempt at one session over `fd`, which it takes in any case: `connecting` where connect(2) is
 * under way and this is the client. */
int tunnel_attempt_new (sd_event *event, TunnelContext *context, int fd, bool connecting,
                        ChannelKind kind, const TunnelOptions *options, TunnelDone done,
                        void *user_data, TunnelAttempt **ret_attempt);

/* tunnel_connect() and tunnel_listen() with any address and options; a port of 0 lets the kernel
 * choose (tunnel_listener_get_port()). */
int tunnel_connect_full (sd_event *event, TunnelContext *context,
                         const struct sockaddr_in6 *address, ChannelKind kind,
                         const TunnelOptions *options, TunnelDone done, void *user_data,
                         TunnelAttempt **ret_attempt);
int tunnel_listen_full (sd_event *event, TunnelContext *context, int interface_index,
                        const TunnelOptions *options, TunnelDone done, void *user_data,
                        TunnelListener **ret_listener);
uint16_t tunnel_listener_get_port (TunnelListener *listener);
