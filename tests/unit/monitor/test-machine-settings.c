/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What machine files are understood, and what is said of those that are not. */
#include <glib.h>
#include <string.h>

#include "error.h"
#include "limit.h"
#include "machine-settings.h"

#define QEMU "[Machine]\nMonitor=qemu\n"
#define QEMU_KERNEL QEMU "[Qemu]\nKernel=/k\n"
#define CONTAINER "[Machine]\nMonitor=container\n[Container]\nRoot=/srv/a\n"

static const struct
{
  const char *text;
  const char *message; /* how the error begins */
} bad[] = {
  /* Syntax. */
  { "", "f:1: Monitor= is missing" },
  { "\n\n# nothing\n", "f:3: Monitor= is missing" },
  { "[Machine]\n", "f:1: Monitor= is missing" },
  { "\n[Bus]\n[Machine]\nStart=boot\n", "f:3: Monitor= is missing" },
  { "Monitor=qemu\n", "f:1: Monitor= stands before any group" },
  { QEMU_KERNEL "nonsense\n", "f:5: “nonsense” is neither a group" },
  { QEMU_KERNEL "=x\n", "f:5: “=x” is neither a group" },
  { QEMU_KERNEL "Init rd=/x\n", "f:5: “Init rd=/x” is neither a group" },
  { QEMU_KERNEL "Initrd[de]=/x\n", "f:5: “Initrd[de]=/x” is neither a group" },
  { QEMU_KERNEL "Initrd=\n", "f:5: Initrd= has no value" },
  { QEMU_KERNEL "Initrd= \t \n", "f:5: Initrd= has no value" },
  { QEMU_KERNEL "[\n", "f:5: “[” is not a group" },
  { QEMU_KERNEL "[]\n", "f:5: “[]” is not a group" },
  { QEMU_KERNEL "[Bus\n", "f:5: “[Bus” is not a group" },
  { QEMU_KERNEL "[Bus] x\n", "f:5: “[Bus] x” is not a group" },
  { QEMU_KERNEL "[B us]\n", "f:5: “[B us]” is not a group" },
  { QEMU_KERNEL "Initrd=/a\r\n", "f:5: the line has a control character (U+000D)" },
  { QEMU_KERNEL "Initrd=/a\x1b[31m\n", "f:5: the line has a control character (U+001B)" },
  { QEMU_KERNEL "Initrd=/a\xc2\x85\n", "f:5: the line has a control character (U+0085)" },
  { QEMU_KERNEL "# \xff\n", "f:5: the line is not valid UTF-8" },
  { QEMU_KERNEL "Initrd=/\xc3\n", "f:5: the line is not valid UTF-8" },
  { QEMU_KERNEL "Initrd=/a\\\n  b\n", "f:6: “b” is neither a group" },

  /* Groups and keys. */
  { QEMU "[Network]\n", "f:3: unknown group [Network]" },
  { QEMU "[qemu]\n", "f:3: unknown group [qemu]" },
  { QEMU_KERNEL "[Bus]\n[Qemu]\n", "f:6: [Qemu] is there twice, first in line 3" },
  { QEMU_KERNEL "Monitor=qemu\n", "f:5: unknown key Monitor= in group [Qemu]" },
  { QEMU_KERNEL "kernel=/k\n", "f:5: unknown key kernel= in group [Qemu]" },
  { QEMU_KERNEL "Kernel=/k2\n", "f:5: Kernel= is there twice, first in line 4" },
  { QEMU "[Container]\nRoot=/a\n", "f:3: [Container] is not for Monitor=qemu" },
  { "[Qemu]\nKernel=/k\n" CONTAINER, "f:1: [Qemu] is not for Monitor=container" },

  /* Values. */
  { "[Machine]\nMonitor=xen\n", "f:2: Monitor=xen: no such monitor" },
  { "[Machine]\nMonitor=QEMU\n", "f:2: Monitor=QEMU: no such monitor" },
  { QEMU "Agent=true\n", "f:3: Agent=true: give “yes” or “no”" },
  { QEMU "Start=always\n", "f:3: Start=always: give “manual” or “boot”" },
  { QEMU "Memory=512 M\n", "f:3: Memory=512 M: not a size" },
  { QEMU "Memory=512MB\n", "f:3: Memory=512MB: not a size" },
  { QEMU "Memory=-1\n", "f:3: Memory=-1: not a size" },
  { QEMU "Memory=M\n", "f:3: Memory=M: not a size" },
  { QEMU "Memory=0\n", "f:3: Memory=0: the size has to be between" },
  { QEMU "Memory=3M\n", "f:3: Memory=3M: the size has to be between" },
  { QEMU "Memory=17T\n", "f:3: Memory=17T: the size has to be between" },
  { QEMU "Memory=18446744073709551617\n",
    "f:3: Memory=18446744073709551617: the size has to be between" },
  { QEMU "Memory=18014398509481985K\n",
    "f:3: Memory=18014398509481985K: the size has to be between" },
  { QEMU "Memory=5000001\n[Qemu]\nKernel=/k\n", "f:3: Memory= of a QEMU machine is whole" },
  { QEMU "CPUs=0\n", "f:3: CPUs=0: give a number of processors" },
  { QEMU "CPUs=256\n", "f:3: CPUs=256: give a number of processors" },
  { QEMU "CPUs=+1\n", "f:3: CPUs=+1: give a number of processors" },
  { QEMU "[Qemu]\nType=pc\n", "f:4: Type=pc: no such type" },
  { QEMU "[Qemu]\nKernel=boot/k\n", "f:4: Kernel=boot/k: give an absolute path" },
  { QEMU "[Qemu]\nKernel=/boot/../k\n", "f:4: Kernel=/boot/../k: give an absolute path" },
  { QEMU "[Qemu]\nKernel=/boot//k\n", "f:4: Kernel=/boot//k: give an absolute path" },
  { QEMU "[Qemu]\nKernel=/boot/\n", "f:4: Kernel=/boot/: give an absolute path" },
  { QEMU "[Qemu]\nDisk=/a\n", "f:4: Disk=/a: the format is not stated" },
  { QEMU "[Qemu]\nDisk=/a:vmdk\n", "f:4: Disk=/a:vmdk: the format is not stated" },
  { QEMU "[Qemu]\nDisk=/a:ro\n", "f:4: Disk=/a:ro: the format is not stated" },
  { QEMU "[Qemu]\nDisk=/a:raw:rw\n", "f:4: Disk=/a:raw:rw: the format is not stated" },
  { QEMU "[Qemu]\nDisk=a:raw\n", "f:4: Disk=a:raw: give an absolute path" },
  { QEMU "[Qemu]\nDisk=:raw\n", "f:4: Disk=:raw: give an absolute path" },
  { QEMU "[Qemu]\nDisk=/a:raw /b:raw:ro /a:qcow2\n",
    "f:4: Disk=/a:qcow2: this disk is there twice" },
  { QEMU_KERNEL "[Bus]\nBroadcast=x\n", "f:6: Broadcast=x: not a bus name" },
  { QEMU_KERNEL "[Bus]\nBroadcast=:1.1\n", "f:6: Broadcast=:1.1: not a bus name" },
  { QEMU_KERNEL "[Bus]\nBroadcast=a.b@\n", "f:6: Broadcast=a.b@: no interface" },
  { QEMU_KERNEL "[Bus]\nBroadcast=a.b@c\n", "f:6: Broadcast=a.b@c: no interface" },
  { QEMU_KERNEL "[Bus]\nBroadcast=a.b@c.d a.b@c.d\n", "f:6: Broadcast=a.b@c.d: this broadcast is" },
  { QEMU_KERNEL "[Bus]\nAlias=a.b\n", "f:6: Alias=a.b: write EXPORTED:ALIAS" },
  { QEMU_KERNEL "[Bus]\nAlias=a.b:\n", "f:6: Alias=a.b:: write EXPORTED:ALIAS" },
  { QEMU_KERNEL "[Bus]\nAlias=:a.b\n", "f:6: Alias=:a.b: write EXPORTED:ALIAS" },
  { QEMU_KERNEL "[Bus]\nAlias=a.b:c.d:e.f\n", "f:6: Alias=a.b:c.d:e.f: write EXPORTED:ALIAS" },
  { QEMU_KERNEL "[Bus]\nAlias=a.b:c.d\nAlias=a.b:e.f\n", "f:7: Alias=a.b:e.f: one of the two" },
  { QEMU_KERNEL "[Bus]\nAlias=a.b:c.d\nAlias=e.f:c.d\n", "f:7: Alias=e.f:c.d: one of the two" },
  { QEMU_KERNEL "[Bus]\nImport=a.b\n", "f:6: Import=a.b: write NAME@SOURCE" },
  { QEMU_KERNEL "[Bus]\nImport=net:a.b\n", "f:6: Import=net:a.b: write NAME@SOURCE" },
  { QEMU_KERNEL "[Bus]\nImport=@net\n", "f:6: Import=@net: write NAME@SOURCE" },
  { QEMU_KERNEL "[Bus]\nImport=a.b@\n", "f:6: Import=a.b@: what stands behind “@”" },
  { QEMU_KERNEL "[Bus]\nImport=a.b@Net\n", "f:6: Import=a.b@Net: what stands behind “@”" },
  { QEMU_KERNEL "[Bus]\nImport=a.b@net@web\n", "f:6: Import=a.b@net@web: what stands behind" },
  { QEMU_KERNEL "[Bus]\nImport=:1.7@net\n", "f:6: Import=:1.7@net: write NAME@SOURCE" },
  { QEMU_KERNEL "[Bus]\nImport=a.b:c@net\n", "f:6: Import=a.b:c@net: write NAME@SOURCE" },
  { QEMU_KERNEL "[Bus]\nImport=a.b:c.d:e.f@net\n", "f:6: Import=a.b:c.d:e.f@net: write" },
  { QEMU_KERNEL "[Bus]\nImport=org.freedesktop.DBus@.host\n", "f:6: Import=org.freedesktop.DBus" },
  { QEMU_KERNEL "[Bus]\nImport=a.b:org.freedesktop.DBus@.host\n",
    "f:6: Import=a.b:org.freedesktop.DBus@.host: write NAME@SOURCE" },
  { QEMU_KERNEL "[Bus]\nImport=a.b@net\nImport=c.d:a.b@.host\n",
    "f:7: Import=c.d:a.b@.host: another import has that name" },
  { QEMU_KERNEL "[Bus]\nImport=org.tombolo.Guest1.net.a.b@.host\n",
    "f:6: Import=org.tombolo.Guest1.net.a.b@.host: that name stands for another machine's" },
  { QEMU_KERNEL "[Bus]\nImport=org.tombolo.GuestSession1.net.a.b@.host\n",
    "f:6: Import=org.tombolo.GuestSession1.net.a.b@.host: that name stands for another machine's" },
  { QEMU_KERNEL "[Import]\nRule=permit a.b\n", "f:6: Rule=permit a.b: it does not begin with" },
  { QEMU_KERNEL "[Import]\nRule=deny c.d\nRule=allow a.b from=machine:net\n",
    "f:7: a rule of [Import] is about this machine's own calls" },
  { QEMU_KERNEL "[Import]\nImport=a.b@net\n", "f:6: unknown key Import=" },
  { QEMU_KERNEL "[Call]\nRule=permit a.b\n", "f:6: Rule=permit a.b: it does not begin with" },
  { QEMU_KERNEL "[Call]\nRule=allow a.b\nRule=deny a\n", "f:7: Rule=deny a: what stands behind" },
  { QEMU_KERNEL "[Call]\nRule=allow\n", "f:6: Rule=allow: it needs" },
  { QEMU_KERNEL "[Call]\nAllow=a.b\n", "f:6: unknown key Allow=" },
  { QEMU_KERNEL "[Bus]\nRule=allow a.b\n", "f:6: unknown key Rule=" },
  { QEMU_KERNEL "[Bus]\nSessionAlias=a.b\n", "f:6: SessionAlias=a.b: write EXPORTED:ALIAS" },
  { QEMU_KERNEL "[Bus]\nSessionAlias=a.b:c.d a.b:e.f\n",
    "f:6: SessionAlias=a.b:e.f: one of the two" },
  { QEMU_KERNEL "[Bus]\nSessionBroadcast=a.b\n", "f:6: unknown key SessionBroadcast=" },
  { QEMU_KERNEL "[Call]\nSessionRule=allow\n", "f:6: SessionRule=allow: it needs" },
  { QEMU_KERNEL "[Bus]\nSessionRule=allow a.b\n", "f:6: unknown key SessionRule=" },

  /* What belongs together. */
  { QEMU, "f:2: there is nothing to boot" },
  { QEMU "[Qemu]\nType=q35\n", "f:3: there is nothing to boot" },
  { QEMU "[Qemu]\nType=microvm\nDisk=/a:raw\n", "f:3: Type=microvm has no firmware" },
  { QEMU "[Qemu]\nType=microvm\nKernel=/k\n"
         "Disk=/a:raw /b:raw /c:raw /d:raw /e:raw /f:raw\nDisk=/g:raw\n",
    "f:7: Type=microvm has room for 6 disks" },
  { QEMU "[Qemu]\nDisk=/a:raw\nInitrd=/i\n", "f:5: Initrd= counts only with Kernel=" },
  { QEMU "[Qemu]\nDisk=/a:raw\nCommandLine=quiet\n", "f:5: CommandLine= counts only with" },
  { "[Machine]\nMonitor=container\n", "f:2: Root= is missing" },
  { "[Machine]\nMonitor=container\n[Container]\nRoot=/\n", "f:4: Root=/ is the host's own root" },
  { CONTAINER "Ephemeral=yes\n", "f:5: Ephemeral=yes does not work with users" },
  { CONTAINER "Ephemeral=yes\nPrivateUsers=yes\n", "f:5: Ephemeral=yes does not work with users" },
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MachineSettings) settings =
          machine_settings_from_text (bad[i].text, strlen (bad[i].text), "f", &error);

      g_assert_null (settings);
      g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS);
      if (!g_str_has_prefix (error->message, bad[i].message))
        g_error ("row %u: “%s” does not begin with “%s”", i, error->message, bad[i].message);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
}

