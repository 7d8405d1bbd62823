/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tombolod asks of a bridge, and nobody else: interface org.tombolo.Bridge1 of object
 * /org/tombolo/Bridge1, on the connection that reports to tombolod. */
#pragma once

#include "bridge.h"

typedef struct Control Control;

/* NULL where the object cannot be made. */
Control *control_new (Bridge *bridge);
void control_free (Control *control); /* NULL is allowed */
