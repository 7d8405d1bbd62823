/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bridges that report, and what tombolod asks of them. */
#include "bridges.h"

#include <gio/gunixfdlist.h>

#include "descriptor.h"
#include "error.h"
#include "limit.h"

#define BRIDGE_PATH "/org/tombolo/Bridge1"
#define BRIDGE_INTERFACE "org.tombolo.Bridge1"

struct Bridges
{
  Manager *manager;
  GDBusConnection *bus;
  GHashTable *reporters; /* machine's name -> Reporter */
};

/* Whose report a machine's agent state rests on. */
typedef struct
{
  Bridges *bridges;
  char *machine;
  char *bus_name;
  guint watch;
} Reporter;

static void
reporter_free (gpointer data)
{
  Reporter *reporter = data;

  g_bus_unwatch_name (reporter->watch);
  g_free (reporter->machine);
  g_free (reporter->bus_name);
  g_free (reporter);
}

static void
on_vanished (GDBusConnection *bus, const char *name, gpointer user_data)
{
  Reporter *reporter = user_data;
  Bridges *bridges = reporter->bridges;
  Machine *machine = manager_find (bridges->manager, reporter->machine, NULL);

  if (machine != NULL)
    machine_bridge_vanished (machine);
  g_hash_table_remove (bridges->reporters, reporter->machine);
}

void
bridges_set (Bridges *bridges, const char *machine, const char *bus_name)
{
  Reporter *reporter = g_hash_table_lookup (bridges->reporters, machine);

  if (reporter != NULL && g_str_equal (reporter->bus_name, bus_name))
    return;

  reporter = g_new0 (Reporter, 1);
  reporter->bridges = bridges;
  reporter->machine = g_strdup (machine);
  reporter->bus_name = g_strdup (bus_name);
  g_hash_table_replace (bridges->reporters, reporter->machine, reporter);
  reporter->watch = g_bus_watch_name_on_connection (
      bridges->bus, bus_name, G_BUS_NAME_WATCHER_FLAGS_NONE, NULL, on_vanished, reporter, NULL);
}

/* --- calls --- */

/* Where the guest can be reached now, its bridge's name. */
static const char *
find_bridge (Bridges *bridges, Machine *machine, GError **error)
{
  const char *name = machine_get_name (machine);
  const Reporter *reporter = g_hash_table_lookup (bridges->reporters, name);
  const char *reason = machine_get_agent_reason (machine);

  if (reporter != NULL && machine_get_agent_state (machine) == AGENT_CONNECTED)
    return reporter->bus_name;

  if (machine_get_agent_state (machine) == AGENT_NONE)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_DISCONNECTED,
                 "Machine %s does not run, or has no agent; start it first.", name);
  else
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_DISCONNECTED,
                 "The agent of machine %s is not connected.%s%s", name, *reason != '\0' ? " " : "",
                 reason);
  return NULL;
}

/* What a bridge says is one of our errors, or none of the caller's business. */
static GError *
explain (GError *error)
{
  GError *plain;

  if (error->domain == TOMBOLO_ERROR)
    {
      g_dbus_error_strip_remote_error (error);
      return error;
    }

  plain = g_error_new (TOMBOLO_ERROR, TOMBOLO_ERROR_DISCONNECTED,
                       "The machine's bridge did not answer; try again: %s", error->message);
  g_error_free (error);
  return plain;
}

static void
on_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (
      G_DBUS_CONNECTION (source), NULL, result, &error);

  if (reply != NULL)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, explain (error));
}

void
bridges_open_bus_async (Bridges *bridges, Machine *machine, const char *opener, GuestBus bus,
                        int fd, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new_from_array (&fd, 1);
  GError *error = NULL;
  const char *bridge = find_bridge (bridges, machine, &error);

  if (bridge == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  g_dbus_connection_call_with_unix_fd_list (
      bridges->bus, bridge, BRIDGE_PATH, BRIDGE_INTERFACE, "OpenBus",
      g_variant_new ("(ssh)", opener, guest_bus_to_string (bus), 0), G_VARIANT_TYPE ("()"),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, LIMIT_BRIDGE_CALL_USEC / 1000, list, NULL, on_opened,
      g_steal_pointer (&task));
}

gboolean
bridges_open_bus_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
on_shell (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GUnixFDList) list = NULL;
  GError *error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (
      G_DBUS_CONNECTION (source), &list, result, &error);
  gint32 terminal = -1, status = -1;

  if (reply == NULL)
    {
      g_task_return_error (task, explain (error));
      return;
    }

  /* A bridge may have been taken over: neither is more than a descriptor that the caller gets. */
  g_variant_get (reply, "(hh)", &terminal, &status);
  if (list == NULL || g_unix_fd_list_get_length (list) != 2 || terminal != 0 || status != 1)
    g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                             "The machine's bridge answered with no terminal.");
  else
    g_task_return_pointer (task, g_steal_pointer (&list), g_object_unref);
}

void
bridges_open_shell_async (Bridges *bridges, Machine *machine, GVariant *request,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  g_autoptr (GVariant) arguments = g_variant_ref_sink (request);
  GError *error = NULL;
  const char *bridge = find_bridge (bridges, machine, &error);

  if (bridge == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  g_dbus_connection_call_with_unix_fd_list (
      bridges->bus, bridge, BRIDGE_PATH, BRIDGE_INTERFACE, "OpenShell", arguments,
      G_VARIANT_TYPE ("(hh)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, 3 * LIMIT_SHELL_TIME_USEC / 1000,
      NULL, NULL, on_shell, g_steal_pointer (&task));
}

GUnixFDList *
bridges_open_shell_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- life --- */

Bridges *
bridges_new (Manager *manager, GDBusConnection *bus)
{
  Bridges *bridges = g_new0 (Bridges, 1);

  bridges->manager = g_object_ref (manager);
  bridges->bus = g_object_ref (bus);
  bridges->reporters = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, reporter_free);
  return bridges;
}

void
bridges_free (Bridges *bridges)
{
  g_hash_table_unref (bridges->reporters);
  g_object_unref (bridges->bus);
  g_object_unref (bridges->manager);
  g_free (bridges);
}
