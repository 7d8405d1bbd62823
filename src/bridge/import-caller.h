/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One program in the guest that calls imported names: a channel of its own, which the host opens,
 * and a connection of its own to the host's bus, so that services tell such programs apart and see
 * them vanish. What comes from the guest is checked here: only calls, of imported names. */
#pragma once

#include "imports.h"

typedef struct ImportCaller ImportCaller;

/* Any may free the caller. */
typedef struct
{
  void (*opened) (ImportCaller *caller, void *user_data);
  void (*closed) (ImportCaller *caller, void *user_data); /* the end, once */
} ImportCallerHandlers;

/* Begins to open a channel for the program that the agent calls `id`. */
ImportCaller *import_caller_new (Imports *imports, uint32_t id,
                                 const ImportCallerHandlers *handlers, void *user_data);
void import_caller_free (ImportCaller *caller);

bool import_caller_is_open (const ImportCaller *caller);
