/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine's settings from the text of its machine file: a table of the groups and keys, and what
 * has to hold between them. The values' own syntax is in setting-value.c. */
#include "machine-settings.h"

#include <string.h>

#include "error.h"
#include "limit.h"
#include "log.h"
#include "machine-file.h"
#include "setting-value.h"

#define DEFAULT_QEMU_MEMORY (UINT64_C (512) * 1024 * 1024)

#define ANY_MONITOR -1

typedef enum
{
  GROUP_MACHINE,
  GROUP_QEMU,
  GROUP_CONTAINER,
  GROUP_BUS,
  GROUP_CALL,
  GROUP_IMPORT,
  N_GROUPS,
} Group;

static const struct
{
  const char *name;
  int monitor; /* a MonitorKind, or ANY_MONITOR */
} groups[N_GROUPS] = {
  [GROUP_MACHINE] = { "Machine", ANY_MONITOR },
  [GROUP_QEMU] = { "Qemu", MONITOR_QEMU },
  [GROUP_CONTAINER] = { "Container", MONITOR_CONTAINER },
  [GROUP_BUS] = { "Bus", ANY_MONITOR },
  [GROUP_CALL] = { "Call", ANY_MONITOR },
  [GROUP_IMPORT] = { "Import", ANY_MONITOR },
};

static const char *const monitor_names[] = {
  [MONITOR_QEMU] = "qemu",
  [MONITOR_CONTAINER] = "container",
};

#define SETTING(group, key, reader, member, shape)                                                 \
  {                                                                                                \
    group, key, reader, G_STRUCT_OFFSET (MachineSettings, member), shape                           \
  }

typedef enum
{
  ONCE,
  LINES, /* may be repeated */
  WORDS, /* may be repeated, and holds several values with blanks between them */
} SettingShape;

static const struct
{
  Group group;
  const char *key;
  SettingReader read;
  glong offset;
  SettingShape shape;
} settings_table[] = {
  SETTING (GROUP_MACHINE, "Monitor", setting_read_monitor, monitor, ONCE),
  SETTING (GROUP_MACHINE, "Description", setting_read_text, description, ONCE),
  SETTING (GROUP_MACHINE, "Agent", setting_read_boolean, agent, ONCE),
  SETTING (GROUP_MACHINE, "Start", setting_read_start, autostart, ONCE),
  SETTING (GROUP_MACHINE, "Memory", setting_read_memory, memory, ONCE),
  SETTING (GROUP_MACHINE, "CPUs", setting_read_cpus, cpus, ONCE),
  SETTING (GROUP_QEMU, "Type", setting_read_qemu_machine, qemu_machine, ONCE),
  SETTING (GROUP_QEMU, "Kernel", setting_read_path, kernel, ONCE),
  SETTING (GROUP_QEMU, "Initrd", setting_read_path, initrd, ONCE),
  SETTING (GROUP_QEMU, "CommandLine", setting_read_text, command_line, ONCE),
  SETTING (GROUP_QEMU, "Disk", setting_read_disk, disks, WORDS),
  SETTING (GROUP_CONTAINER, "Root", setting_read_path, root, ONCE),
  SETTING (GROUP_CONTAINER, "PrivateUsers", setting_read_boolean, private_users, ONCE),
  SETTING (GROUP_CONTAINER, "Ephemeral", setting_read_boolean, ephemeral, ONCE),
  SETTING (GROUP_BUS, "Broadcast", setting_read_broadcast, broadcasts, WORDS),
  SETTING (GROUP_BUS, "Alias", setting_read_alias, aliases[GUEST_BUS_SYSTEM], WORDS),
  SETTING (GROUP_BUS, "SessionAlias", setting_read_alias, aliases[GUEST_BUS_SESSION], WORDS),
  SETTING (GROUP_BUS, "Import", setting_read_import, imports, WORDS),
  SETTING (GROUP_CALL, "Rule", setting_read_rule, rules[GUEST_BUS_SYSTEM], LINES),
  SETTING (GROUP_CALL, "SessionRule", setting_read_rule, rules[GUEST_BUS_SESSION], LINES),
  SETTING (GROUP_IMPORT, "Rule", setting_read_rule, import_rules, LINES),
};

