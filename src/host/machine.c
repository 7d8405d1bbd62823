/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine's settings, state and properties; what is done with it is in machine-*.c. */
#include "machine-private.h"

#include <string.h>

#include "error.h"
#include "limit.h"
#include "log.h"

enum
{
  SIGNAL_CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (Machine, machine, G_TYPE_OBJECT)

static const char *const state_names[] = {
  [MACHINE_STOPPED] = "stopped", [MACHINE_STARTING] = "starting", [MACHINE_RUNNING] = "running",
  [MACHINE_PAUSED] = "paused",   [MACHINE_STOPPING] = "stopping", [MACHINE_FAILED] = "failed",
};

static const char *const agent_state_names[] = {
  [AGENT_NONE] = "none",
  [AGENT_CONNECTING] = "connecting",
  [AGENT_CONNECTED] = "connected",
};

const char *
machine_state_to_string (MachineState state)
{
  return state_names[state];
}

const char *
agent_state_to_string (AgentState state)
{
  return agent_state_names[state];
}

static void
machine_dispose (GObject *object)
{
  Machine *machine = TOMBOLO_MODEL_MACHINE (object);

  machine_forget_run (machine);
  g_clear_pointer (&machine->entry, machine_entry_free);
  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    g_clear_pointer (&machine->exports[bus], g_variant_unref);
  g_clear_pointer (&machine->problems, g_strfreev);
  g_clear_pointer (&machine->imports, g_variant_unref);
  g_clear_pointer (&machine->reason, g_free);
  g_clear_pointer (&machine->agent_reason, g_free);
  G_OBJECT_CLASS (machine_parent_class)->dispose (object);
}

static void
machine_finalize (GObject *object)
{
  g_free (TOMBOLO_MODEL_MACHINE (object)->name);
  G_OBJECT_CLASS (machine_parent_class)->finalize (object);
}

static void
machine_class_init (MachineClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = machine_dispose;
  G_OBJECT_CLASS (klass)->finalize = machine_finalize;
  signals[SIGNAL_CHANGED] = g_signal_new ("changed", MACHINE_TYPE, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                          NULL, G_TYPE_NONE, 0);
}

static GVariant *
no_exports (void)
{
  return g_variant_ref_sink (g_variant_new ("a{ss}", NULL));
}

static void
machine_init (Machine *machine)
{
  g_queue_init (&machine->waiters);
  machine->reason = g_strdup ("");
  machine->agent_reason = g_strdup ("");
  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    machine->exports[bus] = no_exports ();
  machine->problems = g_new0 (char *, 1);
}

Machine *
machine_new (HostContext *host, const char *name)
{
  Machine *machine = g_object_new (MACHINE_TYPE, NULL);

  machine->host = host;
  machine->name = g_strdup (name);
  return machine;
}

void
machine_changed (Machine *machine)
{
  g_signal_emit (machine, signals[SIGNAL_CHANGED], 0);
}

void
machine_set_state (Machine *machine, MachineState state, const char *reason)
{
  g_autofree char *name = log_text (machine->name, LIMIT_MACHINE_NAME_LENGTH);
  g_autofree char *old_reason = NULL;

  if (machine->state == state && g_str_equal (machine->reason, reason))
    return;

  machine->state = state;
  machine->failed_by_file = FALSE;
  old_reason = machine->reason; /* it may be the new one */
  machine->reason = g_strdup (reason);

  if (state == MACHINE_FAILED)
    log_message (LOG_LEVEL_ERROR, name, LOG_ID_MACHINE_FAILED, "Machine %s failed: %s", name,
                 reason);
  else
    log_message (*reason == '\0' ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, name, LOG_ID_MACHINE_STATE,
                 "Machine %s is %s%s%s", name, state_names[state], *reason != '\0' ? ": " : "",
                 reason);
  machine_changed (machine);
}

static gboolean
machine_rests (Machine *machine)
{
  return machine->state == MACHINE_STOPPED || machine->state == MACHINE_FAILED;
}

/* The state of a machine that does not run follows its file. */
static void
follow_file (Machine *machine)
{
  const GError *problem =
      machine->entry != NULL ? machine_entry_get_problem (machine->entry) : NULL;

  if (!machine_rests (machine))
    return;

  if (problem != NULL)
    {
      machine_set_state (machine, MACHINE_FAILED, problem->message);
      machine->failed_by_file = TRUE;
    }
  else if (machine->failed_by_file)
    machine_set_state (machine, MACHINE_STOPPED, "");
}

const GError *
machine_check_files (Machine *machine)
{
  if (machine->entry == NULL)
    return NULL;

  machine_entry_check_files (machine->entry);
  follow_file (machine);
  return machine_entry_get_problem (machine->entry);
}

void
machine_set_entry (Machine *machine, MachineEntry *entry)
{
  g_autoptr (Machine) keep = g_object_ref (machine); /* without a file it may be dropped */

  g_clear_pointer (&machine->entry, machine_entry_free);
  machine->entry = entry;
  follow_file (machine);
  machine_changed (machine);
}

gboolean
machine_is_over (Machine *machine)
{
  return machine->entry == NULL && machine_rests (machine);
}

void
machine_begin_run (Machine *machine, MonitorKind monitor)
{
  machine_forget_run (machine);
  machine->monitor = monitor;
  machine->link_taken = FALSE;
  machine->unit = machine_name_to_unit (
      machine->name, monitor == MONITOR_QEMU ? MACHINE_UNIT_QEMU : MACHINE_UNIT_CONTAINER);
  machine->cancellable = g_cancellable_new ();
  machine->unit_watch =
      units_watch (machine->host->units, machine->unit, machine_unit_changed, machine);
}

void
machine_forget_run (Machine *machine)
{
  if (machine->unit_watch != 0)
    units_unwatch (machine->host->units, machine->unit_watch);
  if (machine->bridge_watch != 0)
    units_unwatch (machine->host->units, machine->bridge_watch);
  machine->unit_watch = machine->bridge_watch = 0;
  g_clear_handle_id (&machine->stop_timer, g_source_remove);
  g_clear_handle_id (&machine->event_timer, g_source_remove);

  if (machine->cancellable != NULL)
    g_cancellable_cancel (machine->cancellable);
  g_clear_object (&machine->cancellable);
  machine_set_qmp (machine, NULL);

  g_clear_pointer (&machine->unit, g_free);
  g_clear_pointer (&machine->run, runtime_state_free);
  g_clear_pointer (&machine->start_problem, g_free);
  g_clear_pointer (&machine->end_reason, g_free);
  machine->bridged = machine->starting = machine->unit_asked = FALSE;
  machine->stop_asked = machine->kill_asked = machine->cleaning = FALSE;
}

static void
on_qmp_event (Qmp *qmp, const char *event, gpointer user_data)
{
  machine_qmp_event (user_data, event);
}

/* Mostly because QEMU ended, which its unit tells as well. A new connection is made when there is
 * something to say. */
static void
on_qmp_closed (Qmp *qmp, const char *reason, gpointer user_data)
{
  Machine *machine = user_data;

  log_debug (machine->name, "The control connection to QEMU ended: %s", reason);
  machine_set_qmp (machine, NULL);
}

void
machine_set_qmp (Machine *machine, Qmp *qmp)
{
  if (machine->qmp != NULL)
    {
      g_signal_handlers_disconnect_by_data (machine->qmp, machine);
      qmp_close (machine->qmp);
    }
  g_clear_object (&machine->qmp);

  if (qmp == NULL)
    return;
  machine->qmp = g_object_ref (qmp);
  g_signal_connect (qmp, "event", G_CALLBACK (on_qmp_event), machine);
  g_signal_connect (qmp, "closed", G_CALLBACK (on_qmp_closed), machine);
}

void
machine_set_agent (Machine *machine, AgentState state, const char *reason,
                   GVariant *const exports[N_GUEST_BUSES])
{
  if (state != AGENT_CONNECTED)
    g_clear_pointer (&machine->imports, g_variant_unref);
  machine->agent_state = state;
  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      g_autoptr (GVariant) old = machine->exports[bus];

      machine->exports[bus] = exports != NULL ? g_variant_ref_sink (exports[bus]) : no_exports ();
    }
  if (exports == NULL)
    {
      g_strfreev (machine->problems);
      machine->problems = g_new0 (char *, 1);
    }
  g_free (machine->agent_reason);
  machine->agent_reason = g_strdup (reason);
  machine_changed (machine);
}

