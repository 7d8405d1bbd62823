/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals that the host asks for on the control channel:
 *
 *   org.tombolo.Agent1.OpenShell (s user, as command, s term, u rows, u columns)
 *     -> (a(ys) descriptors: kind, token)
 *
 * The answer's two descriptors, the terminal and a pipe with the exit status, cross as those of a
 * message do (crossing.h). Who may is decided by tombolo-guest-shell. */
#pragma once

#include "agent-channel.h"

typedef struct AgentShells AgentShells;

AgentShells *agent_shells_new (Agent *agent, AgentChannel *channel);
void agent_shells_free (AgentShells *shells); /* NULL is allowed */

/* Whether the call was OpenShell; then it is answered, now or later. */
bool agent_shells_take_call (AgentShells *shells, const WireMessage *call);
