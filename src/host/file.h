/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files: read with suspicion, written at once or not at all, for good. */
#pragma once

#include <glib.h>

#include <sys/types.h>

/* The bytes of a regular file of at most `limit` bytes, with a zero behind them. A symbolic link, a
 * file that everybody may write, and anything that is no file is an error (TOMBOLO_ERROR_FAILED, or
 * G_FILE_ERROR for what the system says) whose message begins with the path. */
char *file_read (const char *path, gsize limit, gsize *ret_size, GError **error);

/* Writes `directory`/`name` through a temporary file “.NAME.XXXXXX”, synced to the disk, as its
 * directory is. The first replaces an older file, the second fails with G_FILE_ERROR_EXIST. */
gboolean file_replace (const char *directory, const char *name, const char *text, gsize size,
                       mode_t mode, GError **error);
gboolean file_create (const char *directory, const char *name, const char *text, gsize size,
                      mode_t mode, GError **error);

/* Removes the file and syncs its directory. */
gboolean file_remove (const char *directory, const char *name, GError **error);
