/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine file's [Call] rules: they decide about a call before polkit is asked. */
#pragma once

#include "call-rule.h"
#include "settings.h"

/* Looks up the users and groups that rules name. Start-up only, since it may wait for name
 * services. One that is not there is logged: until the bridge starts again nothing is allowed by
 * its rule, and everything denied or asked. */
void call_policy_resolve (const BridgeSettings *settings);

/* CALL_RULE_ASK where no rule fits. `*ret_line` is that of the rule that decided, or 0. */
CallRuleVerdict call_policy_decide (const BridgeSettings *settings, GuestBus guest_bus,
                                    const char *name, const WireMessage *call,
                                    const CallRuleCaller *caller, guint *ret_line);
