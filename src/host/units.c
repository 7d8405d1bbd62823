/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd's units over its manager's D-Bus interface: jobs, states, and who belongs to what. */
#include "units.h"

#include <signal.h>
#include <systemd/sd-bus.h>

#include "error.h"
#include "log.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"
#define UNIT_INTERFACE "org.freedesktop.systemd1.Unit"
#define UNIT_PATH "/org/freedesktop/systemd1/unit"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

struct _Units
{
  GObject parent;
  GDBusConnection *bus;
  guint changed_subscription;
  guint removed_subscription;
  guint owner_watch;
  char *owner; /* systemd's unique name; GLib before 2.80.1 does not look at who sent a signal */
  GHashTable *jobs; /* path of a job -> GTask that waits for it */
  /* systemd may end a job before its reply to us was handled here: while requests are under way,
   * the results of unknown jobs are kept. */
  guint requests;
  GHashTable *early; /* path of a job -> its result */
  GPtrArray *watches;
  guint last_watch;
};

typedef struct
{
  guint id;
  char *unit;
  UnitChanged changed;
  gpointer user_data;
} Watch;

/* What a task of units_job_async() is about. */
typedef struct
{
  UnitJob job;
  char *unit;
  char *path;
  gulong cancelled_id;
} Job;

static const struct
{
  const char *method;
  const char *verb;
} jobs[] = {
  [UNIT_START] = { "StartUnit", "start" },
  [UNIT_STOP] = { "StopUnit", "stop" },
  [UNIT_RESTART] = { "RestartUnit", "restart" },
};

G_DEFINE_FINAL_TYPE (Units, units, G_TYPE_OBJECT)

static void
watch_free (gpointer data)
{
  Watch *watch = data;

  g_free (watch->unit);
  g_free (watch);
}

static void
units_dispose (GObject *object)
{
  Units *units = TOMBOLO_UNITS (object);

  if (units->bus != NULL)
    {
      g_dbus_connection_signal_unsubscribe (units->bus, units->changed_subscription);
      g_dbus_connection_signal_unsubscribe (units->bus, units->removed_subscription);
      g_bus_unwatch_name (units->owner_watch);
    }
  g_clear_pointer (&units->owner, g_free);
  g_clear_object (&units->bus);
  g_clear_pointer (&units->jobs, g_hash_table_unref);
  g_clear_pointer (&units->early, g_hash_table_unref);
  g_clear_pointer (&units->watches, g_ptr_array_unref);
  G_OBJECT_CLASS (units_parent_class)->dispose (object);
}

static void
units_class_init (UnitsClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = units_dispose;
}

static void
units_init (Units *units)
{
  units->jobs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  units->early = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  units->watches = g_ptr_array_new_with_free_func (watch_free);
}

/* --- signals --- */

static void
on_systemd_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  Units *units = user_data;

  g_free (units->owner);
  units->owner = g_strdup (owner);
}

static void
on_systemd_vanished (GDBusConnection *bus, const char *name, gpointer user_data)
{
  g_clear_pointer (&((Units *) user_data)->owner, g_free);
}

/* Everybody on the system bus may send signals, to us alone and under any interface. */
static gboolean
is_from_systemd (Units *units, const char *sender)
{
  return units->owner != NULL && g_strcmp0 (sender, units->owner) == 0;
}

static void
tell_watches (Units *units, const char *unit, const char *active_state)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (Units) keep = g_object_ref (units);

  /* A callback may add and remove watches. */
  for (guint i = 0; i < units->watches->len; i++)
    if (g_str_equal (((Watch *) units->watches->pdata[i])->unit, unit))
      g_array_append_val (ids, ((Watch *) units->watches->pdata[i])->id);

  for (guint i = 0; i < ids->len; i++)
    for (guint j = 0; units->watches != NULL && j < units->watches->len; j++)
      {
        Watch *watch = units->watches->pdata[j];

        if (watch->id != g_array_index (ids, guint, i))
          continue;
        watch->changed (unit, active_state, watch->user_data);
        break;
      }
}

