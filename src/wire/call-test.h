/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call that nobody makes, to ask rules about: what a tool shows an administrator is decided by
 * the same code as a call. */
#pragma once

#include "call-rule.h"

typedef struct CallTest CallTest;

/* A METHOD_CALL to a service named `name`, with texts as arguments (ends in NULL). `interface` may
 * be empty: the call has none. NULL where such a call cannot be, with `*ret_problem` a constant,
 * the half of a sentence that says what is wrong. */
CallTest *call_test_new (const char *name, const char *path, const char *interface,
                         const char *member, const char *const *arguments,
                         const char **ret_problem);
void call_test_free (CallTest *test); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CallTest, call_test_free)

CallRuleFit call_test_explain (const CallTest *test, const CallRule *rule,
                               const CallRuleCaller *caller);
