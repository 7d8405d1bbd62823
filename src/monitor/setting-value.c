/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The values of a machine file's keys. */
#include "setting-value.h"

#include <gio/gio.h>
#include <limits.h>
#include <string.h>

#include "call-rule.h"
#include "limit.h"
#include "machine-settings.h"

char *
setting_read_text (const char *value, gpointer member)
{
  *(char **) member = g_strdup (value);
  return NULL;
}

/* Finds `value` in `words`, which ends in NULL; -1 where it is not there. */
static int
find_word (const char *value, const char *const *words)
{
  for (int i = 0; words[i] != NULL; i++)
    if (g_str_equal (words[i], value))
      return i;

  return -1;
}

char *
setting_read_boolean (const char *value, gpointer member)
{
  static const char *const words[] = { "no", "yes", NULL };
  int found = find_word (value, words);

  if (found < 0)
    return g_strdup ("give “yes” or “no”.");
  *(gboolean *) member = found;
  return NULL;
}

char *
setting_read_monitor (const char *value, gpointer member)
{
  static const char *const words[] = {
    [MONITOR_QEMU] = "qemu", [MONITOR_CONTAINER] = "container", NULL
  };
  int found = find_word (value, words);

  if (found < 0)
    return g_strdup ("no such monitor; give “qemu” or “container”.");
  *(MonitorKind *) member = (MonitorKind) found;
  return NULL;
}

char *
setting_read_start (const char *value, gpointer member)
{
  static const char *const words[] = { "manual", "boot", NULL };
  int found = find_word (value, words);

  if (found < 0)
    return g_strdup ("give “manual” or “boot”.");
  *(gboolean *) member = found;
  return NULL;
}

char *
setting_read_qemu_machine (const char *value, gpointer member)
{
  static const char *const words[] = {
    [QEMU_MACHINE_Q35] = "q35", [QEMU_MACHINE_MICROVM] = "microvm", NULL
  };
  int found = find_word (value, words);

  if (found < 0)
    return g_strdup ("no such type; give “q35” or “microvm”.");
  *(QemuMachine *) member = (QemuMachine) found;
  return NULL;
}

char *
setting_read_memory (const char *value, gpointer member)
{
  static const char units[] = "KMGT";
  gsize digits = strspn (value, "0123456789");
  const char *unit = value[digits] != '\0' ? strchr (units, value[digits]) : NULL;
  g_autofree char *number = g_strndup (value, digits);
  guint shift = unit != NULL ? 10 * (guint) (unit - units + 1) : 0;
  guint64 size;

  if (digits == 0 || (value[digits] != '\0' && (unit == NULL || value[digits + 1] != '\0')))
    return g_strdup ("not a size; give bytes, or a number with K, M, G or T, such as 512M.");

  if (!g_ascii_string_to_unsigned (number, 10, 0, LIMIT_MACHINE_MEMORY >> shift, &size, NULL)
      || size << shift < LIMIT_MACHINE_MEMORY_LEAST)
    return g_strdup ("the size has to be between 4M and 16T.");

  *(uint64_t *) member = size << shift;
  return NULL;
}

char *
setting_read_cpus (const char *value, gpointer member)
{
  guint64 cpus;

  if (!g_ascii_string_to_unsigned (value, 10, 1, LIMIT_MACHINE_CPUS, &cpus, NULL))
    return g_strdup_printf ("give a number of processors from 1 to %u.", LIMIT_MACHINE_CPUS);

  *(uint32_t *) member = (uint32_t) cpus;
  return NULL;
}

static gboolean
path_is_plain (const char *path)
{
  g_autofree char *canonical = g_canonicalize_filename (path, "/");

  return strlen (path) < PATH_MAX && g_str_equal (canonical, path);
}

char *
setting_read_path (const char *value, gpointer member)
{
  if (!path_is_plain (value))
    return g_strdup ("give an absolute path without “.”, “..”, double or trailing slashes.");

  *(char **) member = g_strdup (value);
  return NULL;
}

