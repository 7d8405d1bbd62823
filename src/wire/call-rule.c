/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Call rules: their text, and the calls that fit them. */
#include "call-rule.h"

#include <string.h>

#include "body.h"
#include "limit.h"
#include "name.h"
#include "syntax.h"

#define BLANKS " \t"

struct CallRule
{
  char *text;
  CallRuleVerdict verdict;
  char *name; /* NULL: every name */
  bool name_is_prefix;
  /* Both NULL: every method. `method` alone is an interface, or a member behind its interface. */
  char *interface;
  char *method;
  char *path; /* NULL: every path */
  bool path_is_prefix;
  char *arguments[CALL_RULE_ARGUMENTS];
  CallRuleFrom from_kind;
  char *from;
  bool has_id; /* `id` is that of the user or group */
  uint32_t id;
  guint line;
};

static const char *const verdicts[] = {
  [CALL_RULE_DENY] = "deny",
  [CALL_RULE_ALLOW] = "allow",
  [CALL_RULE_ASK] = "ask",
};

static const char *const fit_words[] = {
  [CALL_RULE_FITS] = "",
  [CALL_RULE_OTHER_NAME] = "name",
  [CALL_RULE_OTHER_CALLER] = "caller",
  [CALL_RULE_OTHER_PATH] = "path",
  [CALL_RULE_OTHER_METHOD] = "method",
  [CALL_RULE_OTHER_ARGUMENT] = "argument",
};

static const struct
{
  const char *prefix;
  CallRuleFrom kind;
} from_kinds[] = {
  { "user:", CALL_RULE_FROM_USER },
  { "group:", CALL_RULE_FROM_GROUP },
  { "machine:", CALL_RULE_FROM_MACHINE },
};

/* --- Parsing --- */

/* Takes `suffix` off the end of `text`; whether it stood there. */
static bool
strip_suffix (char *text, const char *suffix)
{
  if (!g_str_has_suffix (text, suffix))
    return false;

  text[strlen (text) - strlen (suffix)] = '\0';
  return true;
}

static const char *
set_name (CallRule *rule, const char *text)
{
  g_autofree char *name = g_strdup (text);

  if (g_str_equal (name, "*"))
    return NULL;

  rule->name_is_prefix = strip_suffix (name, ".*");
  if (name[0] == ':'
      || !(rule->name_is_prefix ? syntax_bus_namespace : syntax_bus_name) (name, strlen (name)))
    return "what stands behind the first word is not a well-known bus name, “PREFIX.*” or “*”";

  rule->name = g_steal_pointer (&name);
  return NULL;
}

static const char *
set_method (CallRule *rule, const char *text)
{
  g_autofree char *method = g_strdup (text);
  bool whole = strip_suffix (method, ".*");

  if (!whole && g_str_equal (method, "*"))
    return NULL;
  if (!syntax_interface (method, strlen (method)))
    return "what stands behind “=” is not “*”, an interface, “INTERFACE.*” or INTERFACE.MEMBER";

  *(whole ? &rule->interface : &rule->method) = g_steal_pointer (&method);
  return NULL;
}

static const char *
set_path (CallRule *rule, const char *text)
{
  g_autofree char *path = g_strdup (text);

  rule->path_is_prefix = strip_suffix (path, "/*");
  if (rule->path_is_prefix && path[0] == '\0')
    return NULL;
  if (!syntax_path (path, strlen (path)) || (rule->path_is_prefix && path[1] == '\0'))
    return "what stands behind “@” is not an object path, nor one with “/*” at its end";

  rule->path = g_steal_pointer (&path);
  return NULL;
}

/* NAME[=METHOD][@PATH] */
static const char *
set_target (CallRule *rule, char *word)
{
  char *path = strchr (word, '@'), *method;
  const char *problem;

  if (path != NULL)
    *path++ = '\0';
  method = strchr (word, '=');
  if (method != NULL)
    *method++ = '\0';

  problem = set_name (rule, word);
  if (problem == NULL && method != NULL)
    problem = set_method (rule, method);
  if (problem == NULL && path != NULL)
    problem = set_path (rule, path);
  return problem;
}

static const char *
set_argument (CallRule *rule, const char *number, const char *value)
{
  unsigned index;

  if (!g_ascii_isdigit (number[0]) || number[1] != '\0')
    return "the number of an argument is not one from 0 to 7";
  index = (unsigned) (number[0] - '0');
  if (index >= CALL_RULE_ARGUMENTS)
    return "the number of an argument is not one from 0 to 7";
  if (rule->arguments[index] != NULL)
    return "an argument stands twice";

  rule->arguments[index] = g_strdup (value);
  return NULL;
}

/* Names of users and groups do not begin with a digit. (uint32_t) -1 is nobody's. */
static bool
read_id (const char *text, uint32_t *ret_id)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, 0, UINT32_MAX - 1, &number, NULL))
    return false;

  *ret_id = (uint32_t) number;
  return true;
}

