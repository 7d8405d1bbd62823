/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a machine, asked for or not: orderly shutdown, force, and the removal of all that the
 * start made. */
#include "machine-private.h"

#include <errno.h>
#include <unistd.h>

#include "error.h"
#include "limit.h"
#include "log.h"

/* --- cleaning up --- */

/* Those who wait: tasks without data succeed, for the machine is stopped; a task with data is a
 * start that went wrong, and the data its error. */
static void
answer_waiters (Machine *machine)
{
  GQueue waiters = machine->waiters;
  GTask *task;

  g_queue_init (&machine->waiters);
  while ((task = g_queue_pop_head (&waiters)) != NULL)
    {
      const GError *error = g_task_get_task_data (task);

      if (error != NULL)
        g_task_return_error (task, g_error_copy (error));
      else
        g_task_return_boolean (task, TRUE);
      g_object_unref (task);
    }
}

static void
remove_link (Machine *machine)
{
  char interface[INTERFACE_NAME_SIZE];
  g_autoptr (GError) error = NULL;

  machine_name_to_interface (machine->name, FALSE, interface);
  if (machine->host->links != NULL && !links_remove (machine->host->links, interface, &error))
    log_warning (machine->name, "%s", error->message);
}

/* The unit could not be stopped and its guest runs on, so all that it uses stays. */
static void
give_up_cleaning (Machine *machine, const char *problem)
{
  GQueue waiters = machine->waiters;
  GTask *task;

  g_queue_init (&machine->waiters);
  machine->cleaning = machine->stop_asked = machine->kill_asked = FALSE;
  g_clear_pointer (&machine->end_reason, g_free);
  if (g_cancellable_is_cancelled (machine->cancellable))
    {
      g_object_unref (machine->cancellable);
      machine->cancellable = g_cancellable_new ();
    }
  machine_set_state (machine, MACHINE_RUNNING, problem);
  if (machine->bridged)
    machine_start_bridge (machine);

  while ((task = g_queue_pop_head (&waiters)) != NULL)
    {
      g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_UNIT_FAILED, "%s", problem);
      g_object_unref (task);
    }
}

static void
finish_cleaning (Machine *machine)
{
  g_autofree char *qmp_path = machine_get_qmp_path (machine);
  g_autofree char *reason = g_steal_pointer (&machine->end_reason);
  MachineState state = machine->end_state;

  remove_link (machine);
  if (unlink (qmp_path) < 0 && errno != ENOENT)
    log_warning (machine->name, "Cannot remove %s: %s", qmp_path, g_strerror (errno));
  runtime_state_remove (machine->host->state_directory, machine->name);

  machine_forget_run (machine);
  machine_set_agent (machine, AGENT_NONE, "", NULL);
  if (machine->entry != NULL && machine_entry_get_problem (machine->entry) != NULL
      && *reason == '\0')
    {
      machine_set_state (machine, MACHINE_FAILED,
                         machine_entry_get_problem (machine->entry)->message);
      machine->failed_by_file = TRUE;
    }
  else
    machine_set_state (machine, state, reason);
  answer_waiters (machine);
}

/* One of the units that are stopped while cleaning; the machine counts them by references. */
typedef struct
{
  Machine *machine;
  guint left;
  char *problem; /* why the machine's service still runs */
} Cleaning;

static void
cleaning_step_done (Cleaning *cleaning)
{
  g_autoptr (Machine) machine = NULL;
  g_autofree char *problem = NULL;

  if (--cleaning->left > 0)
    return;

  machine = cleaning->machine;
  problem = cleaning->problem;
  g_free (cleaning);
  if (problem != NULL)
    give_up_cleaning (machine, problem);
  else
    finish_cleaning (machine);
}

typedef struct
{
  Cleaning *cleaning;
  char *unit;
} CleaningStep;

static void
on_unit_reset (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CleaningStep *step = user_data;
  g_autoptr (GError) error = NULL;

  /* Mostly because systemd has dropped the unit already. */
  if (!units_call_finish (TOMBOLO_UNITS (source), result, &error))
    log_debug (step->cleaning->machine->name, "%s", error->message);
  cleaning_step_done (step->cleaning);
  g_free (step->unit);
  g_free (step);
}

