/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolod: start-up and end. */
#include <errno.h>
#include <glib-unix.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "config.h"
#include "daemon.h"
#include "descriptor.h"
#include "host-context.h"
#include "log.h"

static gboolean
on_signal (gpointer user_data)
{
  sd_notify (0, "STOPPING=1");
  g_main_loop_quit (user_data);
  return G_SOURCE_CONTINUE;
}

/* Where systemd did not pass the socket: tombolod was started by hand. */
static int
listen_for_credentials (GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = CREDENTIAL_SOCKET };
  auto_fd fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  unlink (address.sun_path);
  umask (0077);
  if (fd < 0 || bind (fd, (struct sockaddr *) &address, sizeof address) < 0
      || listen (fd, SOMAXCONN) < 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
                   "Cannot listen on %s: %s; start tombolod.socket", address.sun_path,
                   g_strerror (errno));
      return -1;
    }

  return fd_steal (&fd);
}

static int
take_credential_socket (GError **error)
{
  int n = sd_listen_fds (1);

  for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++)
    if (sd_is_socket_unix (fd, SOCK_STREAM, 1, CREDENTIAL_SOCKET, 0) > 0)
      return fd;

  return listen_for_credentials (error);
}

static int
run (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (Daemon) daemon = NULL;
  g_autoptr (GError) error = NULL;
  int credential_fd = take_credential_socket (&error);

  if (credential_fd >= 0)
    daemon = daemon_new (loop, credential_fd, &error);
  if (daemon == NULL)
    {
      log_error (NULL, "tombolod cannot start: %s", error->message);
      return EXIT_FAILURE;
    }

  g_unix_signal_add (SIGTERM, on_signal, loop);
  g_unix_signal_add (SIGINT, on_signal, loop);
  g_main_loop_run (loop);
  return daemon_has_failed (daemon) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
main (int argc, char **argv)
{
  gboolean version = FALSE;
  const GOptionEntry entries[] = {
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and exit", NULL }, { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context, "Runs machines and shows them on D-Bus.");
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1)
    {
      fprintf (stderr, "tombolod: %s\n", error != NULL ? error->message : "no arguments are taken");
      return EXIT_FAILURE;
    }
  if (version)
    {
      printf ("%s\n", TOMBOLO_VERSION);
      return EXIT_SUCCESS;
    }

  log_open ("tombolod", LOG_LEVEL_INFO);
  return run ();
}