static const char *
set_from (CallRule *rule, const char *value)
{
  if (rule->from_kind != CALL_RULE_FROM_ANYBODY)
    return "“from=” stands twice; write a rule for each";

  for (guint i = 0; i < G_N_ELEMENTS (from_kinds); i++)
    {
      const char *name = value + strlen (from_kinds[i].prefix);

      if (!g_str_has_prefix (value, from_kinds[i].prefix))
        continue;
      if (name[0] == '\0' || strlen (name) > LIMIT_NAME_LENGTH
          || (from_kinds[i].kind == CALL_RULE_FROM_MACHINE && !machine_name_validate (name, NULL)))
        return "what stands behind “from=” has no valid name";

      rule->from_kind = from_kinds[i].kind;
      rule->from = g_strdup (name);
      rule->has_id = read_id (name, &rule->id);
      return NULL;
    }

  return "what stands behind “from=” is not user:NAME, group:NAME or machine:NAME";
}

/* A condition: KEY=VALUE. */
static const char *
set_condition (CallRule *rule, char *word)
{
  char *value = strchr (word, '=');

  if (value == NULL)
    return "a word at its end is neither “argN=VALUE” nor “from=…”";
  *value++ = '\0';

  if (g_str_equal (word, "from"))
    return set_from (rule, value);
  if (g_str_has_prefix (word, "arg"))
    return set_argument (rule, word + strlen ("arg"), value);
  return "a word at its end is neither “argN=VALUE” nor “from=…”";
}

static const char *
set_verdict (CallRule *rule, const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS (verdicts); i++)
    if (g_str_equal (word, verdicts[i]))
      {
        rule->verdict = (CallRuleVerdict) i;
        return NULL;
      }

  return "it does not begin with “allow”, “deny” or “ask”";
}

/* The next word of `*text`, which is moved past it, without its quotes; or NULL with `*ret_problem`
 * NULL at the end. Free with g_free(). */
static char *
take_word (const char **text, const char **ret_problem)
{
  g_autoptr (GString) word = g_string_new (NULL);
  bool quoted = false;
  const char *p = *text + strspn (*text, BLANKS);

  *ret_problem = NULL;
  if (*p == '\0')
    return NULL;

  for (; *p != '\0' && (quoted || strchr (BLANKS, *p) == NULL); p++)
    if (*p == '\'')
      quoted = !quoted;
    else if (g_ascii_iscntrl (*p))
      {
        *ret_problem = "it contains a control character";
        return NULL;
      }
    else
      g_string_append_c (word, *p);

  if (quoted)
    {
      *ret_problem = "a quotation mark is left open";
      return NULL;
    }

  *text = p;
  return g_strdup (word->str);
}

static const char *
parse (CallRule *rule, const char *text)
{
  if (strnlen (text, LIMIT_CALL_RULE_LENGTH + 1) > LIMIT_CALL_RULE_LENGTH)
    return "it is longer than 1024 bytes";
  if (!syntax_utf8 (text, strlen (text)))
    return "it is not UTF-8";

  for (guint n = 0;; n++)
    {
      const char *problem;
      g_autofree char *word = take_word (&text, &problem);

      if (word == NULL)
        return problem != NULL || n >= 2 ? problem
                                         : "it needs “allow”, “deny” or “ask”, and a bus name";
      if (n == 0)
        problem = set_verdict (rule, word);
      else if (n == 1)
        problem = set_target (rule, word);
      else
        problem = set_condition (rule, word);
      if (problem != NULL)
        return problem;
    }
}

CallRule *
call_rule_new (const char *text, const char **ret_problem)
{
  CallRule *rule = g_new0 (CallRule, 1);
  const char *problem = parse (rule, text);

  if (problem != NULL)
    {
      call_rule_free (rule);
      *ret_problem = problem;
      return NULL;
    }

  rule->text = g_strdup (text);
  return rule;
}

void
call_rule_free (CallRule *rule)
{
  if (rule == NULL)
    return;

  g_free (rule->text);
  g_free (rule->name);
  g_free (rule->interface);
  g_free (rule->method);
  g_free (rule->path);
  for (guint i = 0; i < CALL_RULE_ARGUMENTS; i++)
    g_free (rule->arguments[i]);
  g_free (rule->from);
  g_free (rule);
}

const char *
call_rule_get_text (const CallRule *rule)
{
  return rule->text;
}

CallRuleVerdict
call_rule_get_verdict (const CallRule *rule)
{
  return rule->verdict;
}

CallRuleFrom
call_rule_get_from (const CallRule *rule)
{
  return rule->from_kind;
}

guint
call_rule_get_line (const CallRule *rule)
{
  return rule->line;
}

void
call_rule_set_line (CallRule *rule, guint line)
{
  rule->line = line;
}

bool
call_rule_resolve (CallRule *rule, CallRuleLookUp look_up)
{
  if (rule->from_kind != CALL_RULE_FROM_USER && rule->from_kind != CALL_RULE_FROM_GROUP)
    return true;

  rule->has_id = rule->has_id || look_up (rule->from_kind, rule->from, &rule->id);
  return rule->has_id;
}

