/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bounds the calls that wait, and their answers: GDBus' thread reads calls as fast as they come,
 * and everybody on the system bus may call. */
#pragma once

#include <gio/gio.h>

typedef struct FloodGuard FloodGuard;

/* From now on calls past the limits (LIMIT_CALLS_*, LIMIT_CALL_SIZE) are not let in; those that
 * want an answer get org.tombolo.Error.LimitsExceeded. Calls that want none are let in only where
 * they are acts of ours (authority-table.h). To be made before anything is exported on `bus`, in
 * the thread of the main loop, whose default context serves the calls. */
FloodGuard *flood_guard_new (GDBusConnection *bus);
void flood_guard_free (FloodGuard *guard);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FloodGuard, flood_guard_free)
