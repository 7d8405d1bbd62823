/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells tombolod the tunnel's state and the aliases (org.tombolo.Host1.Bridge), at each change and
 * when tombolod comes back. */
#pragma once

#include "bridge.h"

typedef struct Report Report;

Report *report_new (Bridge *bridge);
void report_free (Report *report);

/* Something may have changed; told once the loop's round is over. */
void report_changed (Report *report);
