/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One program in the guest that calls imported names: its calls wait until the host has opened a
 * channel for it, pass with their serials unchanged, and are answered once. */
#pragma once

#include "connection.h"

typedef struct Import Import;
typedef struct Imports Imports;
typedef struct ImportCaller ImportCaller;

/* For the program with unique name `name`; the connection of `watcher` sees it leave. */
ImportCaller *import_caller_new (Imports *imports, uint32_t id, const char *name, Import *watcher);
/* Nobody is answered any more. */
void import_caller_free (ImportCaller *caller);

const char *import_caller_get_name (const ImportCaller *caller);
uint32_t import_caller_get_id (const ImportCaller *caller);
Import *import_caller_get_watcher (const ImportCaller *caller);

/* A METHOD_CALL that came through `import`. */
void import_caller_call (ImportCaller *caller, Import *import, const WireMessage *call);

/* Takes the channel, from within its `message`; false where there is one already. */
bool import_caller_accept (ImportCaller *caller, Connection *host);
/* To be called once the host knows that it was accepted: what waits goes on. */
void import_caller_send_waiting (ImportCaller *caller);

/* Fails all calls with `why`, a sentence; where nobody waits for the answers any more, `why` is
 * NULL. The caller is of no use any more. */
void import_caller_end (ImportCaller *caller, const char *why);

/* `import` is gone: its calls are forgotten. */
void import_caller_drop (ImportCaller *caller, const Import *import);

/* The guest's bus keeps up with an import no more, or again. */
void import_caller_update_flow (ImportCaller *caller);
