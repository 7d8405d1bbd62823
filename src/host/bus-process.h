/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which process stands behind a unique bus name, and whether it is a machine's bridge. */
#pragma once

#include <gio/gio.h>

#include "units.h"

/* Compares the process of `bus_name` with the main process of unit `unit`. */
void bus_process_check_async (GDBusConnection *bus, Units *units, const char *bus_name,
                              const char *unit, GAsyncReadyCallback callback, gpointer user_data);
/* TRUE: it is. FALSE with `error` set: it is not, or that cannot be told; `ret_pid`, may be NULL,
 * is the process where it is known, else 0. */
gboolean bus_process_check_finish (GAsyncResult *result, guint32 *ret_pid, GError **error);

/* Finds the machine whose bridge's main process `bus_name` belongs to: its name, to be freed with
 * g_free(), or NULL with `error` set where it is no bridge's, or that cannot be told. */
void bus_process_find_machine_async (GDBusConnection *bus, Units *units, const char *bus_name,
                                     GAsyncReadyCallback callback, gpointer user_data);
char *bus_process_find_machine_finish (GAsyncResult *result, GError **error);
