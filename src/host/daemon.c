/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon: bus connections, then the machines as they are, then the public face. */
#include "daemon.h"

#include <errno.h>
#include <gio/gio.h>
#include <pwd.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#include "alias-watch.h"
#include "authority.h"
#include "bridge-dbus.h"
#include "config.h"
#include "credential-server.h"
#include "descriptor.h"
#include "event-source.h"
#include "flood-guard.h"
#include "host-context.h"
#include "launch-protocol.h"
#include "log-control.h"
#include "log.h"
#include "manager-dbus.h"
#include "manager.h"

#define STATE_DIRECTORY TOMBOLO_STATEDIR
#define BRIDGE_USER "tombolo-bridge"

struct Daemon
{
  GMainLoop *loop;
  HostContext host;
  GDBusConnection *bus;
  FloodGuard *flood_guard;
  /* polkit is asked over a connection of its own: src/authority is the bridge's too, and that has
   * no GDBus. */
  sd_event *event;
  GSource *event_source;
  sd_bus *authority_bus;
  CallerAuthority authority;

  int credential_fd;
  Manager *manager;
  CredentialServer *credentials;
  Bridges *bridges;
  ManagerDBus *manager_face;
  BridgeDBus *bridge_face;
  AliasWatch *alias_watch;
  guint log_control;
  guint name;
  guint watchdog;
  gboolean failed;
};

static void
fail (Daemon *daemon, const char *message)
{
  log_error (NULL, "%s", message);
  sd_notifyf (0, "STATUS=%s", message);
  daemon->failed = TRUE;
  g_main_loop_quit (daemon->loop);
}

/* --- the name, the last step --- */

static void
notify_status (Daemon *daemon)
{
  g_autoptr (GList) machines = manager_list (daemon->manager);
  guint running = 0;

  for (GList *l = machines; l != NULL; l = l->next)
    if (machine_get_state (l->data) == MACHINE_RUNNING
        || machine_get_state (l->data) == MACHINE_PAUSED)
      running++;
  sd_notifyf (0, "STATUS=%u machines, %u running", g_list_length (machines), running);
}

static void
on_machine_changed (Machine *machine, gpointer user_data)
{
  notify_status (user_data);
}

static void
on_machine_added (Manager *manager, Machine *machine, gpointer user_data)
{
  g_signal_connect (machine, "changed", G_CALLBACK (on_machine_changed), user_data);
  notify_status (user_data);
}

static void
on_machine_removed (Manager *manager, Machine *machine, gpointer user_data)
{
  g_signal_handlers_disconnect_by_data (machine, user_data);
  notify_status (user_data);
}

static void
follow_status (Daemon *daemon)
{
  g_autoptr (GList) machines = manager_list (daemon->manager);

  for (GList *l = machines; l != NULL; l = l->next)
    on_machine_added (daemon->manager, l->data, daemon);
  g_signal_connect (daemon->manager, "machine-added", G_CALLBACK (on_machine_added), daemon);
  g_signal_connect (daemon->manager, "machine-removed", G_CALLBACK (on_machine_removed), daemon);
  notify_status (daemon);
}

static void
on_name_acquired (GDBusConnection *bus, const char *name, gpointer user_data)
{
  log_info (NULL, "tombolod %s is ready", TOMBOLO_VERSION);
  sd_notify (0, "READY=1");
}

static void
on_name_lost (GDBusConnection *bus, const char *name, gpointer user_data)
{
  fail (user_data, "The name " TOMBOLO_BUS_NAME
                   " cannot be had: another tombolod runs, or the bus' policy forbids it.");
}

/* --- the machines, and who may talk of them --- */

