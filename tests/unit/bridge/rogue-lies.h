/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What test-rogue can say that no agent says, one lie a member. */
#pragma once

#include "connection.h"

/* Owners of the exported names, as the rogue tells. */
#define ROGUE_OWNER ":7.7"      /* of ECHO_NAME */
#define ROGUE_LAZY_OWNER ":7.8" /* of LAZY_NAME */
#define ROGUE_STRANGER ":7.66"  /* of nothing */

/* The channel on which an agent tells what is exported, once it is open. */
void rogue_set_agent (Connection *agent);

/* Tells the lie that bears the call's member; `name` is the call's argument, somebody's unique name
 * on the host's bus, or NULL. False: there is none of that name. */
bool rogue_lie (Connection *connection, const WireHeader *call, const char *name);

/* What the bridge has answered to lies that are calls. */
void rogue_take_answer (const WireHeader *answer);
/* The name of the last error, "" for an answer, "none" where nothing has come; forgets it. */
const char *rogue_steal_answer (void);
