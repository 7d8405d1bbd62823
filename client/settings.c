/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine's settings on their way to CreateMachine(). */
#include "config.h"

#include "settings.h"

#include <glib/gi18n.h>
#include <string.h>

#include "failure.h"
#include "limit.h"
#include "terminal.h"

typedef struct
{
  char *name;
  GPtrArray *values; /* char * */
} Key;

typedef struct
{
  char *name;
  GPtrArray *keys; /* Key, in the order of their coming */
} Group;

struct Settings
{
  GPtrArray *groups; /* Group */
};

static void
key_free (gpointer pointer)
{
  Key *key = pointer;

  g_free (key->name);
  g_ptr_array_unref (key->values);
  g_free (key);
}

static void
group_free (gpointer pointer)
{
  Group *group = pointer;

  g_free (group->name);
  g_ptr_array_unref (group->keys);
  g_free (group);
}

Settings *
settings_new (void)
{
  Settings *settings = g_new0 (Settings, 1);

  settings->groups = g_ptr_array_new_with_free_func (group_free);
  return settings;
}

void
settings_free (Settings *settings)
{
  g_ptr_array_unref (settings->groups);
  g_free (settings);
}

gboolean
settings_is_empty (const Settings *settings)
{
  return settings->groups->len == 0;
}

static Group *
get_group (Settings *settings, const char *name)
{
  Group *group;

  for (guint i = 0; i < settings->groups->len; i++)
    {
      group = g_ptr_array_index (settings->groups, i);
      if (g_str_equal (group->name, name))
        return group;
    }

  group = g_new0 (Group, 1);
  group->name = g_strdup (name);
  group->keys = g_ptr_array_new_with_free_func (key_free);
  g_ptr_array_add (settings->groups, group);
  return group;
}

static Key *
get_key (Group *group, const char *name)
{
  Key *key;

  for (guint i = 0; i < group->keys->len; i++)
    {
      key = g_ptr_array_index (group->keys, i);
      if (g_str_equal (key->name, name))
        return key;
    }

  key = g_new0 (Key, 1);
  key->name = g_strdup (name);
  key->values = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (group->keys, key);
  return key;
}

void
settings_add (Settings *settings, const char *group, const char *key, const char *value)
{
  g_ptr_array_add (get_key (get_group (settings, group), key)->values, g_strdup (value));
}

static gboolean
bad_line (const char *file, guint line, const char *problem, GError **error)
{
  g_autofree char *shown = terminal_text (file);

  g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE, "%s:%u: %s", shown, line, problem);
  return FALSE;
}

/* `line` is trimmed, not empty and no comment; `*group` is where keys go. */
static gboolean
add_line (Settings *settings, char *line, char **group, const char **ret_problem)
{
  gsize length = strlen (line);
  char *equals = strchr (line, '=');

  if (line[0] == '[')
    {
      if (length < 3 || line[length - 1] != ']')
        return *ret_problem = _ ("a group is written as [Name]."), FALSE;
      g_free (*group);
      *group = g_strndup (line + 1, length - 2);
      get_group (settings, *group);
      return TRUE;
    }
  if (equals == NULL || equals == line)
    return *ret_problem = _ ("a setting is written as Key=Value."), FALSE;
  if (*group == NULL)
    return *ret_problem = _ ("a group such as [Machine] must come first."), FALSE;

  *equals = '\0';
  settings_add (settings, *group, g_strchomp (line), g_strchug (equals + 1));
  return TRUE;
}

gboolean
settings_add_text (Settings *settings, const char *text, gsize size, const char *file,
                   GError **error)
{
  g_autofree char *group = NULL;
  g_auto (GStrv) lines = NULL;

  if (size > LIMIT_MACHINE_FILE_SIZE)
    return bad_line (file, 1, _ ("the file is larger than 64 KiB."), error);
  if (!g_utf8_validate (text, (gssize) size, NULL))
    return bad_line (file, 1, _ ("the file is not valid UTF-8 text."), error);

  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *line = g_strstrip (lines[i]);
      const char *problem;

      if (*line == '\0' || *line == '#' || *line == ';')
        continue;
      if (!add_line (settings, line, &group, &problem))
        return bad_line (file, i + 1, problem, error);
    }

  return TRUE;
}

static GVariant *
key_to_variant (const Key *key)
{
  if (key->values->len == 1)
    return g_variant_new_string (g_ptr_array_index (key->values, 0));

  return g_variant_new_strv ((const char *const *) key->values->pdata, key->values->len);
}

GVariant *
settings_to_variant (const Settings *settings)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sa{sv}}"));

  for (guint i = 0; i < settings->groups->len; i++)
    {
      const Group *group = g_ptr_array_index (settings->groups, i);

      g_variant_builder_open (&builder, G_VARIANT_TYPE ("{sa{sv}}"));
      g_variant_builder_add (&builder, "s", group->name);
      g_variant_builder_open (&builder, G_VARIANT_TYPE ("a{sv}"));
      for (guint k = 0; k < group->keys->len; k++)
        {
          const Key *key = g_ptr_array_index (group->keys, k);

          g_variant_builder_add (&builder, "{sv}", key->name, key_to_variant (key));
        }
      g_variant_builder_close (&builder);
      g_variant_builder_close (&builder);
    }

  return g_variant_builder_end (&builder);
}
