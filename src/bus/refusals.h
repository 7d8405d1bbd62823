/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts what was refused since the start, also where the log has had enough of it, and shows it as
 * the unit's status (“systemctl status”). */
#pragma once

#include <systemd/sd-event.h>

typedef enum
{
  REFUSED_HANDSHAKE, /* one end did not take the other for what it should be */
  REFUSED_MESSAGE,   /* of the other end of the tunnel, against the rules */
  REFUSED_CALL,      /* by polkit, or over a limit */
  REFUSED_CLIENT,    /* of the bus socket */
  N_REFUSALS
} RefusalKind;

typedef struct Refusals Refusals;

/* `state`, a constant, is what the status begins with. */
Refusals *refusals_new (sd_event *event, const char *state);
void refusals_free (Refusals *refusals);

void refusals_set_state (Refusals *refusals, const char *state);
void refusals_count (Refusals *refusals, RefusalKind kind);
