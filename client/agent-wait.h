/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting until a machine's guest agent is connected. */
#pragma once

#include "host.h"

/* Waits, by signal, until the agent of the running machine is `connected`; `deadline` is monotonic
 * time. Fails when the time is over, the machine ends, has no agent, or tombolod goes. */
gboolean agent_wait (TomboloMachine *machine, gint64 deadline, GError **error);
