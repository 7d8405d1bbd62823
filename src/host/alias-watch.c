/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks after the aliases' owners. */
#include "alias-watch.h"

#include <string.h>

#include "bus-process.h"
#include "error.h"
#include "log.h"
#include "name.h"

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

struct AliasWatch
{
  Manager *manager;
  Units *units;
  GDBusConnection *bus;
  guint subscriptions[N_GUEST_BUSES]; /* of the names below our prefixes */
  guint outer_subscription; /* of all names, while a machine has an alias elsewhere; else 0 */
  GCancellable *cancellable;
};

/* One alias whose owner is looked at. */
typedef struct
{
  Units *units;
  char *alias;
  char *expected; /* the unit of the machine's own bridge */
  guint32 pid;
} Suspicion;

static void
suspicion_free (Suspicion *suspicion)
{
  g_object_unref (suspicion->units);
  g_free (suspicion->alias);
  g_free (suspicion->expected);
  g_free (suspicion);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Suspicion, suspicion_free)

char *
alias_get_element (const char *name)
{
  const char *element, *end;
  GuestBus bus;

  element = guest_bus_split_prefix (name, &bus);
  if (element == NULL)
    return NULL;
  end = strchr (element, '.');
  return end != NULL ? g_strndup (element, (gsize) (end - element)) : NULL;
}

AliasOwner
alias_owner_judge (const char *unit, const char *expected, char **ret_machine)
{
  MachineUnit kind;

  if (g_strcmp0 (unit, expected) == 0)
    return ALIAS_OWNER_RIGHT;

  return unit != NULL && machine_name_from_unit (unit, ret_machine, &kind)
                 && kind == MACHINE_UNIT_BRIDGE
             ? ALIAS_OWNER_BRIDGE
             : ALIAS_OWNER_OTHER;
}

static void
on_stopped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!units_job_finish (TOMBOLO_UNITS (source), result, &error))
    log_error (NULL, "The impostor's unit could not be stopped: %s", error->message);
}

static void
stop_bridge (Suspicion *suspicion, const char *machine)
{
  /* The socket first, or the next connection starts the bridge again. */
  static const MachineUnit kinds[] = { MACHINE_UNIT_BRIDGE_SOCKET, MACHINE_UNIT_BRIDGE };

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *unit = machine_name_to_unit (machine, kinds[i]);

      units_job_async (suspicion->units, UNIT_STOP, unit, NULL, on_stopped, NULL);
    }
}

/* Only another machine's bridge is ours to stop; whoever else may own such a name has it from an
 * admin's bus policy. */
static void
on_unit_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Suspicion) suspicion = user_data;
  g_autofree char *unit = units_find_by_pid_finish (TOMBOLO_UNITS (source), result, NULL);
  g_autofree char *machine = NULL;
  AliasOwner owner = alias_owner_judge (unit, suspicion->expected, &machine);

  if (owner == ALIAS_OWNER_RIGHT)
    {
      log_debug (NULL,
                 "Alias %s is owned by process %u, which has ended or is no longer the main "
                 "process of its unit",
                 suspicion->alias, suspicion->pid);
      return;
    }

  log_message (LOG_LEVEL_ERROR, machine, LOG_ID_IMPOSTOR,
               "Alias %s is owned by process %u of unit %s, which is not its machine's bridge%s",
               suspicion->alias, suspicion->pid, unit != NULL ? unit : "(unknown)",
               owner == ALIAS_OWNER_BRIDGE ? "; that bridge is stopped" : "");
  if (owner == ALIAS_OWNER_BRIDGE)
    stop_bridge (suspicion, machine);
}

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Suspicion) suspicion = user_data;
  g_autoptr (GError) error = NULL;
  Units *units;
  guint32 pid;

  if (bus_process_check_finish (result, &suspicion->pid, &error))
    return;

  /* An owner that is gone before its process was asked for owns nothing any more; and where systemd
   * does not answer nobody is accused. */
  if (suspicion->pid == 0 || !g_error_matches (error, TOMBOLO_ERROR, TOMBOLO_ERROR_ACCESS_DENIED))
    {
      log_debug (NULL, "The owner of %s was not found: %s", suspicion->alias, error->message);
      return;
    }

  units = suspicion->units;
  pid = suspicion->pid;
  units_find_by_pid_async (units, pid, NULL, on_unit_found, g_steal_pointer (&suspicion));
}

/* The machine that `alias` belongs to, by its file or else by its name. FALSE: it is no alias. */
static gboolean
find_machine (AliasWatch *watch, const char *alias, Machine **ret_machine)
{
  g_autofree char *element = NULL;

  *ret_machine = manager_find_by_alias (watch->manager, alias);
  if (*ret_machine != NULL)
    return TRUE;

  element = alias_get_element (alias);
  if (element != NULL)
    *ret_machine = manager_find_by_element (watch->manager, element);
  return element != NULL;
}

