/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users and groups by their names. */
#include "account.h"

#include <grp.h>
#include <pwd.h>

#include "limit.h"

#define LOOK_UP_SIZE 65536 /* of a group with all its members */

gboolean
account_find_user (const char *name, uint32_t *ret_uid)
{
  g_autofree char *buffer = g_malloc (LOOK_UP_SIZE);
  struct passwd user, *found = NULL;

  if (getpwnam_r (name, &user, buffer, LOOK_UP_SIZE, &found) != 0 || found == NULL)
    return FALSE;

  *ret_uid = found->pw_uid;
  return TRUE;
}

gboolean
account_find_group (const char *name, uint32_t *ret_gid)
{
  g_autofree char *buffer = g_malloc (LOOK_UP_SIZE);
  struct group group, *found = NULL;

  if (getgrnam_r (name, &group, buffer, LOOK_UP_SIZE, &found) != 0 || found == NULL)
    return FALSE;

  *ret_gid = found->gr_gid;
  return TRUE;
}

GArray *
account_get_groups (uint32_t uid)
{
  g_autofree char *buffer = g_malloc (LOOK_UP_SIZE);
  g_autoptr (GArray) groups = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  struct passwd user, *found = NULL;
  int n = LIMIT_CALLER_GROUPS;

  G_STATIC_ASSERT (sizeof (gid_t) == sizeof (uint32_t));
  if (getpwuid_r (uid, &user, buffer, LOOK_UP_SIZE, &found) != 0 || found == NULL)
    return NULL;

  g_array_set_size (groups, (guint) n);
  if (getgrouplist (found->pw_name, found->pw_gid, (gid_t *) (void *) groups->data, &n) < 0)
    return NULL;

  g_array_set_size (groups, (guint) n);
  return g_steal_pointer (&groups);
}
