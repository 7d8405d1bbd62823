/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the agent, which has no privileges, asks tombolo-guest-shell, which has all: a terminal as a
 * user, with a command or a log-in shell. It is one message of a SOCK_SEQPACKET socket, and so is
 * the answer: nothing but two descriptors (the terminal's master, and a pipe from which the exit
 * status is read as “N\n” at the end), or a sentence that says why not. */
#pragma once

#include <glib.h>

#include <stdint.h>

#define SHELL_SOCKET "/run/tombolo-guest/shell"

typedef struct
{
  char *user;
  char *term; /* the terminal's kind, $TERM */
  uint16_t rows, columns;
  char **command; /* empty: a log-in shell */
} ShellRequest;

void shell_request_free (ShellRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShellRequest, shell_request_free)

GByteArray *shell_request_write (const ShellRequest *request);
/* NULL with `error` set where the bytes are no request: TOMBOLO_ERROR_INVALID_ARGUMENT. */
ShellRequest *shell_request_read (const uint8_t *data, gsize size, GError **error);

/* Whether it can be asked at all: its texts are UTF-8 without control characters but for those of
 * arguments, no word too many. */
gboolean shell_request_check (const ShellRequest *request, GError **error);

/* The command as one line for a shell, or NULL where there is none. Free with g_free(). */
char *shell_request_to_line (const ShellRequest *request);
