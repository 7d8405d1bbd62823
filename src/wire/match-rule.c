/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Match rules: their text, and the messages that fit them. */
#include "match-rule.h"

#include <glib.h>

#include <string.h>

#include "bytes.h"
#include "limit.h"
#include "syntax.h"
#include "values.h"

typedef enum
{
  ARGUMENT_TEXT,      /* argN */
  ARGUMENT_PATH,      /* argNpath */
  ARGUMENT_NAMESPACE, /* arg0namespace */
} ArgumentKind;

typedef struct
{
  unsigned index;
  ArgumentKind kind;
  char *value;
} Argument;

struct MatchRule
{
  uint8_t type;
  bool eavesdrop;
  bool has_eavesdrop_key;
  bool path_is_namespace;
  char *sender;
  char *destination;
  char *interface;
  char *member;
  char *path;
  GArray *arguments; /* of Argument, by rising index */
};

/* The keys whose value has a syntax and is kept as it is. */
static const struct
{
  const char *key;
  size_t member;
  bool (*check) (const char *text, size_t length);
  const char *problem;
} text_keys[] = {
  { "sender", G_STRUCT_OFFSET (MatchRule, sender), syntax_bus_name,
    "the value of “sender” is not a bus name" },
  { "destination", G_STRUCT_OFFSET (MatchRule, destination), syntax_bus_name,
    "the value of “destination” is not a bus name" },
  { "interface", G_STRUCT_OFFSET (MatchRule, interface), syntax_interface,
    "the value of “interface” is not an interface's name" },
  { "member", G_STRUCT_OFFSET (MatchRule, member), syntax_member,
    "the value of “member” is not a member's name" },
  { "path", G_STRUCT_OFFSET (MatchRule, path), syntax_path,
    "the value of “path” is not an object path" },
  { "path_namespace", G_STRUCT_OFFSET (MatchRule, path), syntax_path,
    "the value of “path_namespace” is not an object path" },
};

static const struct
{
  const char *name;
  uint8_t type;
} types[] = {
  { "method_call", WIRE_METHOD_CALL },
  { "method_return", WIRE_METHOD_RETURN },
  { "error", WIRE_ERROR },
  { "signal", WIRE_SIGNAL },
};

static const char twice[] = "a key stands twice";

static void
argument_clear (void *data)
{
  g_free (((Argument *) data)->value);
}

static int
argument_compare (const void *a, const void *b)
{
  return (int) ((const Argument *) a)->index - (int) ((const Argument *) b)->index;
}

/* “N”, “Npath” or “0namespace” behind “arg”. */
static const char *
set_argument (MatchRule *rule, const char *suffix, char **value)
{
  Argument argument = { .kind = ARGUMENT_TEXT };
  const char *p = suffix;

  /* Only the plain number: daemons read “010” and “0x8” in ways of their own. */
  while (g_ascii_isdigit (*p) && p - suffix < 2)
    argument.index = argument.index * 10 + (unsigned) (*p++ - '0');
  if (p == suffix || (p - suffix == 2 && *suffix == '0') || argument.index >= MATCH_RULE_ARGUMENTS)
    return "the number of an argument is not one from 0 to 63";

  if (g_str_equal (p, "path"))
    argument.kind = ARGUMENT_PATH;
  else if (argument.index == 0 && g_str_equal (p, "namespace"))
    argument.kind = ARGUMENT_NAMESPACE;
  else if (*p != '\0')
    return "a key is unknown";

  if (argument.kind == ARGUMENT_NAMESPACE && !syntax_bus_namespace (*value, strlen (*value)))
    return "the value of “arg0namespace” is not the beginning of a bus name";

  for (guint i = 0; i < rule->arguments->len; i++)
    if (g_array_index (rule->arguments, Argument, i).index == argument.index)
      return "an argument is matched twice";

  argument.value = g_steal_pointer (value);
  g_array_append_val (rule->arguments, argument);
  return NULL;
}

static const char *
set_type (MatchRule *rule, const char *value)
{
  if (rule->type != 0)
    return twice;

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_equal (value, types[i].name))
      {
        rule->type = types[i].type;
        return NULL;
      }

  return "the value of “type” is not a type of message";
}

static const char *
set_eavesdrop (MatchRule *rule, const char *value)
{
  if (rule->has_eavesdrop_key)
    return twice;

  rule->has_eavesdrop_key = true;
  rule->eavesdrop = g_str_equal (value, "true");
  return rule->eavesdrop || g_str_equal (value, "false")
             ? NULL
             : "the value of “eavesdrop” is neither “true” nor “false”";
}

