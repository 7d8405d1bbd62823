/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's first look at the host: which machines run, what dead ones left, which ones are to
 * be started. */
#include "manager-private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"
#include "log.h"
#include "runtime-state.h"

/* In the state directory, so gone when the host reboots: machines with Start=boot were started. */
#define BOOTED_FILE ".booted"

static const char *const patterns[] = {
  "tombolo-machine@*.service", "tombolo-machine@*.socket", "tombolo-container@*.service",
  "tombolo-bridge@*.service",  "tombolo-bridge@*.socket",  NULL,
};

static gboolean
state_is_alive (const char *active_state)
{
  return !g_str_equal (active_state, "inactive") && !g_str_equal (active_state, "failed");
}

static gboolean
unit_is_alive (GHashTable *units, const char *name, MachineUnit kind)
{
  g_autofree char *unit = machine_name_to_unit (name, kind);
  const char *active_state = g_hash_table_lookup (units, unit);

  return active_state != NULL && state_is_alive (active_state);
}

static gboolean
machine_is_alive (GHashTable *units, const char *name)
{
  return unit_is_alive (units, name, MACHINE_UNIT_QEMU)
         || unit_is_alive (units, name, MACHINE_UNIT_CONTAINER);
}

/* --- what is left of machines that are gone --- */

static void
on_stale_stopped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!units_job_finish (TOMBOLO_UNITS (source), result, &error))
    log_warning (NULL, "%s", error->message);
}

static void
on_stale_reset (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!units_call_finish (TOMBOLO_UNITS (source), result, &error))
    log_debug (NULL, "%s", error->message);
}

/* A bridge or a socket without its machine, and failures of machines that tombolod will not tell
 * of again. */
static void
stop_stale_units (Manager *manager, GHashTable *units)
{
  GHashTableIter iter;
  gpointer unit, active_state;

  g_hash_table_iter_init (&iter, units);
  while (g_hash_table_iter_next (&iter, &unit, &active_state))
    {
      g_autofree char *name = NULL;
      MachineUnit kind;

      if (!machine_name_from_unit (unit, &name, &kind) || machine_is_alive (units, name))
        continue;
      if (state_is_alive (active_state))
        units_job_async (manager->host->units, UNIT_STOP, unit, NULL, on_stale_stopped, NULL);
      else if (g_str_equal (active_state, "failed"))
        units_reset_failed_async (manager->host->units, unit, NULL, on_stale_reset, NULL);
    }
}

/* The files and links that machines which run may have: names, as a set. */
static GHashTable *
collect_alive (GHashTable *units, gboolean interfaces)
{
  GHashTable *alive = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer unit;

  g_hash_table_iter_init (&iter, units);
  while (g_hash_table_iter_next (&iter, &unit, NULL))
    {
      g_autofree char *name = NULL;
      char interface[INTERFACE_NAME_SIZE];
      MachineUnit kind;

      if (!machine_name_from_unit (unit, &name, &kind) || !machine_is_alive (units, name))
        continue;
      machine_name_to_interface (name, FALSE, interface);
      g_hash_table_add (alive, g_strdup (interfaces ? interface : name));
    }

  return alive;
}

static void
remove_stale_links (Manager *manager, GHashTable *units)
{
  Links *links = manager->host->links;
  g_autoptr (GHashTable) alive = collect_alive (units, TRUE);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = links != NULL ? links_list (links, &error) : NULL;

  if (error != NULL)
    log_warning (NULL, "%s", error->message);

  for (guint i = 0; found != NULL && i < found->len; i++)
    {
      g_autoptr (GError) remove_error = NULL;

      if (g_hash_table_contains (alive, found->pdata[i]))
        continue;
      log_notice (NULL, "Control link %s was left behind and is removed",
                  (const char *) found->pdata[i]);
      if (!links_remove (links, found->pdata[i], &remove_error))
        log_warning (NULL, "%s", remove_error->message);
    }
}

static void
remove_stale_files (Manager *manager, GHashTable *units)
{
  g_autoptr (GHashTable) alive = collect_alive (units, FALSE);

  runtime_state_remove_others (manager->host->qmp_directory, alive);
  g_hash_table_add (alive, g_strdup (BOOTED_FILE));
  runtime_state_remove_others (manager->host->state_directory, alive);
}

