/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals in the guest, that tombolod asks for: the agent opens them, and its two descriptors
 * (the terminal, and a pipe with the exit status) cross as those of a message do. */
#pragma once

#include "bridge.h"

typedef struct Shells Shells;

Shells *shells_new (Bridge *bridge);
void shells_free (Shells *shells); /* NULL is allowed */

/* OpenShell() of org.tombolo.Bridge1, a call of tombolod, which is answered when the terminal is
 * there. */
void shells_open (Shells *shells, sd_bus_message *call);

/* A message of the agent's on the control channel: whether it is an answer to what was asked here.
 * Then `*ret_problem` is NULL, or what it broke, a constant. */
bool shells_take_message (Shells *shells, const WireMessage *message, const char **ret_problem);

/* The tunnel is down: whoever waits does so in vain. */
void shells_close (Shells *shells, const char *reason);
