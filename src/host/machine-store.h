/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Machine files on disk: the admin's in /etc, those made over D-Bus in /var. */
#pragma once

#include <glib.h>

#include "machine-settings.h"

#define MACHINE_FILE_SUFFIX ".machine"

typedef struct
{
  char *name; /* the file's, without suffix; where it is no machine's name, `error` says so */
  char *path;
  gboolean created;          /* made over D-Bus: in the second directory */
  MachineSettings *settings; /* NULL where `error` is set */
  GError *error;   /* TOMBOLO_ERROR_INVALID_SETTINGS, “FILE:LINE: …” where there is a line */
  GError *missing; /* so too: a file that the settings name is not there */
} MachineEntry;

void machine_entry_free (MachineEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MachineEntry, machine_entry_free)

/* Every NAME.machine of both directories: name -> MachineEntry. A broken file is an entry with an
 * error, and so is a second one with an alias of another. The admin's file wins over one made over
 * D-Bus. A directory that cannot be read is logged,
 * files past LIMIT_MACHINES too. */
GHashTable *machine_store_load (const char *admin_directory, const char *created_directory);

/* One file of those. */
MachineEntry *machine_entry_load (const char *directory, const char *file_name, gboolean created);

/* The entry of a machine made over D-Bus, which takes `settings`. */
MachineEntry *machine_entry_new_created (const char *directory, const char *name,
                                         MachineSettings *settings);

/* Why a machine of this entry cannot be started, or NULL. */
const GError *machine_entry_get_problem (const MachineEntry *entry);

/* Looks again whether the files that the settings name are there, which sets `missing`. */
void machine_entry_check_files (MachineEntry *entry);

/* Whether a machine made over D-Bus may have these settings. `file` is for the message. */
gboolean machine_store_check_created (const MachineSettings *settings, const char *file,
                                      GError **error);

/* Writes the file of a new machine. TOMBOLO_ERROR_MACHINE_EXISTS where there is one. */
gboolean machine_store_create (const char *directory, const char *name, const char *text,
                               GError **error);
gboolean machine_store_delete (const char *directory, const char *name, GError **error);

/* Whether the name leaves room for its sockets, whose paths the kernel limits. */
gboolean machine_store_check_name (const char *name, GError **error);