const char *
call_rule_verdict_to_string (CallRuleVerdict verdict)
{
  return verdicts[verdict];
}

/* --- Fitting --- */

/* Of what nobody can tell the worse is taken: nothing is allowed by it, and all else holds. */
static bool
fits_unknown (const CallRule *rule)
{
  return rule->verdict != CALL_RULE_ALLOW;
}

/* Whether `text` is `prefix`, or goes on behind it with `separator`. */
static bool
lies_below (const char *text, const char *prefix, char separator)
{
  size_t length = strlen (prefix);

  return strncmp (text, prefix, length) == 0 && (text[length] == '\0' || text[length] == separator);
}

/* “org.example.*” is not org.example itself, as in other programs' rules. */
static bool
name_fits (const CallRule *rule, const char *name)
{
  if (rule->name == NULL)
    return true;
  if (!rule->name_is_prefix)
    return g_str_equal (rule->name, name);
  return lies_below (name, rule->name, '.') && !g_str_equal (name, rule->name);
}

/* “a.b.C” as member C of interface a.b; `interface` NULL: of whatever interface. */
static bool
member_fits (const char *method, const char *interface, const char *member)
{
  const char *dot = strrchr (method, '.');

  return g_str_equal (dot + 1, member)
         && (interface == NULL
             || (strlen (interface) == (size_t) (dot - method)
                 && strncmp (interface, method, (size_t) (dot - method)) == 0));
}

static bool
method_fits (const CallRule *rule, const WireHeader *call)
{
  if (rule->interface == NULL && rule->method == NULL)
    return true;

  /* Which of its interfaces the service takes nobody knows; the member is the call's. */
  if (call->interface == NULL)
    return fits_unknown (rule);

  if (rule->interface != NULL)
    return g_str_equal (rule->interface, call->interface);
  return g_str_equal (rule->method, call->interface)
         || member_fits (rule->method, call->interface, call->member);
}

static bool
path_fits (const CallRule *rule, const char *path)
{
  if (rule->path == NULL)
    return true;
  return rule->path_is_prefix ? lies_below (path, rule->path, '/') : g_str_equal (rule->path, path);
}

static bool
arguments_fit (const CallRule *rule, const WireMessage *call)
{
  unsigned n = CALL_RULE_ARGUMENTS;
  WireReader reader;
  const char *value;

  while (n > 0 && rule->arguments[n - 1] == NULL)
    n--;

  wire_reader_init (&reader, call);
  for (unsigned i = 0; i < n; i++)
    if (!wire_reader_string (&reader, &value)
        || (rule->arguments[i] != NULL && !g_str_equal (rule->arguments[i], value)))
      return false;

  return true;
}

static bool
user_fits (const CallRule *rule, const CallRuleCaller *caller)
{
  return rule->has_id ? rule->id == caller->uid : fits_unknown (rule);
}

static bool
group_fits (const CallRule *rule, const CallRuleCaller *caller)
{
  if (!rule->has_id || caller->groups == NULL)
    return fits_unknown (rule);

  for (size_t i = 0; i < caller->n_groups; i++)
    if (caller->groups[i] == rule->id)
      return true;

  return false;
}

/* Users and groups are the host's: a program in another machine has none. */
static bool
from_fits (const CallRule *rule, const CallRuleCaller *caller)
{
  switch (rule->from_kind)
    {
    case CALL_RULE_FROM_ANYBODY:
      return true;
    case CALL_RULE_FROM_USER:
      return caller->machine == NULL && user_fits (rule, caller);
    case CALL_RULE_FROM_GROUP:
      return caller->machine == NULL && group_fits (rule, caller);
    case CALL_RULE_FROM_MACHINE:
      return g_strcmp0 (rule->from, caller->machine) == 0;
    }

  return false;
}

CallRuleFit
call_rule_explain (const CallRule *rule, const char *name, const WireMessage *call,
                   const CallRuleCaller *caller)
{
  if (!name_fits (rule, name))
    return CALL_RULE_OTHER_NAME;
  if (!from_fits (rule, caller))
    return CALL_RULE_OTHER_CALLER;
  if (!path_fits (rule, call->header.path))
    return CALL_RULE_OTHER_PATH;
  if (!method_fits (rule, &call->header))
    return CALL_RULE_OTHER_METHOD;
  if (!arguments_fit (rule, call))
    return CALL_RULE_OTHER_ARGUMENT;

  return CALL_RULE_FITS;
}

bool
call_rule_fits (const CallRule *rule, const char *name, const WireMessage *call,
                const CallRuleCaller *caller)
{
  return call_rule_explain (rule, name, call, caller) == CALL_RULE_FITS;
}

const char *
call_rule_fit_to_string (CallRuleFit fit)
{
  return fit_words[fit];
}

gssize
call_rules_find (const GPtrArray *rules, const char *name, const WireMessage *call,
                 const CallRuleCaller *caller)
{
  for (guint i = 0; i < rules->len; i++)
    if (call_rule_fits (rules->pdata[i], name, call, caller))
      return i;

  return -1;
}
