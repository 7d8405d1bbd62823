/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the agent asks tombolo-guest-shell. */
#include "shell-request.h"

#include <string.h>

#include "error.h"
#include "limit.h"

/* User, terminal, rows, columns, and the command's words, each with a zero at its end. */
#define FIXED_WORDS 4

void
shell_request_free (ShellRequest *request)
{
  if (request == NULL)
    return;

  g_free (request->user);
  g_free (request->term);
  g_strfreev (request->command);
  g_free (request);
}

static void
append (GByteArray *bytes, const char *word)
{
  g_byte_array_append (bytes, (const guint8 *) word, (guint) strlen (word) + 1);
}

GByteArray *
shell_request_write (const ShellRequest *request)
{
  GByteArray *bytes = g_byte_array_new ();
  g_autofree char *rows = g_strdup_printf ("%u", request->rows);
  g_autofree char *columns = g_strdup_printf ("%u", request->columns);

  append (bytes, request->user);
  append (bytes, request->term);
  append (bytes, rows);
  append (bytes, columns);
  for (char **word = request->command; *word != NULL; word++)
    append (bytes, *word);
  return bytes;
}

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT, "%s", what);
  return FALSE;
}

static gboolean
is_plain (const char *text, gsize limit)
{
  if (*text == '\0' || strlen (text) > limit)
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isgraph (*p))
      return FALSE;

  return TRUE;
}

gboolean
shell_request_check (const ShellRequest *request, GError **error)
{
  gsize size = 0;
  guint n = 0;

  /* A word that begins with a hyphen would be an option of whatever takes it. */
  if (!is_plain (request->user, 255) || request->user[0] == '-')
    return fail (error, "That is no user's name.");
  if (!is_plain (request->term, 64))
    return fail (error, "That is no kind of a terminal.");

  for (char **word = request->command; *word != NULL; word++, n++)
    {
      if (!g_utf8_validate (*word, -1, NULL))
        return fail (error, "A word of the command is not UTF-8.");
      size += strlen (*word) + 1;
    }
  if (n > LIMIT_SHELL_WORDS || size > LIMIT_SHELL_REQUEST / 2)
    return fail (error, "The command is too long.");
  return TRUE;
}

static gboolean
read_number (const char *text, uint16_t *ret)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, 0, UINT16_MAX, &number, NULL))
    return FALSE;

  *ret = (uint16_t) number;
  return TRUE;
}

ShellRequest *
shell_request_read (const uint8_t *data, gsize size, GError **error)
{
  g_autoptr (ShellRequest) request = g_new0 (ShellRequest, 1);
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);

  for (gsize i = 0; i < size;)
    {
      gsize length = strnlen ((const char *) data + i, size - i);

      if (length == size - i || words->len == FIXED_WORDS + LIMIT_SHELL_WORDS)
        {
          fail (error, "The request is cut, or too long.");
          return NULL;
        }
      g_ptr_array_add (words, g_strndup ((const char *) data + i, length));
      i += length + 1;
    }
  g_ptr_array_add (words, NULL);

  if (words->len <= FIXED_WORDS || !read_number (words->pdata[2], &request->rows)
      || !read_number (words->pdata[3], &request->columns))
    {
      fail (error, "The request is not complete.");
      return NULL;
    }
  request->user = g_strdup (words->pdata[0]);
  request->term = g_strdup (words->pdata[1]);
  request->command = g_strdupv ((char **) words->pdata + FIXED_WORDS);
  return shell_request_check (request, error) ? g_steal_pointer (&request) : NULL;
}

char *
shell_request_to_line (const ShellRequest *request)
{
  g_autoptr (GString) line = g_string_new (NULL);

  if (request->command[0] == NULL)
    return NULL;

  for (char **word = request->command; *word != NULL; word++)
    {
      g_autofree char *quoted = g_shell_quote (*word);

      g_string_append_printf (line, "%s%s", line->len > 0 ? " " : "", quoted);
    }
  return g_strdup (line->str);
}
