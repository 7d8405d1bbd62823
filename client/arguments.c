/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A D-Bus body from words on a command line, in busctl's syntax. */
#include "config.h"

#include "arguments.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "limit.h"

#define USAGE CLIENT_ERROR, CLIENT_EXIT_USAGE

typedef struct
{
  const char *const *words;
  guint next;
} Words;

static GVariant *read_value (Words *words, const GVariantType *type, guint depth, GError **error);

/* D-Bus knows less than GVariant: no maybe types, dictionary entries only in arrays, no empty
 * structure, and 32 arrays and 32 structures deep. Returns what follows one complete type, or
 * NULL. */
static const char *
skip_type (const char *text, guint arrays, guint structures)
{
  if (*text != '\0' && strchr ("ybnqiuxtdsogv", *text) != NULL)
    return text + 1;

  if (*text == 'a')
    {
      if (arrays == ARGUMENTS_MAX_DEPTH)
        return NULL;
      if (text[1] != '{')
        return skip_type (text + 1, arrays + 1, structures);
      if (structures == ARGUMENTS_MAX_DEPTH || text[2] == '\0'
          || strchr ("ybnqiuxtdsog", text[2]) == NULL)
        return NULL;

      text = skip_type (text + 3, arrays + 1, structures + 1);
      return text != NULL && *text == '}' ? text + 1 : NULL;
    }

  if (*text == '(' && structures < ARGUMENTS_MAX_DEPTH)
    {
      for (text = skip_type (text + 1, arrays, structures + 1); text != NULL && *text != ')';)
        text = skip_type (text, arrays, structures + 1);
      return text != NULL ? text + 1 : NULL;
    }

  return NULL;
}

gboolean
arguments_check_signature (const char *text, GError **error)
{
  const char *p = text;

  if (strlen (text) > LIMIT_SIGNATURE_LENGTH)
    {
      g_set_error (error, USAGE, _ ("The signature is longer than %d characters."),
                   LIMIT_SIGNATURE_LENGTH);
      return FALSE;
    }

  while (p != NULL && *p != '\0')
    p = skip_type (p, 0, 0);
  if (p != NULL)
    return TRUE;

  if (strchr (text, 'h') != NULL)
    g_set_error (error, USAGE,
                 _ ("“%s”: file descriptors (type “h”) cannot be sent from a command line."), text);
  else
    g_set_error (error, USAGE, _ ("“%s” is not a D-Bus signature."), text);
  return FALSE;
}

static const char *
next_word (Words *words, const char *type, GError **error)
{
  if (words->words[words->next] != NULL)
    return words->words[words->next++];

  g_set_error (error, USAGE, _ ("Too few arguments: a value of type “%s” is missing."), type);
  return NULL;
}

static GVariant *
bad_word (const char *word, const char *type, GError **error)
{
  g_autofree char *shown = g_utf8_make_valid (word, -1);

  g_set_error (error, USAGE, _ ("“%s” is not a value of type “%s”."), shown, type);
  return NULL;
}

static gboolean
parse_boolean (const char *word, gboolean *ret_value)
{
  static const char *const yes[] = { "1", "yes", "y", "true", "t", "on" };
  static const char *const no[] = { "0", "no", "n", "false", "f", "off" };

  for (gsize i = 0; i < G_N_ELEMENTS (yes); i++)
    if (g_ascii_strcasecmp (word, yes[i]) == 0)
      return *ret_value = TRUE, TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (no); i++)
    if (g_ascii_strcasecmp (word, no[i]) == 0)
      return *ret_value = FALSE, TRUE;

  return FALSE;
}

/* Decimal, 0x hexadecimal or 0 octal. */
static gboolean
parse_unsigned (const char *word, guint64 max, guint64 *ret_value)
{
  char *end;
  guint64 value;

  if (!g_ascii_isdigit (*word))
    return FALSE;
  errno = 0;
  value = g_ascii_strtoull (word, &end, 0);
  if (errno != 0 || *end != '\0' || value > max)
    return FALSE;

  *ret_value = value;
  return TRUE;
}

static gboolean
parse_signed (const char *word, gint64 min, gint64 max, gint64 *ret_value)
{
  char *end;
  gint64 value;

  if (!g_ascii_isdigit (*word == '-' || *word == '+' ? word[1] : *word))
    return FALSE;
  errno = 0;
  value = g_ascii_strtoll (word, &end, 0);
  if (errno != 0 || *end != '\0' || value < min || value > max)
    return FALSE;

  *ret_value = value;
  return TRUE;
}

static gboolean
parse_double (const char *word, double *ret_value)
{
  char *end;
  double value;

  if (*word == '\0' || g_ascii_isspace (*word))
    return FALSE;
  errno = 0;
  value = g_ascii_strtod (word, &end);
  if (*end != '\0' || (errno == ERANGE && isinf (value)))
    return FALSE;

  *ret_value = value;
  return TRUE;
}

static GVariant *
text_value (char kind, const char *word)
{
  switch (kind)
    {
    case 's':
      return g_utf8_validate (word, -1, NULL) ? g_variant_new_string (word) : NULL;
    case 'o':
      return g_variant_is_object_path (word) ? g_variant_new_object_path (word) : NULL;
    default:
      return arguments_check_signature (word, NULL) ? g_variant_new_signature (word) : NULL;
    }
}