static void
on_manager_open (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Daemon *daemon = user_data;
  g_autoptr (GError) error = NULL;

  if (!manager_open_finish (daemon->manager, result, &error))
    {
      fail (daemon, error->message);
      return;
    }

  /* Requests that came while nobody knew the machines have been waiting in the socket. */
  daemon->credentials = credential_server_new (fd_steal (&daemon->credential_fd),
                                               manager_get_credential, daemon->manager);
  daemon->bridges = bridges_new (daemon->manager, daemon->bus);
  daemon->manager_face =
      manager_dbus_new (daemon->manager, daemon->bus, &daemon->authority, daemon->bridges, &error);
  if (daemon->manager_face != NULL)
    daemon->bridge_face =
        bridge_dbus_new (daemon->manager, daemon->host.units, daemon->bridges, daemon->bus, &error);
  if (daemon->bridge_face != NULL)
    daemon->log_control = log_control_export (daemon->bus, &error);
  if (daemon->log_control == 0)
    {
      fail (daemon, error->message);
      return;
    }

  daemon->alias_watch = alias_watch_new (daemon->manager, daemon->host.units, daemon->bus);
  follow_status (daemon);
  daemon->name = g_bus_own_name_on_connection (daemon->bus, TOMBOLO_BUS_NAME,
                                               G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                               on_name_acquired, on_name_lost, daemon, NULL);
}

/* --- beginning --- */