static void
on_properties_changed (GDBusConnection *bus, const char *sender, const char *path,
                       const char *interface, const char *signal, GVariant *parameters,
                       gpointer user_data)
{
  g_autoptr (GVariant) changed = NULL;
  g_autofree char *active_state = NULL;
  char *unit = NULL;

  if (!is_from_systemd (user_data, sender)
      || !g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)")))
    return;
  g_variant_get_child (parameters, 1, "@a{sv}", &changed);
  if (!g_variant_lookup (changed, "ActiveState", "s", &active_state))
    return;

  if (sd_bus_path_decode (path, UNIT_PATH, &unit) > 0)
    tell_watches (user_data, unit, active_state);
  free (unit);
}

static void
finish_job (GTask *task, const char *result)
{
  const Job *job = g_task_get_task_data (task);

  g_cancellable_disconnect (g_task_get_cancellable (task), job->cancelled_id);

  if (g_str_equal (result, "done") || g_str_equal (result, "skipped"))
    g_task_return_boolean (task, TRUE);
  else if (g_str_equal (result, "canceled"))
    g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_CANCELLED,
                             "Another request ended systemd's job to %s unit %s.",
                             jobs[job->job].verb, job->unit);
  else
    g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_UNIT_FAILED,
                             "systemd's job to %s unit %s ended with “%s”; “journalctl -u %s” "
                             "tells more.",
                             jobs[job->job].verb, job->unit, result, job->unit);
}

static void
on_job_removed (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                const char *signal, GVariant *parameters, gpointer user_data)
{
  Units *units = user_data;
  g_autoptr (GTask) task = NULL;
  const char *job, *result;

  if (!is_from_systemd (units, sender)
      || !g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(uoss)")))
    return;
  g_variant_get (parameters, "(u&o&s&s)", NULL, &job, NULL, &result);

  if (g_hash_table_steal_extended (units->jobs, job, NULL, (gpointer *) &task))
    finish_job (task, result);
  else if (units->requests > 0)
    g_hash_table_replace (units->early, g_strdup (job), g_strdup (result));
}

Units *
units_new (GDBusConnection *bus)
{
  Units *units = g_object_new (UNITS_TYPE, NULL);

  units->bus = g_object_ref (bus);
  units->owner_watch =
      g_bus_watch_name_on_connection (bus, SYSTEMD_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                      on_systemd_appeared, on_systemd_vanished, units, NULL);
  units->changed_subscription = g_dbus_connection_signal_subscribe (
      bus, SYSTEMD_NAME, PROPERTIES_INTERFACE, "PropertiesChanged", NULL, UNIT_INTERFACE,
      G_DBUS_SIGNAL_FLAGS_NONE, on_properties_changed, units, NULL);
  units->removed_subscription = g_dbus_connection_signal_subscribe (
      bus, SYSTEMD_NAME, MANAGER_INTERFACE, "JobRemoved", SYSTEMD_PATH, NULL,
      G_DBUS_SIGNAL_FLAGS_NONE, on_job_removed, units, NULL);
  return units;
}

guint
units_watch (Units *units, const char *unit, UnitChanged changed, gpointer user_data)
{
  Watch *watch = g_new0 (Watch, 1);

  watch->id = ++units->last_watch;
  watch->unit = g_strdup (unit);
  watch->changed = changed;
  watch->user_data = user_data;
  g_ptr_array_add (units->watches, watch);
  return watch->id;
}

void
units_unwatch (Units *units, guint id)
{
  for (guint i = 0; units->watches != NULL && i < units->watches->len; i++)
    if (((Watch *) units->watches->pdata[i])->id == id)
      {
        g_ptr_array_remove_index (units->watches, i);
        return;
      }
}

/* --- calls --- */

static void
call_manager (Units *units, const char *method, GVariant *parameters, const char *reply_type,
              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_dbus_connection_call (units->bus, SYSTEMD_NAME, SYSTEMD_PATH, MANAGER_INTERFACE, method,
                          parameters, reply_type != NULL ? G_VARIANT_TYPE (reply_type) : NULL,
                          G_DBUS_CALL_FLAGS_NONE, -1, cancellable, callback, user_data);
}

static void
set_unit_error (GError **error, const GError *cause, const char *verb, const char *unit)
{
  g_autoptr (GError) plain = g_error_copy (cause);

  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_propagate_error (error, g_steal_pointer (&plain));
      return;
    }
  g_dbus_error_strip_remote_error (plain);
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_UNIT_FAILED, "systemd did not %s unit %s: %s.",
               verb, unit, plain->message);
}

