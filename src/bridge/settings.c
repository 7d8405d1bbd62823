/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tombolod tells a bridge of its machine. */
#include "settings.h"

#include <net/if.h>
#include <string.h>

#include "limit.h"
#include "machine-file.h"
#include "setting-value.h"

void
bridge_settings_free (BridgeSettings *settings)
{
  if (settings == NULL)
    return;

  g_free (settings->machine);
  g_free (settings->interface);
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

static void
broadcast_free (gpointer data)
{
  MachineBroadcast *broadcast = data;

  g_free (broadcast->name);
  g_free (broadcast->interface);
  g_free (broadcast);
}

static void
alias_free_pair (gpointer data)
{
  MachineAlias *alias = data;

  g_free (alias->exported);
  g_free (alias->alias);
  g_free (alias);
}

/* LINE RULE. Returns NULL, or what is wrong; to be freed with g_free(). */
static char *
read_rule (GPtrArray *rules, const char *value)
{
  char *text;
  guint64 line = g_ascii_strtoull (value, &text, 10);
  char *problem;

  if (text == value || *text != ' ' || line > G_MAXUINT)
    return g_strdup ("it does not begin with the line of the machine file.");

  problem = setting_read_rule (text + 1, &rules);
  if (problem == NULL)
    call_rule_set_line (rules->pdata[rules->len - 1], (guint) line);
  return problem;
}

/* Returns NULL, or what is wrong; to be freed with g_free(). */
static char *
read_entry (BridgeSettings *settings, const char *group, const char *key, const char *value)
{
  g_autoptr (GError) error = NULL;

  if (g_str_equal (group, "Bus"))
    {
      if (g_str_equal (key, "Broadcast"))
        return setting_read_broadcast (value, &settings->broadcasts);
      if (g_str_equal (key, "Alias"))
        return setting_read_alias (value, &settings->aliases[GUEST_BUS_SYSTEM]);
      if (g_str_equal (key, "SessionAlias"))
        return setting_read_alias (value, &settings->aliases[GUEST_BUS_SESSION]);
      if (g_str_equal (key, "Import"))
        return setting_read_import (value, &settings->imports);
    }
  else if (g_str_equal (group, "Call") || g_str_equal (group, "Import"))
    {
      if (g_str_equal (key, "Rule"))
        return read_rule (g_str_equal (group, "Call") ? settings->rules[GUEST_BUS_SYSTEM]
                                                      : settings->import_rules,
                          value);
      if (g_str_equal (key, "SessionRule") && g_str_equal (group, "Call"))
        return read_rule (settings->rules[GUEST_BUS_SESSION], value);
    }
  else if (g_str_equal (key, "Machine") && settings->machine == NULL)
    {
      if (!machine_name_validate (value, &error))
        return g_strdup (error->message);
      settings->machine = g_strdup (value);
      return NULL;
    }
  else if (g_str_equal (key, "Interface") && settings->interface == NULL)
    {
      if (strlen (value) >= IF_NAMESIZE)
        return g_strdup ("it is longer than an interface's name can be.");
      settings->interface = g_strdup (value);
      return NULL;
    }
  else if (g_str_equal (key, "GuestMAC"))
    return mac_from_string (value, settings->guest_mac) ? NULL
                                                        : g_strdup ("it is not a MAC address.");

  return g_strdup ("the key is not known here, or stands twice.");
}

static gboolean
read_lines (BridgeSettings *settings, MachineFileReader *reader, GError **error)
{
  g_autofree char *group = g_strdup ("");

  for (;;)
    {
      g_autofree char *problem = NULL;

      switch (machine_file_reader_next (reader, error))
        {
        case MACHINE_FILE_FAULT:
          return FALSE;
        case MACHINE_FILE_END:
          return (settings->machine != NULL && settings->interface != NULL)
                 || machine_file_fault (error, reader->file, reader->line,
                                        "“Machine=” or “Interface=” is missing.");
        case MACHINE_FILE_GROUP:
          if (!g_str_equal (reader->name, "Bridge") && !g_str_equal (reader->name, "Bus")
              && !g_str_equal (reader->name, "Call") && !g_str_equal (reader->name, "Import"))
            return machine_file_fault (error, reader->file, reader->line,
                                       "Group [%s] is not known.", reader->name);
          g_free (group);
          group = g_strdup (reader->name);
          break;
        case MACHINE_FILE_ENTRY:
          problem = read_entry (settings, group, reader->name, reader->value);
          if (problem != NULL)
            return machine_file_fault (error, reader->file, reader->line, "“%s=”: %s", reader->name,
                                       problem);
          break;
        }
    }
}

BridgeSettings *
bridge_settings_from_text (const char *text, gsize size, GError **error)
{
  g_autoptr (BridgeSettings) settings = g_new0 (BridgeSettings, 1);
  g_auto (MachineFileReader) reader = { 0 };

  settings->broadcasts = g_ptr_array_new_with_free_func (broadcast_free);
  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      settings->aliases[bus] = g_ptr_array_new_with_free_func (alias_free_pair);
      settings->rules[bus] = g_ptr_array_new_with_free_func ((GDestroyNotify) call_rule_free);
    }
  settings->imports = g_ptr_array_new_with_free_func ((GDestroyNotify) machine_import_free);
  settings->import_rules = g_ptr_array_new_with_free_func ((GDestroyNotify) call_rule_free);

  if (!machine_file_reader_open (&reader, text, size, LIMIT_BRIDGE_CREDENTIAL_SIZE,
                                 BRIDGE_CREDENTIAL, error)
      || !read_lines (settings, &reader, error))
    return NULL;

  return g_steal_pointer (&settings);
}

char *
bridge_settings_get_alias (const BridgeSettings *settings, GuestBus guest_bus, const char *exported)
{
  const GPtrArray *aliases = settings->aliases[guest_bus];

  for (guint i = 0; i < aliases->len; i++)
    {
      const MachineAlias *alias = aliases->pdata[i];

      if (g_str_equal (alias->exported, exported))
        return g_strdup (alias->alias);
    }

  return machine_name_to_alias (settings->machine, guest_bus, exported);
}

bool
bridge_settings_broadcast (const BridgeSettings *settings, const char *exported,
                           const char *interface)
{
  for (guint i = 0; i < settings->broadcasts->len; i++)
    {
      const MachineBroadcast *broadcast = settings->broadcasts->pdata[i];

      if (g_str_equal (broadcast->name, exported)
          && (broadcast->interface == NULL || g_str_equal (broadcast->interface, interface)))
        return true;
    }

  return false;
}