/* systemd may have refused, or waited in vain, and the unit have ended all the same. */
static void
on_unit_looked_at (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CleaningStep *step = user_data;
  Machine *machine = step->cleaning->machine;
  g_autoptr (GError) error = NULL;
  g_autoptr (UnitStatus) status = units_query_finish (TOMBOLO_UNITS (source), result, &error);

  if (status == NULL || !unit_status_is_over (status))
    {
      if (g_strcmp0 (step->unit, machine->unit) == 0 && step->cleaning->problem == NULL)
        step->cleaning->problem = g_strdup_printf (
            "Its unit %s could not be stopped (“systemctl status %s” tells more); try again.",
            step->unit, step->unit);
      cleaning_step_done (step->cleaning);
      g_free (step->unit);
      g_free (step);
      return;
    }

  units_reset_failed_async (TOMBOLO_UNITS (source), step->unit, NULL, on_unit_reset, step);
}

/* A unit that failed would stay loaded for people to see; its machine's state tells them more. */
static void
on_unit_stopped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CleaningStep *step = user_data;
  g_autoptr (GError) error = NULL;

  if (!units_job_finish (TOMBOLO_UNITS (source), result, &error))
    {
      log_warning (step->cleaning->machine->name, "While cleaning up: %s", error->message);
      units_query_async (TOMBOLO_UNITS (source), step->unit, NULL, on_unit_looked_at, step);
      return;
    }
  units_reset_failed_async (TOMBOLO_UNITS (source), step->unit, NULL, on_unit_reset, step);
}

static void
stop_unit (Cleaning *cleaning, MachineUnit kind)
{
  Machine *machine = cleaning->machine;
  CleaningStep *step = g_new0 (CleaningStep, 1);

  step->cleaning = cleaning;
  step->unit = machine_name_to_unit (machine->name, kind);
  cleaning->left++;
  units_job_async (machine->host->units, UNIT_STOP, step->unit, NULL, on_unit_stopped, step);
}

static void
on_leftover_killed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  /* Mostly there was nothing to kill. */
  if (!units_call_finish (TOMBOLO_UNITS (source), result, &error))
    log_debug (NULL, "%s", error->message);
}

void
machine_end (Machine *machine, MachineState end_state, const char *reason)
{
  Cleaning *cleaning;

  if (machine->cleaning)
    return;

  machine->cleaning = TRUE;
  machine->end_state = end_state;
  machine->end_reason = g_strdup (reason);
  g_clear_handle_id (&machine->stop_timer, g_source_remove);
  machine_set_state (machine, MACHINE_STOPPING, "");

  cleaning = g_new0 (Cleaning, 1);
  cleaning->machine = g_object_ref (machine);
  cleaning->left = 1;
  if (machine->bridged)
    {
      stop_unit (cleaning, MACHINE_UNIT_BRIDGE_SOCKET);
      stop_unit (cleaning, MACHINE_UNIT_BRIDGE);
    }
  /* A guest that is just booting does not listen yet: an orderly stop would wait for it in vain. */
  if (machine->unit_asked && machine->kill_asked)
    units_kill_async (machine->host->units, machine->unit, NULL, on_leftover_killed, NULL);
  if (machine->unit_asked && machine->monitor == MONITOR_QEMU)
    {
      stop_unit (cleaning, MACHINE_UNIT_QEMU_SOCKET);
      stop_unit (cleaning, MACHINE_UNIT_QEMU);
    }
  else if (machine->unit_asked)
    stop_unit (cleaning, MACHINE_UNIT_CONTAINER);

  cleaning_step_done (cleaning);
}

/* --- a unit that ended --- */

