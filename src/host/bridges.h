/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bridges that report, by the unique names that they do it with, and what tombolod asks of
 * them (org.tombolo.Bridge1). */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#include "guest-bus.h"
#include "manager.h"

typedef struct Bridges Bridges;

Bridges *bridges_new (Manager *manager, GDBusConnection *bus);
void bridges_free (Bridges *bridges);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Bridges, bridges_free)

/* `bus_name` is that of machine's bridge: its process was looked at. When it leaves the bus, the
 * machine is told. */
void bridges_set (Bridges *bridges, const char *machine, const char *bus_name);

/* Has the bridge of `machine` serve `fd`, which it takes, one end of a connected stream socket, as
 * the guest's bus `bus` with the authority of `opener`, a unique name on the host's bus.
 * Errors are the bridge's, or TOMBOLO_ERROR_DISCONNECTED where none reports. */
void bridges_open_bus_async (Bridges *bridges, Machine *machine, const char *opener, GuestBus bus,
                             int fd, GAsyncReadyCallback callback, gpointer user_data);
gboolean bridges_open_bus_finish (GAsyncResult *result, GError **error);

/* Has the bridge open a terminal in the guest; `request` (sassuu): user, command, term, rows,
 * columns. */
void bridges_open_shell_async (Bridges *bridges, Machine *machine, GVariant *request,
                               GAsyncReadyCallback callback, gpointer user_data);
/* The terminal and the pipe with its exit status, in this order; NULL with `error` set. */
GUnixFDList *bridges_open_shell_finish (GAsyncResult *result, GError **error);
