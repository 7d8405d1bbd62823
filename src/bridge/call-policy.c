/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine file's [Call] rules. */
#include "call-policy.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include "log.h"

#define LOOK_UP_SIZE 65536 /* of a group with all its members */

static bool
look_up (CallRuleFrom from, const char *name, uint32_t *ret_id)
{
  g_autofree char *buffer = g_malloc (LOOK_UP_SIZE);
  struct passwd user, *found_user = NULL;
  struct group group, *found_group = NULL;

  if (from == CALL_RULE_FROM_USER)
    {
      if (getpwnam_r (name, &user, buffer, LOOK_UP_SIZE, &found_user) == 0 && found_user != NULL)
        *ret_id = found_user->pw_uid;
      return found_user != NULL;
    }

  if (getgrnam_r (name, &group, buffer, LOOK_UP_SIZE, &found_group) == 0 && found_group != NULL)
    *ret_id = found_group->gr_gid;
  return found_group != NULL;
}

void
call_policy_resolve (const BridgeSettings *settings)
{
  for (guint i = 0; i < settings->rules->len; i++)
    {
      CallRule *rule = settings->rules->pdata[i];

      if (!call_rule_resolve (rule, look_up))
        log_warning (settings->machine,
                     "Line %u of the machine file names a user or group that is not known here: "
                     "%s. Until that is mended and the bridge restarted, it allows nobody, and "
                     "denies or asks everybody.",
                     call_rule_get_line (rule), call_rule_get_text (rule));
    }
}

bool
call_policy_needs_caller (const BridgeSettings *settings)
{
  return settings->rules->len > 0;
}

CallRuleVerdict
call_policy_decide (const BridgeSettings *settings, const char *name, const WireMessage *call,
                    const CallRuleCaller *caller, guint *ret_line)
{
  gssize found = call_rules_find (settings->rules, name, call, caller);

  *ret_line = 0;
  if (found < 0)
    return CALL_RULE_ASK;

  *ret_line = call_rule_get_line (settings->rules->pdata[found]);
  return call_rule_get_verdict (settings->rules->pdata[found]);
}
