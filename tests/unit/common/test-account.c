/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users and groups by their names. */
#include "account.h"

static gboolean
contains (GArray *groups, uint32_t gid)
{
  for (guint i = 0; i < groups->len; i++)
    if (g_array_index (groups, uint32_t, i) == gid)
      return TRUE;

  return FALSE;
}

static void
test_names (void)
{
  uint32_t id = 7;

  g_assert_false (account_find_user ("no such user", &id));
  g_assert_false (account_find_group ("no such group", &id));
  g_assert_cmpuint (id, ==, 7);
  g_assert_true (account_find_user ("root", &id));
  g_assert_cmpuint (id, ==, 0);
  id = 7;
  g_assert_true (account_find_group ("root", &id));
  g_assert_cmpuint (id, ==, 0);
}

static void
test_groups (void)
{
  g_autoptr (GArray) groups = account_get_groups (0);

  g_assert_nonnull (groups);
  g_assert_true (contains (groups, 0));
  g_assert_null (account_get_groups (4000000001));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/common/account/names", test_names);
  g_test_add_func ("/common/account/groups", test_groups);
  return g_test_run ();
}
