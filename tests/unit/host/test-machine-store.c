/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Machine files: each broken one is one machine with a reason, and the others are read. */
#include "machine-store.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "limit.h"

#define GOOD "[Machine]\nMonitor=container\n[Container]\nRoot=/srv/work\n"
#define QEMU "[Machine]\nMonitor=qemu\n[Qemu]\nKernel=/boot/vmlinuz\n"

typedef struct
{
  char *admin;
  char *created;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->admin = g_dir_make_tmp ("tombolo-XXXXXX", NULL);
  fixture->created = g_dir_make_tmp ("tombolo-XXXXXX", NULL);
}

static void
remove_directory (char *directory)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      g_remove (path);
    }
  g_rmdir (directory);
  g_free (directory);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  remove_directory (fixture->admin);
  remove_directory (fixture->created);
}

static void
write_file (const char *directory, const char *name, const char *text, gssize size)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  g_assert_true (g_file_set_contents (path, text, size, NULL));
  g_assert_cmpint (chmod (path, 0644), ==, 0);
}

static const struct
{
  const char *file, *text, *name;
  const char *reason; /* a part of it; NULL: the file is good */
} files[] = {
  { "work.machine", GOOD, "work", NULL },
  { "team:web.machine", GOOD, "team:web", NULL },
  { "a.b.machine", GOOD, "a.b", NULL },
  { "key.machine", GOOD "Colour=red\n", "key", "key.machine:5: " },
  { "monitor.machine", "[Machine]\nMonitor=vax\n", "monitor", "monitor.machine:2: " },
  { "utf8.machine", GOOD "# \xff\n", "utf8", "utf8.machine:5: " },
  { "empty.machine", "", "empty", "empty.machine" },
  { "No Name.machine", GOOD, "No Name", "No Name.machine: " },
  { "-dash.machine", GOOD, "-dash", "not a machine name" },
  { ".machine.machine", GOOD, ".machine", "not a machine name" },
};

static void
test_load (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GHashTable) entries = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    write_file (fixture->admin, files[i].file, files[i].text, -1);
  write_file (fixture->admin, ".work.machine.X3dQ1f", GOOD, -1); /* half a write */
  write_file (fixture->admin, "README", "", -1);
  write_file (fixture->admin, ".machine", GOOD, -1);

  entries = machine_store_load (fixture->admin, fixture->created);
  g_assert_cmpuint (g_hash_table_size (entries), ==, G_N_ELEMENTS (files));
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      MachineEntry *entry = g_hash_table_lookup (entries, files[i].name);

      g_test_message ("%s", files[i].file);
      g_assert_nonnull (entry);
      g_assert_false (entry->created);
      g_assert_cmpint (entry->settings != NULL, ==, files[i].reason == NULL);
      if (files[i].reason == NULL)
        {
          g_assert_no_error (entry->error);
          continue;
        }
      g_assert_error (entry->error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS);
      g_assert_true (g_str_has_prefix (entry->error->message, fixture->admin));
      g_assert_nonnull (strstr (entry->error->message, files[i].reason));
      g_assert_true (g_utf8_validate (entry->error->message, -1, NULL));
    }
}

static void
expect_broken (const char *directory, const char *file, const char *word)
{
  g_autoptr (MachineEntry) entry = machine_entry_load (directory, file, FALSE);

  g_assert_error (entry->error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS);
  g_test_message ("%s", entry->error->message);
  g_assert_nonnull (strstr (entry->error->message, word));
}

static void
test_unsafe (Fixture *fixture, gconstpointer data)
{
  g_autofree char *work = g_build_filename (fixture->admin, "work.machine", NULL);
  g_autofree char *link = g_build_filename (fixture->admin, "link.machine", NULL);
  g_autofree char *large = g_strnfill (10 * 1000 * 1000, '#');

  write_file (fixture->admin, "large.machine", large, -1);
  expect_broken (fixture->admin, "large.machine", "bytes");
  write_file (fixture->admin, "work.machine", GOOD, -1);
  g_assert_cmpint (symlink (work, link), ==, 0);
  expect_broken (fixture->admin, "link.machine", "symbolic link");
  g_assert_cmpint (chmod (work, 0666), ==, 0);
  expect_broken (fixture->admin, "work.machine", "everybody may write");
  expect_broken (fixture->admin, "gone.machine", "No such file");
}