static MachineSettings *
read_good (const char *text)
{
  g_autoptr (GError) error = NULL;
  MachineSettings *settings = machine_settings_from_text (text, strlen (text), "f", &error);

  g_assert_no_error (error);
  return settings;
}

static void
test_defaults (void)
{
  g_autoptr (MachineSettings) qemu = read_good (QEMU_KERNEL);
  g_autoptr (MachineSettings) container = read_good (CONTAINER);

  g_assert_cmpint (qemu->monitor, ==, MONITOR_QEMU);
  g_assert_cmpint (qemu->qemu_machine, ==, QEMU_MACHINE_Q35);
  g_assert_null (qemu->description);
  g_assert_true (qemu->agent);
  g_assert_false (qemu->autostart);
  g_assert_cmpuint (qemu->memory, ==, 512 * 1024 * 1024);
  g_assert_cmpuint (qemu->cpus, ==, 1);
  g_assert_null (qemu->initrd);
  g_assert_null (qemu->command_line);
  g_assert_cmpuint (qemu->disks->len + qemu->broadcasts->len, ==, 0);
  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    g_assert_cmpuint (qemu->aliases[bus]->len + qemu->rules[bus]->len, ==, 0);

  g_assert_cmpint (container->monitor, ==, MONITOR_CONTAINER);
  g_assert_cmpuint (container->memory, ==, 0);
  g_assert_cmpuint (container->cpus, ==, 0);
  g_assert_cmpstr (container->root, ==, "/srv/a");
  g_assert_true (container->private_users);
  g_assert_false (container->ephemeral);
}

