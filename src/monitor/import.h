/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One entry of Import= in a machine file: a name of the host's, or of another machine's, that the
 * guest gets on its own system bus.
 *
 *   NAME[:AS]@SOURCE
 *
 * Bus names have neither “@” nor “:”, and what stands behind the “@” is a machine name, which
 * may have colons, or “.host”: an entry can be read in one way only. */
#pragma once

#include <glib.h>

#define IMPORT_SOURCE_HOST ".host"

typedef struct
{
  char *name;   /* at the source */
  char *as;     /* in the guest */
  char *source; /* a machine, or IMPORT_SOURCE_HOST */
  guint line;   /* of the file, where the reader sets it */
} MachineImport;

void machine_import_free (MachineImport *import);

gboolean machine_import_is_of_host (const MachineImport *import);

/* The name on the host's system bus that stands for it. A machine's is the one that follows from
 * the names, for bridges alone can own it. Free with g_free(). */
char *machine_import_get_host_name (const MachineImport *import);

/* A SettingReader: adds the entry to the array of MachineImport at `member`. */
char *setting_read_import (const char *value, gpointer member);
