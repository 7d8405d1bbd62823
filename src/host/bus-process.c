/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which process stands behind a unique bus name. The bus knows the pid of whoever connected, and
 * the name lives as long as that connection does. */
#include "bus-process.h"

#include "error.h"
#include "name.h"

typedef struct
{
  Units *units;
  char *bus_name;
  char *unit;    /* NULL: whichever it is */
  char *machine; /* that of the unit, where it was searched for */
  guint32 pid;
} Question;

static void
question_free (gpointer data)
{
  Question *question = data;

  g_object_unref (question->units);
  g_free (question->bus_name);
  g_free (question->unit);
  g_free (question->machine);
  g_free (question);
}

static void
on_unit (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Question *question = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (UnitStatus) status = units_query_finish (TOMBOLO_UNITS (source), result, &error);

  if (status == NULL)
    g_task_return_error (task, error);
  else if (status->main_pid == question->pid && question->pid != 0)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_ACCESS_DENIED,
                             "Process %u is not the main process of unit %s.", question->pid,
                             question->unit);
}

/* A unit's processes are not all its own to speak for it: the main one is looked at as well. */
static void
on_unit_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Question *question = g_task_get_task_data (task);
  MachineUnit kind;
  GError *error = NULL;

  question->unit = units_find_by_pid_finish (TOMBOLO_UNITS (source), result, &error);
  if (question->unit == NULL)
    g_task_return_error (task, error);
  else if (!machine_name_from_unit (question->unit, &question->machine, &kind)
           || kind != MACHINE_UNIT_BRIDGE)
    g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_ACCESS_DENIED,
                             "Process %u belongs to unit %s, which is no bridge.", question->pid,
                             question->unit);
  else
    units_query_async (question->units, question->unit, NULL, on_unit, g_steal_pointer (&task));
}

static void
on_pid (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Question *question = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  g_variant_get (reply, "(u)", &question->pid);
  if (question->unit == NULL)
    units_find_by_pid_async (question->units, question->pid, NULL, on_unit_found,
                             g_steal_pointer (&task));
  else
    units_query_async (question->units, question->unit, NULL, on_unit, g_steal_pointer (&task));
}

/* `unit` NULL: finds it. */
static void
ask (GDBusConnection *bus, Units *units, const char *bus_name, const char *unit,
     GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);
  Question *question = g_new0 (Question, 1);

  question->units = g_object_ref (units);
  question->bus_name = g_strdup (bus_name);
  question->unit = g_strdup (unit);
  g_task_set_task_data (task, question, question_free);
  g_dbus_connection_call (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                          "org.freedesktop.DBus", "GetConnectionUnixProcessID",
                          g_variant_new ("(s)", bus_name), G_VARIANT_TYPE ("(u)"),
                          G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_pid, task);
}

void
bus_process_check_async (GDBusConnection *bus, Units *units, const char *bus_name, const char *unit,
                         GAsyncReadyCallback callback, gpointer user_data)
{
  ask (bus, units, bus_name, unit, callback, user_data);
}

gboolean
bus_process_check_finish (GAsyncResult *result, guint32 *ret_pid, GError **error)
{
  const Question *question = g_task_get_task_data (G_TASK (result));

  if (ret_pid != NULL)
    *ret_pid = question->pid;
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
bus_process_find_machine_async (GDBusConnection *bus, Units *units, const char *bus_name,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  ask (bus, units, bus_name, NULL, callback, user_data);
}

char *
bus_process_find_machine_finish (GAsyncResult *result, GError **error)
{
  Question *question = g_task_get_task_data (G_TASK (result));

  return g_task_propagate_boolean (G_TASK (result), error) ? g_steal_pointer (&question->machine)
                                                           : NULL;
}