static void
test_everything (void)
{
  g_autoptr (MachineSettings) settings =
      read_good ("  # indented comment\n\t[Machine]\nDescription = \xc3\x9c  x; y # z \n"
                 "Monitor=qemu\nAgent=no\nStart=boot\nMemory=4194304K\nCPUs=007\n\n"
                 "[Bus]\nBroadcast=a.b  c.d@e.f\t\nBroadcast=a.b@e.f\nAlias=a.b:g.h i.j:k.l\n"
                 "SessionAlias=a.b:m.n\n"
                 "[Qemu]\nType=microvm\nKernel=/k with space\nInitrd=/i\n"
                 "CommandLine=a=b  \"c d\"\nDisk=/x:1:qcow2:ro\nDisk=/y:raw");
  const MachineBroadcast *broadcast;
  const MachineAlias *alias;
  const MachineDisk *disk;

  g_assert_cmpstr (settings->description, ==, "\xc3\x9c  x; y # z");
  g_assert_false (settings->agent);
  g_assert_true (settings->autostart);
  g_assert_cmpuint (settings->memory, ==, UINT64_C (4) << 30);
  g_assert_cmpuint (settings->cpus, ==, 7);
  g_assert_cmpint (settings->qemu_machine, ==, QEMU_MACHINE_MICROVM);
  g_assert_cmpstr (settings->kernel, ==, "/k with space");
  g_assert_cmpstr (settings->initrd, ==, "/i");
  g_assert_cmpstr (settings->command_line, ==, "a=b  \"c d\"");

  g_assert_cmpuint (settings->disks->len, ==, 2);
  disk = settings->disks->pdata[0];
  g_assert_cmpstr (disk->path, ==, "/x:1");
  g_assert_cmpint (disk->format, ==, DISK_FORMAT_QCOW2);
  g_assert_true (disk->read_only);
  disk = settings->disks->pdata[1];
  g_assert_cmpstr (disk->path, ==, "/y");
  g_assert_cmpint (disk->format, ==, DISK_FORMAT_RAW);
  g_assert_false (disk->read_only);

  g_assert_cmpuint (settings->broadcasts->len, ==, 3);
  broadcast = settings->broadcasts->pdata[0];
  g_assert_cmpstr (broadcast->name, ==, "a.b");
  g_assert_null (broadcast->interface);
  broadcast = settings->broadcasts->pdata[1];
  g_assert_cmpstr (broadcast->name, ==, "c.d");
  g_assert_cmpstr (broadcast->interface, ==, "e.f");

  g_assert_cmpuint (settings->aliases[GUEST_BUS_SYSTEM]->len, ==, 2);
  alias = settings->aliases[GUEST_BUS_SYSTEM]->pdata[1];
  g_assert_cmpstr (alias->exported, ==, "i.j");
  g_assert_cmpstr (alias->alias, ==, "k.l");
  g_assert_cmpuint (settings->aliases[GUEST_BUS_SESSION]->len, ==, 1);
  alias = settings->aliases[GUEST_BUS_SESSION]->pdata[0];
  g_assert_cmpstr (alias->exported, ==, "a.b");
  g_assert_cmpstr (alias->alias, ==, "m.n");
  g_assert_cmpuint (alias->line, ==, 14);
}

