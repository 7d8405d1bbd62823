/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads and writes the files of the host CA's directory. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "identity.h"
#include "limit.h"

#define TEMPORARY_SUFFIX ".new"

/* Sets "“DIRECTORY/NAME” WHAT" with errno's words where `code` is not 0. */
static gboolean
store_fail (GError **error, int code, const char *directory, const char *name, const char *what)
{
  g_set_error (error, PKI_ERROR, PKI_ERROR_FILE, "“%s%s%s” %s%s%s", directory,
               name != NULL ? "/" : "", name != NULL ? name : "", what, code != 0 ? ": " : "",
               code != 0 ? g_strerror (code) : "");
  return FALSE;
}

int
store_open (const char *directory, GError **error)
{
  auto_fd fd = -1;
  struct stat status;

  if (mkdir (directory, 0700) < 0 && errno != EEXIST)
    {
      store_fail (error, errno, directory, NULL, "cannot be made");
      return -1;
    }

  fd = open (directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &status) < 0)
    {
      store_fail (error, errno, directory, NULL, "cannot be opened as a directory");
      return -1;
    }

  if (status.st_uid != geteuid () || (status.st_mode & 022) != 0)
    {
      store_fail (error, 0, directory, NULL,
                  "holds the host CA, but another user owns it or may write in it: give it to "
                  "tombolo's user, with mode 0700");
      return -1;
    }

  return fd_steal (&fd);
}

static gboolean
read_whole (int fd, gsize size, char **ret_text)
{
  g_autofree char *text = g_malloc (size + 1);
  gsize done = 0;

  while (done < size)
    {
      ssize_t n = TEMP_FAILURE_RETRY (read (fd, text + done, size - done));

      if (n <= 0)
        {
          explicit_bzero (text, done);
          errno = n < 0 ? errno : EIO;
          return FALSE;
        }
      done += (gsize) n;
    }

  text[size] = '\0';
  *ret_text = g_steal_pointer (&text);
  return TRUE;
}

gboolean
store_read (int directory_fd, const char *directory, const char *name, mode_t forbidden,
            char **ret_text, gsize *ret_size, GError **error)
{
  auto_fd fd = openat (directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat status;

  if (fd < 0 && errno == ENOENT)
    {
      *ret_text = NULL;
      *ret_size = 0;
      return TRUE;
    }
  if (fd < 0 || fstat (fd, &status) < 0)
    return store_fail (error, errno, directory, name, "cannot be opened");

  if (!S_ISREG (status.st_mode) || status.st_uid != geteuid ())
    return store_fail (error, 0, directory, name, "is not a regular file of tombolo's user");
  if ((status.st_mode & forbidden) != 0)
    return store_fail (error, 0, directory, name,
                       "is open to other users: where it may have been read or changed, remove "
                       "ca.key and ca.pem and restart tombolod and all machines, else correct its "
                       "mode (ca.key: 0600, ca.pem: 0644)");
  if (status.st_size <= 0 || (gsize) status.st_size > LIMIT_IDENTITY_SIZE)
    return store_fail (error, 0, directory, name, "is empty or too large");

  if (!read_whole (fd, (gsize) status.st_size, ret_text))
    return store_fail (error, errno, directory, name, "cannot be read");

  *ret_size = (gsize) status.st_size;
  return TRUE;
}

static int
write_whole (int fd, const char *text)
{
  gsize size = strlen (text), done = 0;

  while (done < size)
    {
      ssize_t n = TEMP_FAILURE_RETRY (write (fd, text + done, size - done));

      if (n < 0)
        return -1;
      done += (gsize) n;
    }

  return fsync (fd);
}

gboolean
store_prepare (int directory_fd, const char *directory, const char *name, mode_t mode,
               const char *text, GError **error)
{
  g_autofree char *temporary = g_strconcat (name, TEMPORARY_SUFFIX, NULL);
  auto_fd fd = -1;

  if (unlinkat (directory_fd, temporary, 0) < 0 && errno != ENOENT)
    return store_fail (error, errno, directory, temporary, "is in the way and cannot be removed");

  fd = openat (directory_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
               mode & 0600);
  /* The mode is set by hand: no umask may narrow or widen it. */
  if (fd < 0 || fchmod (fd, mode) < 0 || write_whole (fd, text) < 0)
    {
      int code = errno;

      unlinkat (directory_fd, temporary, 0);
      return store_fail (error, code, directory, temporary, "cannot be written");
    }

  return TRUE;
}

gboolean
store_commit (int directory_fd, const char *directory, const char *name, GError **error)
{
  g_autofree char *temporary = g_strconcat (name, TEMPORARY_SUFFIX, NULL);

  if (renameat2 (directory_fd, temporary, directory_fd, name, RENAME_NOREPLACE) < 0
      || fsync (directory_fd) < 0)
    return store_fail (error, errno, directory, name, "cannot be put in place");

  return TRUE;
}
