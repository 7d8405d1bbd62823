/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which files tombolo-launch believes when it runs as root. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"
#include "error.h"
#include "limit.h"

#define GOOD "[Machine]\nMonitor=container\n[Container]\nRoot=/srv/work\n"

typedef struct
{
  char *directory;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("tombolo-XXXXXX", NULL);
  g_assert_no_errno (chmod (fixture->directory, 0755));
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDir) directory = NULL;
  const char *name;

  g_chmod (fixture->directory, 0755);
  directory = g_dir_open (fixture->directory, 0, NULL);
  while ((name = g_dir_read_name (directory)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->directory, name, NULL);

      g_remove (path);
    }
  g_rmdir (fixture->directory);
  g_free (fixture->directory);
}

static void
write_file (Fixture *fixture, const char *name, const char *text, mode_t mode)
{
  g_autofree char *path = g_build_filename (fixture->directory, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_no_errno (chmod (path, mode));
}

static void
assert_refused (Fixture *fixture, const char *name, uid_t owner, const char *message)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MachineSettings) settings =
      container_read_settings (fixture->directory, name, owner, &error);

  g_assert_null (settings);
  g_assert_nonnull (error);
  if (strstr (error->message, message) == NULL)
    g_error ("“%s” does not say “%s”", error->message, message);
}

static void
test_good (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MachineSettings) settings = NULL;

  write_file (fixture, "team:web.machine", GOOD, 0644);
  settings = container_read_settings (fixture->directory, "team:web", getuid (), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (settings->root, ==, "/srv/work");
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "",      "..", "../work", "/etc/passwd", "Work",
                                       "work/", "a:", ".host",   "-x" };

  write_file (fixture, ".host.machine", GOOD, 0644);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    assert_refused (fixture, names[i], getuid (), "is not a machine name");
  assert_refused (fixture, "work", getuid (), "No such file or directory");
}

static void
test_trust (Fixture *fixture, gconstpointer data)
{
  g_autofree char *link = g_build_filename (fixture->directory, "link.machine", NULL);
  g_autofree char *fifo = g_build_filename (fixture->directory, "fifo.machine", NULL);
  g_autofree char *folder = g_build_filename (fixture->directory, "folder.machine", NULL);

  write_file (fixture, "work.machine", GOOD, 0644);
  write_file (fixture, "group.machine", GOOD, 0664);
  write_file (fixture, "other.machine", GOOD, 0646);
  g_assert_no_errno (symlink ("work.machine", link));
  g_assert_no_errno (mkfifo (fifo, 0644));
  g_assert_no_errno (mkdir (folder, 0755));

  assert_refused (fixture, "group", getuid (), "alone may write");
  assert_refused (fixture, "other", getuid (), "alone may write");
  assert_refused (fixture, "link", getuid (), "Too many levels of symbolic links");
  assert_refused (fixture, "fifo", getuid (), "alone may write");
  assert_refused (fixture, "folder", getuid (), "alone may write");
  assert_refused (fixture, "work", getuid () + 1, "alone may write");

  g_assert_no_errno (chmod (fixture->directory, 0775));
  assert_refused (fixture, "work", getuid (), "alone may write");
}

static void
test_contents (Fixture *fixture, gconstpointer data)
{
  g_autofree char *large = g_strnfill (LIMIT_MACHINE_FILE_SIZE + 2, '\n');

  write_file (fixture, "bad.machine", "[Machine]\nMonitor=none\n", 0644);
  write_file (fixture, "qemu.machine", "[Machine]\nMonitor=qemu\n[Qemu]\nKernel=/k\n", 0644);
  write_file (fixture, "large.machine", large, 0644);
  write_file (fixture, "empty.machine", "", 0644);

  assert_refused (fixture, "bad", getuid (), "bad.machine:2: Monitor=none");
  assert_refused (fixture, "qemu", getuid (), "is not a container's file");
  assert_refused (fixture, "large", getuid (), "large.machine:1: the file has 65537 bytes");
  assert_refused (fixture, "empty", getuid (), "empty.machine:1: Monitor= is missing");
}

/* Without an identity from systemd no container starts that needs one. */
static void
test_no_identity (Fixture *fixture, gconstpointer data)
{
  static const char *const directories[] = { NULL, "/nonexistent", "EMPTY" };

  write_file (fixture, "tombolo.identity", "", 0600);
  write_file (fixture, "work.machine", GOOD, 0644);
  for (guint i = 0; i < G_N_ELEMENTS (directories); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MachineSettings) settings =
          container_read_settings (fixture->directory, "work", getuid (), &error);

      g_assert_no_error (error);
      if (directories[i] == NULL)
        g_unsetenv ("CREDENTIALS_DIRECTORY");
      else
        g_setenv ("CREDENTIALS_DIRECTORY",
                  g_str_equal (directories[i], "EMPTY") ? fixture->directory : directories[i],
                  TRUE);
      g_assert_false (container_exec ("work", settings, &error));
      g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_IDENTITY_FAILED);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

#define ADD(name) g_test_add ("/container/" #name, Fixture, NULL, set_up, test_##name, tear_down)
  ADD (good);
  ADD (names);
  ADD (trust);
  ADD (contents);
  ADD (no_identity);
#undef ADD

  return g_test_run ();
}
