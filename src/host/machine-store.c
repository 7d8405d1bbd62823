/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Machine files on disk. */
#include "machine-store.h"

#include <gio/gio.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "error.h"
#include "file.h"
#include "host-context.h"
#include "launch-protocol.h"
#include "limit.h"
#include "log.h"
#include "machine-file.h"
#include "name.h"

/* The paths of a machine's sockets must fit, with their ends, into struct sockaddr_un; that of its
 * session bus is the longest. */
#define SOCKET_NAME_LENGTH                                                                         \
  (sizeof ((struct sockaddr_un *) NULL)->sun_path - sizeof RUNTIME_DIRECTORY "/bus"                \
   - sizeof TOMBOLO_SESSION_SUFFIX)
G_STATIC_ASSERT (sizeof RUNTIME_DIRECTORY "/bus" + sizeof TOMBOLO_SESSION_SUFFIX
                 >= sizeof LAUNCH_SOCKET_DIRECTORY + 1);

void
machine_entry_free (MachineEntry *entry)
{
  g_free (entry->name);
  g_free (entry->path);
  g_clear_pointer (&entry->settings, machine_settings_free);
  g_clear_error (&entry->error);
  g_clear_error (&entry->missing);
  g_free (entry);
}

gboolean
machine_store_check_name (const char *name, GError **error)
{
  if (!machine_name_validate (name, error))
    return FALSE;
  if (strlen (name) <= SOCKET_NAME_LENGTH)
    return TRUE;

  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_NAME,
               "“%s” has %zu characters; the paths of its sockets leave room for %zu. Choose a "
               "shorter name.",
               name, strlen (name), SOCKET_NAME_LENGTH);
  return FALSE;
}

/* Whatever went wrong is the file's fault, as far as users of the API are concerned. */
static GError *
make_blame (const MachineEntry *entry, const GError *error)
{
  const char *prefix = g_str_has_prefix (error->message, entry->path) ? "" : entry->path;
  g_autofree char *text = g_strconcat (prefix, *prefix != '\0' ? ": " : "", error->message, NULL);
  g_autofree char *safe = log_text (text, LIMIT_LOG_LINE / 2);

  return g_error_new_literal (TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS, safe);
}

static void
blame_file (MachineEntry *entry, const GError *error)
{
  entry->error = make_blame (entry, error);
}

/* --- aliases --- */

static const char *const alias_keys[N_GUEST_BUSES] = {
  [GUEST_BUS_SYSTEM] = "Alias",
  [GUEST_BUS_SESSION] = "SessionAlias",
};

/* Not what is tombolo's, and below its prefixes only what is this machine's of that bus. */
static gboolean
alias_is_free (const MachineEntry *entry, GuestBus bus, const char *alias)
{
  g_autofree char *element = machine_name_to_element (entry->name);
  g_autofree char *own = g_strdup_printf ("%s.%s.", guest_bus_to_prefix (bus), element);
  GuestBus other;

  return g_str_has_prefix (alias, own)
         || (!g_str_equal (alias, TOMBOLO_BUS_NAME) && !g_str_equal (alias, TOMBOLO_GUEST_PREFIX)
             && !g_str_equal (alias, TOMBOLO_GUEST_SESSION_PREFIX)
             && guest_bus_split_prefix (alias, &other) == NULL);
}

/* `seen`: alias -> the first entry with it, this one's of the other bus included. */
static gboolean
check_bus_aliases (const MachineEntry *entry, const MachineSettings *settings, GuestBus bus,
                   GHashTable *seen, GError **error)
{
  const GPtrArray *aliases = settings->aliases[bus];

  for (guint i = 0; i < aliases->len; i++)
    {
      const MachineAlias *alias = aliases->pdata[i];

      if (!alias_is_free (entry, bus, alias->alias))
        return machine_file_fault (
            error, entry->path, alias->line,
            "%s=%s:%s: that name is tombolo's own or another machine's; choose one that does not "
            "begin with " TOMBOLO_GUEST_PREFIX " or " TOMBOLO_GUEST_SESSION_PREFIX ".",
            alias_keys[bus], alias->exported, alias->alias);
      if (!g_hash_table_add (seen, alias->alias))
        return machine_file_fault (error, entry->path, alias->line,
                                   "%s=%s:%s: a name of the guest's other bus has that alias "
                                   "already; remove one.",
                                   alias_keys[bus], alias->exported, alias->alias);
    }

  return TRUE;
}

static gboolean
check_aliases (const MachineEntry *entry, const MachineSettings *settings, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  return check_bus_aliases (entry, settings, GUEST_BUS_SYSTEM, seen, error)
         && check_bus_aliases (entry, settings, GUEST_BUS_SESSION, seen, error);
}

/* NULL, or the alias that another entry has already. `seen`: alias -> the first entry with it. */
static const MachineAlias *
find_claimed (const GPtrArray *aliases, GHashTable *seen)
{
  for (guint i = 0; i < aliases->len; i++)
    if (g_hash_table_contains (seen, ((MachineAlias *) aliases->pdata[i])->alias))
      return aliases->pdata[i];

  return NULL;
}

