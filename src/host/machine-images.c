/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens the files that a QEMU machine's settings name: what they are is looked at through the
 * descriptor, never by path. */
#include "machine-images.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"
#include "limit.h"
#include "machine-file.h"

#define OPEN_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* What the thread works on: nothing that anybody else has. */
typedef struct
{
  char *path;
  gboolean read_only;
  guint line; /* of the machine file */
} File;

typedef struct
{
  char *file; /* the machine file */
  gboolean created;
  File kernel;
  File initrd;
  GArray *disks; /* File */
} Wanted;

static void
wanted_free (gpointer data)
{
  Wanted *wanted = data;

  g_free (wanted->file);
  g_free (wanted->kernel.path);
  g_free (wanted->initrd.path);
  for (guint i = 0; i < wanted->disks->len; i++)
    g_free (g_array_index (wanted->disks, File, i).path);
  g_array_unref (wanted->disks);
  g_free (wanted);
}

void
machine_images_free (MachineImages *images)
{
  fd_clear (&images->kernel);
  fd_clear (&images->initrd);
  for (guint i = 0; i < images->disks->len; i++)
    fd_clear (&g_array_index (images->disks, int, i));
  g_array_unref (images->disks);
  g_free (images);
}

static int G_GNUC_PRINTF (3, 4) fail (GError **error, const char *path, const char *format, ...)
{
  g_autofree char *why = NULL;
  va_list arguments;

  va_start (arguments, format);
  why = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS, "cannot use “%s”: %s.", path,
               why);
  return -1;
}

static int
fail_with_errno (GError **error, const char *path)
{
  if (errno == ELOOP)
    return fail (error, path, "it is a symbolic link; name the file itself");

  return fail (error, path, "%s", g_strerror (errno));
}

