/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest's own rules say about a call, for an administrator: tombolo-guestd --test-call. */
#pragma once

#include "policy.h"

/* About a call to `bus`. `words` (ends in NULL): caller (user:NUMBER, with groups behind commas, or
 * machine:NAME), name, path, interface (may be empty), method, arguments. Appends lines for people
 * to `output`: each rule of `policy`, the one that decides marked, and the verdict. Returns its
 * verdict: CALL_RULE_ALLOW or CALL_RULE_DENY; negative with `error` set
 * (TOMBOLO_ERROR_INVALID_ARGUMENT). */
int policy_test (const GuestPolicy *policy, GuestBus bus, const char *file,
                 const char *const *words, GString *output, GError **error);
