/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The waits between attempts to reach what may be away: RECONNECT_FIRST_USEC, doubled each time up
 * to RECONNECT_LAST_USEC. */
#pragma once

#include <glib.h>

#include <stdint.h>

#include "limit.h"

/* To be zero at first, and again after each success. */
typedef struct
{
  uint64_t last_usec;
} TunnelBackoff;

/* How long to wait before the next attempt. */
static inline uint64_t
tunnel_backoff_next (TunnelBackoff *backoff)
{
  backoff->last_usec = backoff->last_usec == 0
                           ? RECONNECT_FIRST_USEC
                           : MIN (backoff->last_usec * 2, (uint64_t) RECONNECT_LAST_USEC);
  return backoff->last_usec;
}