static GVariant *
number_value (char kind, const char *word)
{
  gboolean b;
  guint64 u;
  gint64 i;
  double d;

  switch (kind)
    {
    case 'b':
      return parse_boolean (word, &b) ? g_variant_new_boolean (b) : NULL;
    case 'y':
      return parse_unsigned (word, G_MAXUINT8, &u) ? g_variant_new_byte ((guint8) u) : NULL;
    case 'q':
      return parse_unsigned (word, G_MAXUINT16, &u) ? g_variant_new_uint16 ((guint16) u) : NULL;
    case 'u':
      return parse_unsigned (word, G_MAXUINT32, &u) ? g_variant_new_uint32 ((guint32) u) : NULL;
    case 't':
      return parse_unsigned (word, G_MAXUINT64, &u) ? g_variant_new_uint64 (u) : NULL;
    case 'n':
      return parse_signed (word, G_MININT16, G_MAXINT16, &i) ? g_variant_new_int16 ((gint16) i)
                                                             : NULL;
    case 'i':
      return parse_signed (word, G_MININT32, G_MAXINT32, &i) ? g_variant_new_int32 ((gint32) i)
                                                             : NULL;
    case 'x':
      return parse_signed (word, G_MININT64, G_MAXINT64, &i) ? g_variant_new_int64 (i) : NULL;
    default:
      return parse_double (word, &d) ? g_variant_new_double (d) : NULL;
    }
}

static GVariant *
read_simple (Words *words, const GVariantType *type, GError **error)
{
  char kind = g_variant_type_peek_string (type)[0];
  const char shown[] = { kind, '\0' };
  const char *word = next_word (words, shown, error);
  GVariant *value;

  if (word == NULL)
    return NULL;

  value = strchr ("sog", kind) != NULL ? text_value (kind, word) : number_value (kind, word);
  return value != NULL ? value : bad_word (word, shown, error);
}

static GVariant *
read_variant (Words *words, guint depth, GError **error)
{
  const char *signature = next_word (words, "v", error);
  GVariant *value;

  if (signature == NULL || !arguments_check_signature (signature, error))
    return NULL;
  if (!g_variant_type_string_is_valid (signature))
    {
      g_set_error (error, USAGE, _ ("“%s”: a variant holds exactly one complete type."), signature);
      return NULL;
    }

  value = read_value (words, G_VARIANT_TYPE (signature), depth + 1, error);
  return value != NULL ? g_variant_new_variant (value) : NULL;
}

static GVariant *
read_array (Words *words, const GVariantType *type, guint depth, GError **error)
{
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (type);
  g_autofree char *shown = g_variant_type_dup_string (type);
  const char *word = next_word (words, shown, error);
  guint64 n;

  if (word == NULL)
    return NULL;
  if (!parse_unsigned (word, G_MAXUINT32, &n))
    {
      bad_word (word, shown, error);
      g_prefix_error (error, "%s ", _ ("An array begins with the number of its elements."));
      return NULL;
    }

  /* An element takes at least one word, so that the count cannot make this run away. An empty
   * structure, which takes none, is no D-Bus type. */
  for (guint64 i = 0; i < n; i++)
    {
      GVariant *element = read_value (words, g_variant_type_element (type), depth + 1, error);

      if (element == NULL)
        return NULL;
      g_variant_builder_add_value (builder, element);
    }

  return g_variant_builder_end (builder);
}

/* Structures and dictionary entries. */
static GVariant *
read_members (Words *words, const GVariantType *type, guint depth, GError **error)
{
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (type);

  for (const GVariantType *member = g_variant_type_first (type); member != NULL;
       member = g_variant_type_next (member))
    {
      GVariant *value = read_value (words, member, depth + 1, error);

      if (value == NULL)
        return NULL;
      g_variant_builder_add_value (builder, value);
    }

  return g_variant_builder_end (builder);
}

static GVariant *
read_value (Words *words, const GVariantType *type, guint depth, GError **error)
{
  if (depth > 2 * ARGUMENTS_MAX_DEPTH)
    {
      g_set_error (error, USAGE, _ ("The arguments are nested more than %d levels deep."),
                   2 * ARGUMENTS_MAX_DEPTH);
      return NULL;
    }
  if (g_variant_type_is_variant (type))
    return read_variant (words, depth, error);
  if (g_variant_type_is_array (type))
    return read_array (words, type, depth, error);
  if (g_variant_type_is_basic (type))
    return read_simple (words, type, error);

  return read_members (words, type, depth, error);
}

GVariant *
arguments_to_body (const char *signature, const char *const *words, GError **error)
{
  g_autofree char *tuple = g_strdup_printf ("(%s)", signature != NULL ? signature : "");
  Words reader = { words, 0 };
  g_autoptr (GVariant) body = NULL;

  if (signature != NULL && !arguments_check_signature (signature, error))
    return NULL;

  body = read_members (&reader, G_VARIANT_TYPE (tuple), 0, error);
  if (body == NULL)
    return NULL;
  if (words[reader.next] != NULL)
    {
      g_autofree char *shown = g_utf8_make_valid (words[reader.next], -1);

      g_set_error (error, USAGE, _ ("Too many arguments: “%s” is more than signature “%s” takes."),
                   shown, signature != NULL ? signature : "");
      return NULL;
    }

  return g_steal_pointer (&body);
}