/* “No such unit”, for which GDBus has no code of its own. */
static gboolean
error_is_no_such_unit (const GError *error)
{
  g_autofree char *name = g_dbus_error_get_remote_error (error);

  return g_strcmp0 (name, "org.freedesktop.systemd1.NoSuchUnit") == 0;
}

static void
job_free (gpointer data)
{
  Job *job = data;

  g_free (job->unit);
  g_free (job->path);
  g_free (job);
}

static gboolean
return_cancelled (gpointer user_data)
{
  g_task_return_error_if_cancelled (user_data);
  return G_SOURCE_REMOVE;
}

/* The job goes on; only nobody waits for it. Returned from the loop: a handler of “cancelled” must
 * not disconnect itself. */
static void
on_job_cancelled (GCancellable *cancellable, gpointer user_data)
{
  GTask *task = user_data;
  Units *units = g_task_get_source_object (task);
  Job *job = g_task_get_task_data (task);
  gpointer stolen = NULL;

  if (g_hash_table_steal_extended (units->jobs, job->path, NULL, &stolen))
    g_idle_add_full (G_PRIORITY_DEFAULT, return_cancelled, stolen, g_object_unref);
}

static void
on_job_queued (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Units *units = g_task_get_source_object (task);
  Job *job = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autofree char *outcome = NULL;

  units->requests--;
  if (reply != NULL)
    {
      g_variant_get (reply, "(o)", &job->path);
      g_hash_table_steal_extended (units->early, job->path, NULL, (gpointer *) &outcome);
    }
  if (units->requests == 0)
    g_hash_table_remove_all (units->early);

  if (reply == NULL && job->job == UNIT_STOP && error_is_no_such_unit (error))
    g_task_return_boolean (task, TRUE);
  else if (reply == NULL)
    {
      GError *wrapped = NULL;

      set_unit_error (&wrapped, error, jobs[job->job].verb, job->unit);
      g_task_return_error (task, wrapped);
    }
  else if (outcome != NULL)
    finish_job (task, outcome);
  else
    {
      GCancellable *cancellable = g_task_get_cancellable (task);

      g_hash_table_replace (units->jobs, g_strdup (job->path), g_object_ref (task));
      if (cancellable != NULL)
        job->cancelled_id =
            g_cancellable_connect (cancellable, G_CALLBACK (on_job_cancelled), task, NULL);
    }
}

void
units_job_async (Units *units, UnitJob kind, const char *unit, GCancellable *cancellable,
                 GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (units, cancellable, callback, user_data);
  Job *job = g_new0 (Job, 1);

  job->job = kind;
  job->unit = g_strdup (unit);
  g_task_set_task_data (task, job, job_free);
  units->requests++;
  call_manager (units, jobs[kind].method, g_variant_new ("(ss)", unit, "replace"), "(o)",
                cancellable, on_job_queued, task);
}

gboolean
units_job_finish (Units *units, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
on_called (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply != NULL)
    g_task_return_boolean (task, TRUE);
  else
    {
      GError *wrapped = NULL;

      set_unit_error (&wrapped, error, g_task_get_name (task), g_task_get_task_data (task));
      g_task_return_error (task, wrapped);
    }
}

static GTask *
call_task_new (Units *units, const char *verb, const char *unit, GCancellable *cancellable,
               GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (units, cancellable, callback, user_data);

  g_task_set_name (task, verb);
  g_task_set_task_data (task, g_strdup (unit), g_free);
  return task;
}

void
units_kill_async (Units *units, const char *unit, GCancellable *cancellable,
                  GAsyncReadyCallback callback, gpointer user_data)
{
  call_manager (units, "KillUnit", g_variant_new ("(ssi)", unit, "all", SIGKILL), NULL, cancellable,
                on_called, call_task_new (units, "kill", unit, cancellable, callback, user_data));
}

