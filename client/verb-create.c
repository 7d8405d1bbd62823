/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl create */
#include "config.h"

#include <fcntl.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <unistd.h>

#include "descriptor.h"
#include "host.h"
#include "limit.h"
#include "terminal.h"
#include "verb.h"

#define SETTING(name, argument, help, group, key)                                                  \
  {                                                                                                \
    OPTION_SETTING, 0, name, ARGUMENT_REQUIRED, argument, help, group, key                         \
  }
#define PATH_SETTING(name, argument, help, group, key)                                             \
  {                                                                                                \
    OPTION_SETTING, 0, name, ARGUMENT_REQUIRED, argument, help, group, key, TRUE                   \
  }

static const Option create_options[] = {
  { OPTION_FILE, 'f', "file", ARGUMENT_REQUIRED, N_ ("FILE"),
    N_ ("Take all settings from a machine file; “-” reads standard input") },
  SETTING ("monitor", N_ ("MONITOR"), N_ ("The program that runs it: qemu"), "Machine", "Monitor"),
  SETTING ("description", N_ ("TEXT"), N_ ("One line for people"), "Machine", "Description"),
  SETTING ("memory", N_ ("SIZE"), N_ ("Memory, such as 512M"), "Machine", "Memory"),
  SETTING ("cpus", N_ ("NUMBER"), N_ ("Virtual processors"), "Machine", "CPUs"),
  SETTING ("agent", N_ ("BOOLEAN"), N_ ("Whether tombolo-guestd is in the guest (yes)"), "Machine",
           "Agent"),
  SETTING ("start", N_ ("WHEN"), N_ ("manual or boot"), "Machine", "Start"),
  SETTING ("type", N_ ("TYPE"), N_ ("QEMU's machine: q35 or microvm"), "Qemu", "Type"),
  PATH_SETTING ("kernel", N_ ("FILE"), N_ ("Kernel"), "Qemu", "Kernel"),
  PATH_SETTING ("initrd", N_ ("FILE"), N_ ("Initial RAM file system"), "Qemu", "Initrd"),
  SETTING ("command-line", N_ ("TEXT"), N_ ("The kernel's command line"), "Qemu", "CommandLine"),
  PATH_SETTING ("disk", N_ ("PATH:FORMAT[:ro]"),
                N_ ("A disk, FORMAT being raw or qcow2; may be repeated"), "Qemu", "Disk"),
  SETTING ("broadcast", N_ ("NAME[@INTERFACE]"),
           N_ ("Signals that every local user may see; may be repeated"), "Bus", "Broadcast"),
  SETTING ("alias", N_ ("EXPORTED:ALIAS"),
           N_ ("Another name on the host's bus for an exported one; may be repeated"), "Bus",
           "Alias"),
  { OPTION_END },
};

/* One byte more than the limit tells that a file is too large. */
static char *
read_file (const char *path, gsize *ret_size, GError **error)
{
  gboolean is_input = g_str_equal (path, "-");
  auto_fd fd = is_input ? dup (STDIN_FILENO) : open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  g_autofree char *text = g_malloc (LIMIT_MACHINE_FILE_SIZE + 1);
  gsize size = 0;
  gssize n = fd < 0 ? -1 : 1;

  while (n > 0 && size <= LIMIT_MACHINE_FILE_SIZE)
    {
      n = read (fd, text + size, LIMIT_MACHINE_FILE_SIZE + 1 - size);
      size += n > 0 ? (gsize) n : 0;
    }
  if (n < 0)
    {
      g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_FAILED, _ ("“%s” cannot be read: %s"), path,
                   g_strerror (errno));
      return NULL;
    }

  *ret_size = size;
  return g_steal_pointer (&text);
}

static gboolean
take_file (const Options *options, GError **error)
{
  g_autofree char *text = NULL;
  gsize size;

  if (!settings_is_empty (options->settings))
    {
      g_set_error_literal (error, CLIENT_ERROR, CLIENT_EXIT_USAGE,
                           _ ("--file takes all settings from the file: leave out the other "
                              "options, or write them into it."));
      return FALSE;
    }

  text = read_file (options->file, &size, error);
  return text != NULL && settings_add_text (options->settings, text, size, options->file, error);
}

static GVariant *
create (const Options *options, GError **error)
{
  g_autofree char *name = g_utf8_make_valid (options_get_word (options, 0), -1);
  g_autofree char *text = g_strdup_printf (_ ("Creating %s…"), name);
  g_autoptr (GDBusConnection) bus = NULL;

  if (options->file != NULL && !take_file (options, error))
    return NULL;
  if (settings_is_empty (options->settings))
    {
      g_set_error_literal (error, CLIENT_ERROR, CLIENT_EXIT_USAGE,
                           _ ("The machine has no settings: give --file, or --monitor and its "
                              "kin."));
      return NULL;
    }

  bus = host_connect (error);
  if (bus == NULL)
    return NULL;
  return host_call_manager (
      bus, options, "CreateMachine",
      g_variant_new ("(s@a{sa{sv}}a{sv})", name, settings_to_variant (options->settings), NULL),
      text, error);
}

static ClientExit
run (const Options *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = create (options, &error);
  const char *name = options_get_word (options, 0);

  if (reply == NULL)
    return failure_report (error, name);

  if (options->json != JSON_OFF)
    {
      g_autoptr (GVariant) path = g_variant_get_child_value (reply, 0);

      json_print (path, options->json, JSON_PLAIN);
    }
  else if (options->legend && terminal_is_output ())
    printf (_ ("Created. “tomboloctl start %s” starts it.\n"), name);

  return CLIENT_EXIT_DONE;
}

const Verb verb_create = {
  "create",
  N_ ("NAME [--monitor=qemu OPTION…|--file=FILE]"),
  N_ ("Make a machine"),
  N_ ("The settings are those of tombolo.machine(5). The machine's file is kept in "
      "/var/lib/tombolo/machines; files that it names must be readable to every local user, and "
      "disks end in :ro. "
      "Container machines are made by an administrator, in /etc/tombolo/machines."),
  1,
  1,
  .options = create_options,
  .run = run,
};
