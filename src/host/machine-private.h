/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the machine model share among themselves: machine.c holds it, machine-start.c,
 * -stop.c, -pause.c, -bridge.c and -adopt.c work on it. */
#pragma once

#include "machine.h"
#include "qmp.h"
#include "runtime-state.h"

struct _Machine
{
  GObject parent;
  HostContext *host;
  char *name;
  MachineEntry *entry; /* NULL: no file */
  gboolean failed_by_file;

  MachineState state;
  char *reason;
  AgentState agent_state;
  char *agent_reason;
  GVariant *exports[N_GUEST_BUSES]; /* a{ss} */
  GStrv problems;                   /* what the bridge cannot do */
  GVariant *imports;                /* a(ssss); NULL: none */

  /* One start, from its first step until everything is cleaned up; else NULL and 0. */
  MonitorKind monitor;
  char *unit; /* its service */
  RuntimeState *run;
  GCancellable *cancellable; /* of every asynchronous call that belongs to this start */
  guint unit_watch;
  guint bridge_watch;
  Qmp *qmp; /* NULL while there is no connection */
  gboolean bridged;
  gboolean starting;   /* a start is under way and ends in machine-start.c, whatever happens */
  gboolean unit_asked; /* systemd was asked to start units */
  gboolean link_taken; /* a container took its end of the link along, so the next needs another */
  gboolean stop_asked; /* somebody wants it stopped: its end is no failure */
  gboolean kill_asked; /* its service is worth no orderly end */
  gboolean cleaning;
  char *start_problem;    /* why a start was cancelled by ourselves */
  MachineState end_state; /* what it becomes after cleaning, */
  char *end_reason;       /* and why */
  GQueue waiters;         /* GTask: those who wait for the end */
  guint stop_timer;
  MachineState stop_from; /* the state in which the stop was asked for */

  /* What QEMU says of itself, which a guest may have taken over. */
  gint64 last_event;
  guint event_timer; /* until the latest of too many events counts */
  MachineState event_state;
};

/* machine.c */
void machine_set_state (Machine *machine, MachineState state, const char *reason);
void machine_changed (Machine *machine);
/* Looks again for the files that the settings name, one of which may have come or gone since the
 * machine file was read. Why the machine cannot be started, or NULL. */
const GError *machine_check_files (Machine *machine);
/* Begins a start of `monitor`: watches its unit, makes the cancellable. */
void machine_begin_run (Machine *machine, MonitorKind monitor);
/* Forgets the start. */
void machine_forget_run (Machine *machine);
char *machine_get_qmp_path (Machine *machine);
/* The connection of this start is up: follow its events. */
void machine_set_qmp (Machine *machine, Qmp *qmp);

/* machine-stop.c */
/* The machine's service changed its active state. */
void machine_unit_changed (const char *unit, const char *active_state, gpointer user_data);
/* Removes whatever the start left, then takes state `end_state` and answers those who wait. */
void machine_end (Machine *machine, MachineState end_state, const char *reason);

/* machine-pause.c */
/* A command to QEMU, over the connection there is or a new one. */
void machine_qmp_async (Machine *machine, const char *command, GAsyncReadyCallback callback,
                        gpointer user_data);
gboolean machine_qmp_finish (Machine *machine, GAsyncResult *result, char **ret_status,
                             GError **error);
void machine_qmp_event (Machine *machine, const char *event);

/* machine-bridge.c */
void machine_start_bridge (Machine *machine);
void machine_watch_bridge (Machine *machine);
/* `exports` NULL: none, and no problems of the bridge either. */
void machine_set_agent (Machine *machine, AgentState state, const char *reason,
                        GVariant *const exports[N_GUEST_BUSES]);
