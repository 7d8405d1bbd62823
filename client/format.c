/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus values as text, in the form that busctl writes and arguments_to_body() reads. */
#include "format.h"

#include <string.h>

#include "number.h"

static void append_value (GString *text, GVariant *value);

char *
format_signature (GVariant *body)
{
  const char *type = g_variant_get_type_string (body);

  return g_strndup (type + 1, strlen (type) - 2);
}

static gboolean
is_hidden (gunichar c)
{
  GUnicodeType type = g_unichar_type (c);

  return type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT || type == G_UNICODE_LINE_SEPARATOR
         || type == G_UNICODE_PARAGRAPH_SEPARATOR;
}

static void
append_escaped (GString *text, gunichar c)
{
  char bytes[6];
  int n;

  switch (c)
    {
    case '"':
      g_string_append (text, "\\\"");
      return;
    case '\\':
      g_string_append (text, "\\\\");
      return;
    case '\n':
      g_string_append (text, "\\n");
      return;
    case '\t':
      g_string_append (text, "\\t");
      return;
    case '\r':
      g_string_append (text, "\\r");
      return;
    default:
      break;
    }

  if (!is_hidden (c))
    {
      g_string_append_unichar (text, c);
      return;
    }

  n = g_unichar_to_utf8 (c, bytes);
  for (int i = 0; i < n; i++)
    g_string_append_printf (text, "\\%03o", (guchar) bytes[i]);
}

static void
append_text (GString *text, const char *value)
{
  g_string_append_c (text, '"');
  for (const char *p = value; *p != '\0'; p = g_utf8_next_char (p))
    append_escaped (text, g_utf8_get_char (p));
  g_string_append_c (text, '"');
}

static void
append_double (GString *text, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (text, g_ascii_formatd (buffer, sizeof buffer, "%g", value));
}

static void
append_simple (GString *text, GVariant *value)
{
  if (number_append (text, value))
    return;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    append_double (text, g_variant_get_double (value));
  else
    append_text (text, g_variant_get_string (value, NULL));
}

static void
append_members (GString *text, GVariant *container)
{
  gsize n = g_variant_n_children (container);

  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (container, i);

      if (text->len > 0 && text->str[text->len - 1] != ' ')
        g_string_append_c (text, ' ');
      append_value (text, child);
    }
}

static void
append_value (GString *text, GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT))
    {
      g_autoptr (GVariant) content = g_variant_get_variant (value);

      g_string_append_printf (text, "%s ", g_variant_get_type_string (content));
      append_value (text, content);
    }
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_ARRAY))
    {
      g_string_append_printf (text, "%" G_GSIZE_FORMAT, g_variant_n_children (value));
      append_members (text, value);
    }
  else if (g_variant_is_container (value))
    append_members (text, value);
  else
    append_simple (text, value);
}

char *
format_body (GVariant *body)
{
  GString *text;

  if (g_variant_n_children (body) == 0)
    return g_strdup ("");

  text = g_string_new (NULL);
  g_string_append (text, g_variant_get_type_string (body) + 1);
  g_string_truncate (text, text->len - 1);
  append_members (text, body);
  return g_string_free (text, FALSE);
}