static const struct
{
  const char *entry;
  const char *name;
  const char *as;
  const char *source;
  const char *host_name;
} imports[] = {
  { "a.b@net", "a.b", "a.b", "net", "org.tombolo.Guest1.net.a.b" },
  { "a.b:c.d@team:web.x", "a.b", "c.d", "team:web.x", "org.tombolo.Guest1.team_3aweb_2ex.a.b" },
  { "org.tombolo.Host1@.host", "org.tombolo.Host1", "org.tombolo.Host1", ".host",
    "org.tombolo.Host1" },
  { "a.b:e.f@.host", "a.b", "e.f", ".host", "a.b" },
};

static void
test_imports (void)
{
  g_autoptr (GString) text = g_string_new (QEMU_KERNEL "[Bus]\nImport=");
  g_autoptr (MachineSettings) settings = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (imports); i++)
    g_string_append_printf (text, "%s ", imports[i].entry);
  settings = read_good (g_string_append (text, "\n[Call]\nRule=deny x.y\n"
                                               "[Import]\nRule=ask a.b\nRule=allow c.d\n")
                            ->str);

  g_assert_cmpuint (settings->imports->len, ==, G_N_ELEMENTS (imports));
  for (gsize i = 0; i < G_N_ELEMENTS (imports); i++)
    {
      const MachineImport *import = settings->imports->pdata[i];
      g_autofree char *host_name = machine_import_get_host_name (import);

      g_assert_cmpstr (import->name, ==, imports[i].name);
      g_assert_cmpstr (import->as, ==, imports[i].as);
      g_assert_cmpstr (import->source, ==, imports[i].source);
      g_assert_cmpuint (import->line, ==, 6);
      g_assert_cmpstr (host_name, ==, imports[i].host_name);
    }
  g_assert_cmpuint (settings->rules[GUEST_BUS_SYSTEM]->len, ==, 1);
  g_assert_cmpuint (settings->import_rules->len, ==, 2);
  g_assert_cmpuint (call_rule_get_line (settings->import_rules->pdata[1]), ==, 11);
}

