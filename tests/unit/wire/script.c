/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tests' language for bytes. */
#include "script.h"

#include <string.h>

const uint8_t script_byte_orders[2] = { 'l', 'B' };

static void
append_zeros (GByteArray *bytes, gsize n)
{
  gsize old = bytes->len;

  g_byte_array_set_size (bytes, (guint) (old + n));
  if (n > 0)
    memset (bytes->data + old, 0, n);
}

static void
append_integer (GByteArray *bytes, uint64_t value, guint size, uint8_t byte_order)
{
  for (guint i = 0; i < size; i++)
    {
      guint8 byte = (guint8) (value >> 8 * (byte_order == 'l' ? i : size - 1 - i));

      g_byte_array_append (bytes, &byte, 1);
    }
}

/* The number at `*p`, which is moved past it. */
static uint64_t
take_number (const char **p)
{
  char *end;
  uint64_t number = g_ascii_strtoull (*p, &end, 0);

  g_assert_true (end != *p);
  *p = end;
  return number;
}

/* What stands between quotes at `*p`, which is moved past it. */
static char *
take_text (const char **p)
{
  const char *start = *p + 1, *end = strchr (start, '\'');

  g_assert_true (**p == '\'' && end != NULL);
  *p = end + 1;
  return g_strndup (start, (gsize) (end - start));
}

static void
append_word (GByteArray *bytes, const char **p, uint8_t byte_order)
{
  g_autofree char *text = NULL;
  char kind = **p;
  gsize alignment;

  if (kind != '\'')
    (*p)++;

  switch (kind)
    {
    case 'y':
      append_integer (bytes, take_number (p), 1, byte_order);
      break;
    case 'q':
      append_integer (bytes, take_number (p), 2, byte_order);
      break;
    case 'u':
      append_integer (bytes, take_number (p), 4, byte_order);
      break;
    case 't':
      append_integer (bytes, take_number (p), 8, byte_order);
      break;
    case 'p':
      alignment = (gsize) take_number (p);
      append_zeros (bytes, (alignment - bytes->len % alignment) % alignment);
      break;
    case '\'':
      text = take_text (p);
      g_byte_array_append (bytes, (const guint8 *) text, (guint) strlen (text));
      break;
    case 's':
    case 'g':
      text = take_text (p);
      append_integer (bytes, strlen (text), kind == 's' ? 4 : 1, byte_order);
      g_byte_array_append (bytes, (const guint8 *) text, (guint) strlen (text) + 1);
      break;
    default:
      g_error ("no such word in a script: “%s”", *p - 1);
    }
}

GByteArray *
script_run (const char *script, uint8_t byte_order)
{
  GByteArray *bytes = g_byte_array_sized_new (64);

  for (const char *p = script; *p != '\0';)
    if (*p == ' ')
      p++;
    else
      append_word (bytes, &p, byte_order);

  return bytes;
}

GByteArray *
script_message (uint8_t byte_order, uint8_t type, uint8_t flags, uint32_t serial,
                const char *fields, const char *body)
{
  g_autoptr (GByteArray) fields_bytes = script_run (fields, byte_order);
  g_autoptr (GByteArray) body_bytes = script_run (body, byte_order);
  GByteArray *message = g_byte_array_new ();

  append_integer (message, byte_order, 1, byte_order);
  append_integer (message, type, 1, byte_order);
  append_integer (message, flags, 1, byte_order);
  append_integer (message, 1, 1, byte_order);
  append_integer (message, body_bytes->len, 4, byte_order);
  append_integer (message, serial, 4, byte_order);
  append_integer (message, fields_bytes->len, 4, byte_order);
  g_byte_array_append (message, fields_bytes->data, fields_bytes->len);
  append_zeros (message, (8 - message->len % 8) % 8);
  g_byte_array_append (message, body_bytes->data, body_bytes->len);
  return message;
}