static void
on_end_described (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Machine) machine = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (UnitStatus) status = units_query_finish (TOMBOLO_UNITS (source), result, &error);
  g_autofree char *failure = NULL;
  g_autofree char *reason = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || machine->cleaning
      || machine->starting || machine->unit == NULL)
    return;
  /* A guest that reboots: the unit starts again by itself, on the same link. */
  if (status != NULL && !unit_status_is_over (status))
    return;

  if (status != NULL)
    failure = unit_status_describe_failure (status);
  else
    failure = g_strdup (error->message);
  if (failure == NULL || machine->stop_asked)
    {
      machine_end (machine, MACHINE_STOPPED, "");
      return;
    }

  reason = g_strdup_printf ("Its monitor ended with %s; “journalctl -u %s” tells more.", failure,
                            machine->unit);
  machine_end (machine, MACHINE_FAILED, reason);
}

void
machine_unit_changed (const char *unit, const char *active_state, gpointer user_data)
{
  Machine *machine = user_data;

  if (machine->cleaning
      || (!g_str_equal (active_state, "inactive") && !g_str_equal (active_state, "failed")))
    return;

  if (!machine->starting)
    units_query_async (machine->host->units, machine->unit, machine->cancellable, on_end_described,
                       g_object_ref (machine));
  else if (machine->unit_asked && g_str_equal (active_state, "failed")
           && machine->start_problem == NULL)
    {
      /* Whatever the start waits for will not come. */
      machine->start_problem = g_strdup_printf (
          "Unit %s failed before its monitor ran; “journalctl -u %s” tells why.", unit, unit);
      g_cancellable_cancel (machine->cancellable);
    }
}

/* --- stopping --- */

/* systemd refused to stop it: then it runs on, and those who wait are told. */
static void
stop_failed (Machine *machine, const GError *error)
{
  GQueue waiters = machine->waiters;
  GTask *task;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || machine->cleaning
      || machine->starting || machine->unit == NULL)
    return;

  g_queue_init (&machine->waiters);
  machine->stop_asked = FALSE;
  g_clear_handle_id (&machine->stop_timer, g_source_remove);
  machine_set_state (machine, machine->stop_from, "");
  while ((task = g_queue_pop_head (&waiters)) != NULL)
    {
      g_task_return_error (task, g_error_copy (error));
      g_object_unref (task);
    }
}

static void
on_stop_job (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Machine) machine = user_data;
  g_autoptr (GError) error = NULL;

  /* The unit's end is told by its watch. */
  if (!units_job_finish (TOMBOLO_UNITS (source), result, &error))
    stop_failed (machine, error);
}

/* systemd-nspawn turns the unit's stop signal into an orderly shutdown of the guest's init; to QEMU
 * it is the end. */
static void
stop_service (Machine *machine)
{
  units_job_async (machine->host->units, UNIT_STOP, machine->unit, machine->cancellable,
                   on_stop_job, g_object_ref (machine));
}

static void
on_killed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Machine) machine = user_data;
  g_autoptr (GError) error = NULL;

  if (units_call_finish (TOMBOLO_UNITS (source), result, &error)
      || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || machine->cleaning
      || machine->unit == NULL)
    return;

  /* Nothing to kill, perhaps; stopping it then succeeds at once. */
  log_notice (machine->name, "%s", error->message);
  stop_service (machine);
}

static void
kill_service (Machine *machine)
{
  units_kill_async (machine->host->units, machine->unit, machine->cancellable, on_killed,
                    g_object_ref (machine));
}

/* The unit of a container is being stopped already, and that takes too long. */
static gboolean
on_stop_timeout (gpointer user_data)
{
  Machine *machine = user_data;

  machine->stop_timer = 0;
  log_notice (machine->name, "Machine %s did not shut down in time and is ended by force",
              machine->name);
  if (machine->monitor == MONITOR_QEMU)
    stop_service (machine);
  else
    kill_service (machine);
  return G_SOURCE_REMOVE;
}

static void
on_thawed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Machine) machine = user_data;
  g_autoptr (GError) error = NULL;

  if (!units_call_finish (TOMBOLO_UNITS (source), result, &error))
    {
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
      log_warning (machine->name, "%s", error->message);
    }
  stop_service (machine);
}

