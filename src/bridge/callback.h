/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest's services may call on callers on the host's bus: a closed list of interfaces. The
 * host's bus policy (data/dbus-1/org.tombolo.Host1.conf) has the same, with the reasons. Clients of
 * the bus socket have come to the guest's bus and are called as on any bus. */
#pragma once

#include <stdbool.h>

#define CALLBACK_TOO_MANY                                                                          \
  "The call brings descriptors, of which the caller has as many as it may have; close some of "    \
  "them."

/* Where a call went, or why it did not. */
typedef struct
{
  void *origin;        /* whose answers are taken */
  unsigned serial;     /* under which it waits there */
  int error;           /* TomboloError, where it was refused */
  const char *problem; /* a sentence, a constant; NULL: it went */
} CallbackRoute;

/* `interface` may be NULL, which is none of them. */
bool callback_is_allowed (const char *interface);

/* All of them, ending in NULL. */
const char *const *callback_get_interfaces (void);
