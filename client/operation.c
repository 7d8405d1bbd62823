/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A method of org.tombolo.Host1.Machine on every machine that the command line names. */
#include "config.h"

#include "operation.h"

#include <glib/gi18n.h>

#include "agent-wait.h"
#include "host.h"
#include "polkit-agent.h"
#include "progress.h"

typedef struct
{
  const char *name;
  TomboloMachine *machine;
  Progress *progress; /* borrowed */
  gboolean running;
  GError *error;
} Task;

static void
task_clear (gpointer pointer)
{
  Task *task = pointer;

  if (task->machine != NULL)
    g_signal_handlers_disconnect_by_data (task->machine, task);
  g_clear_object (&task->machine);
  g_clear_error (&task->error);
}

static GVariant *
arguments_of (const Operation *operation, const Options *options)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));

  if (!operation->takes_options)
    return g_variant_new ("()");

  if (options->timeout >= 0)
    g_variant_builder_add (&builder, "{sv}", "timeout",
                           g_variant_new_uint64 ((guint64) options->timeout));
  return g_variant_new ("(a{sv})", &builder);
}

/* The state moves, so nobody is being asked for a password any more. */
static void
on_state (GObject *machine, GParamSpec *property, gpointer data)
{
  Task *task = data;

  progress_hold (task->progress, FALSE);
}

static void
on_reply (GObject *source, GAsyncResult *result, gpointer data)
{
  Task *task = data;
  g_autoptr (GVariant) reply =
      g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, &task->error);

  host_explain_error (&task->error);
  task->running = FALSE;
}

static void
task_begin (Task *task, const Operation *operation, const Options *options)
{
  GDBusCallFlags flags = options->ask_password ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION
                                               : G_DBUS_CALL_FLAGS_NONE;

  g_signal_connect (task->machine, "notify::state", G_CALLBACK (on_state), task);
  task->running = TRUE;
  g_dbus_proxy_call (G_DBUS_PROXY (task->machine), operation->method,
                     arguments_of (operation, options), flags, HOST_NO_TIMEOUT, NULL, on_reply,
                     task);
}

static gboolean
any_runs (GArray *tasks)
{
  for (guint i = 0; i < tasks->len; i++)
    if (g_array_index (tasks, Task, i).running)
      return TRUE;

  return FALSE;
}

/* The tasks never move in the array once they run. */
static GArray *
tasks_new (GDBusConnection *bus, const Options *options)
{
  guint n = options->words->len - 1;
  GArray *tasks = g_array_sized_new (FALSE, TRUE, sizeof (Task), n);

  g_array_set_clear_func (tasks, task_clear);
  for (guint i = 0; i < n; i++)
    {
      Task task = { .name = options_get_word (options, i) };

      task.machine = host_find_machine (bus, task.name, &task.error);
      g_array_append_val (tasks, task);
    }

  return tasks;
}

static void
run_all (GArray *tasks, const Operation *operation, const Options *options, const char *names)
{
  gboolean asks = options->ask_password && polkit_agent_open ();
  g_autofree char *text = g_strdup_printf ("%s: %s", names, _ (operation->progress));
  g_autoptr (Progress) progress = progress_new (text);

  progress_hold (progress, asks);
  for (guint i = 0; i < tasks->len; i++)
    {
      Task *task = &g_array_index (tasks, Task, i);

      task->progress = progress;
      if (task->machine != NULL)
        task_begin (task, operation, options);
    }
  while (any_runs (tasks))
    g_main_context_iteration (NULL, TRUE);

  for (guint i = 0; i < tasks->len; i++)
    {
      Task *task = &g_array_index (tasks, Task, i);

      if (task->machine != NULL)
        g_signal_handlers_disconnect_by_data (task->machine, task);
    }
}

static void
wait_for_agents (GArray *tasks, const Options *options)
{
  gint64 deadline = g_get_monotonic_time () + options->wait_agent_time;

  for (guint i = 0; i < tasks->len; i++)
    {
      Task *task = &g_array_index (tasks, Task, i);

      if (task->error == NULL)
        agent_wait (task->machine, deadline, &task->error);
    }
}

ClientExit
operation_run (const Operation *operation, const Options *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = host_connect (&error);
  g_autoptr (GArray) tasks = NULL;
  g_autofree char *names = g_strjoinv (", ", (char **) options->words->pdata);
  ClientExit first = CLIENT_EXIT_DONE;

  if (bus == NULL)
    return failure_report (error, NULL);

  tasks = tasks_new (bus, options);
  run_all (tasks, operation, options, names);
  if (operation->starts && options->wait_agent)
    wait_for_agents (tasks, options);

  for (guint i = 0; i < tasks->len; i++)
    {
      const Task *task = &g_array_index (tasks, Task, i);
      ClientExit code =
          task->error != NULL ? failure_report (task->error, task->name) : CLIENT_EXIT_DONE;

      if (first == CLIENT_EXIT_DONE)
        first = code;
    }

  return first;
}
