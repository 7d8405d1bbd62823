/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus policy that a guest needs for its imports, as a file of dbus-1/system.d. */
#pragma once

/* Lets user tombolo-guest own the names, and everybody in the guest call them. Free with g_free().
 */
char *bus_policy_format (const char *const *imports);
