/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolod's end of the launch protocol (launch-protocol.h). */
#pragma once

#include <gio/gio.h>

/* Connects to the socket at `path` and sends `argv` (ends in NULL) with the descriptors in `fds`,
 * which stay the caller's. Done when tombolo-launch has become the monitor; where it could not,
 * the error (TOMBOLO_ERROR_MONITOR_FAILED) is its sentence. Gives up after LIMIT_LAUNCH_TIME_USEC.
 */
void launch_send_async (const char *path, GPtrArray *argv, GArray *fds, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data);
gboolean launch_send_finish (GAsyncResult *result, GError **error);

/* argv as the message has it: each string with its zero. */
GByteArray *launch_serialize_argv (GPtrArray *argv);