static void
test_sizes (void)
{
  g_autoptr (GString) text = g_string_new (QEMU_KERNEL);
  g_autoptr (GError) error = NULL;

  /* NUL ends no text early. */
  g_assert_null (machine_settings_from_text ("[Machine]\0", 10, "f", &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS);
  g_clear_error (&error);

  while (text->len < LIMIT_MACHINE_FILE_SIZE)
    g_string_append (text, "#\n");
  g_string_truncate (text, LIMIT_MACHINE_FILE_SIZE);
  machine_settings_free (read_good (text->str));

  g_string_append_c (text, '\n');
  g_assert_null (machine_settings_from_text (text->str, text->len, "f", &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS);
  g_assert_true (g_str_has_prefix (error->message, "f:1: the file has 65537 bytes"));
}

/* Each list takes exactly as many values as its limit says. `#` stands for a number. */
static void
test_counts (void)
{
  static const struct
  {
    const char *begin;
    const char *line;
    guint limit;
    const char *message;
  } rows[] = {
    { QEMU "[Qemu]\n", "Disk=/d#:raw\n", LIMIT_MACHINE_DISKS, "a machine has at most 16 disks" },
    { CONTAINER "[Bus]\n", "Broadcast=a.b#\n", LIMIT_MACHINE_BROADCASTS, "at most 64 broadcasts" },
    { CONTAINER "[Bus]\n", "Alias=a.b#:c.d#\n", LIMIT_EXPORTED_NAMES, "at most 64 aliases" },
    { CONTAINER "[Bus]\n", "Import=a.b#@net\n", LIMIT_IMPORTED_NAMES, "at most 64 imports" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GString) text = g_string_new (rows[i].begin);

      for (guint n = 0; n <= rows[i].limit; n++)
        {
          g_autofree char *number = g_strdup_printf ("%u", n);
          g_auto (GStrv) parts = g_strsplit (rows[i].line, "#", -1);
          g_autofree char *line = g_strjoinv (number, parts);
          g_autoptr (MachineSettings) settings = NULL;
          g_autoptr (GError) error = NULL;

          g_string_append (text, line);
          settings = machine_settings_from_text (text->str, text->len, "f", &error);
          g_assert_true ((settings != NULL) == (n < rows[i].limit));
          if (settings == NULL)
            g_assert_nonnull (strstr (error->message, rows[i].message));
        }
    }
}

/* Hostile text: good files with bytes changed, cut and doubled. Whatever comes of it, it is
 * settings or one error, never both or neither. */
static void
test_hostile (void)
{
  static const char seed[] = CONTAINER "[Bus]\nBroadcast=a.b@c.d\nAlias=a.b:c.d\n" QEMU_KERNEL
                                       "Disk=/a:raw:ro\nMemory=1G\nCPUs=2\n";
  g_autoptr (GRand) random = g_rand_new_with_seed (7475);

  for (guint round = 0; round < 20000; round++)
    {
      g_autoptr (GString) text = g_string_new_len (seed, sizeof seed - 1);
      gint32 changes = g_rand_int_range (random, 1, 8);
      g_autoptr (MachineSettings) settings = NULL;
      g_autoptr (GError) error = NULL;

      for (gint32 i = 0; i < changes && text->len > 1; i++)
        {
          gssize at = g_rand_int_range (random, 0, (gint32) text->len);
          gssize size = g_rand_int_range (random, 0, (gint32) text->len - (gint32) at);

          switch (g_rand_int_range (random, 0, 4))
            {
            case 0:
              text->str[at] = (char) g_rand_int_range (random, 0, 256);
              break;
            case 1:
              g_string_erase (text, at, size);
              break;
            case 2:
              g_string_insert_len (text, at, seed, MIN (size, (gssize) sizeof seed - 1));
              break;
            default:
              g_string_insert_c (text, at, "[]=\n#:@/ \\"[g_rand_int_range (random, 0, 10)]);
            }
        }

      settings = machine_settings_from_text (text->str, text->len, "f", &error);
      g_assert_true ((settings == NULL) == (error != NULL));
      g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
    }
}

static const struct
{
  const char *settings;
  const char *text; /* NULL: refused */
  TomboloError code;
  const char *message; /* part of the error */
} variants[] = {
  { "{'Machine': {'Monitor': <'qemu'>, 'Memory': <'1G'>},"
    " 'Qemu': {'Disk': <['/a:raw', '/b:qcow2:ro']>}}",
    "[Machine]\nMonitor=qemu\nMemory=1G\n\n[Qemu]\nDisk=/a:raw\nDisk=/b:qcow2:ro\n", 0, NULL },
  { "@a{sa{sv}} {}", NULL, TOMBOLO_ERROR_INVALID_SETTINGS, "Monitor= is missing" },
  { "@a{sv} {}", NULL, TOMBOLO_ERROR_INVALID_ARGUMENT, "“a{sv}” instead of “a{sa{sv}}”" },
  { "{'Machine': {'Monitor': <'qemu\\nStart=boot'>}}", NULL, TOMBOLO_ERROR_INVALID_SETTINGS,
    "control characters" },
  { "{'Machine': {'Monitor': <'qemu\\u0085'>}}", NULL, TOMBOLO_ERROR_INVALID_SETTINGS,
    "control characters" },
  { "{'Machine': {'Monitor': <' qemu'>}}", NULL, TOMBOLO_ERROR_INVALID_SETTINGS, "blanks around" },
  { "{'Machine': {'Monitor': <''>}}", NULL, TOMBOLO_ERROR_INVALID_SETTINGS, "is empty" },
  { "{'Machine': {'Monitor': <['qemu', 'container']>}}", NULL, TOMBOLO_ERROR_INVALID_SETTINGS,
    "is there twice" },
  { "{'Machine': {'Memory': <uint64 1>}}", NULL, TOMBOLO_ERROR_INVALID_SETTINGS,
    "has the type “t”" },
  { "{'Machine': {'Monitor=qemu\\nStart': <'boot'>}}", NULL, TOMBOLO_ERROR_INVALID_SETTINGS,
    "is not a key" },
  { "{'Machine': {'#': <'boot'>}}", NULL, TOMBOLO_ERROR_INVALID_SETTINGS, "is not a key" },
  { "{'Machine]\\n[Qemu': {'Kernel': <'/a'>}}", NULL, TOMBOLO_ERROR_INVALID_SETTINGS,
    "is not a group" },
  { "{'Nothing': {'Kernel': <'/a'>}}", NULL, TOMBOLO_ERROR_INVALID_SETTINGS,
    "unknown group [Nothing]" },
};

static void
test_variants (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (variants); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) settings =
          g_variant_parse (NULL, variants[i].settings, NULL, NULL, &error);
      g_autofree char *text = NULL;

      g_assert_no_error (error);
      text = machine_settings_text_from_variant (settings, NULL, &error);
      g_assert_cmpstr (text, ==, variants[i].text);
      if (text == NULL)
        {
          g_assert_error (error, TOMBOLO_ERROR, (int) variants[i].code);
          g_assert_nonnull (strstr (error->message, variants[i].message));
        }
    }
}