typedef struct
{
  MachineFileReader *lines;
  MachineSettings *settings;
  Group group;
  guint group_lines[N_GROUPS];                        /* 0: the group is not there */
  guint setting_lines[G_N_ELEMENTS (settings_table)]; /* 0: the key is not there */
} Reading;

static void
machine_disk_free (MachineDisk *disk)
{
  g_free (disk->path);
  g_free (disk);
}

static void
machine_broadcast_free (MachineBroadcast *broadcast)
{
  g_free (broadcast->name);
  g_free (broadcast->interface);
  g_free (broadcast);
}

static void
machine_alias_free (MachineAlias *alias)
{
  g_free (alias->exported);
  g_free (alias->alias);
  g_free (alias);
}

static MachineSettings *
machine_settings_new (void)
{
  MachineSettings *settings = g_new0 (MachineSettings, 1);

  settings->agent = TRUE;
  settings->private_users = TRUE;
  settings->disks = g_ptr_array_new_with_free_func ((GDestroyNotify) machine_disk_free);
  settings->broadcasts = g_ptr_array_new_with_free_func ((GDestroyNotify) machine_broadcast_free);
  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      settings->aliases[bus] = g_ptr_array_new_with_free_func ((GDestroyNotify) machine_alias_free);
      settings->rules[bus] = g_ptr_array_new_with_free_func ((GDestroyNotify) call_rule_free);
    }
  settings->imports = g_ptr_array_new_with_free_func ((GDestroyNotify) machine_import_free);
  settings->import_rules = g_ptr_array_new_with_free_func ((GDestroyNotify) call_rule_free);
  return settings;
}

void
machine_settings_free (MachineSettings *settings)
{
  g_free (settings->description);
  g_free (settings->kernel);
  g_free (settings->initrd);
  g_free (settings->command_line);
  g_free (settings->root);
  g_ptr_array_unref (settings->disks);
  g_ptr_array_unref (settings->broadcasts);
  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      g_ptr_array_unref (settings->aliases[bus]);
      g_ptr_array_unref (settings->rules[bus]);
    }
  g_ptr_array_unref (settings->imports);
  g_ptr_array_unref (settings->import_rules);
  g_free (settings);
}

static gboolean
enter_group (Reading *reading, GError **error)
{
  const MachineFileReader *lines = reading->lines;

  for (Group group = 0; group < N_GROUPS; group++)
    if (g_str_equal (groups[group].name, lines->name))
      {
        if (reading->group_lines[group] != 0)
          return machine_file_fault (error, lines->file, lines->line,
                                     "[%s] is there twice, first in line %u; join the two.",
                                     lines->name, reading->group_lines[group]);
        reading->group_lines[group] = lines->line;
        reading->group = group;
        return TRUE;
      }

  return machine_file_fault (
      error, lines->file, lines->line,
      "unknown group [%.64s]; the groups are [Machine], [Qemu], [Container], [Bus], [Call] and "
      "[Import].",
      lines->name);
}

static gpointer
last_of (const GPtrArray *array)
{
  return array->pdata[array->len - 1];
}

/* Those that are looked at again once the file is read: messages point to them. */
static void
remember_line (Reading *reading, guint number)
{
  MachineSettings *settings = reading->settings;
  const char *key = settings_table[number].key;
  GuestBus bus = g_str_has_prefix (key, "Session") ? GUEST_BUS_SESSION : GUEST_BUS_SYSTEM;
  guint line = reading->lines->line;

  if (g_str_equal (key, "Kernel"))
    settings->kernel_line = line;
  else if (g_str_equal (key, "Initrd"))
    settings->initrd_line = line;
  else if (g_str_equal (key, "Root"))
    settings->root_line = line;
  else if (g_str_equal (key, "Disk"))
    ((MachineDisk *) last_of (settings->disks))->line = line;
  else if (g_str_equal (key, "Alias") || g_str_equal (key, "SessionAlias"))
    ((MachineAlias *) last_of (settings->aliases[bus]))->line = line;
  else if (g_str_equal (key, "Import"))
    ((MachineImport *) last_of (settings->imports))->line = line;
  else if (reading->group == GROUP_IMPORT)
    call_rule_set_line (last_of (settings->import_rules), line);
  else if (g_str_equal (key, "Rule") || g_str_equal (key, "SessionRule"))
    call_rule_set_line (last_of (settings->rules[bus]), line);
}