void
units_freeze_async (Units *units, const char *unit, gboolean freeze, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  call_manager (
      units, freeze ? "FreezeUnit" : "ThawUnit", g_variant_new ("(s)", unit), NULL, cancellable,
      on_called,
      call_task_new (units, freeze ? "freeze" : "thaw", unit, cancellable, callback, user_data));
}

gboolean
units_call_finish (Units *units, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
units_reset_failed_async (Units *units, const char *unit, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  call_manager (units, "ResetFailedUnit", g_variant_new ("(s)", unit), NULL, cancellable, on_called,
                call_task_new (units, "reset", unit, cancellable, callback, user_data));
}

static void
on_queried (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply != NULL)
    {
      g_autoptr (GVariant) properties = g_variant_get_child_value (reply, 0);

      g_task_return_pointer (task, unit_status_new (properties), (GDestroyNotify) unit_status_free);
    }
  else
    {
      GError *wrapped = NULL;

      set_unit_error (&wrapped, error, "describe", g_task_get_task_data (task));
      g_task_return_error (task, wrapped);
    }
}

void
units_query_async (Units *units, const char *unit, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = call_task_new (units, "describe", unit, cancellable, callback, user_data);
  char *path = NULL;

  if (sd_bus_path_encode (UNIT_PATH, unit, &path) < 0)
    g_error ("%s: out of memory", G_STRFUNC);

  /* The empty interface: the properties of all of them at once. */
  g_dbus_connection_call (units->bus, SYSTEMD_NAME, path, PROPERTIES_INTERFACE, "GetAll",
                          g_variant_new ("(s)", ""), G_VARIANT_TYPE ("(a{sv})"),
                          G_DBUS_CALL_FLAGS_NONE, -1, cancellable, on_queried, task);
  free (path);
}

UnitStatus *
units_query_finish (Units *units, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_found_by_pid (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  const char *path;
  char *unit = NULL;

  if (reply == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  g_variant_get (reply, "(&o)", &path);
  if (sd_bus_path_decode (path, UNIT_PATH, &unit) > 0)
    g_task_return_pointer (task, g_strdup (unit), g_free);
  else
    g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                             "systemd's object path “%s” is no unit's.", path);
  free (unit);
}

void
units_find_by_pid_async (Units *units, guint32 pid, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
  call_manager (units, "GetUnitByPID", g_variant_new ("(u)", pid), "(o)", cancellable,
                on_found_by_pid, g_task_new (units, cancellable, callback, user_data));
}

char *
units_find_by_pid_finish (Units *units, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- the first look --- */

static void
on_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariantIter) iter = NULL;
  GHashTable *found;
  const char *unit, *active_state;

  if (reply == NULL)
    {
      g_prefix_error (&error, "Cannot list systemd's units: ");
      g_task_return_error (task, error);
      return;
    }

  found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_variant_get (reply, "(a(ssssssouso))", &iter);
  while (g_variant_iter_loop (iter, "(&s&s&s&s&s&s&ou&s&o)", &unit, NULL, NULL, &active_state, NULL,
                              NULL, NULL, NULL, NULL, NULL))
    g_hash_table_replace (found, g_strdup (unit), g_strdup (active_state));
  g_task_return_pointer (task, found, (GDestroyNotify) g_hash_table_unref);
}

static void
on_subscribed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Units *units = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  const char *const none[] = { NULL };

  if (reply == NULL)
    {
      g_prefix_error (&error, "Cannot subscribe to systemd's signals: ");
      g_task_return_error (task, error);
      return;
    }

  call_manager (units, "ListUnitsByPatterns",
                g_variant_new ("(^as^as)", none, g_task_get_task_data (task)), "(a(ssssssouso))",
                g_task_get_cancellable (task), on_listed, g_object_ref (task));
}

void
units_open_async (Units *units, const char *const *patterns, GCancellable *cancellable,
                  GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (units, cancellable, callback, user_data);

  g_task_set_task_data (task, g_strdupv ((char **) patterns), (GDestroyNotify) g_strfreev);
  call_manager (units, "Subscribe", NULL, NULL, cancellable, on_subscribed, task);
}

GHashTable *
units_open_finish (Units *units, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
