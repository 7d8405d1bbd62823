/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Imports from within: what imports.c and import-caller.c share. */
#pragma once

#include "import-caller.h"
#include "imports.h"
#include "owned-name.h"

/* One imported name. */
struct Import
{
  Imports *imports;
  OwnedName *name;
};

struct Imports
{
  sd_event *event;
  char *bus_path;
  const GuestPolicy *policy;
  const ImportsOperations *operations;
  void *user_data;
  GPtrArray *list;     /* Import */
  bool connected;      /* the host has told what it offers */
  GHashTable *callers; /* unique name: ImportCaller */
  uint32_t last_id;
  size_t waiting_size; /* of all calls that wait for a channel */
};

Import *imports_find (const Imports *imports, const char *name);
/* The program's calls were all answered, and it has no channel any more. */
void imports_remove_caller (Imports *imports, ImportCaller *caller);
