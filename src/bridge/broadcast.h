/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals that every local user may see (Broadcast= in the machine file): they come through a
 * channel of the bridge's own and go out from the alias, to nobody in particular. */
#pragma once

#include "bridge.h"

typedef struct Broadcast Broadcast;

Broadcast *broadcast_new (Bridge *bridge);
void broadcast_free (Broadcast *broadcast);

/* With the tunnel. */
void broadcast_start (Broadcast *broadcast);
void broadcast_stop (Broadcast *broadcast);

/* The host's bus takes more again. */
void broadcast_resume (Broadcast *broadcast);
