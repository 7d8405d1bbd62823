/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolo-bridge: start-up of a machine's bridge. */
#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "bridge.h"
#include "call-policy.h"
#include "config.h"
#include "credential.h"
#include "disposal.h"
#include "event-loop.h"
#include "limit.h"

static Identity *
load_identity (GError **error)
{
  gsize size;
  char *text = credential_load (IDENTITY_CREDENTIAL, LIMIT_IDENTITY_SIZE, &size, error);
  Identity *identity = text == NULL ? NULL : identity_from_text (text, size, error);

  credential_free (text, text == NULL ? 0 : size);
  return identity;
}

static BridgeSettings *
load_settings (GError **error)
{
  gsize size;
  char *text = credential_load (BRIDGE_CREDENTIAL, LIMIT_BRIDGE_CREDENTIAL_SIZE, &size, error);
  BridgeSettings *settings = text == NULL ? NULL : bridge_settings_from_text (text, size, error);

  credential_free (text, text == NULL ? 0 : size);
  return settings;
}

/* Both credentials have to speak of the same machine. The key lives in the context alone. */
static TunnelContext *
load_context (const BridgeSettings *settings, GError **error)
{
  g_autoptr (Identity) identity = load_identity (error);

  if (identity == NULL)
    return NULL;
  if (identity->role != IDENTITY_BRIDGE || !g_str_equal (identity->machine, settings->machine))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                   "Credential " IDENTITY_CREDENTIAL " is not that of machine “%s”'s bridge.",
                   settings->machine);
      return NULL;
    }

  return tunnel_context_new (identity, error);
}

/* A bus that goes away ends the bridge; its unit starts it again. */
static int
open_bus (sd_event *event, sd_bus **ret_bus)
{
  sd_bus *bus = NULL;
  int r = sd_bus_open_system_with_description (&bus, "control");

  if (r >= 0)
    r = sd_bus_attach_event (bus, event, SD_EVENT_PRIORITY_NORMAL);
  if (r >= 0)
    r = sd_bus_set_exit_on_disconnect (bus, 1);
  if (r < 0)
    {
      sd_bus_unref (bus);
      return r;
    }

  *ret_bus = bus;
  return 0;
}

/* The name of the file that the socket is bound to. Free with g_free(). */
static char *
get_socket_name (int fd)
{
  struct sockaddr_un address = { 0 };
  socklen_t size = sizeof address;

  if (getsockname (fd, (struct sockaddr *) &address, &size) < 0 || address.sun_family != AF_UNIX)
    return g_strdup ("");

  return g_path_get_basename (address.sun_path);
}

/* The sockets that systemd listens on for us, told apart by their names. One that is none of ours
 * is left alone. */
static int
find_sockets (const BridgeSettings *settings, int ret_fds[N_GUEST_BUSES])
{
  int n_fds = sd_listen_fds (1);

  if (n_fds < 0)
    return n_fds;

  for (GuestBus guest_bus = 0; guest_bus < N_GUEST_BUSES; guest_bus++)
    {
      g_autofree char *wanted = machine_name_to_bus_socket (settings->machine, guest_bus);

      ret_fds[guest_bus] = -1;
      for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n_fds; fd++)
        {
          g_autofree char *name = get_socket_name (fd);

          if (g_str_equal (name, wanted))
            ret_fds[guest_bus] = fd;
        }
    }

  return 0;
}

static int
run (const BridgeSettings *settings, TunnelContext *context)
{
  Bridge *bridge = NULL;
  sd_event *event = NULL;
  sd_bus *bus = NULL;
  int listen_fds[N_GUEST_BUSES];
  int r = event_loop_new (&event);

  if (r >= 0)
    r = open_bus (event, &bus);
  if (r >= 0)
    r = find_sockets (settings, listen_fds);
  if (r >= 0)
    r = bridge_new (event, bus, settings, context, listen_fds, &bridge);
  if (r >= 0)
    {
      sd_notify (0, "READY=1");
      r = sd_event_loop (event);
      sd_notify (0, "STOPPING=1");
    }
  if (r < 0)
    log_error (settings->machine, "The bridge cannot run: %s", g_strerror (-r));

  bridge_free (bridge);
  sd_bus_flush_close_unref (bus);
  sd_event_unref (event);
  return r;
}

int
main (int argc, char **argv)
{
  g_autoptr (TunnelContext) context = NULL;
  g_autoptr (BridgeSettings) settings = NULL;
  g_autoptr (GError) error = NULL;

  if (argc == 2 && g_str_equal (argv[1], "--version"))
    {
      puts ("tombolo-bridge " TOMBOLO_VERSION);
      return EXIT_SUCCESS;
    }
  if (argc != 1)
    {
      fputs ("Usage: tombolo-bridge [--version]\n", stderr);
      return EXIT_FAILURE;
    }

  log_open ("tombolo-bridge", LOG_LEVEL_INFO);
  fd_dispose_prepare ();

  /* Before any key is read: bridges share a user, and shall not read each other's memory.
   * Installed, the program cannot be read, so that this holds from its first instruction on. */
  if (prctl (PR_SET_DUMPABLE, 0) < 0)
    {
      log_error (NULL, "Cannot keep other processes from reading the key: %s", g_strerror (errno));
      return EXIT_FAILURE;
    }

  settings = load_settings (&error);
  if (settings != NULL)
    context = load_context (settings, &error);
  if (context == NULL)
    {
      log_error (settings != NULL ? settings->machine : NULL, "%s", error->message);
      return EXIT_FAILURE;
    }

  call_policy_resolve (settings);
  return run (settings, context) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
