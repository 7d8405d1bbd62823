/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A descriptor that has crossed: the one that somebody passed, both relays, and between them a
 * socket pair in the tunnel's place. */
#pragma once

#include <glib.h>

#include "relay.h"

typedef struct
{
  sd_event *event;
  Relay *relays[2]; /* of whoever passed it, of whoever got it */
  const char *problems[2];
  unsigned n_open; /* descriptors of the process before */
  int far;         /* what the other side got */
} Chain;

/* Descriptors of this process. */
unsigned count_open (void);
/* Waits until there are so many: what was passed is closed by and by (disposal.h). */
void expect_open (unsigned n);

void chain_init (Chain *chain);
/* Passes `fd`, which it takes, across. */
void chain_pass (Chain *chain, DescriptorKind kind, int fd);
/* Every descriptor that the chain had is closed, `far` too. */
void chain_clear (Chain *chain);

/* Turns the loop, a little where nothing happens. */
void chain_turn (Chain *chain);
/* Until `condition` is true, or the test fails after 10 s. */
#define chain_turn_until(chain, condition)                                                         \
  G_STMT_START                                                                                     \
  {                                                                                                \
    gint64 chain_deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;                         \
    while (!(condition))                                                                           \
      {                                                                                            \
        g_assert_cmpint (g_get_monotonic_time (), <, chain_deadline);                              \
        chain_turn (chain);                                                                        \
      }                                                                                            \
  }                                                                                                \
  G_STMT_END
/* Whether the loop comes to rest: nothing wakes it up in 100 ms. */
gboolean chain_is_idle (Chain *chain);
gboolean chain_is_over (const Chain *chain);

void set_blocking (int fd, gboolean blocking);
/* Reads from the non-blocking `fd` until `text` was read, and nothing else. */
void chain_expect (Chain *chain, int fd, const char *text);
