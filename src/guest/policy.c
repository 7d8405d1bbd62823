/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's policy, read strictly. */
#include "policy.h"

#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "limit.h"
#include "machine-file.h"
#include "message.h"
#include "owner-table.h"
#include "setting-value.h"

typedef struct
{
  GuestPolicy *policy;
  GPtrArray *names[N_GUEST_BUSES];
  GPtrArray *imports;
  guint session_line; /* the first of Session=; 0: none */
  const char *group;  /* NULL: none yet */
} Reading;

void
guest_policy_free (GuestPolicy *policy)
{
  if (policy == NULL)
    return;

  for (guint bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      g_strfreev (policy->buses[bus].names);
      g_ptr_array_unref (policy->buses[bus].rules);
    }
  g_free (policy->user);
  g_ptr_array_unref (policy->shell_users);
  g_strfreev (policy->imports);
  g_free (policy);
}

GuestPolicy *
guest_policy_new_empty (void)
{
  GuestPolicy *policy = g_new0 (GuestPolicy, 1);

  for (guint bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      policy->buses[bus].names = g_new0 (char *, 1);
      policy->buses[bus].rules = g_ptr_array_new_with_free_func ((GDestroyNotify) call_rule_free);
    }
  policy->shell_users = g_ptr_array_new_with_free_func (g_free);
  policy->imports = g_new0 (char *, 1);
  return policy;
}

static bool
has_name (const GPtrArray *names, const char *name)
{
  return g_ptr_array_find_with_equal_func ((GPtrArray *) names, name, g_str_equal, NULL);
}

/* NULL where the name is good beside `names`, else what is wrong and what to do. What the guest has
 * from its host, `others`, it does not offer it, so that no call goes in circles. */
static const char *
name_problem (const GPtrArray *names, const GPtrArray *others, const char *name)
{
  if (!wire_bus_name_is_valid (name) || wire_bus_name_is_unique (name))
    return "is no well-known bus name; write whole names such as org.freedesktop.hostname1";
  if (g_str_equal (name, BUS_DRIVER_NAME))
    return "is the bus itself, which is always there; remove it";
  if (has_name (names, name))
    return "is there twice; remove one";
  if (others != NULL && has_name (others, name))
    return "is both exported and imported; remove one";

  return NULL;
}

static const char *
export_problem (const Reading *reading, GuestBus bus, const char *name)
{
  if (reading->names[GUEST_BUS_SYSTEM]->len + reading->names[GUEST_BUS_SESSION]->len
      == LIMIT_EXPORTED_NAMES)
    return "is one name too many: at most 64 can be exported; remove some";

  return name_problem (reading->names[bus], bus == GUEST_BUS_SYSTEM ? reading->imports : NULL,
                       name);
}

static gboolean
take_names (const MachineFileReader *reader, Reading *reading, GuestBus bus, GError **error)
{
  g_auto (GStrv) words = g_strsplit_set (reader->value, " \t", -1);

  for (guint i = 0; words[i] != NULL; i++)
    {
      const char *problem;

      if (words[i][0] == '\0')
        continue;
      problem = export_problem (reading, bus, words[i]);
      if (problem != NULL)
        return machine_file_fault (error, reader->file, reader->line, "“%.*s” %s.",
                                   LIMIT_NAME_LENGTH, words[i], problem);
      g_ptr_array_add (reading->names[bus], g_strdup (words[i]));
      if (bus == GUEST_BUS_SESSION && reading->session_line == 0)
        reading->session_line = reader->line;
    }

  return TRUE;
}

static gboolean
take_imports (const MachineFileReader *reader, Reading *reading, GuestBus bus, GError **error)
{
  g_auto (GStrv) words = g_strsplit_set (reader->value, " \t", -1);

  for (guint i = 0; words[i] != NULL; i++)
    {
      const char *problem;

      if (words[i][0] == '\0')
        continue;
      problem = reading->imports->len == LIMIT_IMPORTED_NAMES
                    ? "is one name too many: at most 64 can be imported; remove some"
                    : name_problem (reading->imports, reading->names[bus], words[i]);
      if (problem != NULL)
        return machine_file_fault (error, reader->file, reader->line, "“%.*s” %s.",
                                   LIMIT_NAME_LENGTH, words[i], problem);
      g_ptr_array_add (reading->imports, g_strdup (words[i]));
    }

  return TRUE;
}

/* NULL where it can be the name or number of a user whose session bus a host may call, else why
 * not. Whether there is such a user is not asked here. */
static const char *
user_problem (const char *user)
{
  gboolean number = g_ascii_isdigit (user[0]);

  for (const char *p = user; *p != '\0'; p++)
    if (number ? !g_ascii_isdigit (*p)
               : !g_ascii_isalnum (*p) && strchr (p == user ? "_" : "_.-", *p) == NULL)
      return "is not the name or number of one user";
  if (g_str_equal (user, "root") || (number && g_ascii_strtoull (user, NULL, 10) == 0))
    return "is the system's own user, whose session bus is not exported; choose another";

  return NULL;
}

