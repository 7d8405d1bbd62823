/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TLS 1.3 over TCP with blocking sockets, both ends authenticated, as plainly as GnuTLS does it. */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct
{
  gnutls_certificate_credentials_t credentials;
  gnutls_priority_t priorities;
} BenchTls;

/* `directory` holds ca.pem, and NAME.pem and NAME.key. Ends the program where it cannot be. */
void bench_tls_init (BenchTls *tls, const char *directory, const char *name);

/* Sockets; both end the program where they fail. `host` may name an interface after “%”. */
int bench_tls_dial (const char *host, const char *port);
int bench_tls_listen (const char *port);

/* A session over `fd` after its handshake, or NULL, and told why. */
gnutls_session_t bench_tls_open (BenchTls *tls, int fd, bool server);

/* All bytes, or false. */
bool bench_tls_send (gnutls_session_t session, const void *data, size_t size);
bool bench_tls_receive (gnutls_session_t session, void *data, size_t size);
