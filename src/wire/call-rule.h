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

/* Who calls, as rules name it. */
typedef struct
{
  uint32_t uid;              /* in another machine: (uint32_t) -1 */
  const char *user;          /* its name; NULL: not known */
  const char *const *groups; /* the names of its groups, NULL at the end; NULL: not known */
  const char *machine;       /* the machine that it calls from; NULL: the host */
} CallRuleCaller;

typedef struct CallRule CallRule;

/* Parses one rule, at most LIMIT_CALL_RULE_LENGTH bytes. NULL where it is none, with `*ret_problem`
 * a constant, the half of a sentence that says what is wrong and what to do. */
CallRule *call_rule_new (const char *text, const char **ret_problem);
void call_rule_free (CallRule *rule); /* NULL is allowed */

const char *call_rule_get_text (const CallRule *rule);
CallRuleVerdict call_rule_get_verdict (const CallRule *rule);
const char *call_rule_verdict_to_string (CallRuleVerdict verdict);

/* Whether the rule decides about this METHOD_CALL to a service named `name`. */
bool call_rule_fits (const CallRule *rule, const char *name, const WireMessage *call,
                     const CallRuleCaller *caller);

/* The index of the first of the rules (CallRule) that fits, or -1. */
gssize call_rules_find (const GPtrArray *rules, const char *name, const WireMessage *call,
                        const CallRuleCaller *caller);