/* Component by component, each a directory that everybody may pass. */
static int
open_public (const char *path, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  guint n = g_strv_length (parts);
  auto_fd dir_fd = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct stat status;
  int fd;

  if (path[0] != '/' || *parts[n - 1] == '\0')
    return fail (error, path, "it is not the absolute path of a file");

  for (guint i = 1; i + 1 < n; i++)
    {
      int next;

      if (*parts[i] == '\0')
        continue;
      if (g_str_equal (parts[i], ".."))
        return fail (error, path, "it contains “..”");
      next = openat (dir_fd, parts[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (next < 0)
        return fail_with_errno (error, path);
      fd_clear (&dir_fd);
      dir_fd = next;
      if (fstat (dir_fd, &status) < 0 || (status.st_mode & S_IXOTH) == 0)
        return fail (error, path,
                     "not every local user may reach it, as a machine made over D-Bus "
                     "needs");
    }

  fd = openat (dir_fd, parts[n - 1], O_RDONLY | OPEN_FLAGS);
  return fd >= 0 ? fd : fail_with_errno (error, path);
}

/* In the kernel's own file systems the mode does not say who may read: /proc checks at each open,
 * and what tombolod may open there is more than its callers may. */
static gboolean
is_of_the_kernel (int fd)
{
  struct statfs status;

  if (fstatfs (fd, &status) < 0)
    return TRUE;

  return status.f_type == PROC_SUPER_MAGIC || status.f_type == SYSFS_MAGIC
         || status.f_type == CGROUP_SUPER_MAGIC || status.f_type == CGROUP2_SUPER_MAGIC
         || status.f_type == DEBUGFS_MAGIC || status.f_type == TRACEFS_MAGIC
         || status.f_type == SECURITYFS_MAGIC || status.f_type == BPF_FS_MAGIC;
}

static int
open_file (const File *file, gboolean created, gboolean block_device, struct stat *ret_status,
           GError **error)
{
  auto_fd fd = -1;

  if (created && !file->read_only)
    return fail (error, file->path,
                 "a machine made over D-Bus gets its disks read only; add “:ro”");

  fd = created ? open_public (file->path, error)
               : open (file->path, (file->read_only ? O_RDONLY : O_RDWR) | OPEN_FLAGS);
  if (fd < 0)
    return created ? -1 : fail_with_errno (error, file->path);

  if (fstat (fd, ret_status) < 0)
    return fail_with_errno (error, file->path);
  if (!S_ISREG (ret_status->st_mode)
      && !(block_device && !created && S_ISBLK (ret_status->st_mode)))
    return fail (error, file->path, "it is not a %s",
                 block_device && !created ? "file or block device" : "file");
  if (created && is_of_the_kernel (fd))
    return fail (error, file->path, "it is the kernel's, not a file");
  if (created && (ret_status->st_mode & S_IROTH) == 0)
    return fail (error, file->path,
                 "not every local user may read it, as a machine made over D-Bus needs");

  return fd_steal (&fd);
}

static int
copy_to_memory (int fd, gsize size, const char *path, GError **error)
{
  auto_fd copy = memfd_create ("tombolo-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  gsize done = 0;

  if (size > LIMIT_KERNEL_SIZE)
    return fail (error, path, "it has more than %zu bytes", LIMIT_KERNEL_SIZE);
  if (copy < 0)
    return fail_with_errno (error, path);

  while (done < size)
    {
      ssize_t n = sendfile (copy, fd, NULL, size - done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return fail_with_errno (error, path);
      if (n == 0)
        return fail (error, path, "it shrank while it was read");
      done += (gsize) n;
    }

  if (lseek (copy, 0, SEEK_SET) < 0 || fcntl (copy, F_ADD_SEALS, SEALS) < 0)
    return fail_with_errno (error, path);

  return fd_steal (&copy);
}

/* QEMU opens a kernel again, by the name of its descriptor, as a user of its own. */
static gboolean
open_boot_file (const File *file, gboolean created, int *ret_fd, GError **error)
{
  struct stat status;
  auto_fd fd = -1;

  if (file->path == NULL)
    return TRUE;

  fd = open_file (file, created, FALSE, &status, error);
  if (fd < 0)
    return FALSE;

  *ret_fd = (status.st_mode & S_IROTH) != 0
                ? fd_steal (&fd)
                : copy_to_memory (fd, (gsize) status.st_size, file->path, error);
  return *ret_fd >= 0;
}

/* The whole message, with file and line. */
static void
return_fault (GTask *task, const Wanted *wanted, const File *file, const GError *cause)
{
  GError *error = NULL;

  machine_file_fault (&error, wanted->file, file->line, "%s", cause->message);
  g_task_return_error (task, error);
}

static void
open_all (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const Wanted *wanted = task_data;
  g_autoptr (MachineImages) images = g_new0 (MachineImages, 1);
  const File *boot_files[] = { &wanted->kernel, &wanted->initrd };
  int *boot_fds[] = { &images->kernel, &images->initrd };
  g_autoptr (GError) error = NULL;

  images->kernel = images->initrd = -1;
  images->disks = g_array_new (FALSE, FALSE, sizeof (int));

  for (guint i = 0; i < G_N_ELEMENTS (boot_files); i++)
    if (!open_boot_file (boot_files[i], wanted->created, boot_fds[i], &error))
      {
        return_fault (task, wanted, boot_files[i], error);
        return;
      }

  for (guint i = 0; i < wanted->disks->len; i++)
    {
      const File *disk = &g_array_index (wanted->disks, File, i);
      struct stat status;
      int fd = open_file (disk, wanted->created, TRUE, &status, &error);

      if (fd < 0)
        {
          return_fault (task, wanted, disk, error);
          return;
        }
      g_array_append_val (images->disks, fd);
    }

  g_task_return_pointer (task, g_steal_pointer (&images), (GDestroyNotify) machine_images_free);
}

void
machine_images_open_async (const MachineSettings *settings, const char *file, gboolean created,
                           GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Wanted *wanted = g_new0 (Wanted, 1);

  wanted->file = g_strdup (file);
  wanted->created = created;
  wanted->kernel = (File){ g_strdup (settings->kernel), TRUE, settings->kernel_line };
  wanted->initrd = (File){ g_strdup (settings->initrd), TRUE, settings->initrd_line };
  wanted->disks = g_array_new (FALSE, FALSE, sizeof (File));
  for (guint i = 0; settings->disks != NULL && i < settings->disks->len; i++)
    {
      const MachineDisk *disk = settings->disks->pdata[i];
      File image = { g_strdup (disk->path), disk->read_only, disk->line };

      g_array_append_val (wanted->disks, image);
    }

  g_task_set_task_data (task, wanted, wanted_free);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, open_all);
}

MachineImages *
machine_images_open_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
