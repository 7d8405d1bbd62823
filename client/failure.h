/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What went wrong, as one line for people and an exit code for scripts. */
#pragma once

#include <gio/gio.h>

/* The exit codes of tomboloctl(1). */
typedef enum
{
  CLIENT_EXIT_DONE = 0,
  CLIENT_EXIT_FAILED = 1,
  CLIENT_EXIT_USAGE = 2,       /* options, arguments or settings are wrong */
  CLIENT_EXIT_NOT_FOUND = 3,   /* no machine of this name */
  CLIENT_EXIT_DENIED = 4,      /* not allowed, or somebody would have to authenticate */
  CLIENT_EXIT_NO_DAEMON = 5,   /* no system bus, or no tombolod on it */
  CLIENT_EXIT_UNREACHABLE = 6, /* the guest or its service cannot be reached now */
  CLIENT_EXIT_TIMED_OUT = 7,
} ClientExit;

/* The client's own errors: the codes are ClientExit. */
#define CLIENT_ERROR (client_error_quark ())
GQuark client_error_quark (void);

/* The D-Bus name of a remote error, or NULL for a local one. Free with g_free(). */
char *failure_get_name (const GError *error);

/* The exit code that the error stands for, and the line that tells of it: the message without
 * control characters, then what to do where the error's kind alone says so. Free with g_free(). */
ClientExit failure_describe (const GError *error, char **ret_line);

/* Writes “tomboloctl: LINE” to standard error, after “SUBJECT: ” where that is not NULL. */
ClientExit failure_report (const GError *error, const char *subject);
