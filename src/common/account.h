/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users and groups by their names, and a user's groups. The name service may take its time: not for
 * an event loop. */
#pragma once

#include <glib.h>

#include <stdint.h>

gboolean account_find_user (const char *name, uint32_t *ret_uid);
gboolean account_find_group (const char *name, uint32_t *ret_gid);

/* The groups (uint32_t) that a log-in of the user would have, its first one among them; NULL where
 * there is no such user, or nobody can tell. */
GArray *account_get_groups (uint32_t uid);
