/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's end of the control link: found by its MAC, set up. Start-up only, so it may wait. */
#pragma once

#include <glib.h>

#include "name.h"

/* Waits at most `timeout_usec` for an interface with that MAC. Returns its index, or 0 with `error`
 * set. */
int link_find (const uint8_t mac[MAC_SIZE], gint64 timeout_usec, GError **error);

/* Sets the interface up with the address fe80::2/64, without duplicate address detection. Once is
 * as good as twice. Needs CAP_NET_ADMIN. */
gboolean link_prepare (int index, GError **error);
