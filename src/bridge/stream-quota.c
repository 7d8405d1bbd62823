/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many streams one caller has, and may have. */
#include "stream-quota.h"

#include <sys/resource.h>

#include "limit.h"

/* What a stream holds at most: its local end, its connection, and a terminal's process. */
#define DESCRIPTORS_OF_STREAM 3

struct StreamQuota
{
  Bridge *bridge;
  GList link;
  unsigned n_references;
  uid_t uid;
  size_t n;
};

StreamQuota *
stream_quota_new (Bridge *bridge)
{
  StreamQuota *quota = g_new0 (StreamQuota, 1);

  quota->bridge = bridge;
  quota->link.data = quota;
  quota->n_references = 1;
  quota->uid = (uid_t) -1;
  g_queue_push_tail_link (&bridge->stream_quotas, &quota->link);
  return quota;
}

StreamQuota *
stream_quota_ref (StreamQuota *quota)
{
  quota->n_references++;
  return quota;
}

void
stream_quota_unref (StreamQuota *quota)
{
  if (quota == NULL || --quota->n_references > 0)
    return;

  g_queue_unlink (&quota->bridge->stream_quotas, &quota->link);
  g_free (quota);
}

void
stream_quota_set_uid (StreamQuota *quota, uid_t uid)
{
  quota->uid = uid;
}

/* Streams shall never take the descriptors that calls need: they get a quarter of all. */
static size_t
get_machine_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
    return 0;
  return (size_t) MIN ((rlim_t) LIMIT_STREAMS_MACHINE, limit.rlim_cur / 4 / DESCRIPTORS_OF_STREAM);
}

const char *
stream_quota_reserve (StreamQuota *quota, size_t n)
{
  size_t of_user = n, of_machine = n;

  for (const GList *link = quota->bridge->stream_quotas.head; link != NULL; link = link->next)
    {
      const StreamQuota *other = link->data;

      of_machine += other->n;
      if (other->uid == quota->uid)
        of_user += other->n;
    }

  if (quota->n + n > LIMIT_STREAMS_CALLER)
    return "a caller has 64 descriptors there at most; close some of them.";
  if (of_user > LIMIT_STREAMS_USER)
    return "your user's callers have 128 descriptors there at most; close some of them.";
  if (of_machine > get_machine_limit ())
    return "as many descriptors as it may have are open there already; try again later.";

  quota->n += n;
  return NULL;
}

void
stream_quota_release (StreamQuota *quota, size_t n)
{
  quota->n -= n;
}
