/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Match rules (D-Bus Specification, “Match Rules”), parsed where a client's rule must be seen
 * through before it is passed on. */
#pragma once

#include "message.h"

#define MATCH_RULE_ARGUMENTS 64

typedef struct MatchRule MatchRule;

/* Parses `text`, at most LIMIT_MATCH_RULE_LENGTH bytes. NULL where it is no match rule, with
 * `*ret_problem` a constant sentence. What passes here means the same to dbus-daemon. */
MatchRule *match_rule_new (const char *text, const char **ret_problem);
void match_rule_free (MatchRule *rule); /* NULL is allowed */

/* Parts, NULL or 0 where the rule does not name them. */
uint8_t match_rule_get_type (const MatchRule *rule);
const char *match_rule_get_sender (const MatchRule *rule);
const char *match_rule_get_destination (const MatchRule *rule);
const char *match_rule_get_interface (const MatchRule *rule);
const char *match_rule_get_member (const MatchRule *rule);
bool match_rule_has_eavesdrop (const MatchRule *rule); /* eavesdrop='true' */

/* Whether the message fits: type, sender (as `sender_owns` says, for a well-known name in the
 * rule), interface, member, path, path_namespace, destination, argN, argNpath, arg0namespace.
 * `sender_owns` may be NULL: names are then compared as text. */
bool match_rule_matches (const MatchRule *rule, const WireMessage *message,
                         bool (*sender_owns) (const char *name, const char *sender,
                                              void *user_data),
                         void *user_data);
/* Whether the two are the same rule, however they were quoted and ordered. */
bool match_rule_equal (const MatchRule *a, const MatchRule *b);
