/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus values as JSON, written straight from GVariant. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format.h"
#include "number.h"

typedef struct
{
  GString *text;
  JsonMode mode;
  JsonStyle style;
  guint depth;
} Writer;

static void write_value (Writer *writer, GVariant *value);

gboolean
json_mode_from_string (const char *text, JsonMode *ret_mode)
{
  static const char *const names[] = {
    [JSON_OFF] = "off", [JSON_SHORT] = "short", [JSON_PRETTY] = "pretty"
  };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (names[i], text))
      {
        *ret_mode = (JsonMode) i;
        return TRUE;
      }

  return FALSE;
}

static void
new_line (Writer *writer)
{
  if (writer->mode != JSON_PRETTY)
    return;

  g_string_append_c (writer->text, '\n');
  for (guint i = 0; i < writer->depth; i++)
    g_string_append (writer->text, "  ");
}

static void
begin (Writer *writer, char bracket)
{
  g_string_append_c (writer->text, bracket);
  writer->depth++;
}

static void
separate (Writer *writer, gsize index)
{
  if (index > 0)
    g_string_append_c (writer->text, ',');
  new_line (writer);
}

static void
end (Writer *writer, gsize n_members, char bracket)
{
  writer->depth--;
  if (n_members > 0)
    new_line (writer);
  g_string_append_c (writer->text, bracket);
}

/* Beyond ASCII, only what is neither a control nor a format character passes as it is. */
static void
write_text (Writer *writer, const char *value)
{
  GString *text = writer->text;

  g_string_append_c (text, '"');
  for (const char *p = value; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      GUnicodeType type = g_unichar_type (c);

      if (c == '"' || c == '\\')
        g_string_append_printf (text, "\\%c", (char) c);
      else if (c == '\n')
        g_string_append (text, "\\n");
      else if (c == '\t')
        g_string_append (text, "\\t");
      else if (type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT
               || type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR)
        {
          if (c > 0xffff)
            g_string_append_printf (text, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                                    0xdc00 + ((c - 0x10000) & 0x3ff));
          else
            g_string_append_printf (text, "\\u%04x", c);
        }
      else
        g_string_append_unichar (text, c);
    }
  g_string_append_c (text, '"');
}

static void
write_double (Writer *writer, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (isfinite (value))
    g_string_append (writer->text, g_ascii_dtostr (buffer, sizeof buffer, value));
  else
    g_string_append (writer->text, "null");
}

static void
write_simple (Writer *writer, GVariant *value)
{
  if (number_append (writer->text, value))
    return;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    write_double (writer, g_variant_get_double (value));
  else
    write_text (writer, g_variant_get_string (value, NULL));
}

static void
write_members (Writer *writer, GVariant *container)
{
  gsize n = g_variant_n_children (container);

  begin (writer, '[');
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (container, i);

      separate (writer, i);
      write_value (writer, child);
    }
  end (writer, n, ']');
}

static void
write_key (Writer *writer, const char *key)
{
  write_text (writer, key);
  g_string_append (writer->text, writer->mode == JSON_PRETTY ? ": " : ":");
}

static void
write_object (Writer *writer, GVariant *dictionary)
{
  gsize n = g_variant_n_children (dictionary);

  begin (writer, '{');
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (dictionary, i);
      g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
      g_autoptr (GVariant) value = g_variant_get_child_value (entry, 1);

      separate (writer, i);
      write_key (writer, g_variant_get_string (key, NULL));
      write_value (writer, value);
    }
  end (writer, n, '}');
}

static void
write_typed (Writer *writer, const char *signature, GVariant *value)
{
  begin (writer, '{');
  separate (writer, 0);
  write_key (writer, "type");
  write_text (writer, signature);
  separate (writer, 1);
  write_key (writer, "data");
  write_value (writer, value);
  end (writer, 2, '}');
}

static void
write_variant (Writer *writer, GVariant *value)
{
  g_autoptr (GVariant) content = g_variant_get_variant (value);

  if (writer->style == JSON_TYPED)
    write_typed (writer, g_variant_get_type_string (content), content);
  else
    write_value (writer, content);
}

static void
write_value (Writer *writer, GVariant *value)
{
  const char *type = g_variant_get_type_string (value);

  if (*type == 'v')
    write_variant (writer, value);
  else if (g_str_has_prefix (type, "a{") && strchr ("sog", type[2]) != NULL)
    write_object (writer, value);
  else if (g_variant_is_container (value))
    write_members (writer, value);
  else
    write_simple (writer, value);
}

char *
json_from_variant (GVariant *value, JsonMode mode, JsonStyle style)
{
  Writer writer = { g_string_new (NULL), mode, style, 0 };

  write_value (&writer, value);
  return g_string_free (writer.text, FALSE);
}

void
json_print (GVariant *value, JsonMode mode, JsonStyle style)
{
  g_autofree char *text = json_from_variant (value, mode, style);

  puts (text);
}

char *
json_from_body (GVariant *body, JsonMode mode)
{
  Writer writer = { g_string_new (NULL), mode, JSON_TYPED, 0 };
  g_autofree char *signature = format_signature (body);

  write_typed (&writer, signature, body);
  return g_string_free (writer.text, FALSE);
}

void
json_print_body (GVariant *body, JsonMode mode)
{
  g_autofree char *text = json_from_body (body, mode);

  puts (text);
}
