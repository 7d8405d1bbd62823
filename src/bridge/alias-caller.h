/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Callers on the host's bus: one for each unique name that has called an alias of one of the
 * guest's buses, until it leaves. */
#pragma once

#include "alias.h"

typedef struct AliasCaller AliasCaller;

/* A call that came to `alias`; its destination is the exported name already. */
void alias_caller_call (Bridge *bridge, Alias *alias, const WireMessage *call, FdList *fds);

/* A METHOD_RETURN or ERROR that came to `alias`, of a caller or of the bus in its place, with its
 * descriptors, which are taken or left. */
void alias_caller_answer (Bridge *bridge, Alias *alias, const WireMessage *answer, FdList *fds);
/* The same of one that may not pass; `problem` is half a sentence. */
void alias_caller_answer_bad (Bridge *bridge, Alias *alias, const WireHeader *answer,
                              const char *problem);

/* As caller_drop_origin(), for every caller. */
void alias_callers_drop (Bridge *bridge, Alias *alias, bool silently);

/* The host's bus does not keep up with `alias`: what the guest says to callers of it waits. */
void alias_callers_hold (Bridge *bridge, const Alias *alias);
/* It takes more again: callers none of whose aliases is full go on. */
void alias_callers_resume (Bridge *bridge, const Alias *alias);

/* For the hash tables of the bridge. */
void alias_caller_free (AliasCaller *caller);