char *
setting_read_disk (const char *value, gpointer member)
{
  static const char *const formats[] = {
    [DISK_FORMAT_RAW] = "raw", [DISK_FORMAT_QCOW2] = "qcow2", NULL
  };
  GPtrArray *disks = *(GPtrArray **) member;
  g_autofree char *path = g_strdup (value);
  gboolean read_only = g_str_has_suffix (path, ":ro");
  MachineDisk *disk;
  char *colon;
  int format;

  if (disks->len == LIMIT_MACHINE_DISKS)
    return g_strdup_printf ("a machine has at most %u disks; remove one.", LIMIT_MACHINE_DISKS);

  if (read_only)
    path[strlen (path) - strlen (":ro")] = '\0';

  /* The format is at the end, so that a path may have colons. */
  colon = strrchr (path, ':');
  format = colon != NULL ? find_word (colon + 1, formats) : -1;
  if (format < 0)
    return g_strdup ("the format is not stated; write PATH:raw, PATH:qcow2, PATH:raw:ro or "
                     "PATH:qcow2:ro.");
  *colon = '\0';
  if (!path_is_plain (path))
    return g_strdup (
        "give an absolute path without blanks, “.”, “..”, double or trailing slashes.");

  for (guint i = 0; i < disks->len; i++)
    if (g_str_equal (((MachineDisk *) disks->pdata[i])->path, path))
      return g_strdup ("this disk is there twice; remove one.");

  disk = g_new0 (MachineDisk, 1);
  disk->path = g_steal_pointer (&path);
  disk->format = (DiskFormat) format;
  disk->read_only = read_only;
  g_ptr_array_add (disks, disk);
  return NULL;
}

static gboolean
is_well_known_name (const char *name)
{
  return g_dbus_is_name (name) && !g_dbus_is_unique_name (name);
}

char *
setting_read_broadcast (const char *value, gpointer member)
{
  GPtrArray *broadcasts = *(GPtrArray **) member;
  g_auto (GStrv) parts = g_strsplit (value, "@", 2);
  MachineBroadcast *broadcast;

  if (broadcasts->len == LIMIT_MACHINE_BROADCASTS)
    return g_strdup_printf ("a machine has at most %u broadcasts; remove one.",
                            LIMIT_MACHINE_BROADCASTS);
  if (!is_well_known_name (parts[0]))
    return g_strdup ("not a bus name; write NAME or NAME@INTERFACE.");
  if (parts[1] != NULL && !g_dbus_is_interface_name (parts[1]))
    return g_strdup ("no interface stands after “@”; write NAME or NAME@INTERFACE.");

  for (guint i = 0; i < broadcasts->len; i++)
    {
      const MachineBroadcast *other = broadcasts->pdata[i];

      if (g_str_equal (other->name, parts[0]) && g_strcmp0 (other->interface, parts[1]) == 0)
        return g_strdup ("this broadcast is there twice; remove one.");
    }

  broadcast = g_new0 (MachineBroadcast, 1);
  broadcast->name = g_strdup (parts[0]);
  broadcast->interface = g_strdup (parts[1]);
  g_ptr_array_add (broadcasts, broadcast);
  return NULL;
}

char *
setting_read_alias (const char *value, gpointer member)
{
  GPtrArray *aliases = *(GPtrArray **) member;
  g_auto (GStrv) parts = g_strsplit (value, ":", 2);
  MachineAlias *alias;

  if (aliases->len == LIMIT_EXPORTED_NAMES)
    return g_strdup_printf ("a machine has at most %u aliases; remove one.", LIMIT_EXPORTED_NAMES);
  if (!is_well_known_name (parts[0]) || parts[1] == NULL || !is_well_known_name (parts[1]))
    return g_strdup ("write EXPORTED:ALIAS, two bus names such as "
                     "org.freedesktop.hostname1:org.example.Hostname.");

  for (guint i = 0; i < aliases->len; i++)
    {
      const MachineAlias *other = aliases->pdata[i];

      if (g_str_equal (other->exported, parts[0]) || g_str_equal (other->alias, parts[1]))
        return g_strdup ("one of the two names is in another alias already; remove one.");
    }

  alias = g_new0 (MachineAlias, 1);
  alias->exported = g_strdup (parts[0]);
  alias->alias = g_strdup (parts[1]);
  g_ptr_array_add (aliases, alias);
  return NULL;
}

char *
setting_read_rule (const char *value, gpointer member)
{
  GPtrArray *rules = *(GPtrArray **) member;
  const char *problem;
  CallRule *rule;

  if (rules->len == LIMIT_CALL_RULES)
    return g_strdup_printf ("there are at most %u rules; remove one.", LIMIT_CALL_RULES);

  rule = call_rule_new (value, &problem);
  if (rule == NULL)
    return g_strdup_printf ("%s; a rule is “allow|deny|ask NAME[=METHOD][@PATH] [argN=VALUE] "
                            "[from=user:U|group:G|machine:M]”.",
                            problem);

  g_ptr_array_add (rules, rule);
  return NULL;
}
