/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lines of a machine file: groups and entries, read strictly. The syntax is that of unit files
 * without their continuation lines: `[Group]`, `Key=Value`, comments after `#` or `;`. */
#pragma once

#include <glib.h>

typedef enum
{
  MACHINE_FILE_FAULT, /* the error is set */
  MACHINE_FILE_GROUP, /* `name` is the group's */
  MACHINE_FILE_ENTRY, /* `name` is the key, `value` its value */
  MACHINE_FILE_END,
} MachineFileItem;

typedef struct
{
  const char *file; /* for messages only */
  const char *next; /* the rest of the text */
  const char *end;
  guint line; /* of the item that was read last, from 1 */

  /* Of the item that was read last; the reader's. */
  char *name;
  char *value;
} MachineFileReader;

/* Begins to read `text`, which has to outlive the reader. A text of more than `limit` bytes is an
 * error. */
gboolean machine_file_reader_open (MachineFileReader *reader, const char *text, gsize size,
                                   gsize limit, const char *file, GError **error);

/* The next group or entry. Values have no blanks around them and are never empty; names are of
 * [A-Za-z0-9]; everything is valid UTF-8 without control characters. */
MachineFileItem machine_file_reader_next (MachineFileReader *reader, GError **error);

void machine_file_reader_clear (MachineFileReader *reader);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MachineFileReader, machine_file_reader_clear)

/* Sets `error` to “FILE:LINE: MESSAGE” (TOMBOLO_ERROR_INVALID_SETTINGS). Always FALSE. */
gboolean machine_file_fault (GError **error, const char *file, guint line, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

/* Whether `text` may be the name of a group or a key. */
gboolean machine_file_is_name (const char *text);