static void
test_variant_size (void)
{
  g_autofree char *large = g_strnfill (LIMIT_MACHINE_FILE_SIZE, 'x');
  GVariantBuilder builder;
  g_autoptr (GVariant) settings = NULL;
  g_autoptr (GError) error = NULL;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sa{sv}}"));
  g_variant_builder_open (&builder, G_VARIANT_TYPE ("{sa{sv}}"));
  g_variant_builder_add (&builder, "s", "Machine");
  g_variant_builder_open (&builder, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&builder, "{sv}", "Description", g_variant_new_string (large));
  g_variant_builder_close (&builder);
  g_variant_builder_close (&builder);
  settings = g_variant_ref_sink (g_variant_builder_end (&builder));

  g_assert_null (machine_settings_text_from_variant (settings, NULL, &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED);
}

static void
test_rules (void)
{
  g_autoptr (MachineSettings) settings =
      read_good (QEMU_KERNEL "[Call]\n\nRule=allow a.b arg0='two words'\nRule=deny *\n"
                             "SessionRule=ask c.d\n");
  const GPtrArray *rules = settings->rules[GUEST_BUS_SYSTEM];
  const GPtrArray *session_rules = settings->rules[GUEST_BUS_SESSION];

  g_assert_cmpuint (rules->len, ==, 2);
  g_assert_cmpstr (call_rule_get_text (rules->pdata[0]), ==, "allow a.b arg0='two words'");
  g_assert_cmpuint (call_rule_get_line (rules->pdata[0]), ==, 7);
  g_assert_cmpuint (call_rule_get_line (rules->pdata[1]), ==, 8);
  g_assert_cmpuint (session_rules->len, ==, 1);
  g_assert_cmpstr (call_rule_get_text (session_rules->pdata[0]), ==, "ask c.d");
  g_assert_cmpuint (call_rule_get_line (session_rules->pdata[0]), ==, 9);
}

