/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All machines of this host: the table, made from the machine files and kept in step with them. */
#include "manager-private.h"

#include "config.h"
#include "error.h"
#include "limit.h"
#include "log.h"

enum
{
  SIGNAL_ADDED,
  SIGNAL_REMOVED,
  SIGNAL_RELOADED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (Manager, manager, G_TYPE_OBJECT)

static void
manager_dispose (GObject *object)
{
  g_clear_pointer (&TOMBOLO_MODEL_MANAGER (object)->machines, g_hash_table_unref);
  G_OBJECT_CLASS (manager_parent_class)->dispose (object);
}

static guint
add_signal (const char *name)
{
  return g_signal_new (name, MANAGER_TYPE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                       MACHINE_TYPE);
}

static void
manager_class_init (ManagerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = manager_dispose;
  signals[SIGNAL_ADDED] = add_signal ("machine-added");
  signals[SIGNAL_REMOVED] = add_signal ("machine-removed");
  signals[SIGNAL_RELOADED] = g_signal_new ("reloaded", MANAGER_TYPE, G_SIGNAL_RUN_LAST, 0, NULL,
                                           NULL, NULL, G_TYPE_NONE, 0);
}

static void
release_machine (gpointer data)
{
  Machine *machine = data;

  g_signal_handlers_disconnect_matched (machine, G_SIGNAL_MATCH_FUNC, 0, 0, NULL,
                                        manager_machine_changed, NULL);
  g_object_unref (machine);
}

static void
manager_init (Manager *manager)
{
  /* Keyed by the machine's own name. */
  manager->machines = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, release_machine);
}

Manager *
manager_new (HostContext *host)
{
  Manager *manager = g_object_new (MANAGER_TYPE, NULL);

  manager->host = host;
  return manager;
}

static void
remove_machine (Manager *manager, Machine *machine)
{
  g_autoptr (Machine) keep = g_object_ref (machine);

  g_hash_table_remove (manager->machines, machine_get_name (machine));
  g_signal_emit (manager, signals[SIGNAL_REMOVED], 0, machine);
}

/* A machine whose file is gone stays until it is stopped. */
void
manager_machine_changed (Machine *machine, gpointer user_data)
{
  Manager *manager = user_data;

  if (machine_is_over (machine)
      && g_hash_table_lookup (manager->machines, machine_get_name (machine)) == machine)
    remove_machine (manager, machine);
}

Machine *
manager_add (Manager *manager, const char *name, MachineEntry *entry)
{
  Machine *machine = machine_new (manager->host, name);

  if (entry != NULL)
    machine_set_entry (machine, entry);
  g_hash_table_insert (manager->machines, (gpointer) machine_get_name (machine), machine);
  g_signal_connect (machine, "changed", G_CALLBACK (manager_machine_changed), manager);
  g_signal_emit (manager, signals[SIGNAL_ADDED], 0, machine);
  return machine;
}

Machine *
manager_find (Manager *manager, const char *name, GError **error)
{
  Machine *machine;

  if (!machine_name_validate (name, error))
    return NULL;

  machine = g_hash_table_lookup (manager->machines, name);
  if (machine == NULL)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NO_SUCH_MACHINE,
                 "There is no machine “%s”; “tomboloctl list” shows those there are.", name);
  return machine;
}

Machine *
manager_find_by_element (Manager *manager, const char *element)
{
  GHashTableIter iter;
  gpointer name, machine;

  g_hash_table_iter_init (&iter, manager->machines);
  while (g_hash_table_iter_next (&iter, &name, &machine))
    {
      g_autofree char *own = machine_name_to_element (name);

      if (g_str_equal (own, element))
        return machine;
    }

  return NULL;
}

/* What a machine runs with counts more than what a changed file says. */
Machine *
manager_find_by_alias (Manager *manager, const char *alias)
{
  Machine *found = NULL;
  GHashTableIter iter;
  gpointer machine;

  g_hash_table_iter_init (&iter, manager->machines);
  while (g_hash_table_iter_next (&iter, NULL, &machine))
    if (machine_has_alias (machine, alias, TRUE))
      return machine;
    else if (found == NULL && machine_has_alias (machine, alias, FALSE))
      found = machine;

  return found;
}

gboolean
manager_has_outer_alias (Manager *manager)
{
  GHashTableIter iter;
  gpointer machine;

  g_hash_table_iter_init (&iter, manager->machines);
  while (g_hash_table_iter_next (&iter, NULL, &machine))
    if (machine_has_outer_alias (machine))
      return TRUE;

  return FALSE;
}

GList *
manager_list (Manager *manager)
{
  return g_hash_table_get_values (manager->machines);
}

