/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two connected stream sockets, each of which gets what the other sends: bytes, descriptors, and
 * the end of either direction. What one side does not take, the other cannot send. Runs on the
 * default main context. */
#pragma once

#include <glib.h>

typedef struct Relay Relay;

/* Takes both. `over` is called once, when both directions have ended or one socket failed; it may
 * free the relay. */
Relay *relay_new (int first, int second, void (*over) (Relay *relay, gpointer data), gpointer data);
/* Closes both sockets. NULL is allowed. */
void relay_free (Relay *relay);
