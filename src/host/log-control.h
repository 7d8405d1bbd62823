/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.freedesktop.LogControl1, systemd's interface for the log level of a running service. */
#pragma once

#include <gio/gio.h>

/* Exports it at /org/freedesktop/LogControl1. Everybody may read, root may change, as with
 * systemd's own services. Returns the registration, or 0 with `error` set. */
guint log_control_export (GDBusConnection *bus, GError **error);
