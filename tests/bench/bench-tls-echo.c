/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A TLS round trip and nothing else: the part of the floor that is the control link's. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench-tls.h"
#include "bench.h"

static const char usage[] =
    "Usage: tombolo-bench-tls-echo server DIRECTORY PORT\n"
    "       tombolo-bench-tls-echo client DIRECTORY PORT HOST\n"
    "Measures round trips between two such programs. DIRECTORY holds certificates and keys. A "
    "line\n"
    "on the client's standard input says what is measured:\n"
    "  latency REQUEST REPLY COUNT   COUNT round trips of so many bytes there and back\n";

/* What a request begins with. */
typedef struct
{
  uint32_t request_size;
  uint32_t reply_size;
} Sizes;

typedef struct
{
  gnutls_session_t session;
  Sizes sizes;
  uint8_t data[BENCH_MAX_SIZE];
} Peer;

static bool
sizes_are_valid (const Sizes *sizes)
{
  return sizes->request_size >= sizeof *sizes && sizes->request_size <= BENCH_MAX_SIZE
         && sizes->reply_size <= BENCH_MAX_SIZE;
}

static int
exchange (void *user_data)
{
  Peer *peer = user_data;

  memcpy (peer->data, &peer->sizes, sizeof peer->sizes);
  return bench_tls_send (peer->session, peer->data, peer->sizes.request_size)
                 && bench_tls_receive (peer->session, peer->data, peer->sizes.reply_size)
             ? 0
             : -EIO;
}

static int
run_latency (void *user_data, const uint64_t *arguments)
{
  Peer *peer = user_data;

  peer->sizes = (Sizes){ (uint32_t) arguments[0], (uint32_t) arguments[1] };
  return sizes_are_valid (&peer->sizes) ? bench_latency (arguments[2], exchange, peer) : -EINVAL;
}

static const BenchCommand commands[] = {
  { "latency", 3, run_latency },
  { NULL, 0, NULL },
};

typedef struct
{
  BenchTls *tls;
  int fd;
} Accepted;

static void *
serve (void *user_data)
{
  Accepted *accepted = user_data;
  Peer *peer = calloc (1, sizeof *peer);
  Sizes sizes;

  if (peer != NULL)
    peer->session = bench_tls_open (accepted->tls, accepted->fd, true);
  while (peer != NULL && peer->session != NULL
         && bench_tls_receive (peer->session, &sizes, sizeof sizes) && sizes_are_valid (&sizes)
         && bench_tls_receive (peer->session, peer->data, sizes.request_size - sizeof sizes)
         && bench_tls_send (peer->session, peer->data, sizes.reply_size))
    ;

  close (accepted->fd);
  free (accepted);
  free (peer);
  return NULL;
}

static int
run_server (BenchTls *tls, const char *port)
{
  int fd = bench_tls_listen (port);

  for (;;)
    {
      Accepted *accepted = calloc (1, sizeof *accepted);
      pthread_t thread;

      if (accepted == NULL)
        return EXIT_FAILURE;
      accepted->tls = tls;
      accepted->fd = accept (fd, NULL, NULL);
      if (accepted->fd < 0 || pthread_create (&thread, NULL, serve, accepted) != 0)
        return EXIT_FAILURE;
      pthread_detach (thread);
    }
}

int
main (int argc, char **argv)
{
  static Peer peer;
  BenchTls tls;

  signal (SIGPIPE, SIG_IGN);
  if (argc == 4 && strcmp (argv[1], "server") == 0)
    {
      bench_tls_init (&tls, argv[2], "server");
      return run_server (&tls, argv[3]);
    }
  if (argc != 5 || strcmp (argv[1], "client") != 0)
    {
      fputs (usage, stderr);
      return 2;
    }

  bench_tls_init (&tls, argv[2], "client");
  peer.session = bench_tls_open (&tls, bench_tls_dial (argv[4], argv[3]), false);
  return peer.session != NULL ? bench_serve (commands, &peer) : EXIT_FAILURE;
}
