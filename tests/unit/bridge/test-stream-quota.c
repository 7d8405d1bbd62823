/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many streams a caller, its user, and all may have; and fewer where descriptors are few. */
#include "stream-quota.h"

#include <string.h>
#include <sys/resource.h>

#include "limit.h"

static StreamQuota *
make (Bridge *bridge, uid_t uid)
{
  StreamQuota *quota = stream_quota_new (bridge);

  stream_quota_set_uid (quota, uid);
  return quota;
}

static void
expect_full (StreamQuota *quota, const char *word)
{
  const char *excess = stream_quota_reserve (quota, 1);

  g_assert_nonnull (excess);
  g_assert_nonnull (strstr (excess, word));
}

static void
set_descriptors (rlim_t n)
{
  struct rlimit limit;

  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  limit.rlim_cur = n;
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));
}

static void
test_limits (void)
{
  Bridge bridge = { 0 };
  StreamQuota *quotas[6];

  set_descriptors (4096);
  for (guint i = 0; i < G_N_ELEMENTS (quotas); i++)
    quotas[i] = make (&bridge, 1000 + i / 2);

  /* A caller's, all or nothing. */
  g_assert_null (stream_quota_reserve (quotas[0], LIMIT_STREAMS_CALLER - 1));
  g_assert_nonnull (stream_quota_reserve (quotas[0], 2));
  g_assert_null (stream_quota_reserve (quotas[0], 1));
  expect_full (quotas[0], "a caller");

  /* Its user's, the second caller of which has room for itself. */
  g_assert_null (stream_quota_reserve (quotas[1], LIMIT_STREAMS_CALLER - 1));
  stream_quota_set_uid (quotas[2], 1000);
  g_assert_null (stream_quota_reserve (quotas[2], 1));
  expect_full (quotas[2], "your user");
  expect_full (quotas[1], "your user");
  stream_quota_release (quotas[2], 1);
  stream_quota_set_uid (quotas[2], 1001);

  /* All of them. */
  g_assert_null (stream_quota_reserve (quotas[1], 1));
  g_assert_null (stream_quota_reserve (quotas[2], LIMIT_STREAMS_CALLER));
  g_assert_null (stream_quota_reserve (quotas[3], LIMIT_STREAMS_CALLER));
  expect_full (quotas[4], "as many descriptors as it may have");
  stream_quota_release (quotas[0], 1);
  g_assert_null (stream_quota_reserve (quotas[4], 1));

  for (guint i = 0; i < G_N_ELEMENTS (quotas); i++)
    stream_quota_unref (quotas[i]);
  g_assert_cmpuint (bridge.stream_quotas.length, ==, 0);
}

/* A quarter of the descriptors, three for each. */
static void
test_few_descriptors (void)
{
  Bridge bridge = { 0 };
  StreamQuota *quota = make (&bridge, 1000);

  set_descriptors (120);
  g_assert_null (stream_quota_reserve (quota, 10));
  expect_full (quota, "as many descriptors as it may have");
  stream_quota_unref (quota);
}

/* What is open outlives its caller, and counts for its user. */
static void
test_outlives (void)
{
  Bridge bridge = { 0 };
  StreamQuota *gone = make (&bridge, 1000), *other = make (&bridge, 1000);

  set_descriptors (4096);
  for (int i = 0; i < LIMIT_STREAMS_CALLER; i++)
    {
      g_assert_null (stream_quota_reserve (gone, 1));
      stream_quota_ref (gone);
    }
  stream_quota_unref (gone);
  g_assert_null (stream_quota_reserve (other, LIMIT_STREAMS_USER - LIMIT_STREAMS_CALLER));
  g_assert_cmpuint (bridge.stream_quotas.length, ==, 2);
  for (int i = 0; i < LIMIT_STREAMS_CALLER; i++)
    {
      stream_quota_release (gone, 1);
      stream_quota_unref (gone);
    }
  g_assert_cmpuint (bridge.stream_quotas.length, ==, 1);
  stream_quota_unref (other);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bridge/stream-quota/limits", test_limits);
  g_test_add_func ("/bridge/stream-quota/few-descriptors", test_few_descriptors);
  g_test_add_func ("/bridge/stream-quota/outlives", test_outlives);
  return g_test_run ();
}
