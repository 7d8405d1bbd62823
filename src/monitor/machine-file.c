/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lines of a machine file. */
#include "machine-file.h"

#include <stdarg.h>
#include <string.h>

#include "error.h"
#include "limit.h"
#include "log.h"

#define LIMIT_SHOWN 64 /* bytes of the file's text that a message quotes */

gboolean
machine_file_fault (GError **error, const char *file, guint line, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);

  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS, "%s:%u: %s", file, line,
               message);
  return FALSE;
}

gboolean
machine_file_reader_open (MachineFileReader *reader, const char *text, gsize size, gsize limit,
                          const char *file, GError **error)
{
  *reader = (MachineFileReader){ .file = file, .next = text, .end = text + size };

  if (size > limit)
    return machine_file_fault (error, file, 1,
                               "the file has %" G_GSIZE_FORMAT
                               " bytes, but at most %" G_GSIZE_FORMAT
                               " are allowed; remove what is not needed.",
                               size, limit);
  return TRUE;
}

void
machine_file_reader_clear (MachineFileReader *reader)
{
  g_clear_pointer (&reader->name, g_free);
  g_clear_pointer (&reader->value, g_free);
}

static gboolean
check_characters (const MachineFileReader *reader, const char *text, gsize size, GError **error)
{
  if (!g_utf8_validate_len (text, size, NULL))
    return machine_file_fault (error, reader->file, reader->line,
                               "the line is not valid UTF-8; save the file as UTF-8.");

  for (const char *p = text; p < text + size; p = g_utf8_next_char (p))
    if (*p != '\t' && g_unichar_iscntrl (g_utf8_get_char (p)))
      return machine_file_fault (error, reader->file, reader->line,
                                 "the line has a control character (U+%04X); remove it.",
                                 g_utf8_get_char (p));
  return TRUE;
}

gboolean
machine_file_is_name (const char *text)
{
  return *text != '\0' && strspn (text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS) == strlen (text);
}

/* `text` is “[Group]”, blanks removed. */
static MachineFileItem
read_group (MachineFileReader *reader, const char *text, GError **error)
{
  gsize length = strlen (text);
  g_autofree char *name = length > 2 ? g_strndup (text + 1, length - 2) : g_strdup ("");

  if (text[length - 1] != ']' || !machine_file_is_name (name))
    {
      g_autofree char *shown = log_text (text, LIMIT_SHOWN);

      machine_file_fault (error, reader->file, reader->line,
                          "“%s” is not a group; write it as “[Machine]”.", shown);
      return MACHINE_FILE_FAULT;
    }

  reader->name = g_steal_pointer (&name);
  return MACHINE_FILE_GROUP;
}

/* `text` is “Key=Value”, blanks removed. */
static MachineFileItem
read_entry (MachineFileReader *reader, const char *text, GError **error)
{
  const char *equals = strchr (text, '=');
  g_autofree char *name = NULL;
  g_autofree char *value = NULL;

  if (equals != NULL)
    {
      name = g_strchomp (g_strndup (text, (gsize) (equals - text)));
      value = g_strchug (g_strdup (equals + 1));
    }

  if (name == NULL || !machine_file_is_name (name))
    {
      g_autofree char *shown = log_text (text, LIMIT_SHOWN);

      machine_file_fault (error, reader->file, reader->line,
                          "“%s” is neither a group, “Key=Value” nor a comment; mend the line.",
                          shown);
      return MACHINE_FILE_FAULT;
    }
  if (*value == '\0')
    {
      g_autofree char *shown = log_text (name, LIMIT_SHOWN);

      machine_file_fault (error, reader->file, reader->line,
                          "%s= has no value; give it one or remove the line.", shown);
      return MACHINE_FILE_FAULT;
    }

  reader->name = g_steal_pointer (&name);
  reader->value = g_steal_pointer (&value);
  return MACHINE_FILE_ENTRY;
}

MachineFileItem
machine_file_reader_next (MachineFileReader *reader, GError **error)
{
  machine_file_reader_clear (reader);

  while (reader->next < reader->end)
    {
      const char *begin = reader->next;
      gsize rest = (gsize) (reader->end - begin);
      const char *newline = memchr (begin, '\n', rest);
      gsize size = newline != NULL ? (gsize) (newline - begin) : rest;
      g_autofree char *text = NULL;

      reader->next = begin + size + (newline != NULL ? 1 : 0);
      reader->line++;

      if (!check_characters (reader, begin, size, error))
        return MACHINE_FILE_FAULT;

      text = g_strstrip (g_strndup (begin, size));
      if (*text == '\0' || *text == '#' || *text == ';')
        continue;
      if (*text == '[')
        return read_group (reader, text, error);
      return read_entry (reader, text, error);
    }

  return MACHINE_FILE_END;
}
