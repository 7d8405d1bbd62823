/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read and what is refused, and that writing leaves the old file or the new one. */
#include "file.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

typedef struct
{
  char *directory;
  char *path;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("tombolo-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->directory, "file", NULL);
}

static guint
count_files (Fixture *fixture)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->directory, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->directory, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->directory, name, NULL);

      g_remove (path);
    }
  g_rmdir (fixture->directory);
  g_free (fixture->directory);
  g_free (fixture->path);
}

static void
expect_refusal (const char *path, gsize limit, const char *word)
{
  g_autoptr (GError) error = NULL;
  gsize size;

  g_assert_null (file_read (path, limit, &size, &error));
  g_assert_nonnull (error);
  g_assert_true (g_str_has_prefix (error->message, path));
  g_assert_nonnull (strstr (error->message, word));
}

static void
test_read (Fixture *fixture, gconstpointer data)
{
  g_autofree char *link = g_build_filename (fixture->directory, "link", NULL);
  g_autofree char *fifo = g_build_filename (fixture->directory, "fifo", NULL);
  g_autofree char *text = NULL;
  gsize size;

  expect_refusal (fixture->path, 10, "No such file");
  g_assert_true (g_file_set_contents (fixture->path, "a\0b", 3, NULL));
  text = file_read (fixture->path, 3, &size, NULL);
  g_assert_cmpmem (text, size, "a\0b", 3);

  expect_refusal (fixture->path, 2, "more than the 2");
  expect_refusal (fixture->directory, 10, "regular");
  g_assert_cmpint (symlink (fixture->path, link), ==, 0);
  expect_refusal (link, 10, "symbolic link");
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  expect_refusal (fifo, 10, "regular"); /* and does not wait for a writer */
  g_assert_cmpint (chmod (fixture->path, 0646), ==, 0);
  expect_refusal (fixture->path, 10, "chmod o-w");
}

static void
test_write (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  struct stat status;

  g_assert_true (file_create (fixture->directory, "file", "one", 3, 0640, &error));
  g_assert_no_error (error);
  g_assert_cmpint (stat (fixture->path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 07777, ==, 0640);

  g_assert_false (file_create (fixture->directory, "file", "two", 3, 0600, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_EXIST);
  g_clear_error (&error);
  g_assert_true (g_file_get_contents (fixture->path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "one");
  g_assert_cmpuint (count_files (fixture), ==, 1);

  g_clear_pointer (&text, g_free);
  g_assert_true (file_replace (fixture->directory, "file", "three", 5, 0600, &error));
  g_assert_true (g_file_get_contents (fixture->path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "three");
  g_assert_cmpuint (count_files (fixture), ==, 1);

  g_assert_true (file_remove (fixture->directory, "file", &error));
  g_assert_false (file_remove (fixture->directory, "file", &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

/* No directory, no file. */
static void
test_no_directory (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (file_replace ("/nowhere/at-all", "file", "x", 1, 0600, &error));
  g_assert_nonnull (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/host/file/read", Fixture, NULL, set_up, test_read, tear_down);
  g_test_add ("/host/file/write", Fixture, NULL, set_up, test_write, tear_down);
  g_test_add ("/host/file/no-directory", Fixture, NULL, set_up, test_no_directory, tear_down);
  return g_test_run ();
}