static void
test_rule_limit (void)
{
  for (guint n = LIMIT_CALL_RULES; n <= LIMIT_CALL_RULES + 1; n++)
    {
      g_autoptr (GString) text = g_string_new (QEMU_KERNEL "[Call]\n");
      g_autoptr (MachineSettings) settings = NULL;

      for (guint i = 0; i < n; i++)
        g_string_append (text, "Rule=allow a.b\n");
      settings = machine_settings_from_text (text->str, text->len, "f", NULL);
      g_assert_true ((settings != NULL) == (n == LIMIT_CALL_RULES));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/machine-settings/bad", test_bad);
  g_test_add_func ("/machine-settings/defaults", test_defaults);
  g_test_add_func ("/machine-settings/everything", test_everything);
  g_test_add_func ("/machine-settings/sizes", test_sizes);
  g_test_add_func ("/machine-settings/imports", test_imports);
  g_test_add_func ("/machine-settings/counts", test_counts);
  g_test_add_func ("/machine-settings/hostile", test_hostile);
  g_test_add_func ("/machine-settings/variants", test_variants);
  g_test_add_func ("/machine-settings/variant-size", test_variant_size);
  g_test_add_func ("/machine-settings/rules", test_rules);
  g_test_add_func ("/machine-settings/rule-limit", test_rule_limit);

  return g_test_run ();
}
