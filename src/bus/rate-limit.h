/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How often a thing that another side causes may be logged: a burst, then a few a period. */
#pragma once

#include <glib.h>

#include <stdbool.h>

#define RATE_LIMIT_BURST 10
#define RATE_LIMIT_PERIOD_USEC (30 * G_USEC_PER_SEC)

/* Zero before its first use. */
typedef struct
{
  gint64 begin;
  unsigned count;
} RateLimit;

static inline bool
rate_limit_pass (RateLimit *limit)
{
  gint64 now = g_get_monotonic_time ();

  if (limit->begin == 0 || now - limit->begin >= RATE_LIMIT_PERIOD_USEC)
    *limit = (RateLimit){ .begin = now };

  return limit->count++ < RATE_LIMIT_BURST;
}