/* --- Start=boot --- */

static void
on_boot_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  /* A failure is the machine's state, and logged as such. */
  machine_act_finish (TOMBOLO_MODEL_MACHINE (source), result, NULL);
}

/* TRUE once a boot of the host. Where /run is full, a machine may be started that somebody had
 * stopped; the other way round none would be. */
static gboolean
is_first_time (Manager *manager)
{
  g_autofree char *path = g_build_filename (manager->host->state_directory, BOOTED_FILE, NULL);
  auto_fd fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

  if (fd >= 0)
    return TRUE;
  if (errno == EEXIST)
    return FALSE;

  log_warning (NULL, "Cannot make %s: %s", path, g_strerror (errno));
  return TRUE;
}

static void
start_boot_machines (Manager *manager)
{
  g_autoptr (GList) machines = NULL;

  if (!is_first_time (manager))
    return;

  machines = manager_list (manager);
  for (GList *l = machines; l != NULL; l = l->next)
    if (machine_is_autostarted (l->data) && machine_get_state (l->data) == MACHINE_STOPPED)
      machine_start_async (l->data, on_boot_started, NULL);
}

/* --- taking over --- */

static void
adoption_done (GTask *task)
{
  guint left = GPOINTER_TO_UINT (g_task_get_task_data (task)) - 1;

  g_task_set_task_data (task, GUINT_TO_POINTER (left), NULL);
  if (left > 0)
    return;

  start_boot_machines (g_task_get_source_object (task));
  g_task_return_boolean (task, TRUE);
}

static void
on_adopted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  machine_act_finish (TOMBOLO_MODEL_MACHINE (source), result, NULL);
  adoption_done (task);
}

static void
adopt (GTask *task, const char *name, MonitorKind monitor, gboolean bridged)
{
  Manager *manager = g_task_get_source_object (task);
  Machine *machine = g_hash_table_lookup (manager->machines, name);
  guint left = GPOINTER_TO_UINT (g_task_get_task_data (task)) + 1;

  if (machine != NULL && machine_get_state (machine) == MACHINE_RUNNING)
    {
      log_error (name, "Machine %s runs twice, as a container and in QEMU: stop one of its units",
                 name);
      return;
    }
  if (machine == NULL)
    {
      log_warning (name, "Machine %s runs, but has no file", name);
      machine = manager_add (manager, name, NULL);
    }

  g_task_set_task_data (task, GUINT_TO_POINTER (left), NULL);
  machine_adopt_async (machine, monitor, bridged, on_adopted, g_object_ref (task));
}

static void
on_units_open (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Manager *manager = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (GHashTable) units = units_open_finish (TOMBOLO_UNITS (source), result, &error);
  GHashTableIter iter;
  gpointer unit, active_state;

  if (units == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  stop_stale_units (manager, units);
  remove_stale_links (manager, units);
  remove_stale_files (manager, units);

  /* One for this loop itself, so that it ends once. */
  g_task_set_task_data (task, GUINT_TO_POINTER (1), NULL);
  g_hash_table_iter_init (&iter, units);
  while (g_hash_table_iter_next (&iter, &unit, &active_state))
    {
      g_autofree char *name = NULL;
      MachineUnit kind;

      if (!state_is_alive (active_state) || !machine_name_from_unit (unit, &name, &kind)
          || (kind != MACHINE_UNIT_QEMU && kind != MACHINE_UNIT_CONTAINER))
        continue;
      adopt (task, name, kind == MACHINE_UNIT_QEMU ? MONITOR_QEMU : MONITOR_CONTAINER,
             unit_is_alive (units, name, MACHINE_UNIT_BRIDGE));
    }
  adoption_done (task);
}

void
manager_open_async (Manager *manager, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (manager, NULL, callback, user_data);

  manager_reload (manager);
  units_open_async (manager->host->units, patterns, NULL, on_units_open, task);
}

gboolean
manager_open_finish (Manager *manager, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
