/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line of QMP, QEMU's control protocol. QEMU may have been taken over by its guest, so that
 * nothing in a line is believed. No I/O. */
#pragma once

#include <gio/gio.h>

typedef enum
{
  QMP_GREETING,
  QMP_RETURN, /* the answer of command `id` */
  QMP_ERROR,  /* command `id` failed, `text` says why */
  QMP_EVENT,  /* `text` is its name */
} QmpMessageKind;

typedef struct
{
  QmpMessageKind kind;
  gint64 id;
  char *text;   /* safe to log */
  char *status; /* of a QMP_RETURN: its member `status` (query-status), or NULL */
} QmpMessage;

void qmp_message_free (QmpMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QmpMessage, qmp_message_free)

/* `line` of `size` bytes, without its end. NULL with `error` set (G_IO_ERROR_INVALID_DATA) where it
 * is no such message or nested deeper than LIMIT_QMP_DEPTH. */
QmpMessage *qmp_message_parse (const char *line, gsize size, GError **error);

/* A command without arguments, with its line's end. */
char *qmp_command_format (const char *command, gint64 id);
