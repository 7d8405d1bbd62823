/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's export policy, read strictly. */
#include "policy.h"

#include <gio/gio.h>
#include <stdio.h>

#include "error.h"
#include "limit.h"
#include "machine-file.h"
#include "message.h"
#include "owner-table.h"

void
guest_policy_free (GuestPolicy *policy)
{
  if (policy == NULL)
    return;

  g_strfreev (policy->system);
  g_free (policy);
}

GuestPolicy *
guest_policy_new_empty (void)
{
  GuestPolicy *policy = g_new0 (GuestPolicy, 1);

  policy->system = g_new0 (char *, 1);
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
take_names (const MachineFileReader *reader, GPtrArray *names, GError **error)
{
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

static gboolean
take_item (const MachineFileReader *reader, MachineFileItem item, gboolean *in_group,
           GPtrArray *names, GError **error)
{
  if (item == MACHINE_FILE_GROUP)
    {
      *in_group = g_str_equal (reader->name, "Export");
      return *in_group
             || machine_file_fault (error, reader->file, reader->line,
                                    "Group [%s] is not known; the only one is [Export].",
                                    reader->name);
    }

  if (!*in_group)
    return machine_file_fault (error, reader->file, reader->line,
                               "“%s=” stands before any group; write [Export] above it.",
                               reader->name);
  if (!g_str_equal (reader->name, "System"))
    return machine_file_fault (error, reader->file, reader->line,
                               "Key “%s=” is not known; the only one is “System=”.", reader->name);

  return take_names (reader, names, error);
}

GuestPolicy *
guest_policy_from_text (const char *text, gsize size, const char *file, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_auto (MachineFileReader) reader = { 0 };
  gboolean in_group = FALSE;
  GuestPolicy *policy;

  if (!machine_file_reader_open (&reader, text, size, file, error))
    return NULL;

  for (;;)
    {
      MachineFileItem item = machine_file_reader_next (&reader, error);

      if (item == MACHINE_FILE_END)
        break;
      if (item == MACHINE_FILE_FAULT || !take_item (&reader, item, &in_group, names, error))
        return NULL;
    }

  policy = g_new0 (GuestPolicy, 1);
  g_ptr_array_add (names, NULL);
  policy->system = (char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
  return policy;
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