static gboolean
check_imports (const MachineEntry *entry, const MachineSettings *settings, GError **error)
{
  for (guint i = 0; i < settings->imports->len; i++)
    {
      const MachineImport *import = settings->imports->pdata[i];

      if (g_str_equal (import->source, entry->name))
        return machine_file_fault (error, entry->path, import->line,
                                   "Import=%s@%s: a machine cannot import its own names; remove "
                                   "it.",
                                   import->name, import->source);
    }

  return TRUE;
}

static gboolean
claim_aliases (MachineEntry *entry, GHashTable *seen, GError **error)
{
  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      const MachineAlias *alias = find_claimed (entry->settings->aliases[bus], seen);

      if (alias != NULL)
        return machine_file_fault (
            error, entry->path, alias->line, "%s=%s:%s: %s has that alias already; remove one.",
            alias_keys[bus], alias->exported, alias->alias,
            ((const MachineEntry *) g_hash_table_lookup (seen, alias->alias))->path);
    }

  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    for (guint i = 0; i < entry->settings->aliases[bus]->len; i++)
      {
        MachineAlias *alias = entry->settings->aliases[bus]->pdata[i];

        g_hash_table_insert (seen, alias->alias, entry);
      }

  return TRUE;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (a, b);
}

/* In the order of names, so that the same file is refused each time. */
static void
refuse_shared_aliases (GHashTable *entries)
{
  g_autoptr (GList) names = g_list_sort (g_hash_table_get_keys (entries), compare_names);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (GList *l = names; l != NULL; l = l->next)
    {
      MachineEntry *entry = g_hash_table_lookup (entries, l->data);
      g_autoptr (GError) error = NULL;

      if (entry->settings == NULL || claim_aliases (entry, seen, &error))
        continue;
      blame_file (entry, error);
      g_clear_pointer (&entry->settings, machine_settings_free);
    }
}

/* --- files that the settings name --- */

const GError *
machine_entry_get_problem (const MachineEntry *entry)
{
  return entry->error != NULL ? entry->error : entry->missing;
}

/* One that tombolod may not see is left to whoever opens it. */
static gboolean
check_file (const MachineEntry *entry, const char *key, const char *path, guint line,
            GError **error)
{
  if (path == NULL || access (path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
    return TRUE;

  return machine_file_fault (error, entry->path, line,
                             "%s=%s does not exist; put it there or correct the line.", key, path);
}

static gboolean
check_files (const MachineEntry *entry, GError **error)
{
  const MachineSettings *settings = entry->settings;

  if (!check_file (entry, "Root", settings->root, settings->root_line, error)
      || !check_file (entry, "Kernel", settings->kernel, settings->kernel_line, error)
      || !check_file (entry, "Initrd", settings->initrd, settings->initrd_line, error))
    return FALSE;

  for (guint i = 0; i < settings->disks->len; i++)
    {
      const MachineDisk *disk = settings->disks->pdata[i];

      if (!check_file (entry, "Disk", disk->path, disk->line, error))
        return FALSE;
    }

  return TRUE;
}

void
machine_entry_check_files (MachineEntry *entry)
{
  g_autoptr (GError) error = NULL;

  g_clear_error (&entry->missing);
  if (entry->settings != NULL && !check_files (entry, &error))
    entry->missing = make_blame (entry, error);
}

/* --- reading --- */

static gboolean
has_allowing_rule (const GPtrArray *rules)
{
  for (guint i = 0; i < rules->len; i++)
    if (call_rule_get_verdict (rules->pdata[i]) == CALL_RULE_ALLOW)
      return TRUE;

  return FALSE;
}

gboolean
machine_store_check_created (const MachineSettings *settings, const char *file, GError **error)
{
  /* Containers run with root privileges: tombolo-launch reads their settings from /etc alone. And
   * whoever may make machines does not hand out names of the bus. */
  if (settings->monitor == MONITOR_CONTAINER)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                 "%s: a machine made over D-Bus cannot be a container; put the file "
                 "into " TOMBOLO_SYSCONFDIR "/tombolo/machines.",
                 file);
  else if (settings->aliases[GUEST_BUS_SYSTEM]->len > 0
           || settings->aliases[GUEST_BUS_SESSION]->len > 0)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                 "%s: a machine made over D-Bus cannot have Alias= or SessionAlias=; put the file "
                 "into " TOMBOLO_SYSCONFDIR "/tombolo/machines, or leave it out.",
                 file);
  else if (settings->imports->len > 0)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                 "%s: a machine made over D-Bus cannot have Import=; put the file "
                 "into " TOMBOLO_SYSCONFDIR "/tombolo/machines, or leave it out.",
                 file);
  else if (has_allowing_rule (settings->rules[GUEST_BUS_SYSTEM])
           || has_allowing_rule (settings->rules[GUEST_BUS_SESSION])
           || has_allowing_rule (settings->import_rules))
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                 "%s: a machine made over D-Bus cannot have a rule that allows calls without "
                 "polkit; put the file into " TOMBOLO_SYSCONFDIR "/tombolo/machines, or write "
                 "“ask” instead of “allow”.",
                 file);
  else
    return TRUE;

  return FALSE;
}

