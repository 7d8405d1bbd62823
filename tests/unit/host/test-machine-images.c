/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which files a machine may use: the admin's rules, and those for machines made over D-Bus. */
#include "machine-images.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

typedef struct
{
  char *directory;
  GPtrArray *paths;
} Fixture;

static char *
make_file (Fixture *fixture, const char *name, mode_t mode)
{
  char *path = g_build_filename (fixture->directory, name, NULL);

  g_assert_true (g_file_set_contents (path, name, -1, NULL));
  g_assert_cmpint (chmod (path, mode), ==, 0);
  g_ptr_array_add (fixture->paths, path);
  return path;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("tombolo-XXXXXX", NULL);
  fixture->paths = g_ptr_array_new_with_free_func (g_free);
  g_assert_cmpint (chmod (fixture->directory, 0755), ==, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < fixture->paths->len; i++)
    g_remove (fixture->paths->pdata[i]);
  g_rmdir (fixture->directory);
  g_ptr_array_unref (fixture->paths);
  g_free (fixture->directory);
}

static void
on_open (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static MachineImages *
open_images (const char *kernel, const char *disk, gboolean created, GError **error)
{
  g_autofree char *text =
      g_strdup_printf ("[Machine]\nMonitor=qemu\n[Qemu]\nKernel=%s\n%s%s\n", kernel,
                       disk != NULL ? "Disk=" : "", disk != NULL ? disk : "");
  g_autoptr (MachineSettings) settings = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  GError *local_error = NULL;

  settings = machine_settings_from_text (text, strlen (text), "test", &local_error);
  g_assert_no_error (local_error);
  machine_images_open_async (settings, "test", created, NULL, on_open, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);

  return machine_images_open_finish (result, error);
}

static void
expect_good (const char *kernel, const char *disk, gboolean created)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MachineImages) images = open_images (kernel, disk, created, &error);

  g_assert_no_error (error);
  g_assert_cmpint (images->kernel, >=, 0);
  g_assert_cmpint (images->initrd, ==, -1);
  g_assert_cmpuint (images->disks->len, ==, disk != NULL ? 1 : 0);
}

static void
expect_refusal (const char *kernel, const char *disk, gboolean created, const char *word)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (open_images (kernel, disk, created, &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, word));
  g_assert_true (g_str_has_prefix (error->message, "test:4: ")
                 || g_str_has_prefix (error->message, "test:5: "));
}

static void
test_admin (Fixture *fixture, gconstpointer data)
{
  const char *kernel = make_file (fixture, "kernel", 0644);
  const char *disk = make_file (fixture, "disk", 0600);
  g_autofree char *raw = g_strconcat (disk, ":raw", NULL);
  g_autofree char *link = g_build_filename (fixture->directory, "link", NULL);
  g_autofree char *fifo = g_build_filename (fixture->directory, "fifo", NULL);

  g_assert_cmpint (symlink (kernel, link), ==, 0);
  g_assert_cmpint (mkfifo (fifo, 0644), ==, 0);
  expect_good (kernel, NULL, FALSE);
  expect_good (kernel, raw, FALSE);
  expect_refusal (link, NULL, FALSE, "symbolic link");
  expect_refusal (fifo, NULL, FALSE, "not a file");
  expect_refusal (fixture->directory, NULL, FALSE, "not a file");
  expect_refusal ("/dev/null", NULL, FALSE, "not a file");
  expect_refusal ("/nowhere/kernel", NULL, FALSE, "/nowhere/kernel");
  expect_refusal (kernel, "/dev/null:raw", FALSE, "not a file or block device");
  g_remove (link);
  g_remove (fifo);
}

/* QEMU runs as another user: what that one may not read comes as a sealed copy. */
static void
test_unreadable_kernel (Fixture *fixture, gconstpointer data)
{
  const char *kernel = make_file (fixture, "kernel", 0600);
  g_autoptr (GError) error = NULL;
  g_autoptr (MachineImages) images = open_images (kernel, NULL, FALSE, &error);
  char text[16];

  g_assert_no_error (error);
  g_assert_cmpint (fcntl (images->kernel, F_GET_SEALS), ==,
                   F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  g_assert_cmpint (read (images->kernel, text, sizeof text), ==, 6);
  g_assert_cmpmem (text, 6, "kernel", 6);
}

static void
test_created (Fixture *fixture, gconstpointer data)
{
  const char *kernel = make_file (fixture, "kernel", 0644);
  const char *secret = make_file (fixture, "secret", 0600);
  const char *disk = make_file (fixture, "disk", 0666);
  g_autofree char *writable = g_strconcat (disk, ":raw", NULL);
  g_autofree char *read_only = g_strconcat (disk, ":raw:ro", NULL);
  g_autofree char *link = g_strconcat (fixture->directory, "-link", NULL);
  g_autofree char *through_link = g_strconcat (link, "/kernel", NULL);

  expect_good (kernel, NULL, TRUE);
  expect_good (kernel, read_only, TRUE);
  expect_refusal (kernel, writable, TRUE, "read only");
  expect_refusal (secret, NULL, TRUE, "read it");

  g_assert_cmpint (symlink (fixture->directory, link), ==, 0);
  expect_good (through_link, NULL, FALSE);
  expect_refusal (through_link, NULL, TRUE, "cannot use");
  g_remove (link);

  g_assert_cmpint (chmod (fixture->directory, 0700), ==, 0);
  expect_good (kernel, NULL, FALSE);
  expect_refusal (kernel, NULL, TRUE, "reach it");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/host/machine-images/admin", Fixture, NULL, set_up, test_admin, tear_down);
  g_test_add ("/host/machine-images/unreadable-kernel", Fixture, NULL, set_up,
              test_unreadable_kernel, tear_down);
  g_test_add ("/host/machine-images/created", Fixture, NULL, set_up, test_created, tear_down);
  return g_test_run ();
}
