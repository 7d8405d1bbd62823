/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text of a machine file from settings that came over D-Bus. */
#include "machine-settings.h"

#include <string.h>

#include "error.h"
#include "limit.h"
#include "log.h"
#include "machine-file.h"

#define LIMIT_SHOWN 64 /* bytes of the settings that a message quotes */

/* The reader trims, and ends a value at its line: what it would change is refused here, so that
 * the file says what the caller said. (The string of a variant is valid UTF-8.) */
static gboolean
is_value (const char *text)
{
  if (*text == '\0' || g_ascii_isspace (text[0]) || g_ascii_isspace (text[strlen (text) - 1]))
    return FALSE;

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      return FALSE;
  return TRUE;
}

static gboolean
append_entry (GString *text, const char *key, const char *value, GError **error)
{
  if (!is_value (value))
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS,
                   "The value of setting “%s” is empty, has blanks around it or control "
                   "characters; give it without.",
                   key);
      return FALSE;
    }
  if (text->len + strlen (key) + strlen (value) > LIMIT_MACHINE_FILE_SIZE)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                   "The settings have more than %" G_GSIZE_FORMAT
                   " bytes; leave out what is not needed.",
                   (gsize) LIMIT_MACHINE_FILE_SIZE);
      return FALSE;
    }

  g_string_append_printf (text, "%s=%s\n", key, value);
  return TRUE;
}

static gboolean
append_setting (GString *text, const char *key, GVariant *value, GError **error)
{
  if (!machine_file_is_name (key))
    {
      g_autofree char *shown = log_text (key, LIMIT_SHOWN);

      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS,
                   "“%s” is not a key of machine settings; see tombolo.machine(5).", shown);
      return FALSE;
    }

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return append_entry (text, key, g_variant_get_string (value, NULL), error);

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    {
      g_autofree const char **strings = g_variant_get_strv (value, NULL);

      for (guint i = 0; strings[i] != NULL; i++)
        if (!append_entry (text, key, strings[i], error))
          return FALSE;
      return TRUE;
    }

  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS,
               "Setting “%s” has the type “%s”; give a string, or an array of strings for a list.",
               key, g_variant_get_type_string (value));
  return FALSE;
}

static gboolean
append_group (GString *text, const char *group, GVariantIter *entries, GError **error)
{
  const char *key;
  GVariant *value;

  if (!machine_file_is_name (group))
    {
      g_autofree char *shown = log_text (group, LIMIT_SHOWN);

      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS,
                   "“%s” is not a group of machine settings; the groups are Machine, Qemu, "
                   "Container, Bus, Call and Import.",
                   shown);
      return FALSE;
    }

  g_string_append_printf (text, "%s[%s]\n", text->len > 0 ? "\n" : "", group);
  while (g_variant_iter_loop (entries, "{&sv}", &key, &value))
    if (!append_setting (text, key, value, error))
      {
        g_variant_unref (value);
        return FALSE;
      }
  return TRUE;
}

char *
machine_settings_text_from_variant (GVariant *settings, MachineSettings **ret_settings,
                                    GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (MachineSettings) again = NULL;
  const char *group;
  GVariantIter groups;
  GVariantIter *entries;

  if (!g_variant_is_of_type (settings, G_VARIANT_TYPE ("a{sa{sv}}")))
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                   "The settings have the type “%.64s” instead of “a{sa{sv}}”.",
                   g_variant_get_type_string (settings));
      return NULL;
    }

  g_variant_iter_init (&groups, settings);
  while (g_variant_iter_loop (&groups, "{&sa{sv}}", &group, &entries))
    if (!append_group (text, group, entries, error))
      {
        g_variant_iter_free (entries);
        return NULL;
      }

  again = machine_settings_from_text (text->str, text->len, "settings", error);
  if (again == NULL)
    return NULL;

  if (ret_settings != NULL)
    *ret_settings = g_steal_pointer (&again);
  return g_string_free (g_steal_pointer (&text), FALSE);
}