static gboolean
take_user (const MachineFileReader *reader, Reading *reading, GuestBus bus, GError **error)
{
  const char *problem = reading->policy->user != NULL
                            ? "is a second user; one alone can have her session bus exported"
                            : user_problem (reader->value);

  if (problem != NULL)
    return machine_file_fault (error, reader->file, reader->line, "User=%.*s %s.",
                               LIMIT_NAME_LENGTH, reader->value, problem);

  reading->policy->user = g_strdup (reader->value);
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
take_rule (const MachineFileReader *reader, Reading *reading, GuestBus bus, GError **error)
{
  GPtrArray *rules = reading->policy->buses[bus].rules;
  g_autofree char *problem = setting_read_rule (reader->value, &rules);
  const char *why = problem;

  if (why == NULL)
    {
      call_rule_set_line (rules->pdata[rules->len - 1], reader->line);
      why = rule_problem (rules->pdata[rules->len - 1]);
    }
  return why == NULL
         || machine_file_fault (error, reader->file, reader->line, "%s=%.*s: %s", reader->name,
                                LIMIT_NAME_LENGTH, reader->value, why);
}

/* By name alone: a number would let in whoever gets it later. */
static bool
is_user_name (const char *word)
{
  return g_ascii_isalpha (word[0]) || word[0] == '_';
}

static gboolean
take_shell_users (const MachineFileReader *reader, Reading *reading, GuestBus bus, GError **error)
{
  GPtrArray *users = reading->policy->shell_users;
  g_auto (GStrv) words = g_strsplit_set (reader->value, " \t", -1);

  for (guint i = 0; words[i] != NULL; i++)
    {
      if (words[i][0] == '\0')
        continue;
      if (!is_user_name (words[i]) || users->len == LIMIT_SHELL_USERS)
        return machine_file_fault (error, reader->file, reader->line,
                                   "“%.*s” is no user's name, or one more than the %d there can "
                                   "be.",
                                   LIMIT_NAME_LENGTH, words[i], LIMIT_SHELL_USERS);
      g_ptr_array_add (users, g_strdup (words[i]));
    }

  return TRUE;
}

static const struct
{
  const char *group;
  const char *key;
  gboolean (*take) (const MachineFileReader *reader, Reading *reading, GuestBus bus,
                    GError **error);
  GuestBus bus;
} keys[] = {
  { "Export", "System", take_names, GUEST_BUS_SYSTEM },
  { "Export", "Session", take_names, GUEST_BUS_SESSION },
  { "Export", "User", take_user, GUEST_BUS_SESSION },
  { "Call", "Rule", take_rule, GUEST_BUS_SYSTEM },
  { "Call", "SessionRule", take_rule, GUEST_BUS_SESSION },
  { "Shell", "User", take_shell_users, GUEST_BUS_SYSTEM },
  { "Import", "System", take_imports, GUEST_BUS_SYSTEM },
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
                             "Group [%s] is not known; there are [Export], [Call], [Shell] and "
                             "[Import].",
                             reader->name);
}

static gboolean
take_entry (const MachineFileReader *reader, Reading *reading, GError **error)
{
  if (reading->group == NULL)
    return machine_file_fault (
        error, reader->file, reader->line,
        "“%s=” stands before any group; write [Export], [Call] or [Import] above "
        "it.",
        reader->name);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].group, reading->group) && g_str_equal (keys[i].key, reader->name))
      return keys[i].take (reader, reading, keys[i].bus, error);

  return machine_file_fault (error, reader->file, reader->line,
                             "Key “%s=” is not known in [%s]; see tombolo-guest.conf(5).",
                             reader->name, reading->group);
}

static gboolean
read_items (MachineFileReader *reader, Reading *reading, GError **error)
{
  for (;;)
    {
      MachineFileItem item = machine_file_reader_next (reader, error);
      gboolean good = item == MACHINE_FILE_GROUP   ? take_group (reader, reading, error)
                      : item == MACHINE_FILE_ENTRY ? take_entry (reader, reading, error)
                                                   : item == MACHINE_FILE_END;

      if (!good)
        return FALSE;
      if (item == MACHINE_FILE_END)
        break;
    }

  return reading->session_line == 0 || reading->policy->user != NULL
         || machine_file_fault (error, reader->file, reading->session_line,
                                "“Session=” does not say whose session bus it means; add “User=” "
                                "to [Export].");
}

GuestPolicy *
guest_policy_from_text (const char *text, gsize size, const char *file, GError **error)
{
  g_autoptr (GuestPolicy) policy = guest_policy_new_empty ();
  g_auto (MachineFileReader) reader = { 0 };
  Reading reading = { .policy = policy };
  gboolean good;

  if (!machine_file_reader_open (&reader, text, size, LIMIT_GUEST_POLICY_SIZE, file, error))
    return NULL;

  for (guint bus = 0; bus < N_GUEST_BUSES; bus++)
    reading.names[bus] = g_ptr_array_new_with_free_func (g_free);
  reading.imports = g_ptr_array_new_with_free_func (g_free);
  good = read_items (&reader, &reading, error);
  for (guint bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      g_strfreev (policy->buses[bus].names);
      g_ptr_array_add (reading.names[bus], NULL);
      policy->buses[bus].names = (char **) g_ptr_array_free (reading.names[bus], FALSE);
    }
  g_strfreev (policy->imports);
  g_ptr_array_add (reading.imports, NULL);
  policy->imports = (char **) g_ptr_array_free (reading.imports, FALSE);

  return good ? g_steal_pointer (&policy) : NULL;
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
