/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine: its settings, its state, and what can be done with it. The model: it knows no D-Bus
 * clients. */
#pragma once

#include <gio/gio.h>

#include "host-context.h"
#include "machine-store.h"

typedef enum
{
  MACHINE_STOPPED,
  MACHINE_STARTING,
  MACHINE_RUNNING,
  MACHINE_PAUSED,
  MACHINE_STOPPING,
  MACHINE_FAILED,
} MachineState;

typedef enum
{
  AGENT_NONE, /* the machine does not run or has no agent */
  AGENT_CONNECTING,
  AGENT_CONNECTED,
} AgentState;

/* The words of the D-Bus API. */
const char *machine_state_to_string (MachineState state);
const char *agent_state_to_string (AgentState state);

#define MACHINE_TYPE (machine_get_type ())
G_DECLARE_FINAL_TYPE (Machine, machine, TOMBOLO, MODEL_MACHINE, GObject)

/* Signals:
 *   changed (): something that a getter below tells. */

/* `name` may be none, where its file's is none: such a machine is failed for good. */
Machine *machine_new (HostContext *host, const char *name);

/* What the machine's file says now; NULL: it is gone. Takes the entry. Settings count from the next
 * start. */
void machine_set_entry (Machine *machine, MachineEntry *entry);

/* The file is gone and nothing runs: nobody needs the machine any more. */
gboolean machine_is_over (Machine *machine);

const char *machine_get_name (Machine *machine);
const char *machine_get_file (Machine *machine);
/* Made over D-Bus. */
gboolean machine_is_created (Machine *machine);
gboolean machine_is_autostarted (Machine *machine);
/* "" where the file is broken. */
const char *machine_get_description (Machine *machine);
const char *machine_get_monitor (Machine *machine);
char *machine_get_unit (Machine *machine); /* free with g_free() */
MachineState machine_get_state (Machine *machine);
const char *machine_get_reason (Machine *machine);
AgentState machine_get_agent_state (Machine *machine);
const char *machine_get_agent_reason (Machine *machine);
GVariant *machine_get_exports (Machine *machine, GuestBus bus); /* a{ss} */
const char *const *machine_get_problems (Machine *machine);     /* sentences */
/* The aliases of its file that need a bus policy of their own. Free with g_strfreev(). */
char **machine_get_outer_aliases (Machine *machine);
GVariant *machine_get_imports (Machine *machine); /* a(ssss) */
/* Of the start that runs; "" or 0 while none does. */
const char *machine_get_invocation (Machine *machine);
const char *machine_get_interface (Machine *machine);
guint64 machine_get_started (Machine *machine);
void machine_get_mac (Machine *machine, uint8_t ret[MAC_SIZE]);
/* What the running bridge was told of its machine (bridge-credential.h); NULL where none runs. */
const char *machine_get_bridge_credential (Machine *machine);
/* Whether `alias` is among its Alias= and SessionAlias=, as it `runs` or as its file says now. */
gboolean machine_has_alias (Machine *machine, const char *alias, gboolean runs);
/* Whether it has one outside of tombolo's prefixes, either way. */
gboolean machine_has_outer_alias (Machine *machine);
/* "" where there is no bridge. Free with g_free(). */
char *machine_get_bus_socket (Machine *machine, GuestBus bus);

/* The acts of the D-Bus API; each ends in machine_act_finish(), when the thing is done. Errors are
 * TOMBOLO_ERROR. */
void machine_start_async (Machine *machine, GAsyncReadyCallback callback, gpointer user_data);
void machine_stop_async (Machine *machine, guint64 timeout_usec, GAsyncReadyCallback callback,
                         gpointer user_data);
void machine_kill_async (Machine *machine, GAsyncReadyCallback callback, gpointer user_data);
void machine_restart_async (Machine *machine, guint64 timeout_usec, GAsyncReadyCallback callback,
                            gpointer user_data);
void machine_pause_async (Machine *machine, GAsyncReadyCallback callback, gpointer user_data);
void machine_resume_async (Machine *machine, GAsyncReadyCallback callback, gpointer user_data);
gboolean machine_act_finish (Machine *machine, GAsyncResult *result, GError **error);

/* Takes over what an earlier tombolod left running: the unit of `monitor` is active, and so is the
 * bridge where `bridged`. Ends in machine_act_finish() and always succeeds: what cannot be taken
 * over is left alone and told in the state's reason. */
void machine_adopt_async (Machine *machine, MonitorKind monitor, gboolean bridged,
                          GAsyncReadyCallback callback, gpointer user_data);

/* What the machine's bridge says. */
gboolean machine_report (Machine *machine, AgentState state, const char *reason,
                         GVariant *const exports[N_GUEST_BUSES], GVariant *problems,
                         GError **error);
/* `imports` is a(ssss), as the property has it. */
gboolean machine_report_imports (Machine *machine, GVariant *imports, GError **error);
/* The bridge that reported left the bus. */
void machine_bridge_vanished (Machine *machine);

/* The text of systemd credential `credential` for the machine's unit of `kind`; to be wiped. */
char *machine_get_credential (Machine *machine, MachineUnit kind, const char *credential,
                              gsize *ret_size, GError **error);