gboolean
machine_act_finish (Machine *machine, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- getters --- */

const char *
machine_get_name (Machine *machine)
{
  return machine->name;
}

const char *
machine_get_file (Machine *machine)
{
  return machine->entry != NULL ? machine->entry->path : "";
}

gboolean
machine_is_created (Machine *machine)
{
  return machine->entry != NULL && machine->entry->created;
}

static const MachineSettings *
get_settings (Machine *machine)
{
  return machine->entry != NULL ? machine->entry->settings : NULL;
}

gboolean
machine_is_autostarted (Machine *machine)
{
  return get_settings (machine) != NULL && get_settings (machine)->autostart;
}

const char *
machine_get_description (Machine *machine)
{
  const MachineSettings *settings = get_settings (machine);

  return settings != NULL && settings->description != NULL ? settings->description : "";
}

const char *
machine_get_monitor (Machine *machine)
{
  const MachineSettings *settings = get_settings (machine);
  MonitorKind monitor = machine->unit != NULL ? machine->monitor
                        : settings != NULL    ? settings->monitor
                                              : MONITOR_QEMU;

  if (machine->unit == NULL && settings == NULL)
    return "";

  return monitor == MONITOR_QEMU ? "qemu" : "container";
}

char *
machine_get_unit (Machine *machine)
{
  const MachineSettings *settings = get_settings (machine);

  if (machine->unit != NULL)
    return g_strdup (machine->unit);
  if (settings == NULL)
    return g_strdup ("");

  return machine_name_to_unit (machine->name, settings->monitor == MONITOR_QEMU
                                                  ? MACHINE_UNIT_QEMU
                                                  : MACHINE_UNIT_CONTAINER);
}

MachineState
machine_get_state (Machine *machine)
{
  return machine->state;
}

const char *
machine_get_reason (Machine *machine)
{
  return machine->reason;
}

AgentState
machine_get_agent_state (Machine *machine)
{
  return machine->agent_state;
}

const char *
machine_get_agent_reason (Machine *machine)
{
  return machine->agent_reason;
}

GVariant *
machine_get_exports (Machine *machine, GuestBus bus)
{
  return machine->exports[bus];
}

const char *
machine_get_invocation (Machine *machine)
{
  return machine->run != NULL ? machine->run->invocation : "";
}

const char *
machine_get_interface (Machine *machine)
{
  return machine->run != NULL ? machine->run->interface : "";
}

guint64
machine_get_started (Machine *machine)
{
  return machine->run != NULL ? machine->run->started : 0;
}

void
machine_get_mac (Machine *machine, uint8_t ret[MAC_SIZE])
{
  machine_name_to_mac (machine->name, "control", ret);
}

const char *const *
machine_get_problems (Machine *machine)
{
  return (const char *const *) machine->problems;
}

const char *
machine_get_bridge_credential (Machine *machine)
{
  return machine->run != NULL && machine->run->agent ? machine->run->bridge_credential : NULL;
}

typedef gboolean (*AliasTest) (const char *alias, gconstpointer data);

/* Over the aliases of the bridge that runs, which were written for it when the machine started. */
static gboolean
any_running_alias (Machine *machine, AliasTest test, gconstpointer data)
{
  g_auto (GStrv) lines = NULL;

  if (machine->run == NULL || machine->run->bridge_credential == NULL)
    return FALSE;

  lines = g_strsplit (machine->run->bridge_credential, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if ((g_str_has_prefix (lines[i], "Alias=") || g_str_has_prefix (lines[i], "SessionAlias="))
        && strchr (lines[i], ':') != NULL && test (strchr (lines[i], ':') + 1, data))
      return TRUE;

  return FALSE;
}

static gboolean
any_alias (Machine *machine, AliasTest test, gconstpointer data)
{
  const MachineSettings *settings = get_settings (machine);

  for (GuestBus bus = 0; settings != NULL && bus < N_GUEST_BUSES; bus++)
    for (guint i = 0; i < settings->aliases[bus]->len; i++)
      if (test (((MachineAlias *) settings->aliases[bus]->pdata[i])->alias, data))
        return TRUE;

  return FALSE;
}

static gboolean
alias_is (const char *alias, gconstpointer data)
{
  return g_str_equal (alias, data);
}

static gboolean
alias_is_outer (const char *alias, gconstpointer data)
{
  GuestBus bus;

  return guest_bus_split_prefix (alias, &bus) == NULL;
}

char **
machine_get_outer_aliases (Machine *machine)
{
  const MachineSettings *settings = get_settings (machine);
  GPtrArray *aliases = g_ptr_array_new ();

  for (GuestBus bus = 0; settings != NULL && bus < N_GUEST_BUSES; bus++)
    for (guint i = 0; i < settings->aliases[bus]->len; i++)
      {
        const MachineAlias *alias = settings->aliases[bus]->pdata[i];

        if (alias_is_outer (alias->alias, NULL))
          g_ptr_array_add (aliases, g_strdup (alias->alias));
      }

  g_ptr_array_add (aliases, NULL);
  return (char **) g_ptr_array_free (aliases, FALSE);
}

gboolean
machine_has_alias (Machine *machine, const char *alias, gboolean runs)
{
  return runs ? any_running_alias (machine, alias_is, alias) : any_alias (machine, alias_is, alias);
}

gboolean
machine_has_outer_alias (Machine *machine)
{
  return any_running_alias (machine, alias_is_outer, NULL)
         || any_alias (machine, alias_is_outer, NULL);
}

char *
machine_get_bus_socket (Machine *machine, GuestBus bus)
{
  g_autofree char *file_name = NULL;

  if (!machine->bridged)
    return g_strdup ("");

  file_name = machine_name_to_bus_socket (machine->name, bus);
  return g_build_filename (machine->host->bus_directory, file_name, NULL);
}

char *
machine_get_qmp_path (Machine *machine)
{
  return g_build_filename (machine->host->qmp_directory, machine->name, NULL);
}
