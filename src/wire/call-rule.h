/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Call rules: who may call what, one a line, in the words of machine files and of guest.conf.
 *
 *   allow|deny|ask NAME[=METHOD][@PATH] [argN=VALUE]… [from=user:U|group:G|machine:M]
 *
 * NAME is a bus name, or the beginning of names (“org.example.*”), or “*”. METHOD is “*”, an
 * interface, an interface's members (“org.example.Clock.*”) or one member; “a.b.C” is read both as
 * an interface and as member C of interface a.b. PATH is an object's; with a slash and an asterisk
 * at its end it is that object's and all below it. argN (N from 0 to 7) is the value of a string
 * argument before which only strings stand; a value with blanks stands in '…'. The first rule that
 * fits decides.
 *
 * What is not known of a call or a caller is held against it: no “allow” that asks for it fits, and
 * every “deny” and “ask” does. So with a call that leaves its interface out, which reaches whatever
 * member of that name the service finds. */
#pragma once

#include <glib.h>

#include "message.h"

#define CALL_RULE_ARGUMENTS 8

typedef enum
{
  CALL_RULE_DENY,
  CALL_RULE_ALLOW,
  CALL_RULE_ASK, /* polkit */
} CallRuleVerdict;

/* Who may be named by from=. */
typedef enum
{
  CALL_RULE_FROM_ANYBODY,
  CALL_RULE_FROM_USER,
  CALL_RULE_FROM_GROUP,
  CALL_RULE_FROM_MACHINE,
} CallRuleFrom;

/* Who calls: a program of the host with its user and groups, or one in a machine. */
typedef struct
{
  uint32_t uid;
  const uint32_t *groups; /* all of them; NULL: not known */
  size_t n_groups;
  const char *machine; /* NULL: the host's */
} CallRuleCaller;

typedef struct CallRule CallRule;

/* Parses one rule, at most LIMIT_CALL_RULE_LENGTH bytes. NULL where it is none, with `*ret_problem`
 * a constant, the half of a sentence that says what is wrong and what to do. */
CallRule *call_rule_new (const char *text, const char **ret_problem);
void call_rule_free (CallRule *rule); /* NULL is allowed */

const char *call_rule_get_text (const CallRule *rule);
CallRuleVerdict call_rule_get_verdict (const CallRule *rule);
CallRuleFrom call_rule_get_from (const CallRule *rule);
/* Where it stands in its file, for messages; 0 until it is set. */
guint call_rule_get_line (const CallRule *rule);
void call_rule_set_line (CallRule *rule, guint line);

/* Gives the user or group that the rule names by a word its number, and returns whether it has one:
 * always where it names none, or a number. Until then nobody can tell whom it means. */
typedef bool (*CallRuleLookUp) (CallRuleFrom from, const char *name, uint32_t *ret_id);
bool call_rule_resolve (CallRule *rule, CallRuleLookUp look_up);

const char *call_rule_verdict_to_string (CallRuleVerdict verdict);

/* What keeps a rule from deciding about a call: the first that does, in the order of this list. */
typedef enum
{
  CALL_RULE_FITS,
  CALL_RULE_OTHER_NAME,
  CALL_RULE_OTHER_CALLER,
  CALL_RULE_OTHER_PATH,
  CALL_RULE_OTHER_METHOD,
  CALL_RULE_OTHER_ARGUMENT,
} CallRuleFit;

CallRuleFit call_rule_explain (const CallRule *rule, const char *name, const WireMessage *call,
                               const CallRuleCaller *caller);
/* "" where it fits, else “name”, “caller”, “path”, “method” or “argument”. */
const char *call_rule_fit_to_string (CallRuleFit fit);

/* Whether the rule decides about this METHOD_CALL to a service named `name`: explained so, it
 * fits. */
bool call_rule_fits (const CallRule *rule, const char *name, const WireMessage *call,
                     const CallRuleCaller *caller);

/* The index of the first of the rules (CallRule) that fits, or -1. */
gssize call_rules_find (const GPtrArray *rules, const char *name, const WireMessage *call,
                        const CallRuleCaller *caller);