static void
on_powerdown (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Machine *machine = TOMBOLO_MODEL_MACHINE (source);
  g_autoptr (GError) error = NULL;

  if (machine_qmp_finish (machine, result, NULL, &error)
      || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || machine->cleaning
      || machine->unit == NULL)
    return;

  log_warning (machine->name, "Machine %s cannot be asked to shut down: %s", machine->name,
               error->message);
  stop_service (machine);
}

static void
on_continued (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Machine *machine = TOMBOLO_MODEL_MACHINE (source);
  g_autoptr (GError) error = NULL;

  if (machine_qmp_finish (machine, result, NULL, &error) && !machine->cleaning
      && machine->unit != NULL)
    machine_qmp_async (machine, "system_powerdown", on_powerdown, NULL);
  else
    on_powerdown (source, result, NULL);
}

/* A guest that is held still cannot shut down. */
static void
ask_guest (Machine *machine, gboolean paused)
{
  if (machine->monitor == MONITOR_QEMU && paused)
    machine_qmp_async (machine, "cont", on_continued, NULL);
  else if (machine->monitor == MONITOR_QEMU)
    machine_qmp_async (machine, "system_powerdown", on_powerdown, NULL);
  else if (paused)
    units_freeze_async (machine->host->units, machine->unit, FALSE, machine->cancellable, on_thawed,
                        g_object_ref (machine));
  else
    stop_service (machine);
}

/* TRUE: `task` waits for the end, which is on its way. */
static gboolean
wait_for_end (Machine *machine, GTask *task)
{
  if (machine->state == MACHINE_STOPPED || machine->state == MACHINE_FAILED)
    {
      g_task_return_boolean (task, TRUE);
      return FALSE;
    }

  g_queue_push_tail (&machine->waiters, g_object_ref (task));
  machine->stop_asked = TRUE;
  if (machine->state == MACHINE_RUNNING || machine->state == MACHINE_PAUSED)
    machine->stop_from = machine->state;
  return TRUE;
}

static void
cancel_start (Machine *machine)
{
  machine_set_state (machine, MACHINE_STOPPING, "");
  g_cancellable_cancel (machine->cancellable);
}

void
machine_stop_async (Machine *machine, guint64 timeout_usec, GAsyncReadyCallback callback,
                    gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (machine, NULL, callback, user_data);
  MachineState state = machine->state;

  if (!wait_for_end (machine, task) || state == MACHINE_STOPPING)
    return;
  if (state == MACHINE_STARTING)
    {
      cancel_start (machine);
      return;
    }

  machine_set_state (machine, MACHINE_STOPPING, "");
  machine->stop_timer = g_timeout_add ((guint) (MIN (timeout_usec, LIMIT_STOP_TIME_USEC) / 1000),
                                       on_stop_timeout, machine);
  ask_guest (machine, state == MACHINE_PAUSED);
}

void
machine_kill_async (Machine *machine, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (machine, NULL, callback, user_data);
  MachineState state = machine->state;

  if (!wait_for_end (machine, task) || machine->cleaning)
    return;
  if (state == MACHINE_STARTING)
    {
      cancel_start (machine);
      return;
    }

  machine_set_state (machine, MACHINE_STOPPING, "");
  kill_service (machine);
}

/* --- restarting --- */

static void
on_restarted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (machine_act_finish (TOMBOLO_MODEL_MACHINE (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
on_stopped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Machine *machine = TOMBOLO_MODEL_MACHINE (source);
  GError *error = NULL;

  if (machine_act_finish (machine, result, &error))
    machine_start_async (machine, on_restarted, g_steal_pointer (&task));
  else
    g_task_return_error (task, error);
}

void
machine_restart_async (Machine *machine, guint64 timeout_usec, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (machine, NULL, callback, user_data);
  const GError *problem = machine_check_files (machine);

  /* Not stopped for nothing. */
  if (machine->entry == NULL)
    g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_NO_SUCH_MACHINE,
                             "Machine %s has no file any more; it cannot be started again.",
                             machine->name);
  else if (problem != NULL)
    g_task_return_error (task, g_error_copy (problem));
  else
    machine_stop_async (machine, timeout_usec, on_stopped, g_steal_pointer (&task));
}
