/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of a systemd unit, read from its properties. No I/O. */
#pragma once

#include <glib.h>

/* What is known of a unit at one moment. */
typedef struct
{
  char *active_state; /* systemd's words: "active", "inactive", "failed", "activating", … */
  char *sub_state;    /* "running", "auto-restart", … */
  char *freezer_state;
  char *result;       /* of a service: "success", "exit-code", "signal", … or empty */
  char *invocation;   /* 32 hexadecimal digits, or empty */
  guint32 main_pid;   /* 0: none */
  gint32 exit_code;   /* CLD_EXITED, CLD_KILLED or CLD_DUMPED of the main process; 0: none yet */
  gint32 exit_status; /* its exit code or signal */
} UnitStatus;

void unit_status_free (UnitStatus *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (UnitStatus, unit_status_free)

/* From the properties (a{sv}) of a unit and its type, of which any may be missing. */
UnitStatus *unit_status_new (GVariant *properties);

/* Neither running nor about to run: a unit that waits for its automatic restart is not over. */
gboolean unit_status_is_over (const UnitStatus *status);

/* Why a service that is over ended, such as “exit code 1” or “signal 9”; NULL where it ended well.
 * Free with g_free(). */
char *unit_status_describe_failure (const UnitStatus *status);
