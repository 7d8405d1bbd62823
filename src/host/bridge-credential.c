/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a bridge is told of its machine. */
#include "bridge-credential.h"

#include <string.h>

#define RULES_GROUP "\n[Call]\n"

static void
append_broadcasts (GString *text, const GPtrArray *broadcasts)
{
  for (guint i = 0; broadcasts != NULL && i < broadcasts->len; i++)
    {
      const MachineBroadcast *broadcast = broadcasts->pdata[i];

      g_string_append_printf (text, "Broadcast=%s", broadcast->name);
      if (broadcast->interface != NULL)
        g_string_append_printf (text, "@%s", broadcast->interface);
      g_string_append_c (text, '\n');
    }
}

static void
append_aliases (GString *text, const char *key, const GPtrArray *aliases)
{
  for (guint i = 0; aliases != NULL && i < aliases->len; i++)
    {
      const MachineAlias *alias = aliases->pdata[i];

      g_string_append_printf (text, "%s=%s:%s\n", key, alias->exported, alias->alias);
    }
}

static void
append_imports (GString *text, const GPtrArray *imports)
{
  for (guint i = 0; imports != NULL && i < imports->len; i++)
    {
      const MachineImport *import = imports->pdata[i];

      g_string_append_printf (text, "Import=%s:%s@%s\n", import->name, import->as, import->source);
    }
}

/* With the lines of the machine file, which logs and answers of the bridge name. */
static void
append_rules (GString *text, const char *key, const GPtrArray *rules)
{
  for (guint i = 0; rules != NULL && i < rules->len; i++)
    g_string_append_printf (text, "%s=%u %s\n", key, call_rule_get_line (rules->pdata[i]),
                            call_rule_get_text (rules->pdata[i]));
}

static void
append_call_rules (GString *text, GPtrArray *const rules[N_GUEST_BUSES])
{
  g_string_append (text, RULES_GROUP);
  append_rules (text, "Rule", rules[GUEST_BUS_SYSTEM]);
  append_rules (text, "SessionRule", rules[GUEST_BUS_SESSION]);
}

char *
bridge_credential_format (const char *name, const uint8_t mac[MAC_SIZE],
                          const MachineSettings *settings)
{
  GString *text = g_string_new ("[Bridge]\n");
  char interface[INTERFACE_NAME_SIZE];
  char mac_text[MAC_STRING_SIZE];

  machine_name_to_interface (name, FALSE, interface);
  mac_to_string (mac, mac_text);
  g_string_append_printf (text, "Machine=%s\nInterface=%s\nGuestMAC=%s\n\n[Bus]\n", name, interface,
                          mac_text);

  append_broadcasts (text, settings->broadcasts);
  append_aliases (text, "Alias", settings->aliases[GUEST_BUS_SYSTEM]);
  append_aliases (text, "SessionAlias", settings->aliases[GUEST_BUS_SESSION]);
  append_imports (text, settings->imports);
  append_call_rules (text, settings->rules);
  g_string_append (text, "\n[Import]\n");
  append_rules (text, "Rule", settings->import_rules);
  return g_string_free (text, FALSE);
}

gboolean
bridge_credential_has_rules (const char *text, GPtrArray *const rules[N_GUEST_BUSES])
{
  g_autoptr (GString) wanted = g_string_new (NULL);
  const char *found = strstr (text, RULES_GROUP), *end;

  if (found == NULL)
    return rules[GUEST_BUS_SYSTEM]->len == 0 && rules[GUEST_BUS_SESSION]->len == 0;

  append_call_rules (wanted, rules);
  end = strstr (found + strlen (RULES_GROUP), "\n[");
  if (end == NULL)
    return g_str_equal (found, wanted->str);
  return wanted->len == (gsize) (end - found) && strncmp (found, wanted->str, wanted->len) == 0;
}
