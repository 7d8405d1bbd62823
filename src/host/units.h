/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd's units: the only user of its manager's D-Bus interface. */
#pragma once

#include <gio/gio.h>

#include "unit-status.h"

#define UNITS_TYPE (units_get_type ())
G_DECLARE_FINAL_TYPE (Units, units, TOMBOLO, UNITS, GObject)

typedef enum
{
  UNIT_START,
  UNIT_STOP,
  UNIT_RESTART,
} UnitJob;

Units *units_new (GDBusConnection *bus);

/* Asks systemd for its signals and finds every loaded unit whose name matches one of `patterns`.
 * Returns name (char *) -> active state (char *). */
void units_open_async (Units *units, const char *const *patterns, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data);
GHashTable *units_open_finish (Units *units, GAsyncResult *result, GError **error);

/* Done when systemd's job is: errors are TOMBOLO_ERROR_UNIT_FAILED and name the unit. Stopping a
 * unit that is not loaded is success. */
void units_job_async (Units *units, UnitJob job, const char *unit, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data);
gboolean units_job_finish (Units *units, GAsyncResult *result, GError **error);

/* SIGKILL to every process of the unit. */
void units_kill_async (Units *units, const char *unit, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data);
/* The control group's freezer. */
void units_freeze_async (Units *units, const char *unit, gboolean freeze, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data);
/* Forgets a failure, where there is one. All signals of it have arrived when this is done. */
void units_reset_failed_async (Units *units, const char *unit, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
/* Ends one of the three above. */
gboolean units_call_finish (Units *units, GAsyncResult *result, GError **error);

void units_query_async (Units *units, const char *unit, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data);
UnitStatus *units_query_finish (Units *units, GAsyncResult *result, GError **error);

/* The unit that process `pid` belongs to. Free with g_free(). */
void units_find_by_pid_async (Units *units, guint32 pid, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
char *units_find_by_pid_finish (Units *units, GAsyncResult *result, GError **error);

/* Tells of each change of a unit's active state, until units_unwatch(). */
typedef void (*UnitChanged) (const char *unit, const char *active_state, gpointer user_data);
guint units_watch (Units *units, const char *unit, UnitChanged changed, gpointer user_data);
void units_unwatch (Units *units, guint watch);
