/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Positive answers of polkit, kept for a moment. No I/O; the caller tells the time. */
#pragma once

#include "authority.h"

typedef struct AuthorityReuse AuthorityReuse;

AuthorityReuse *authority_reuse_new (void);
void authority_reuse_free (AuthorityReuse *reuse);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AuthorityReuse, authority_reuse_free)

/* Subject, action and all details as one string: equal where and only where all of them are. Free
 * with g_free(). */
char *authority_reuse_key (const AuthorityRequest *request);

/* Keeps the answer for `key` until LIMIT_CHECK_REUSE_USEC after `asked`, the time when polkit was
 * asked. Dropped where LIMIT_CHECK_REUSE_ENTRIES answers are kept already. */
void authority_reuse_add (AuthorityReuse *reuse, const char *key, const char *bus_name,
                          gint64 asked);
bool authority_reuse_find (AuthorityReuse *reuse, const char *key, gint64 now);

void authority_reuse_clear (AuthorityReuse *reuse);
void authority_reuse_forget (AuthorityReuse *reuse, const char *bus_name);
