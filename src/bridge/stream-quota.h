/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many streams one caller has, and may have: with those of its user, and of the machine. The
 * quota outlives the caller as long as streams of it do. */
#pragma once

#include "bridge.h"

typedef struct StreamQuota StreamQuota;

StreamQuota *stream_quota_new (Bridge *bridge);
StreamQuota *stream_quota_ref (StreamQuota *quota);
void stream_quota_unref (StreamQuota *quota);

/* Whose they are, once that is known. */
void stream_quota_set_uid (StreamQuota *quota, uid_t uid);

/* Counts `n` more; NULL, or what there would be too much of, half a sentence, and nothing is
 * counted. */
const char *stream_quota_reserve (StreamQuota *quota, size_t n);
void stream_quota_release (StreamQuota *quota, size_t n);
