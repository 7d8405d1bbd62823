/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries a unix socket through TLS: what one has to put around xdg-dbus-proxy to reach a guest. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench-tls.h"

static const char usage[] =
    "Usage: tombolo-bench-relay host DIRECTORY PATH PORT HOST\n"
    "       tombolo-bench-relay guest DIRECTORY PATH PORT\n"
    "The first listens at the unix socket PATH and connects to HOST by TLS; the second listens at\n"
    "PORT and connects to the unix socket PATH.\n";

#define PIECE (64 * 1024)

static int
open_unix (const char *path, bool listening)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  snprintf (address.sun_path, sizeof address.sun_path, "%s", path);
  if (listening)
    unlink (path);
  if (fd < 0
      || (listening
              ? bind (fd, (struct sockaddr *) &address, sizeof address) < 0 || listen (fd, 16) < 0
              : connect (fd, (struct sockaddr *) &address, sizeof address) < 0))
    {
      fprintf (stderr, "%s: %s\n", path, strerror (errno));
      exit (EXIT_FAILURE);
    }

  return fd;
}

static bool
write_all (int fd, const char *data, size_t size)
{
  while (size > 0)
    {
      ssize_t n = write (fd, data, size);

      if (n <= 0)
        return false;
      data += n;
      size -= (size_t) n;
    }
  return true;
}

static void
relay (int fd, gnutls_session_t session)
{
  static char data[PIECE];
  bool good = true;

  while (good)
    {
      struct pollfd polled[] = { { .fd = fd, .events = POLLIN },
                                 { .fd = gnutls_transport_get_int (session), .events = POLLIN } };
      bool pending = gnutls_record_check_pending (session) > 0;

      if (!pending && poll (polled, 2, -1) < 0)
        break;
      if (polled[0].revents != 0)
        {
          ssize_t n = read (fd, data, sizeof data);

          good = n > 0 && bench_tls_send (session, data, (size_t) n);
        }
      if (good && (pending || polled[1].revents != 0))
        {
          ssize_t n = gnutls_record_recv (session, data, sizeof data);

          good = n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED
                 || (n > 0 && write_all (fd, data, (size_t) n));
        }
    }
}

int
main (int argc, char **argv)
{
  bool guest = argc == 5 && strcmp (argv[1], "guest") == 0;
  BenchTls tls;
  int listening;

  if (!guest && (argc != 6 || strcmp (argv[1], "host") != 0))
    {
      fputs (usage, stderr);
      return 2;
    }

  signal (SIGPIPE, SIG_IGN);
  signal (SIGCHLD, SIG_IGN);
  bench_tls_init (&tls, argv[2], guest ? "server" : "client");
  listening = guest ? bench_tls_listen (argv[4]) : open_unix (argv[3], true);

  for (;;)
    {
      int accepted = accept (listening, NULL, NULL);

      if (accepted < 0)
        return EXIT_FAILURE;
      if (fork () == 0)
        {
          int other = guest ? open_unix (argv[3], false) : bench_tls_dial (argv[5], argv[4]);
          gnutls_session_t session = bench_tls_open (&tls, guest ? accepted : other, guest);

          if (session != NULL)
            relay (guest ? other : accepted, session);
          _exit (EXIT_SUCCESS);
        }
      close (accepted);
    }
}