static void
test_both (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GHashTable) entries = NULL;
  MachineEntry *entry;

  write_file (fixture->admin, "work.machine", GOOD, -1);
  write_file (fixture->created, "work.machine", QEMU, -1);
  write_file (fixture->created, "lab.machine", QEMU, -1);
  write_file (fixture->created, "box.machine", GOOD, -1);
  entries = machine_store_load (fixture->admin, fixture->created);

  entry = g_hash_table_lookup (entries, "work");
  g_assert_cmpint (entry->settings->monitor, ==, MONITOR_CONTAINER);
  entry = g_hash_table_lookup (entries, "lab");
  g_assert_true (entry->created);
  g_assert_nonnull (entry->settings);
  entry = g_hash_table_lookup (entries, "box");
  g_assert_nonnull (strstr (entry->error->message, "cannot be a container"));
}

static const struct
{
  const char *text;
  guint line; /* 0: nothing is missing */
  const char *word;
} images[] = {
  { "[Machine]\nMonitor=container\n[Container]\nRoot=/nowhere/at-all\n", 4,
    "Root=/nowhere/at-all does not exist" },
  { "[Machine]\nMonitor=qemu\n[Qemu]\n# x\nKernel=/nowhere/k\n", 5, "Kernel=/nowhere/k" },
  { "[Machine]\nMonitor=qemu\n[Qemu]\nKernel=/dev/null\nInitrd=/dev/null/i\n", 5,
    "Initrd=/dev/null/i" },
  { "[Machine]\nMonitor=qemu\n[Qemu]\nDisk=/dev/null:raw\nDisk=/nowhere/d:raw\n", 5,
    "Disk=/nowhere/d" },
  { "[Machine]\nMonitor=qemu\n[Qemu]\nDisk=/dev/null:raw\n", 0, NULL },
  { "[Machine]\nMonitor=container\n[Container]\nRoot=/proc\n", 0, NULL },
};

static void
test_missing (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (images); i++)
    {
      g_autoptr (MachineEntry) entry = NULL;
      g_autofree char *position = g_strdup_printf ("image.machine:%u: ", images[i].line);

      write_file (fixture->admin, "image.machine", images[i].text, -1);
      entry = machine_entry_load (fixture->admin, "image.machine", FALSE);
      g_assert_no_error (entry->error);
      g_assert_nonnull (entry->settings);
      if (images[i].line == 0)
        {
          g_assert_null (machine_entry_get_problem (entry));
          continue;
        }
      g_assert_error (machine_entry_get_problem (entry), TOMBOLO_ERROR,
                      TOMBOLO_ERROR_INVALID_SETTINGS);
      g_test_message ("%s", entry->missing->message);
      g_assert_nonnull (strstr (entry->missing->message, position));
      g_assert_nonnull (strstr (entry->missing->message, images[i].word));
    }
}

/* What was missing has come: no file is read again for that. */
static void
test_missing_comes (Fixture *fixture, gconstpointer data)
{
  g_autofree char *kernel = g_build_filename (fixture->admin, "kernel", NULL);
  g_autofree char *text = g_strdup_printf ("[Machine]\nMonitor=qemu\n[Qemu]\nKernel=%s\n", kernel);
  g_autoptr (MachineEntry) entry = NULL;

  write_file (fixture->admin, "a.machine", text, -1);
  entry = machine_entry_load (fixture->admin, "a.machine", FALSE);
  g_assert_nonnull (machine_entry_get_problem (entry));
  write_file (fixture->admin, "kernel", "", 0);
  machine_entry_check_files (entry);
  g_assert_null (machine_entry_get_problem (entry));
}