/* One value of setting number `number`, of which a list has several. */
static gboolean
read_value (Reading *reading, guint number, const char *value, GError **error)
{
  const MachineFileReader *lines = reading->lines;
  g_autofree char *problem = NULL;
  g_autofree char *shown = NULL;

  problem = settings_table[number].read (
      value, G_STRUCT_MEMBER_P (reading->settings, settings_table[number].offset));
  if (problem == NULL)
    {
      remember_line (reading, number);
      return TRUE;
    }

  shown = log_text (value, LIMIT_SETTING_SHOWN);
  return machine_file_fault (error, lines->file, lines->line, "%s=%s: %s", lines->name, shown,
                             problem);
}

static gboolean
read_entry (Reading *reading, GError **error)
{
  const MachineFileReader *lines = reading->lines;
  guint number;

  if (reading->group == N_GROUPS)
    return machine_file_fault (
        error, lines->file, lines->line,
        "%.64s= stands before any group; put it below one such as [Machine].", lines->name);

  for (number = 0; number < G_N_ELEMENTS (settings_table); number++)
    if (settings_table[number].group == reading->group
        && g_str_equal (settings_table[number].key, lines->name))
      break;
  if (number == G_N_ELEMENTS (settings_table))
    return machine_file_fault (error, lines->file, lines->line,
                               "unknown key %.64s= in group [%s]; see tombolo.machine(5).",
                               lines->name, groups[reading->group].name);

  if (settings_table[number].shape == WORDS)
    {
      g_auto (GStrv) values = g_strsplit_set (lines->value, " \t", -1);

      for (guint i = 0; values[i] != NULL; i++)
        if (*values[i] != '\0' && !read_value (reading, number, values[i], error))
          return FALSE;
    }
  else if (settings_table[number].shape == ONCE && reading->setting_lines[number] != 0)
    return machine_file_fault (error, lines->file, lines->line,
                               "%s= is there twice, first in line %u; remove one.", lines->name,
                               reading->setting_lines[number]);
  else if (!read_value (reading, number, lines->value, error))
    return FALSE;

  reading->setting_lines[number] = lines->line;
  return TRUE;
}

static guint
line_of (const Reading *reading, const char *key)
{
  for (guint number = 0; number < G_N_ELEMENTS (settings_table); number++)
    if (g_str_equal (settings_table[number].key, key))
      return reading->setting_lines[number];

  g_return_val_if_reached (0);
}

/* Where to point when something is missing: at its group, or else at the end of the file. */
static guint
line_of_group (const Reading *reading, Group group)
{
  guint line = reading->group_lines[group];

  return line != 0 ? line : MAX (reading->lines->line, 1);
}

static gboolean
check_qemu (const Reading *reading, GError **error)
{
  MachineSettings *settings = reading->settings;
  const char *file = reading->lines->file;

  if (settings->memory == 0)
    settings->memory = DEFAULT_QEMU_MEMORY;
  if (settings->cpus == 0)
    settings->cpus = 1;

  if (settings->memory % (1024 * 1024) != 0)
    return machine_file_fault (error, file, line_of (reading, "Memory"),
                               "Memory= of a QEMU machine is whole megabytes, such as 512M.");
  if (settings->qemu_machine == QEMU_MACHINE_MICROVM && settings->kernel == NULL)
    return machine_file_fault (error, file, line_of_group (reading, GROUP_QEMU),
                               "Type=microvm has no firmware to boot from a disk; add Kernel=.");
  if (settings->qemu_machine == QEMU_MACHINE_MICROVM && settings->disks->len > LIMIT_MICROVM_DISKS)
    return machine_file_fault (error, file, line_of (reading, "Disk"),
                               "Type=microvm has room for %u disks; use Type=q35 for more.",
                               LIMIT_MICROVM_DISKS);
  if (settings->kernel == NULL && settings->disks->len == 0)
    return machine_file_fault (error, file, line_of_group (reading, GROUP_QEMU),
                               "there is nothing to boot; add Kernel= or Disk= to [Qemu].");
  if (settings->initrd != NULL && settings->kernel == NULL)
    return machine_file_fault (error, file, line_of (reading, "Initrd"),
                               "Initrd= counts only with Kernel=; add it or remove this line.");
  if (settings->command_line != NULL && settings->kernel == NULL)
    return machine_file_fault (
        error, file, line_of (reading, "CommandLine"),
        "CommandLine= counts only with Kernel=; add it or remove this line.");
  return TRUE;
}

