/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking over a machine that an earlier tombolod started. Nothing here stops anything: what cannot
 * be taken over runs on, and the state's reason says what is missing. */
#include "machine-private.h"

#include "error.h"
#include "log.h"

#define NO_STATE                                                                                   \
  "It runs, but what tombolod knew of this start is lost (%s); restart the machine to have it "    \
  "back "                                                                                          \
  "in full."

/* Everything but QEMU's own answer is known. */
static void
take_over (Machine *machine, const UnitStatus *status, MachineState state)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *reason = NULL;

  machine->run = runtime_state_load (machine->host->state_directory, machine->name, &error);
  /* The invocation of a container changes when its guest reboots; that of QEMU never does. */
  if (machine->run != NULL && machine->run->monitor == MONITOR_QEMU
      && *machine->run->invocation != '\0'
      && !g_str_equal (machine->run->invocation, status->invocation))
    {
      g_clear_pointer (&machine->run, runtime_state_free);
      g_set_error_literal (&error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                           "it belongs to another start");
    }
  if (machine->run != NULL && machine->run->monitor != machine->monitor)
    {
      g_clear_pointer (&machine->run, runtime_state_free);
      g_set_error_literal (&error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                           "it belongs to another monitor");
    }

  if (machine->run == NULL)
    reason = g_strdup_printf (NO_STATE, error->message);
  else
    {
      g_free (machine->run->invocation);
      machine->run->invocation = g_strdup (status->invocation);
      if (machine->run->started == 0)
        machine->run->started = (guint64) g_get_real_time ();
    }

  machine_set_state (machine, state, reason != NULL ? reason : "");
}

static void
adopt_bridge (Machine *machine, gboolean bridged)
{
  if (bridged)
    {
      machine_watch_bridge (machine);
      machine_set_agent (machine, AGENT_CONNECTING, "", NULL);
    }
  else
    machine_start_bridge (machine);
}

static gboolean
was_bridged (GTask *task)
{
  return GPOINTER_TO_INT (g_task_get_task_data (task));
}

static void
on_qmp_status (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Machine *machine = TOMBOLO_MODEL_MACHINE (source);
  g_autoptr (GError) error = NULL;
  g_autofree char *status = NULL;

  if (machine_qmp_finish (machine, result, &status, &error))
    {
      if (g_str_equal (status, "paused") && machine->state == MACHINE_RUNNING)
        machine_set_state (machine, MACHINE_PAUSED, machine->reason);
    }
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
           && machine->state == MACHINE_RUNNING)
    {
      g_autofree char *reason =
          g_strdup_printf ("It runs, but its control socket does not answer: %s", error->message);

      machine_set_state (machine, MACHINE_RUNNING, reason);
    }

  if (machine->unit != NULL && !machine->cleaning)
    adopt_bridge (machine, was_bridged (task));
  g_task_return_boolean (task, TRUE);
}

static void
on_described (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Machine *machine = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (UnitStatus) status = units_query_finish (TOMBOLO_UNITS (source), result, &error);

  if (machine->cleaning || machine->unit == NULL)
    g_task_return_boolean (task, TRUE);
  else if (status == NULL)
    {
      machine_set_state (machine, MACHINE_RUNNING, error->message);
      g_task_return_boolean (task, TRUE);
    }
  else if (unit_status_is_over (status))
    {
      machine_end (machine, MACHINE_STOPPED, "");
      g_task_return_boolean (task, TRUE);
    }
  else if (g_str_equal (status->active_state, "deactivating"))
    {
      take_over (machine, status, MACHINE_STOPPING);
      g_task_return_boolean (task, TRUE);
    }
  else if (machine->monitor == MONITOR_QEMU)
    {
      take_over (machine, status, MACHINE_RUNNING);
      machine_qmp_async (machine, "query-status", on_qmp_status, g_steal_pointer (&task));
    }
  else
    {
      take_over (machine, status,
                 g_str_equal (status->freezer_state, "frozen") ? MACHINE_PAUSED : MACHINE_RUNNING);
      adopt_bridge (machine, was_bridged (task));
      g_task_return_boolean (task, TRUE);
    }
}

void
machine_adopt_async (Machine *machine, MonitorKind monitor, gboolean bridged,
                     GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (machine, NULL, callback, user_data);

  machine_begin_run (machine, monitor);
  machine->link_taken = TRUE;
  machine->unit_asked = TRUE;
  machine->bridged = bridged;
  g_task_set_task_data (task, GINT_TO_POINTER (bridged), NULL);
  machine_set_state (machine, MACHINE_RUNNING, "");
  units_query_async (machine->host->units, machine->unit, machine->cancellable, on_described, task);
}
