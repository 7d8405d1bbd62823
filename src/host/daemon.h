/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon: its parts, put together in the order in which they depend on each other. */
#pragma once

#include <glib.h>

typedef struct Daemon Daemon;

/* Connects to the system bus and begins; what follows runs on `loop`. Takes the listening
 * `credential_fd`. NULL with `error` set. */
Daemon *daemon_new (GMainLoop *loop, int credential_fd, GError **error);
void daemon_free (Daemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Daemon, daemon_free)

/* Whether it ended because something failed, which was logged. */
gboolean daemon_has_failed (Daemon *daemon);