void
manager_reload (Manager *manager)
{
  g_autoptr (GHashTable) entries =
      machine_store_load (manager->host->admin_directory, manager->host->created_directory);
  g_autoptr (GList) machines = manager_list (manager);
  GHashTableIter iter;
  gpointer name, entry;

  for (GList *l = machines; l != NULL; l = l->next)
    {
      gpointer found = NULL;

      g_hash_table_steal_extended (entries, machine_get_name (l->data), NULL, &found);
      machine_set_entry (l->data, found);
    }

  g_hash_table_iter_init (&iter, entries);
  while (g_hash_table_iter_next (&iter, &name, &entry))
    {
      g_hash_table_iter_steal (&iter);
      manager_add (manager, ((MachineEntry *) entry)->name, entry);
    }
  g_signal_emit (manager, signals[SIGNAL_RELOADED], 0);
}

/* --- machines made over D-Bus --- */

/* Whether somebody asks for a container, whatever else they ask for. */
static gboolean
is_container (GVariant *settings)
{
  g_autoptr (GVariant) group = g_variant_lookup_value (settings, "Machine", G_VARIANT_TYPE_VARDICT);
  const char *monitor;

  return group != NULL && g_variant_lookup (group, "Monitor", "&s", &monitor)
         && g_str_equal (monitor, "container");
}

/* The text of its file, or NULL. Files that it names may come later; until then it is failed. */
static char *
read_settings (GVariant *settings, MachineSettings **ret_settings, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (MachineSettings) read = NULL;

  if (is_container (settings))
    {
      g_set_error_literal (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                           "A container runs with root privileges, so that its file is an admin's: "
                           "put it into " TOMBOLO_SYSCONFDIR
                           "/tombolo/machines and call Reload().");
      return NULL;
    }

  text = machine_settings_text_from_variant (settings, &read, error);
  if (text == NULL || !machine_store_check_created (read, "settings", error))
    return NULL;

  *ret_settings = g_steal_pointer (&read);
  return g_steal_pointer (&text);
}

static gboolean
check_new (Manager *manager, const char *name, GError **error)
{
  if (!machine_store_check_name (name, error))
    return FALSE;

  if (g_hash_table_contains (manager->machines, name))
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MACHINE_EXISTS,
                 "There is a machine “%s” already.", name);
  else if (g_hash_table_size (manager->machines) >= LIMIT_MACHINES)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                 "There are %d machines already; delete one first.", LIMIT_MACHINES);
  else
    return TRUE;

  return FALSE;
}

gboolean
manager_create (Manager *manager, const char *name, GVariant *settings, GError **error)
{
  const char *directory = manager->host->created_directory;
  g_autoptr (MachineSettings) read = NULL;
  g_autofree char *text = NULL;

  if (!check_new (manager, name, error))
    return FALSE;
  text = read_settings (settings, &read, error);
  if (text == NULL || !machine_store_create (directory, name, text, error))
    return FALSE;

  log_message (LOG_LEVEL_NOTICE, name, LOG_ID_MACHINE_FILE, "Machine %s was made over D-Bus", name);
  manager_add (manager, name, machine_entry_new_created (directory, name, g_steal_pointer (&read)));
  return TRUE;
}

gboolean
manager_delete (Manager *manager, const char *name, GError **error)
{
  Machine *machine = manager_find (manager, name, error);
  MachineState state;

  if (machine == NULL)
    return FALSE;

  state = machine_get_state (machine);
  if (!machine_is_created (machine))
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                   "Machine %s is its admin's: remove %s and call Reload().", name,
                   machine_get_file (machine));
      return FALSE;
    }
  if (state != MACHINE_STOPPED && state != MACHINE_FAILED)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_STATE,
                   "Machine %s is %s; stop it first.", name, machine_state_to_string (state));
      return FALSE;
    }
  if (!machine_store_delete (manager->host->created_directory, name, error))
    return FALSE;

  log_message (LOG_LEVEL_NOTICE, name, LOG_ID_MACHINE_FILE, "Machine %s was deleted over D-Bus",
               name);
  machine_set_entry (machine, NULL);
  return TRUE;
}

char *
manager_get_credential (const char *unit, const char *credential, gsize *ret_size, gpointer data,
                        GError **error)
{
  Manager *manager = data;
  g_autofree char *name = NULL;
  MachineUnit kind;
  Machine *machine;

  if (!machine_name_from_unit (unit, &name, &kind))
    {
      g_set_error_literal (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_NAME,
                           "the unit is no machine's");
      return NULL;
    }

  machine = manager_find (manager, name, error);
  return machine != NULL ? machine_get_credential (machine, kind, credential, ret_size, error)
                         : NULL;
}