/* Takes `*value` where it keeps it. Returns NULL, or what is wrong. */
static const char *
set_key (MatchRule *rule, const char *key, char **value)
{
  for (guint i = 0; i < G_N_ELEMENTS (text_keys); i++)
    {
      char **member = (char **) G_STRUCT_MEMBER_P (rule, text_keys[i].member);

      if (!g_str_equal (key, text_keys[i].key))
        continue;
      if (*member != NULL) /* path and path_namespace exclude each other */
        return twice;
      if (!text_keys[i].check (*value, strlen (*value)))
        return text_keys[i].problem;

      *member = g_steal_pointer (value);
      if (g_str_equal (key, "path_namespace"))
        rule->path_is_namespace = true;
      return NULL;
    }

  if (g_str_equal (key, "type"))
    return set_type (rule, *value);
  if (g_str_equal (key, "eavesdrop"))
    return set_eavesdrop (rule, *value);
  if (g_str_has_prefix (key, "arg"))
    return set_argument (rule, key + strlen ("arg"), value);

  return "a key is unknown";
}

/* The value at `*text`, without its quotes, and `*text` moved to the next key. Inside '…' all
 * characters stand for themselves; outside, \' is a quote and a comma ends the value. Daemons
 * disagree on any other backslash there, so it is refused: nothing is read out of a rule that means
 * something else to them. Returns NULL, or what is wrong. */
static const char *
take_value (const char **text, char **ret_value)
{
  g_autoptr (GString) value = g_string_new (NULL);
  bool quoted = false;
  const char *p;

  for (p = *text; *p != '\0'; p++)
    if (*p == '\'')
      quoted = !quoted;
    else if (quoted)
      g_string_append_c (value, *p);
    else if (*p == ',')
      break;
    else if (*p != '\\')
      g_string_append_c (value, *p);
    else if (p[1] == '\'')
      g_string_append_c (value, *++p);
    else
      return "a backslash outside quotation marks stands before something else than such a mark";

  if (quoted)
    return "a quotation mark is left open";

  *text = *p == ',' ? p + 1 : p;
  *ret_value = g_strdup (value->str);
  return NULL;
}

static const char *
parse (MatchRule *rule, const char *text)
{
  if (strnlen (text, LIMIT_MATCH_RULE_LENGTH + 1) > LIMIT_MATCH_RULE_LENGTH)
    return "it is longer than 1024 bytes";

  for (;;)
    {
      g_autofree char *key = NULL, *value = NULL;
      const char *problem;
      size_t length;

      text += strspn (text, " \t\r\n");
      if (*text == '\0')
        return NULL;

      length = strcspn (text, "=");
      if (text[length] == '\0')
        return "a key has no “=” after it";
      key = g_strndup (text, length);
      text += length + 1;

      problem = take_value (&text, &value);
      if (problem == NULL)
        problem = set_key (rule, key, &value);
      if (problem != NULL)
        return problem;
    }
}

MatchRule *
match_rule_new (const char *text, const char **ret_problem)
{
  MatchRule *rule = g_new0 (MatchRule, 1);
  const char *problem;

  rule->arguments = g_array_new (FALSE, FALSE, sizeof (Argument));
  g_array_set_clear_func (rule->arguments, argument_clear);

  problem = parse (rule, text);
  if (problem != NULL)
    {
      match_rule_free (rule);
      *ret_problem = problem;
      return NULL;
    }

  g_array_sort (rule->arguments, argument_compare);
  return rule;
}

void
match_rule_free (MatchRule *rule)
{
  if (rule == NULL)
    return;

  for (guint i = 0; i < G_N_ELEMENTS (text_keys); i++)
    g_clear_pointer ((char **) G_STRUCT_MEMBER_P (rule, text_keys[i].member), g_free);
  g_array_unref (rule->arguments);
  g_free (rule);
}

uint8_t
match_rule_get_type (const MatchRule *rule)
{
  return rule->type;
}

const char *
match_rule_get_sender (const MatchRule *rule)
{
  return rule->sender;
}

const char *
match_rule_get_destination (const MatchRule *rule)
{
  return rule->destination;
}

const char *
match_rule_get_interface (const MatchRule *rule)
{
  return rule->interface;
}

const char *
match_rule_get_member (const MatchRule *rule)
{
  return rule->member;
}

