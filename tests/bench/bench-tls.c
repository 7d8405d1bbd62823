/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TLS as the tunnel has it, but blocking. */
#include "bench-tls.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16

/* The tunnel's version and cipher. */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:-GROUP-ALL:+GROUP-X25519"

static void
die (const char *what, const char *reason)
{
  fprintf (stderr, "%s: %s\n", what, reason);
  exit (EXIT_FAILURE);
}

static void
check (int r, const char *what)
{
  if (r < 0)
    die (what, gnutls_strerror (r));
}

void
bench_tls_init (BenchTls *tls, const char *directory, const char *name)
{
  char authority[256], certificate[256], key[256];

  snprintf (authority, sizeof authority, "%s/ca.pem", directory);
  snprintf (certificate, sizeof certificate, "%s/%s.pem", directory, name);
  snprintf (key, sizeof key, "%s/%s.key", directory, name);

  check (gnutls_certificate_allocate_credentials (&tls->credentials), "No credentials");
  check (gnutls_certificate_set_x509_trust_file (tls->credentials, authority, GNUTLS_X509_FMT_PEM),
         authority);
  check (gnutls_certificate_set_x509_key_file (tls->credentials, certificate, key,
                                               GNUTLS_X509_FMT_PEM),
         certificate);
  check (gnutls_priority_init (&tls->priorities, PRIORITIES, NULL), "No priorities");
}

int
bench_tls_dial (const char *host, const char *port)
{
  const struct addrinfo hints = { .ai_family = AF_INET6, .ai_socktype = SOCK_STREAM };
  struct addrinfo *found = NULL;
  int r = getaddrinfo (host, port, &hints, &found);
  int fd;

  if (r != 0)
    die (host, gai_strerror (r));
  fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect (fd, found->ai_addr, found->ai_addrlen) < 0)
    die (host, strerror (errno));

  freeaddrinfo (found);
  return fd;
}

int
bench_tls_listen (const char *port)
{
  const struct sockaddr_in6 address = { .sin6_family = AF_INET6,
                                        .sin6_addr = IN6ADDR_ANY_INIT,
                                        .sin6_port = htons ((uint16_t) atoi (port)) };
  const int on = 1;
  int fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
      || bind (fd, (const struct sockaddr *) &address, sizeof address) < 0
      || listen (fd, BACKLOG) < 0)
    die (port, strerror (errno));

  return fd;
}

gnutls_session_t
bench_tls_open (BenchTls *tls, int fd, bool server)
{
  gnutls_session_t session;
  const int on = 1;
  int r;

  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  check (gnutls_init (&session, server ? GNUTLS_SERVER : GNUTLS_CLIENT), "No session");
  check (gnutls_priority_set (session, tls->priorities), "No priorities");
  check (gnutls_credentials_set (session, GNUTLS_CRD_CERTIFICATE, tls->credentials),
         "No credentials");
  if (server)
    gnutls_certificate_server_set_request (session, GNUTLS_CERT_REQUIRE);
  gnutls_session_set_verify_cert (session, NULL, 0);
  gnutls_transport_set_int (session, fd);

  do
    r = gnutls_handshake (session);
  while (r < 0 && !gnutls_error_is_fatal (r));
  if (r >= 0)
    return session;

  fprintf (stderr, "No handshake: %s\n", gnutls_strerror (r));
  gnutls_deinit (session);
  return NULL;
}

bool
bench_tls_send (gnutls_session_t session, const void *data, size_t size)
{
  const uint8_t *p = data;

  while (size > 0)
    {
      ssize_t n = gnutls_record_send (session, p, size);

      if (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN)
        continue;
      if (n <= 0)
        return false;
      p += n;
      size -= (size_t) n;
    }
  return true;
}

bool
bench_tls_receive (gnutls_session_t session, void *data, size_t size)
{
  uint8_t *p = data;

  while (size > 0)
    {
      ssize_t n = gnutls_record_recv (session, p, size);

      if (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN)
        continue;
      if (n <= 0)
        return false;
      p += n;
      size -= (size_t) n;
    }
  return true;
}
