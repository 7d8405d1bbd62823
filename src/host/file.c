/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files: read with suspicion, written at once or not at all, for good. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"

static gboolean
fail_with_errno (GError **error, const char *path)
{
  int code = errno;

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code), "%s: %s", path,
               g_strerror (code));
  return FALSE;
}

static gboolean
check (int fd, const char *path, gsize limit, GError **error)
{
  struct stat status;

  if (fstat (fd, &status) < 0)
    return fail_with_errno (error, path);

  if (!S_ISREG (status.st_mode))
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED, "%s: this is not a regular file.",
                 path);
  else if ((status.st_mode & S_IWOTH) != 0)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                 "%s: everybody may write this file; run “chmod o-w” on it.", path);
  else if ((guint64) status.st_size > limit)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                 "%s: the file has %" G_GINT64_FORMAT " bytes, more than the %zu that are read.",
                 path, (gint64) status.st_size, limit);
  else
    return TRUE;

  return FALSE;
}

char *
file_read (const char *path, gsize limit, gsize *ret_size, GError **error)
{
  auto_fd fd = open (path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  g_autofree char *text = NULL;
  gsize size = 0;

  if (fd < 0 && errno == ELOOP)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                   "%s: this is a symbolic link; put the file itself here.", path);
      return NULL;
    }
  if (fd < 0)
    {
      fail_with_errno (error, path);
      return NULL;
    }
  if (!check (fd, path, limit, error))
    return NULL;

  /* One byte more than allowed: the file may grow while it is read. */
  text = g_malloc (limit + 2);
  while (size <= limit)
    {
      ssize_t n = read (fd, text + size, limit + 1 - size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          fail_with_errno (error, path);
          return NULL;
        }
      if (n == 0)
        break;
      size += (gsize) n;
    }
  if (size > limit)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED, "%s: the file grew past %zu bytes.",
                   path, limit);
      return NULL;
    }

  text[size] = '\0';
  *ret_size = size;
  return g_steal_pointer (&text);
}

static gboolean
write_all (int fd, const char *text, gsize size)
{
  for (gsize done = 0; done < size;)
    {
      ssize_t n = write (fd, text + done, size - done);

      if (n < 0 && errno != EINTR)
        return FALSE;
      if (n > 0)
        done += (gsize) n;
    }

  return TRUE;
}

static gboolean
write_file (const char *directory, const char *name, const char *text, gsize size, mode_t mode,
            unsigned int flags, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autofree char *pattern = g_strdup_printf (".%.100s.XXXXXX", name);
  g_autofree char *temporary = g_build_filename (directory, pattern, NULL);
  auto_fd dir_fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  auto_fd fd = -1;

  if (dir_fd < 0)
    return fail_with_errno (error, directory);
  fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return fail_with_errno (error, path);

  if (write_all (fd, text, size) && fchmod (fd, mode) == 0 && fsync (fd) == 0
      && renameat2 (AT_FDCWD, temporary, AT_FDCWD, path, flags) == 0)
    {
      if (fsync (dir_fd) == 0)
        return TRUE;
      return fail_with_errno (error, directory);
    }

  fail_with_errno (error, path);
  unlink (temporary);
  return FALSE;
}

gboolean
file_replace (const char *directory, const char *name, const char *text, gsize size, mode_t mode,
              GError **error)
{
  return write_file (directory, name, text, size, mode, 0, error);
}

gboolean
file_create (const char *directory, const char *name, const char *text, gsize size, mode_t mode,
             GError **error)
{
  return write_file (directory, name, text, size, mode, RENAME_NOREPLACE, error);
}

gboolean
file_remove (const char *directory, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  auto_fd dir_fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (dir_fd < 0 || unlinkat (dir_fd, name, 0) < 0 || fsync (dir_fd) < 0)
    return fail_with_errno (error, path);

  return TRUE;
}
