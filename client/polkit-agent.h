/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* polkit's text agent (pkttyagent), which asks for passwords on the terminal. */
#pragma once

#include <glib.h>

/* Starts the agent for this process, once, where it can help: standard input is a terminal and the
 * user is not root. Returns when it is registered. TRUE where an agent of ours runs. */
gboolean polkit_agent_open (void);

/* Ends it. */
void polkit_agent_close (void);
