/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each machine file in golden/ makes exactly the command beside it. After a wanted change, write
 * the commands anew with TOMBOLO_UPDATE_GOLDEN=1 and read the difference. */
#include <glib.h>
#include <string.h>

#include "error.h"
#include "identity.h"
#include "monitor.h"

#define MAC "02:11:22:33:44:55"

static const struct
{
  const char *file;   /* golden/FILE.machine */
  const char *golden; /* golden/GOLDEN.argv */
  const char *name;
  gboolean kvm;
} cases[] = {
  { "q35-disk", "q35-disk", "team:appliance", TRUE },
  { "q35-kernel", "q35-kernel", "lab", FALSE },
  { "q35-kernel", "q35-kernel-kvm", "lab", TRUE },
  { "microvm", "microvm", "lab", FALSE },
  { "microvm", "microvm-kvm", "lab", TRUE },
  { "microvm-bare", "microvm-bare", "lab", FALSE },
  { "container", "container", "work", FALSE },
  { "container", "container-team", "team:web", FALSE },
  { "container-ephemeral", "container-ephemeral", "team:web.-x", FALSE },
};

static const char *const descriptor_names[] = {
  [MONITOR_DESCRIPTOR_TAP] = "tap",           [MONITOR_DESCRIPTOR_QMP] = "qmp",
  [MONITOR_DESCRIPTOR_IDENTITY] = "identity", [MONITOR_DESCRIPTOR_KERNEL] = "kernel",
  [MONITOR_DESCRIPTOR_INITRD] = "initrd",     [MONITOR_DESCRIPTOR_DISK] = "disk",
};

static MachineSettings *
read_settings (const char *file)
{
  g_autofree char *name = g_strconcat (file, ".machine", NULL);
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", name, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  MachineSettings *settings;
  gsize size;

  g_file_get_contents (path, &text, &size, &error);
  g_assert_no_error (error);
  settings = machine_settings_from_text (text, size, name, &error);
  g_assert_no_error (error);
  return settings;
}

static MonitorCommand *
make_command (const MachineSettings *settings, const char *name, gboolean kvm, GError **error)
{
  char interface[INTERFACE_NAME_SIZE];
  MonitorQemuContext qemu = { .name = name, .kvm = kvm };
  MonitorContainerContext container = {
    .name = name,
    .interface = interface,
    .credentials_directory = "/run/credentials/unit",
  };

  mac_from_string (MAC, qemu.mac);
  machine_name_to_interface (name, TRUE, interface);
  return settings->monitor == MONITOR_QEMU
             ? monitor_qemu_command (settings, &qemu, error)
             : monitor_container_command (settings, &container, error);
}

/* One argument a line, then what the descriptors are. */
static char *
command_to_text (const MonitorCommand *command)
{
  GString *text = g_string_new (NULL);

  g_assert_null (command->argv->pdata[command->argv->len]);
  for (guint i = 0; i < command->argv->len; i++)
    g_string_append_printf (text, "%s\n", (const char *) command->argv->pdata[i]);

  for (guint i = 0; i < command->descriptors->len; i++)
    {
      const MonitorDescriptor *descriptor =
          &g_array_index (command->descriptors, MonitorDescriptor, i);

      g_string_append_printf (text, "# %u = %s %u\n", MONITOR_FIRST_DESCRIPTOR + i,
                              descriptor_names[descriptor->kind], descriptor->index);
    }
  return g_string_free (text, FALSE);
}

static void
test_golden (gconstpointer data)
{
  guint number = GPOINTER_TO_UINT (data);
  g_autofree char *name = g_strconcat (cases[number].golden, ".argv", NULL);
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", name, NULL);
  g_autoptr (MachineSettings) settings = read_settings (cases[number].file);
  g_autoptr (GError) error = NULL;
  g_autoptr (MonitorCommand) command =
      make_command (settings, cases[number].name, cases[number].kvm, &error);
  g_autofree char *text = NULL;
  g_autofree char *golden = NULL;

  g_assert_no_error (error);
  text = command_to_text (command);

  if (g_getenv ("TOMBOLO_UPDATE_GOLDEN") != NULL)
    g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);

  g_file_get_contents (path, &golden, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, golden);
}

/* A name of 128 characters, and dots where host names have none, still make a host name. */
static void
test_hostname (void)
{
  static const char *const names[] = {
    "a",       "a.b",
    "a..b",    "a-",
    "a.",      "a.-b",
    "a-.b",    "a:b:c",
    "team:a.", "a123456789012345678901234567890123456789012345678901234567890.a:b"
  };
  g_autoptr (MachineSettings) settings = read_settings ("container");

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (MonitorCommand) command = make_command (settings, names[i], FALSE, NULL);
      const char *hostname = NULL;

      for (guint j = 0; j < command->argv->len; j++)
        if (g_str_has_prefix (command->argv->pdata[j], "--machine="))
          hostname = (const char *) command->argv->pdata[j] + strlen ("--machine=");

      g_assert_nonnull (hostname);
      g_assert_cmpuint (strlen (hostname), <=, 64);
      g_assert_true (g_regex_match_simple ("^[a-z0-9]+([.-]?[a-z0-9]+)*$", hostname,
                                           G_REGEX_DOLLAR_ENDONLY, 0));
    }
}

static void
test_other_monitor (void)
{
  g_autoptr (MachineSettings) container = read_settings ("container");
  g_autoptr (MachineSettings) qemu = read_settings ("microvm");
  MonitorQemuContext qemu_context = { .name = "lab" };
  MonitorContainerContext container_context = { .name = "lab", .interface = "tg-0" };
  g_autoptr (GError) error = NULL;

  g_assert_null (monitor_qemu_command (container, &qemu_context, &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS);
  g_clear_error (&error);
  g_assert_null (monitor_container_command (qemu, &container_context, &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS);
}

static void
test_credential_name (void)
{
  g_assert_cmpstr (MONITOR_IDENTITY_CREDENTIAL, ==, IDENTITY_CREDENTIAL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/monitor/golden/", cases[i].golden, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_golden);
    }
  g_test_add_func ("/monitor/hostname", test_hostname);
  g_test_add_func ("/monitor/other-monitor", test_other_monitor);
  g_test_add_func ("/monitor/credential-name", test_credential_name);

  return g_test_run ();
}