static MachineSettings *
load_settings (const MachineEntry *entry, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (MachineSettings) settings = NULL;
  gsize size;

  if (!machine_store_check_name (entry->name, error))
    return NULL;
  text = file_read (entry->path, LIMIT_MACHINE_FILE_SIZE, &size, error);
  if (text == NULL)
    return NULL;
  settings = machine_settings_from_text (text, size, entry->path, error);
  if (settings == NULL)
    return NULL;

  if ((entry->created && !machine_store_check_created (settings, entry->path, error))
      || !check_aliases (entry, settings, error) || !check_imports (entry, settings, error))
    return NULL;

  return g_steal_pointer (&settings);
}

MachineEntry *
machine_entry_load (const char *directory, const char *file_name, gboolean created)
{
  MachineEntry *entry = g_new0 (MachineEntry, 1);
  g_autoptr (GError) error = NULL;

  entry->name = g_strndup (file_name, strlen (file_name) - strlen (MACHINE_FILE_SUFFIX));
  entry->path = g_build_filename (directory, file_name, NULL);
  entry->created = created;
  entry->settings = load_settings (entry, &error);
  if (entry->settings == NULL)
    blame_file (entry, error);

  machine_entry_check_files (entry);
  return entry;
}

MachineEntry *
machine_entry_new_created (const char *directory, const char *name, MachineSettings *settings)
{
  MachineEntry *entry = g_new0 (MachineEntry, 1);
  g_autofree char *file_name = g_strconcat (name, MACHINE_FILE_SUFFIX, NULL);

  entry->name = g_strdup (name);
  entry->path = g_build_filename (directory, file_name, NULL);
  entry->created = TRUE;
  entry->settings = settings;
  machine_entry_check_files (entry);
  return entry;
}

static void
load_directory (const char *directory, gboolean created, GHashTable *entries)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (directory, 0, &error);
  const char *file_name;

  if (dir == NULL)
    {
      if (!g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        log_message (LOG_LEVEL_ERROR, NULL, LOG_ID_MACHINE_FILE, "Cannot read machine files: %s",
                     error->message);
      return;
    }

  while ((file_name = g_dir_read_name (dir)) != NULL)
    {
      g_autoptr (MachineEntry) entry = NULL;
      MachineEntry *other;

      if (!g_str_has_suffix (file_name, MACHINE_FILE_SUFFIX)
          || g_str_equal (file_name, MACHINE_FILE_SUFFIX))
        continue;
      if (g_hash_table_size (entries) >= LIMIT_MACHINES)
        {
          log_message (LOG_LEVEL_ERROR, NULL, LOG_ID_MACHINE_FILE,
                       "%s holds more machine files than the %d that are read", directory,
                       LIMIT_MACHINES);
          return;
        }

      entry = machine_entry_load (directory, file_name, created);
      other = g_hash_table_lookup (entries, entry->name);
      if (other != NULL)
        log_message (LOG_LEVEL_WARNING, entry->name, LOG_ID_MACHINE_FILE,
                     "%s is ignored: %s has the same name", entry->path, other->path);
      else
        {
          char *name = entry->name;

          g_hash_table_insert (entries, name, g_steal_pointer (&entry));
        }
    }
}

GHashTable *
machine_store_load (const char *admin_directory, const char *created_directory)
{
  GHashTable *entries =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) machine_entry_free);

  load_directory (admin_directory, FALSE, entries);
  load_directory (created_directory, TRUE, entries);
  refuse_shared_aliases (entries);
  return entries;
}

gboolean
machine_store_create (const char *directory, const char *name, const char *text, GError **error)
{
  g_autofree char *file_name = g_strconcat (name, MACHINE_FILE_SUFFIX, NULL);
  g_autoptr (GError) local_error = NULL;

  if (file_create (directory, file_name, text, strlen (text), 0644, &local_error))
    return TRUE;

  if (g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_EXIST))
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MACHINE_EXISTS,
                 "There is a file of a machine “%s” already.", name);
  else
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED, "Cannot write the machine file: %s.",
                 local_error->message);
  return FALSE;
}

gboolean
machine_store_delete (const char *directory, const char *name, GError **error)
{
  g_autofree char *file_name = g_strconcat (name, MACHINE_FILE_SUFFIX, NULL);
  g_autoptr (GError) local_error = NULL;

  if (file_remove (directory, file_name, &local_error)
      || g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return TRUE;

  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED, "Cannot remove the machine file: %s.",
               local_error->message);
  return FALSE;
}