bool
match_rule_has_eavesdrop (const MatchRule *rule)
{
  return rule->eavesdrop;
}

/* Where the rule names a part, the message must have it and the same. */
static bool
text_fits (const char *wanted, const char *found)
{
  return wanted == NULL || (found != NULL && strcmp (wanted, found) == 0);
}

static bool
path_fits (const MatchRule *rule, const char *path)
{
  size_t length;

  if (!rule->path_is_namespace || rule->path == NULL)
    return text_fits (rule->path, path);
  if (path == NULL)
    return false;

  length = strlen (rule->path);
  return length == 1
         || (strncmp (path, rule->path, length) == 0
             && (path[length] == '\0' || path[length] == '/'));
}

static bool
argument_fits (const Argument *argument, char type, const char *text, size_t length)
{
  const char *wanted = argument->value;
  size_t wanted_length = strlen (wanted);
  size_t shared = MIN (length, wanted_length);

  if (type != 's' && (type != 'o' || argument->kind != ARGUMENT_PATH))
    return false;
  if (memcmp (wanted, text, shared) != 0)
    return false;
  if (length == wanted_length)
    return true;

  switch (argument->kind)
    {
    case ARGUMENT_TEXT:
      return false;
    case ARGUMENT_PATH: /* the shorter is a directory of the longer */
      return shared > 0 && (length < wanted_length ? text : wanted)[shared - 1] == '/';
    case ARGUMENT_NAMESPACE:
      return length > wanted_length && text[shared] == '.';
    }

  return false;
}

/* One walk over the body up to the last argument that is asked for. */
static bool
arguments_fit (const MatchRule *rule, const WireMessage *message)
{
  const WireValues values = { .data = message->body,
                              .end = message->body_size,
                              .swap = message->header.byte_order != WIRE_NATIVE_ENDIAN,
                              .n_descriptors = message->header.n_descriptors };
  const char *signature = message->header.signature;
  size_t offset = 0;
  unsigned index = 0;

  for (guint i = 0; i < rule->arguments->len; i++)
    {
      const Argument *argument = &g_array_index (rule->arguments, Argument, i);
      const char *text;
      size_t length, text_at;

      for (; index < argument->index && *signature != '\0'; index++)
        {
          const char *next = syntax_skip_type (signature);

          if (values_check (&values, signature, next, &offset) != WIRE_OK)
            return false;
          signature = next;
        }

      if (*signature != 's' && *signature != 'o')
        return false;
      text_at = offset;
      if (values_align (&values, &text_at, 4) != WIRE_OK
          || !values_get_string (&values, &text_at, &text, &length)
          || !argument_fits (argument, *signature, text, length))
        return false;
    }

  return true;
}

bool
match_rule_matches (const MatchRule *rule, const WireMessage *message,
                    bool (*sender_owns) (const char *name, const char *sender, void *user_data),
                    void *user_data)
{
  const WireHeader *header = &message->header;

  if (rule->type != 0 && rule->type != header->type)
    return false;
  if (!text_fits (rule->interface, header->interface) || !text_fits (rule->member, header->member)
      || !text_fits (rule->destination, header->destination) || !path_fits (rule, header->path))
    return false;

  /* Only a well-known name can be another's than the one it names. */
  if (!text_fits (rule->sender, header->sender)
      && (header->sender == NULL || sender_owns == NULL || rule->sender[0] == ':'
          || !sender_owns (rule->sender, header->sender, user_data)))
    return false;

  return arguments_fit (rule, message);
}

bool
match_rule_equal (const MatchRule *a, const MatchRule *b)
{
  if (a->type != b->type || a->eavesdrop != b->eavesdrop
      || a->path_is_namespace != b->path_is_namespace || a->arguments->len != b->arguments->len)
    return false;

  for (guint i = 0; i < G_N_ELEMENTS (text_keys); i++)
    if (g_strcmp0 (G_STRUCT_MEMBER (char *, a, text_keys[i].member),
                   G_STRUCT_MEMBER (char *, b, text_keys[i].member))
        != 0)
      return false;

  for (guint i = 0; i < a->arguments->len; i++)
    {
      const Argument *x = &g_array_index (a->arguments, Argument, i);
      const Argument *y = &g_array_index (b->arguments, Argument, i);

      if (x->index != y->index || x->kind != y->kind || strcmp (x->value, y->value) != 0)
        return false;
    }

  return true;
}
