/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of the host CA's directory: read only where nobody else could have written or read
 * them, written atomically and durably, never over another. Errors are PKI_ERROR_FILE, sentences
 * with the file's whole path. */
#pragma once

#include <glib.h>

#include <sys/types.h>

/* Opens `directory`, which it makes with mode 0700 where only the last element is missing. It must
 * be this user's and writable by nobody else. Returns a descriptor, or -1 with `error` set. */
int store_open (const char *directory, GError **error);

/* Reads the file `name` of the directory. `forbidden` are the mode bits that it may not have. A
 * file that is not there is no error: `*ret_text` is NULL then. */
gboolean store_read (int directory_fd, const char *directory, const char *name, mode_t forbidden,
                     char **ret_text, gsize *ret_size, GError **error);

/* Writes `text` to the file `name` + ".new", durably, over what a start that was interrupted left
 * there. */
gboolean store_prepare (int directory_fd, const char *directory, const char *name, mode_t mode,
                        const char *text, GError **error);

/* Gives the prepared file its name, unless a file bears it, and makes that durable. */
gboolean store_commit (int directory_fd, const char *directory, const char *name, GError **error);
