/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine file's [Call] rules. */
#include "call-policy.h"

#include "account.h"
#include "log.h"

static bool
look_up (CallRuleFrom from, const char *name, uint32_t *ret_id)
{
  return from == CALL_RULE_FROM_USER ? account_find_user (name, ret_id)
                                     : account_find_group (name, ret_id);
}

static void
resolve_rules (const BridgeSettings *settings, const GPtrArray *rules)
{
  for (guint i = 0; i < rules->len; i++)
    {
      CallRule *rule = rules->pdata[i];

      if (!call_rule_resolve (rule, look_up))
        log_warning (settings->machine,
                     "Line %u of the machine file names a user or group that is not known here: "
                     "%s. Until that is mended and the bridge restarted, it allows nobody, and "
                     "denies or asks everybody.",
                     call_rule_get_line (rule), call_rule_get_text (rule));
    }
}

void
call_policy_resolve (const BridgeSettings *settings)
{
  for (GuestBus guest_bus = 0; guest_bus < N_GUEST_BUSES; guest_bus++)
    resolve_rules (settings, settings->rules[guest_bus]);
}

CallRuleVerdict
call_policy_decide (const BridgeSettings *settings, GuestBus guest_bus, const char *name,
                    const WireMessage *call, const CallRuleCaller *caller, guint *ret_line)
{
  const GPtrArray *rules = settings->rules[guest_bus];
  gssize found = call_rules_find (rules, name, call, caller);

  *ret_line = 0;
  if (found < 0)
    return CALL_RULE_ASK;

  *ret_line = call_rule_get_line (rules->pdata[found]);
  return call_rule_get_verdict (rules->pdata[found]);
}