static gboolean
check_container (const Reading *reading, GError **error)
{
  const MachineSettings *settings = reading->settings;
  const char *file = reading->lines->file;

  if (settings->root == NULL)
    return machine_file_fault (error, file, line_of_group (reading, GROUP_CONTAINER),
                               "Root= is missing; add it to [Container], with the directory that "
                               "holds the container's files.");
  if (g_str_equal (settings->root, "/"))
    return machine_file_fault (error, file, line_of (reading, "Root"),
                               "Root=/ is the host's own root; give the container's.");
  /* The kernel cannot map the owners of the overlay that the changes go to. */
  if (settings->ephemeral && settings->private_users)
    return machine_file_fault (error, file, line_of (reading, "Ephemeral"),
                               "Ephemeral=yes does not work with users of the container's own; add "
                               "PrivateUsers=no, or keep the changes.");
  return TRUE;
}

/* All of [Import]'s rules are about one caller. */
static gboolean
check_import_rules (const Reading *reading, GError **error)
{
  const GPtrArray *rules = reading->settings->import_rules;

  for (guint i = 0; i < rules->len; i++)
    if (call_rule_get_from (rules->pdata[i]) != CALL_RULE_FROM_ANYBODY)
      return machine_file_fault (error, reading->lines->file, call_rule_get_line (rules->pdata[i]),
                                 "a rule of [Import] is about this machine's own calls; leave "
                                 "“from=” out.");

  return TRUE;
}

static gboolean
check_settings (const Reading *reading, GError **error)
{
  const MachineSettings *settings = reading->settings;
  const char *file = reading->lines->file;

  if (!check_import_rules (reading, error))
    return FALSE;

  if (line_of (reading, "Monitor") == 0)
    return machine_file_fault (error, file, line_of_group (reading, GROUP_MACHINE),
                               "Monitor= is missing; add Monitor=qemu or Monitor=container to "
                               "[Machine].");

  for (Group group = 0; group < N_GROUPS; group++)
    if (reading->group_lines[group] != 0 && groups[group].monitor != ANY_MONITOR
        && groups[group].monitor != (int) settings->monitor)
      return machine_file_fault (
          error, file, reading->group_lines[group],
          "[%s] is not for Monitor=%s; remove the group, or change Monitor=.", groups[group].name,
          monitor_names[settings->monitor]);

  switch (settings->monitor)
    {
    case MONITOR_QEMU:
      return check_qemu (reading, error);
    case MONITOR_CONTAINER:
      return check_container (reading, error);
    default:
      g_return_val_if_reached (FALSE);
    }
}

MachineSettings *
machine_settings_from_text (const char *text, gsize size, const char *file, GError **error)
{
  g_autoptr (MachineSettings) settings = machine_settings_new ();
  g_auto (MachineFileReader) lines = { 0 };
  Reading reading = { .lines = &lines, .settings = settings, .group = N_GROUPS };

  if (!machine_file_reader_open (&lines, text, size, LIMIT_MACHINE_FILE_SIZE, file, error))
    return NULL;

  for (;;)
    {
      MachineFileItem item = machine_file_reader_next (&lines, error);
      gboolean good = item == MACHINE_FILE_GROUP   ? enter_group (&reading, error)
                      : item == MACHINE_FILE_ENTRY ? read_entry (&reading, error)
                                                   : item == MACHINE_FILE_END;

      if (!good)
        return NULL;
      if (item == MACHINE_FILE_END)
        break;
    }

  if (!check_settings (&reading, error))
    return NULL;

  return g_steal_pointer (&settings);
}
