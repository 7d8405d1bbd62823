/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's policy, read strictly. */
#include "policy.h"

#include <gio/gio.h>
#include <stdio.h>

#include "error.h"
#include "limit.h"
#include "machine-file.h"
#include "message.h"
#include "owner-table.h"
#include "setting-value.h"

typedef struct
{
  GuestPolicy *policy;
  GPtrArray *names;
  const char *group; /* NULL: none yet */
} Reading;

void
guest_policy_free (GuestPolicy *policy)
{
  if (policy == NULL)
    return;

  g_strfreev (policy->system);
  g_ptr_array_unref (policy->rules);
  g_free (policy);
}

GuestPolicy *
guest_policy_new_empty (void)
{
  GuestPolicy *policy = g_new0 (GuestPolicy, 1);

  policy->system = g_new0 (char *, 1);
  policy->rules = g_ptr_array_new_with_free_func ((GDestroyNotify) call_rule_free);
  return policy;
}

/* NULL where the name is good, else what is wrong and what to do. */
static const char *
name_problem (GPtrArray *names, const char *name)
{
  if (!wire_bus_name_is_valid (name) || wire_bus_name_is_unique (name))
    return "is no well-known bus name; write whole names such as org.freedesktop.hostname1";
  if (g_str_equal (name, BUS_DRIVER_NAME))
    return "is the bus itself, which is always there; remove it";
  if (names->len == LIMIT_EXPORTED_NAMES)
    return "is one name too many: at most 64 can be exported; remove some";

  for (guint i = 0; i < names->len; i++)
    if (g_str_equal (names->pdata[i], name))
      return "is there twice; remove one";

  return NULL;
}

static gboolean
take_names (const MachineFileReader *reader, Reading *reading, GError **error)
{
  GPtrArray *names = reading->names;
  g_auto (GStrv) words = g_strsplit_set (reader->value, " \t", -1);

  for (guint i = 0; words[i] != NULL; i++)
    {
      const char *problem;

      if (words[i][0] == '\0')
        continue;
      problem = name_problem (names, words[i]);
      if (problem != NULL)
        return machine_file_fault (error, reader->file, reader->line, "“%.*s” %s.",
                                   LIMIT_NAME_LENGTH, words[i], problem);
      g_ptr_array_add (names, g_strdup (words[i]));
    }

  return TRUE;
}

/* Of the host's users nobody here knows the names. */
static bool
look_up (CallRuleFrom from, const char *name, uint32_t *ret_id)
{
  return false;
}

/* NULL where a guest may have the rule, else why not and what to do. */
static const char *
rule_problem (CallRule *rule)
{
  if (call_rule_get_verdict (rule) == CALL_RULE_ASK)
    return "nobody can be asked about callers on the host here, whose own rules and polkit come "
           "before these; write “allow” or “deny”.";
  if (!call_rule_resolve (rule, look_up))
    return "users and groups of the host have no names here; give their numbers, such as "
           "from=user:1000.";

  return NULL;
}

static gboolean
take_rule (const MachineFileReader *reader, Reading *reading, GError **error)
{
  GPtrArray *rules = reading->policy->rules;
  g_autofree char *problem = setting_read_rule (reader->value, &reading->policy->rules);
  const char *why = problem;

  if (why == NULL)
    {
      call_rule_set_line (rules->pdata[rules->len - 1], reader->line);
      why = rule_problem (rules->pdata[rules->len - 1]);
    }
  return why == NULL
         || machine_file_fault (error, reader->file, reader->line, "Rule=%.*s: %s",
                                LIMIT_NAME_LENGTH, reader->value, why);
}

static const struct
{
  const char *group;
  const char *key;
  gboolean (*take) (const MachineFileReader *reader, Reading *reading, GError **error);
} keys[] = {
  { "Export", "System", take_names },
  { "Call", "Rule", take_rule },
};

static gboolean
take_group (const MachineFileReader *reader, Reading *reading, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].group, reader->name))
      {
        reading->group = keys[i].group;
        return TRUE;
      }

  return machine_file_fault (error, reader->file, reader->line,
                             "Group [%s] is not known; there are [Export] and [Call].",
                             reader->name);
}

static gboolean
take_entry (const MachineFileReader *reader, Reading *reading, GError **error)
{
  if (reading->group == NULL)
    return machine_file_fault (error, reader->file, reader->line,
                               "“%s=” stands before any group; write [Export] or [Call] above it.",
                               reader->name);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].group, reading->group) && g_str_equal (keys[i].key, reader->name))
      return keys[i].take (reader, reading, error);

  return machine_file_fault (error, reader->file, reader->line,
                             "Key “%s=” is not known in [%s]; see tombolo-guest.conf(5).",
                             reader->name, reading->group);
}

GuestPolicy *
guest_policy_from_text (const char *text, gsize size, const char *file, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GuestPolicy) policy = guest_policy_new_empty ();
  g_auto (MachineFileReader) reader = { 0 };
  Reading reading = { .policy = policy, .names = names };

  if (!machine_file_reader_open (&reader, text, size, LIMIT_GUEST_POLICY_SIZE, file, error))
    return NULL;

  for (;;)
    {
      MachineFileItem item = machine_file_reader_next (&reader, error);
      gboolean good = item == MACHINE_FILE_GROUP   ? take_group (&reader, &reading, error)
                      : item == MACHINE_FILE_ENTRY ? take_entry (&reader, &reading, error)
                                                   : item == MACHINE_FILE_END;

      if (!good)
        return NULL;
      if (item == MACHINE_FILE_END)
        break;
    }

  g_strfreev (policy->system);
  g_ptr_array_add (names, NULL);
  policy->system = (char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
  return g_steal_pointer (&policy);
}

GuestPolicy *
guest_policy_load (const char *path, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autofree char *text = NULL;
  gsize size;

  if (g_file_get_contents (path, &text, &size, &problem))
    return guest_policy_from_text (text, size, path, error);
  if (g_error_matches (problem, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return guest_policy_new_empty ();

  g_propagate_error (error, g_steal_pointer (&problem));
  return NULL;
}