static void
check (AliasWatch *watch, const char *alias, const char *owner)
{
  Machine *machine;
  Suspicion *suspicion;

  if (!find_machine (watch, alias, &machine))
    return;

  suspicion = g_new0 (Suspicion, 1);
  suspicion->units = g_object_ref (watch->units);
  suspicion->alias = g_strdup (alias);
  /* Without such a machine, there is no unit that its owner could belong to. */
  suspicion->expected = machine != NULL
                            ? machine_name_to_unit (machine_get_name (machine), MACHINE_UNIT_BRIDGE)
                            : g_strdup ("tombolo-bridge@.service");
  bus_process_check_async (watch->bus, watch->units, owner, suspicion->expected, on_checked,
                           suspicion);
}

static void
on_owner_changed (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                  const char *signal, GVariant *parameters, gpointer user_data)
{
  const char *name, *new_owner;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sss)")))
    return;
  g_variant_get (parameters, "(&s&s&s)", &name, NULL, &new_owner);
  if (*new_owner != '\0')
    check (user_data, name, new_owner);
}

/* The names below our prefixes are the other subscriptions'; unique ones are no aliases. */
static void
on_outer_owner_changed (GDBusConnection *bus, const char *sender, const char *path,
                        const char *interface, const char *signal, GVariant *parameters,
                        gpointer user_data)
{
  const char *name;
  GuestBus guest_bus;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sss)")))
    return;
  g_variant_get_child (parameters, 0, "&s", &name);
  if (name[0] != ':' && guest_bus_split_prefix (name, &guest_bus) == NULL)
    on_owner_changed (bus, sender, path, interface, signal, parameters, user_data);
}

/* --- aliases that were there before us --- */

static void
on_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autofree const char **names = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply == NULL)
    {
      log_warning (NULL, "Cannot list the names on the bus: %s", error->message);
      return;
    }

  /* The bus answers questions about an owned name as it does for its owner's unique name. */
  g_variant_get (reply, "(^a&s)", &names);
  for (gsize i = 0; names[i] != NULL; i++)
    check (user_data, names[i], names[i]);
}

/* What is owned now, and which names to follow. */
static void
on_reloaded (Manager *manager, gpointer user_data)
{
  AliasWatch *watch = user_data;
  gboolean outer = manager_has_outer_alias (manager);

  if (outer && watch->outer_subscription == 0)
    watch->outer_subscription = g_dbus_connection_signal_subscribe (
        watch->bus, BUS_NAME, BUS_NAME, "NameOwnerChanged", BUS_PATH, NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_outer_owner_changed, watch, NULL);
  else if (!outer && watch->outer_subscription != 0)
    {
      g_dbus_connection_signal_unsubscribe (watch->bus, watch->outer_subscription);
      watch->outer_subscription = 0;
    }

  g_dbus_connection_call (watch->bus, BUS_NAME, BUS_PATH, BUS_NAME, "ListNames", NULL,
                          G_VARIANT_TYPE ("(as)"), G_DBUS_CALL_FLAGS_NONE, -1, watch->cancellable,
                          on_listed, watch);
}

AliasWatch *
alias_watch_new (Manager *manager, Units *units, GDBusConnection *bus)
{
  AliasWatch *watch = g_new0 (AliasWatch, 1);

  watch->manager = g_object_ref (manager);
  watch->units = g_object_ref (units);
  watch->bus = g_object_ref (bus);
  watch->cancellable = g_cancellable_new ();
  for (GuestBus guest_bus = 0; guest_bus < N_GUEST_BUSES; guest_bus++)
    watch->subscriptions[guest_bus] = g_dbus_connection_signal_subscribe (
        bus, BUS_NAME, BUS_NAME, "NameOwnerChanged", BUS_PATH, guest_bus_to_prefix (guest_bus),
        G_DBUS_SIGNAL_FLAGS_MATCH_ARG0_NAMESPACE, on_owner_changed, watch, NULL);
  g_signal_connect (manager, "reloaded", G_CALLBACK (on_reloaded), watch);
  on_reloaded (manager, watch);
  return watch;
}

void
alias_watch_free (AliasWatch *watch)
{
  g_cancellable_cancel (watch->cancellable);
  g_object_unref (watch->cancellable);
  for (GuestBus guest_bus = 0; guest_bus < N_GUEST_BUSES; guest_bus++)
    g_dbus_connection_signal_unsubscribe (watch->bus, watch->subscriptions[guest_bus]);
  if (watch->outer_subscription != 0)
    g_dbus_connection_signal_unsubscribe (watch->bus, watch->outer_subscription);
  g_signal_handlers_disconnect_by_data (watch->manager, watch);
  g_object_unref (watch->bus);
  g_object_unref (watch->units);
  g_object_unref (watch->manager);
  g_free (watch);
}