static const struct
{
  const char *alias;
  const char *word;         /* as Alias=; NULL: it is good */
  const char *session_word; /* as SessionAlias= */
} aliases[] = {
  { "org.example.Hostname", NULL, NULL },
  { "org.tombolo.Guest1.work.org.example.Short", NULL, "work.machine:6: " },
  { "org.tombolo.GuestSession1.work.org.example.Short", "work.machine:6: ", NULL },
  { "org.tombolo.Guest1", "work.machine:6: ", "work.machine:6: " },
  { "org.tombolo.GuestSession1", "work.machine:6: ", "work.machine:6: " },
  { "org.tombolo.Guest1.work", "work.machine:6: ", "work.machine:6: " },
  { "org.tombolo.Guest1.net.org.example.A", "work.machine:6: ", "work.machine:6: " },
  { "org.tombolo.Guest1.work2.org.example.A", "work.machine:6: ", "work.machine:6: " },
  { "org.tombolo.GuestSession1.net.org.example.A", "work.machine:6: ", "work.machine:6: " },
  { "org.tombolo.Host1", "work.machine:6: ", "work.machine:6: " },
};

static void
check_alias (Fixture *fixture, const char *key, const char *alias, const char *word)
{
  g_autofree char *text = g_strdup_printf (GOOD "[Bus]\n%s=org.example.A:%s\n", key, alias);
  g_autoptr (MachineEntry) entry = NULL;

  write_file (fixture->admin, "work.machine", text, -1);
  entry = machine_entry_load (fixture->admin, "work.machine", FALSE);
  g_test_message ("%s=%s", key, alias);
  g_assert_cmpint (entry->error == NULL, ==, word == NULL);
  if (word != NULL)
    g_assert_nonnull (strstr (entry->error->message, word));
}

static void
test_aliases (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (aliases); i++)
    {
      check_alias (fixture, "Alias", aliases[i].alias, aliases[i].word);
      check_alias (fixture, "SessionAlias", aliases[i].alias, aliases[i].session_word);
    }
}

/* Neither two names of one machine have the same alias, of whatever bus, nor two machines'. */
static void
test_session_aliases (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GHashTable) entries = NULL;
  MachineEntry *entry;

  write_file (fixture->admin, "a.machine",
              GOOD "[Bus]\nAlias=org.example.A:org.example.X\n"
                   "SessionAlias=org.example.B:org.example.X\n",
              -1);
  write_file (fixture->admin, "b.machine", GOOD "[Bus]\nAlias=org.example.A:org.example.Y\n", -1);
  write_file (fixture->admin, "c.machine", GOOD "[Bus]\nSessionAlias=org.example.A:org.example.Y\n",
              -1);
  write_file (fixture->created, "d.machine",
              QEMU "[Bus]\nSessionAlias=org.example.A:org.example.Z\n", -1);
  write_file (fixture->created, "e.machine", QEMU "[Call]\nSessionRule=allow *\n", -1);
  entries = machine_store_load (fixture->admin, fixture->created);

  entry = g_hash_table_lookup (entries, "a");
  g_assert_nonnull (strstr (entry->error->message, "a.machine:7: SessionAlias="));
  g_assert_nonnull (strstr (entry->error->message, "other bus"));
  entry = g_hash_table_lookup (entries, "b");
  g_assert_no_error (entry->error);
  entry = g_hash_table_lookup (entries, "c");
  g_assert_nonnull (strstr (entry->error->message, "c.machine:6: SessionAlias="));
  g_assert_nonnull (strstr (entry->error->message, "b.machine has that alias"));
  entry = g_hash_table_lookup (entries, "d");
  g_assert_nonnull (strstr (entry->error->message, "cannot have Alias= or SessionAlias="));
  entry = g_hash_table_lookup (entries, "e");
  g_assert_nonnull (strstr (entry->error->message, "rule that allows"));
}

