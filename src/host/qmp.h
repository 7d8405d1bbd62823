/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of QMP, QEMU's control protocol, over a unix socket. */
#pragma once

#include <gio/gio.h>

#define QMP_TYPE (qmp_get_type ())
G_DECLARE_FINAL_TYPE (Qmp, qmp, TOMBOLO, QMP, GObject)

/* Signals:
 *   event (const char *name): "STOP", "RESUME", "SHUTDOWN", …
 *   closed (const char *reason): the connection ended; there will be no more signals, and every
 *     pending command fails. */

/* Connects to the socket at `path`, and is done when QEMU takes commands. */
void qmp_open_async (const char *path, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer user_data);
Qmp *qmp_open_finish (GAsyncResult *result, GError **error);

/* A command without arguments, such as “stop”. */
void qmp_command_async (Qmp *qmp, const char *command, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data);
/* `ret_status`, may be NULL: the answer's member `status`, NULL where it has none. */
gboolean qmp_command_finish (Qmp *qmp, GAsyncResult *result, char **ret_status, GError **error);

/* Ends the connection without a signal. */
void qmp_close (Qmp *qmp);
