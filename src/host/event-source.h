/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An sd_event loop inside a GLib main loop. */
#pragma once

#include <glib.h>
#include <systemd/sd-event.h>

/* A source that runs `event` whenever it has something to do. Attach it, and destroy it before the
 * last reference to `event` goes. Its callback, if it has one, is called when the loop ends, which
 * only an error does. */
GSource *event_source_new (sd_event *event);
