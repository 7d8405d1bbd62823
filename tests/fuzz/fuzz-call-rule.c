/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Call rules: a line each, up to a zero if there is one, and behind that a call that they may
 * decide. */
#include <string.h>

#include "call-rule.h"
#include "fuzz.h"
#include "limit.h"

#define NAME "a.b"
#define RULES_AT_MOST 16

static const uint32_t groups[] = { 1000, 8 };
static const uint32_t no_groups = 0;

/* Who may call: with all told, with groups that nobody knows, with none, from another machine. */
static const CallRuleCaller known = { .uid = 1000, .groups = groups, .n_groups = 2 };
static const CallRuleCaller unknown = { .uid = 1000 };
static const CallRuleCaller lonely = { .uid = 1000, .groups = &no_groups };
static const CallRuleCaller elsewhere = {
  .uid = 1000, .groups = groups, .n_groups = 2, .machine = "team:web"
};

/* Some names are known and some are not, as on any machine. */
static bool
look_up (CallRuleFrom from, const char *name, uint32_t *ret_id)
{
  fuzz_require (from == CALL_RULE_FROM_USER || from == CALL_RULE_FROM_GROUP);
  *ret_id = from == CALL_RULE_FROM_USER ? 1000 : 8;
  return strlen (name) % 2 == 0;
}

static CallRule *
read_rule (const char *text)
{
  const char *problem = NULL;
  CallRule *rule = call_rule_new (text, &problem);

  fuzz_require ((rule == NULL) == (problem != NULL));
  if (rule == NULL)
    return NULL;

  fuzz_require (strlen (text) <= LIMIT_CALL_RULE_LENGTH);
  fuzz_require (strcmp (call_rule_get_text (rule), text) == 0);
  /* A word that is nowhere in the text cannot have been read out of it. */
  fuzz_require (call_rule_get_from (rule) == CALL_RULE_FROM_ANYBODY
                || strstr (text, "from=") != NULL || strchr (text, '\'') != NULL);
  return rule;
}

/* Who is known less is allowed no more, and refused no less. */
static void
require_less (bool allows, bool with_more, bool with_less)
{
  fuzz_require (allows ? with_more || !with_less : !with_more || with_less);
}

static void
decide (CallRule *rule, const WireMessage *call)
{
  bool allows = call_rule_get_verdict (rule) == CALL_RULE_ALLOW;
  CallRuleFrom from = call_rule_get_from (rule);
  bool resolved, before = call_rule_fits (rule, NAME, call, &known);
  WireMessage nameless = *call;
  bool fits;

  resolved = call_rule_resolve (rule, look_up);
  fuzz_require (resolved || from == CALL_RULE_FROM_USER || from == CALL_RULE_FROM_GROUP);
  fits = call_rule_fits (rule, NAME, call, &known);
  require_less (allows, fits, before);
  require_less (allows, fits, call_rule_fits (rule, NAME, call, &unknown));

  /* Nobody is in a group of nobody's, and the host's users are not those of a machine. */
  if (from == CALL_RULE_FROM_GROUP && resolved)
    fuzz_require (!call_rule_fits (rule, NAME, call, &lonely));
  if (from == CALL_RULE_FROM_USER || from == CALL_RULE_FROM_GROUP)
    fuzz_require (!call_rule_fits (rule, NAME, call, &elsewhere));
  if (from == CALL_RULE_FROM_MACHINE)
    fuzz_require (!fits);

  /* A call that leaves its interface out may be any: nothing more is allowed by that. */
  nameless.header.interface = NULL;
  if (call->header.interface != NULL)
    require_less (allows, fits, call_rule_fits (rule, NAME, &nameless, &known));
}

/* The first that fits decides. */
static void
find (const GPtrArray *rules, const WireMessage *call)
{
  gssize found = call_rules_find (rules, NAME, call, &known);

  fuzz_require (found >= -1 && found < (gssize) rules->len);
  for (gssize i = 0; i < (gssize) rules->len && (found < 0 || i <= found); i++)
    fuzz_require (call_rule_fits (rules->pdata[i], NAME, call, &known) == (i == found));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  size_t length = strnlen ((const char *) data, size);
  size_t message_at = length < size ? length + 1 : size;
  char *text = malloc (length + 1), *rest = text, *line;
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify) call_rule_free);
  WireMessage message;

  memcpy (text, data, length);
  text[length] = '\0';
  while (rules->len < RULES_AT_MOST && (line = strsep (&rest, "\n")) != NULL)
    {
      CallRule *rule = read_rule (line);

      if (rule != NULL)
        g_ptr_array_add (rules, rule);
    }

  if (wire_message_parse (data + message_at, size - message_at, &message) == WIRE_OK
      && message.header.type == WIRE_METHOD_CALL)
    {
      for (guint i = 0; i < rules->len; i++)
        decide (rules->pdata[i], &message);
      find (rules, &message);
    }

  free (text);
  return 0;
}
