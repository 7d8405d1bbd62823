/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `tombolo-launch container NAME`. */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control-group.h"
#include "descriptor.h"
#include "error.h"
#include "limit.h"
#include "link.h"

static gboolean
fail_errno (GError **error, const char *what, const char *path)
{
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS, "Cannot %s “%s”: %s.", what,
               path, g_strerror (errno));
  return FALSE;
}

/* Whoever can write here becomes root. */
static gboolean
check_trusted (int fd, const char *path, mode_t type, uid_t owner, GError **error)
{
  struct stat info;

  if (fstat (fd, &info) < 0)
    return fail_errno (error, "look at", path);
  if ((info.st_mode & S_IFMT) != type || info.st_uid != owner || (info.st_mode & 0022) != 0)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS,
                   "“%s” is not a %s that user %u alone may write; mend its owner and mode.", path,
                   type == S_IFDIR ? "directory" : "file", owner);
      return FALSE;
    }
  return TRUE;
}

/* The whole file, but not more than one byte too many: the parser says that it is too large. */
static gboolean
read_text (int fd, const char *path, GString *text, GError **error)
{
  gsize limit = LIMIT_MACHINE_FILE_SIZE + 1;

  while (text->len < limit)
    {
      char part[4096];
      ssize_t n = read (fd, part, MIN (sizeof part, limit - text->len));

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return fail_errno (error, "read", path);
      if (n == 0)
        break;
      g_string_append_len (text, part, n);
    }
  return TRUE;
}

MachineSettings *
container_read_settings (const char *directory, const char *name, uid_t owner, GError **error)
{
  g_autofree char *file = g_strconcat (name, ".machine", NULL);
  g_autofree char *path = g_build_filename (directory, file, NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (MachineSettings) settings = NULL;
  auto_fd directory_fd = -1;
  auto_fd fd = -1;

  if (!machine_name_validate (name, error))
    return NULL;

  directory_fd = open (directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory_fd < 0)
    {
      fail_errno (error, "open", directory);
      return NULL;
    }
  if (!check_trusted (directory_fd, directory, S_IFDIR, owner, error))
    return NULL;

  /* O_NONBLOCK: a FIFO must not hold us up before it is refused. */
  fd = openat (directory_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    {
      fail_errno (error, "open", path);
      return NULL;
    }
  if (!check_trusted (fd, path, S_IFREG, owner, error) || !read_text (fd, path, text, error))
    return NULL;

  settings = machine_settings_from_text (text->str, text->len, path, error);
  if (settings == NULL)
    return NULL;
  if (settings->monitor != MONITOR_CONTAINER)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS,
                   "“%s” is not a container's file: its Monitor= is another.", path);
      return NULL;
    }

  return g_steal_pointer (&settings);
}

static gboolean
check_identity (const char *credentials_directory, GError **error)
{
  g_autofree char *path =
      g_build_filename (credentials_directory != NULL ? credentials_directory : "",
                        MONITOR_IDENTITY_CREDENTIAL, NULL);
  struct stat info;

  if (credentials_directory == NULL || stat (path, &info) < 0 || info.st_size == 0)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_IDENTITY_FAILED,
                   "tombolod gave the container no identity; start it with tomboloctl.");
      return FALSE;
    }
  return TRUE;
}

gboolean
container_exec (const char *name, const MachineSettings *settings, GError **error)
{
  const char *credentials_directory = g_getenv ("CREDENTIALS_DIRECTORY");
  char interface[INTERFACE_NAME_SIZE];
  MonitorContainerContext context = {
    .name = name,
    .interface = interface,
    .credentials_directory = credentials_directory,
  };
  g_autoptr (MonitorCommand) command = NULL;

  machine_name_to_interface (name, TRUE, interface);

  if (settings->agent && !check_identity (credentials_directory, error))
    return FALSE;
  command = monitor_container_command (settings, &context, error);
  if (command == NULL || !control_group_limit (settings->memory, settings->cpus, error)
      || !link_take_along (interface, error))
    return FALSE;

  execv (command->argv->pdata[0], (char *const *) command->argv->pdata);
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED,
               "Cannot start %s: %s; is it installed?", (const char *) command->argv->pdata[0],
               g_strerror (errno));
  return FALSE;
}
