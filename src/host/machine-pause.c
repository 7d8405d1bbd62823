/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Holding a machine still and letting it go on: QEMU by its control connection, a container by the
 * freezer of its control group. */
#include "machine-private.h"

#include "error.h"
#include "limit.h"

/* --- QEMU's control connection --- */

static void
on_command_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  char *status = NULL;

  if (qmp_command_finish (TOMBOLO_QMP (source), result, &status, &error))
    g_task_return_pointer (task, status != NULL ? status : g_strdup (""), g_free);
  else
    g_task_return_error (task, error);
}

static void
send_command (GTask *task)
{
  Machine *machine = g_task_get_source_object (task);

  qmp_command_async (machine->qmp, g_task_get_task_data (task), g_task_get_cancellable (task),
                     on_command_done, task);
}

static void
on_reconnected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Machine *machine = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (Qmp) qmp = qmp_open_finish (result, &error);

  if (qmp == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  if (machine->qmp == NULL)
    machine_set_qmp (machine, qmp);
  send_command (g_steal_pointer (&task));
}

void
machine_qmp_async (Machine *machine, const char *command, GAsyncReadyCallback callback,
                   gpointer user_data)
{
  GTask *task = g_task_new (machine, machine->cancellable, callback, user_data);
  g_autofree char *path = machine_get_qmp_path (machine);

  g_task_set_task_data (task, g_strdup (command), g_free);
  if (machine->qmp != NULL)
    send_command (task);
  else
    qmp_open_async (path, machine->cancellable, on_reconnected, task);
}

gboolean
machine_qmp_finish (Machine *machine, GAsyncResult *result, char **ret_status, GError **error)
{
  char *status = g_task_propagate_pointer (G_TASK (result), error);

  if (status == NULL)
    return FALSE;

  if (ret_status != NULL)
    *ret_status = g_steal_pointer (&status);
  g_free (status);
  return TRUE;
}

static void
apply_event (Machine *machine)
{
  MachineState from = machine->event_state == MACHINE_PAUSED ? MACHINE_RUNNING : MACHINE_PAUSED;

  machine->last_event = g_get_monotonic_time ();
  if (machine->state == from)
    machine_set_state (machine, machine->event_state, "");
}

static gboolean
on_event_timer (gpointer user_data)
{
  Machine *machine = user_data;

  machine->event_timer = 0;
  apply_event (machine);
  return G_SOURCE_REMOVE;
}

/* QEMU also stops by itself, when a disk is full for example. Each change is logged and signalled:
 * of events in quick succession only the latest counts. */
void
machine_qmp_event (Machine *machine, const char *event)
{
  gint64 rest = machine->last_event + QMP_EVENT_TIME_USEC - g_get_monotonic_time ();

  if (!g_str_equal (event, "STOP") && !g_str_equal (event, "RESUME"))
    return;

  machine->event_state = g_str_equal (event, "STOP") ? MACHINE_PAUSED : MACHINE_RUNNING;
  if (machine->event_timer != 0)
    return;
  if (machine->last_event == 0 || rest <= 0)
    apply_event (machine);
  else
    machine->event_timer = g_timeout_add ((guint) (rest / 1000) + 1, on_event_timer, machine);
}

/* --- pause and resume --- */

/* The task's data is the state that is wanted, RUNNING or PAUSED. */
static MachineState
get_wanted_state (GTask *task)
{
  return (MachineState) GPOINTER_TO_INT (g_task_get_task_data (task));
}

static void
finish (GTask *task, GError *error)
{
  g_autoptr (GTask) owned = task;
  Machine *machine = g_task_get_source_object (task);
  MachineState wanted = get_wanted_state (task);
  MachineState other = wanted == MACHINE_PAUSED ? MACHINE_RUNNING : MACHINE_PAUSED;

  if (error == NULL && (machine->state == wanted || machine->state == other))
    {
      machine_set_state (machine, wanted, "");
      g_task_return_boolean (task, TRUE);
    }
  else if (error == NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_clear_error (&error);
      g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_CANCELLED,
                               "Machine %s was stopped meanwhile.", machine->name);
    }
  else
    g_task_return_error (task, error);
}

static void
on_qemu_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  machine_qmp_finish (TOMBOLO_MODEL_MACHINE (source), result, NULL, &error);
  finish (user_data, error);
}

static void
on_freezer_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  units_call_finish (TOMBOLO_UNITS (source), result, &error);
  finish (user_data, error);
}

static void
change_to (Machine *machine, MachineState wanted, GTask *task)
{
  MachineState from = wanted == MACHINE_PAUSED ? MACHINE_RUNNING : MACHINE_PAUSED;

  g_task_set_task_data (task, GINT_TO_POINTER (wanted), NULL);
  if (machine->state != from)
    {
      g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_STATE,
                               "Machine %s is %s; only a %s one can be %s.", machine->name,
                               machine_state_to_string (machine->state),
                               machine_state_to_string (from),
                               wanted == MACHINE_PAUSED ? "paused" : "resumed");
      g_object_unref (task);
      return;
    }

  if (machine->monitor == MONITOR_QEMU)
    machine_qmp_async (machine, wanted == MACHINE_PAUSED ? "stop" : "cont", on_qemu_done, task);
  else
    units_freeze_async (machine->host->units, machine->unit, wanted == MACHINE_PAUSED,
                        machine->cancellable, on_freezer_done, task);
}

void
machine_pause_async (Machine *machine, GAsyncReadyCallback callback, gpointer user_data)
{
  change_to (machine, MACHINE_PAUSED, g_task_new (machine, NULL, callback, user_data));
}

void
machine_resume_async (Machine *machine, GAsyncReadyCallback callback, gpointer user_data)
{
  change_to (machine, MACHINE_RUNNING, g_task_new (machine, NULL, callback, user_data));
}