static gboolean
on_watchdog (gpointer user_data)
{
  sd_notify (0, "WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

static void
start_watchdog (Daemon *daemon)
{
  uint64_t usec;

  if (sd_watchdog_enabled (0, &usec) > 0)
    daemon->watchdog = g_timeout_add ((guint) (usec / 2 / 1000), on_watchdog, daemon);
}

static void
on_bus_closed (GDBusConnection *bus, gboolean peer_vanished, GError *error, gpointer user_data)
{
  fail (user_data, "The connection to the system bus ended.");
}

static gboolean
connect_bus (Daemon *daemon, GError **error)
{
  daemon->bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  if (daemon->bus == NULL)
    {
      g_prefix_error (error, "Cannot connect to the system bus: ");
      return FALSE;
    }

  g_dbus_connection_set_exit_on_close (daemon->bus, FALSE);
  daemon->flood_guard = flood_guard_new (daemon->bus);
  g_signal_connect (daemon->bus, "closed", G_CALLBACK (on_bus_closed), daemon);
  return TRUE;
}

static int
on_authority_closed (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  if (g_strcmp0 (sd_bus_message_get_sender (message), "org.freedesktop.DBus.Local") != 0)
    return 0;
  fail (user_data, "The connection to the system bus that asks polkit ended.");
  return 0;
}

static gboolean
on_event_ended (gpointer user_data)
{
  fail (user_data, "The event loop that asks polkit ended.");
  return G_SOURCE_REMOVE;
}

static gboolean
connect_authority (Daemon *daemon, GError **error)
{
  int r = sd_event_new (&daemon->event);

  if (r >= 0)
    r = sd_bus_open_system_with_description (&daemon->authority_bus, "authority");
  if (r >= 0)
    r = sd_bus_attach_event (daemon->authority_bus, daemon->event, SD_EVENT_PRIORITY_NORMAL);
  if (r >= 0)
    r = sd_bus_match_signal_async (daemon->authority_bus, NULL, "org.freedesktop.DBus.Local",
                                   "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                   "Disconnected", on_authority_closed, NULL, daemon);
  if (r < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (-r),
                   "Cannot connect to the system bus for polkit: %s", g_strerror (-r));
      return FALSE;
    }

  daemon->event_source = event_source_new (daemon->event);
  g_source_set_callback (daemon->event_source, on_event_ended, daemon, NULL);
  g_source_attach (daemon->event_source, NULL);
  daemon->authority.authority = authority_new (daemon->authority_bus);
  return TRUE;
}

static void
make_directory (const char *path)
{
  if (g_mkdir_with_parents (path, 0700) < 0)
    log_error (NULL, "Cannot make directory %s: %s", path, g_strerror (errno));
}

/* Start-up only, for it may ask name services. */
static void
fill_authority (Daemon *daemon)
{
  const struct passwd *bridge = getpwnam (BRIDGE_USER);

  if (bridge == NULL)
    log_warning (NULL, "There is no user " BRIDGE_USER "; run systemd-sysusers.");
  daemon->authority.bus = daemon->bus;
  daemon->authority.units = daemon->host.units;
  daemon->authority.bridge_uid = bridge != NULL ? bridge->pw_uid : (uid_t) -1;
}

/* A CA or a namespace that is out of order stops no machine that runs: only starts fail, and say
 * why. */
static void
fill_context (Daemon *daemon)
{
  HostContext *host = &daemon->host;

  host->admin_directory = TOMBOLO_SYSCONFDIR "/tombolo/machines";
  host->created_directory = STATE_DIRECTORY "/machines";
  host->state_directory = RUNTIME_DIRECTORY "/state";
  host->qmp_directory = RUNTIME_DIRECTORY "/qmp";
  host->launch_directory = LAUNCH_SOCKET_DIRECTORY;
  host->bus_directory = RUNTIME_DIRECTORY "/bus";
  host->accelerator_file = RUNTIME_DIRECTORY "/kvm";
  make_directory (host->created_directory);
  make_directory (STATE_DIRECTORY "/ca");
  make_directory (host->state_directory);
  make_directory (host->qmp_directory);

  host->units = units_new (daemon->bus);
  fill_authority (daemon);
  host->links = links_new (&host->links_error);
  if (host->links == NULL)
    log_error (NULL, "No machine can be started: %s", host->links_error->message);
  host->ca = certificate_authority_open (STATE_DIRECTORY "/ca", &host->ca_error);
  if (host->ca == NULL)
    log_error (NULL, "No machine can be started: %s", host->ca_error->message);
}

Daemon *
daemon_new (GMainLoop *loop, int credential_fd, GError **error)
{
  g_autoptr (Daemon) daemon = g_new0 (Daemon, 1);

  daemon->loop = g_main_loop_ref (loop);
  daemon->credential_fd = credential_fd;
  if (!connect_bus (daemon, error) || !connect_authority (daemon, error))
    return NULL;

  fill_context (daemon);
  start_watchdog (daemon);
  daemon->manager = manager_new (&daemon->host);
  manager_open_async (daemon->manager, on_manager_open, daemon);
  return g_steal_pointer (&daemon);
}

gboolean
daemon_has_failed (Daemon *daemon)
{
  return daemon->failed;
}

static void
stop_faces (Daemon *daemon)
{
  if (daemon->name != 0)
    g_bus_unown_name (daemon->name);
  g_clear_pointer (&daemon->alias_watch, alias_watch_free);
  if (daemon->log_control != 0)
    g_dbus_connection_unregister_object (daemon->bus, daemon->log_control);
  g_clear_pointer (&daemon->bridge_face, bridge_dbus_free);
  g_clear_pointer (&daemon->manager_face, manager_dbus_free);
  g_clear_pointer (&daemon->bridges, bridges_free);
  g_clear_pointer (&daemon->credentials, credential_server_free);
}

static void
stop_authority (Daemon *daemon)
{
  g_clear_pointer (&daemon->authority.authority, authority_free);
  if (daemon->event_source != NULL)
    g_source_destroy (daemon->event_source);
  g_clear_pointer (&daemon->event_source, g_source_unref);
  if (daemon->authority_bus != NULL)
    sd_bus_detach_event (daemon->authority_bus);
  sd_bus_flush_close_unref (daemon->authority_bus);
  sd_event_unref (daemon->event);
}

/* Machines and their units stay as they are. */
void
daemon_free (Daemon *daemon)
{
  if (daemon->manager != NULL)
    g_signal_handlers_disconnect_by_data (daemon->manager, daemon);
  stop_faces (daemon);
  stop_authority (daemon);
  g_clear_handle_id (&daemon->watchdog, g_source_remove);

  if (daemon->bus != NULL)
    {
      g_signal_handlers_disconnect_by_data (daemon->bus, daemon);
      g_dbus_connection_flush_sync (daemon->bus, NULL, NULL);
    }
  g_clear_object (&daemon->manager);
  g_clear_object (&daemon->host.units);
  g_clear_pointer (&daemon->host.links, links_free);
  g_clear_pointer (&daemon->host.ca, certificate_authority_free);
  g_clear_error (&daemon->host.links_error);
  g_clear_error (&daemon->host.ca_error);
  g_clear_pointer (&daemon->flood_guard, flood_guard_free);
  g_clear_object (&daemon->bus);
  fd_clear (&daemon->credential_fd);
  g_main_loop_unref (daemon->loop);
  g_free (daemon);
}