static void
test_shared_aliases (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "a", "b", "c" };
  g_autoptr (GHashTable) entries = NULL;
  MachineEntry *entry;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *file = g_strconcat (names[i], ".machine", NULL);

      write_file (fixture->admin, file, GOOD "[Bus]\nAlias=org.example.A:org.example.B\n", -1);
    }
  write_file (fixture->created, "d.machine", QEMU "[Bus]\nAlias=org.example.A:org.example.D\n", -1);
  entries = machine_store_load (fixture->admin, fixture->created);

  entry = g_hash_table_lookup (entries, "a");
  g_assert_no_error (entry->error);
  for (gsize i = 1; i < G_N_ELEMENTS (names); i++)
    {
      entry = g_hash_table_lookup (entries, names[i]);
      g_assert_error (entry->error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS);
      g_assert_null (entry->settings);
      g_assert_nonnull (strstr (entry->error->message, ".machine:6: "));
      g_assert_nonnull (strstr (entry->error->message, "a.machine has that alias"));
    }
  entry = g_hash_table_lookup (entries, "d");
  g_assert_nonnull (strstr (entry->error->message, "cannot have Alias="));
}

static const struct
{
  const char *text;
  gboolean created;
  const char *word; /* NULL: it is good */
} imports[] = {
  { GOOD "[Bus]\nImport=a.b@net\n", FALSE, NULL },
  { GOOD "[Bus]\nImport=a.b@net a.b:c.d@work\n", FALSE, "work.machine:6: " },
  { QEMU "[Bus]\nImport=a.b@.host\n", TRUE, "cannot have Import=" },
  { QEMU "[Import]\nRule=allow a.b\n", TRUE, "cannot have a rule that allows" },
  { QEMU "[Import]\nRule=deny a.b\n", TRUE, NULL },
};

static void
test_imports (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (imports); i++)
    {
      g_autoptr (MachineEntry) entry = NULL;

      write_file (fixture->admin, "work.machine", imports[i].text, -1);
      entry = machine_entry_load (fixture->admin, "work.machine", imports[i].created);
      g_test_message ("%s", imports[i].text);
      g_assert_cmpint (entry->error == NULL, ==, imports[i].word == NULL);
      if (imports[i].word != NULL)
        g_assert_nonnull (strstr (entry->error->message, imports[i].word));
    }
}

static void
test_create (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MachineEntry) entry = NULL;

  g_assert_true (machine_store_create (fixture->created, "lab", QEMU, &error));
  g_assert_false (machine_store_create (fixture->created, "lab", QEMU, &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MACHINE_EXISTS);
  g_clear_error (&error);
  entry = machine_entry_load (fixture->created, "lab.machine", TRUE);
  g_assert_no_error (entry->error);

  g_assert_true (machine_store_delete (fixture->created, "lab", &error));
  g_assert_true (machine_store_delete (fixture->created, "lab", &error));
}

static void
test_name (void)
{
  g_autofree char *label = g_strnfill (LIMIT_MACHINE_LABEL_LENGTH, 'a');
  g_autofree char *longest = g_strdup_printf ("%s:%.18s", label, label);
  g_autofree char *longer = g_strdup_printf ("%s:%.19s", label, label);
  g_autoptr (GError) error = NULL;

  g_assert_true (machine_store_check_name (longest, &error));
  g_assert_no_error (error);
  g_assert_false (machine_store_check_name (longer, &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_NAME);
}

#define ADD(name, function)                                                                        \
  g_test_add ("/host/machine-store/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("load", test_load);
  ADD ("unsafe", test_unsafe);
  ADD ("both", test_both);
  ADD ("missing", test_missing);
  ADD ("missing-comes", test_missing_comes);
  ADD ("aliases", test_aliases);
  ADD ("shared-aliases", test_shared_aliases);
  ADD ("session-aliases", test_session_aliases);
  ADD ("imports", test_imports);
  ADD ("create", test_create);
  g_test_add_func ("/host/machine-store/name", test_name);
  return g_test_run ();
}
