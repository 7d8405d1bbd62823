/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd credentials. */
#include "credential.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "descriptor.h"

/* Reads at most `size` bytes. */
static gssize
read_all (int fd, char *data, gsize size)
{
  gsize done = 0;

  while (done < size)
    {
      ssize_t n = read (fd, data + done, size - done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return -1;
      if (n == 0)
        break;
      done += (gsize) n;
    }

  return (gssize) done;
}

char *
credential_load (const char *name, gsize limit, gsize *ret_size, GError **error)
{
  const char *directory = g_getenv ("CREDENTIALS_DIRECTORY");
  g_autofree char *path = NULL;
  auto_fd fd = -1;
  char *text;
  gssize size;

  if (directory == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                   "There is no credential %s: CREDENTIALS_DIRECTORY is not set, so this was not "
                   "started by its systemd unit, or the machine got no credentials from tombolo.",
                   name);
      return NULL;
    }

  path = g_build_filename (directory, name, NULL);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                   "There is no credential %s (%s): the machine was not started by tombolo, or, in "
                   "a QEMU guest, the kernel module qemu_fw_cfg was not there when it booted.",
                   name, g_strerror (errno));
      return NULL;
    }

  text = g_malloc (limit + 2);
  size = read_all (fd, text, limit + 1);
  if (size < 0 || (gsize) size > limit)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "Credential %s %s.", name,
                   size < 0 ? "cannot be read" : "is too large");
      credential_free (text, limit + 1);
      return NULL;
    }

  text[size] = '\0';
  *ret_size = (gsize) size;
  return text;
}

void
credential_free (char *text, gsize size)
{
  if (text != NULL)
    explicit_bzero (text, size);
  g_free (text);
}
