/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long output goes through a pager, as systemctl's does. */
#pragma once

#include <glib.h>

#include "options.h"

/* Puts a pager on standard output where that is a terminal and the options allow it:
 * $SYSTEMD_PAGER, else $PAGER, else less; none where the variable is empty or “cat”. Called before
 * anything is written. */
void pager_open (const Options *options);

/* Flushes, and waits until the reader has left the pager. */
void pager_close (void);
