/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command of monitor `qemu`: QEMU from 7.2 on, machine types q35 and microvm. It opens no
 * path that a machine file names: disks, kernel and identity are descriptors. */
#include "monitor-command.h"

#include "error.h"
#include "limit.h"

#define MEBIBYTE (1024 * 1024)

/* The image says of itself neither its format nor a file behind it. */
static const char *const disk_drivers[] = {
  [DISK_FORMAT_RAW] = "\"driver\":\"raw\"",
  [DISK_FORMAT_QCOW2] = "\"driver\":\"qcow2\",\"backing\":null",
};

/* Both machine types have the same virtio devices, on different transports. */
static const char *
transport (const MachineSettings *settings)
{
  return settings->qemu_machine == QEMU_MACHINE_Q35 ? "pci" : "device";
}

static void
add_sandbox (MonitorCommand *command)
{
  monitor_command_add (command, "-nodefaults");
  monitor_command_add (command, "-no-user-config");
  monitor_command_add (command, "-sandbox");
  monitor_command_add (command, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
                                "resourcecontrol=deny");
}

static void
add_machine (MonitorCommand *command, const MachineSettings *settings,
             const MonitorQemuContext *context)
{
  monitor_command_add (command, "-name");
  monitor_command_add_format (command, "guest=%s", context->name);

  /* No emulated device that no guest of ours needs. microvm keeps PIT, PIC and ACPI: without them
   * stock kernels take twice as long to boot, or do not power off. */
  monitor_command_add (command, "-machine");
  monitor_command_add (command, settings->qemu_machine == QEMU_MACHINE_Q35
                                    ? "q35,usb=off,vmport=off,smbus=off,sata=off,"
                                      "dump-guest-core=off"
                                    : "microvm,usb=off,pcie=off,rtc=on,dump-guest-core=off");

  /* split-wx: the unit forbids memory that is writable and executable. */
  monitor_command_add (command, "-accel");
  monitor_command_add (command, context->kvm ? "kvm" : "tcg,split-wx=on");
  monitor_command_add (command, "-cpu");
  monitor_command_add (command, context->kvm ? "host" : "max");
  monitor_command_add (command, "-smp");
  monitor_command_add_format (command, "%u", settings->cpus);
  monitor_command_add (command, "-m");
  monitor_command_add_format (command, "%" G_GUINT64_FORMAT "M", settings->memory / MEBIBYTE);
}

/* A guest that reboots stays the same machine; one that shuts down or panics ends its monitor. */
static void
add_actions (MonitorCommand *command, const MachineSettings *settings)
{
  monitor_command_add (command, "-action");
  monitor_command_add (command, "reboot=reset,shutdown=poweroff,panic=exit-failure");
  if (settings->qemu_machine == QEMU_MACHINE_Q35)
    {
      monitor_command_add (command, "-device");
      monitor_command_add (command, "{\"driver\":\"pvpanic\"}");
    }
}

static void
add_console (MonitorCommand *command)
{
  monitor_command_add (command, "-display");
  monitor_command_add (command, "none");
  monitor_command_add (command, "-monitor");
  monitor_command_add (command, "none");

  /* The serial console goes to the journal. */
  monitor_command_add (command, "-chardev");
  monitor_command_add (command, "stdio,id=console,signal=off");
  monitor_command_add (command, "-serial");
  monitor_command_add (command, "chardev:console");
}

static void
add_control (MonitorCommand *command, const MachineSettings *settings,
             const MonitorQemuContext *context)
{
  int tap = monitor_command_add_descriptor (command, MONITOR_DESCRIPTOR_TAP, 0);
  int qmp = monitor_command_add_descriptor (command, MONITOR_DESCRIPTOR_QMP, 0);
  char mac[MAC_STRING_SIZE];

  mac_to_string (context->mac, mac);

  monitor_command_add (command, "-chardev");
  monitor_command_add_format (command, "socket,id=qmp,fd=%d,server=on,wait=off", qmp);
  monitor_command_add (command, "-mon");
  monitor_command_add (command, "chardev=qmp,mode=control");

  monitor_command_add (command, "-netdev");
  monitor_command_add_format (command, "tap,id=control,fd=%d", tap);
  monitor_command_add (command, "-device");
  monitor_command_add_format (
      command,
      "{\"driver\":\"virtio-net-%s\",\"id\":\"control\",\"netdev\":\"control\",\"mac\":\"%s\"%s}",
      transport (settings), mac,
      settings->qemu_machine == QEMU_MACHINE_Q35 ? ",\"romfile\":\"\"" : "");

  monitor_command_add (command, "-object");
  monitor_command_add (command, "{\"qom-type\":\"rng-builtin\",\"id\":\"random\"}");
  monitor_command_add (command, "-device");
  monitor_command_add_format (command, "{\"driver\":\"virtio-rng-%s\",\"rng\":\"random\"}",
                              transport (settings));
}

static void
add_identity (MonitorCommand *command)
{
  int identity = monitor_command_add_descriptor (command, MONITOR_DESCRIPTOR_IDENTITY, 0);

  monitor_command_add (command, "-fw_cfg");
  monitor_command_add_format (command,
                              "name=opt/io.systemd.credentials/" MONITOR_IDENTITY_CREDENTIAL
                              ",file=/proc/self/fd/%d",
                              identity);
}

static void
add_kernel (MonitorCommand *command, const MachineSettings *settings)
{
  int kernel = monitor_command_add_descriptor (command, MONITOR_DESCRIPTOR_KERNEL, 0);

  monitor_command_add (command, "-kernel");
  monitor_command_add_format (command, "/proc/self/fd/%d", kernel);

  if (settings->initrd != NULL)
    {
      int initrd = monitor_command_add_descriptor (command, MONITOR_DESCRIPTOR_INITRD, 0);

      monitor_command_add (command, "-initrd");
      monitor_command_add_format (command, "/proc/self/fd/%d", initrd);
    }
  if (settings->command_line != NULL)
    {
      monitor_command_add (command, "-append");
      monitor_command_add (command, settings->command_line);
    }
}

/* The disk is a descriptor in a set of its own, so that QEMU may reopen it. */
static void
add_disk (MonitorCommand *command, const MachineSettings *settings, guint index)
{
  const MachineDisk *disk = settings->disks->pdata[index];
  int fd = monitor_command_add_descriptor (command, MONITOR_DESCRIPTOR_DISK, index);
  g_autofree char *boot = settings->qemu_machine == QEMU_MACHINE_Q35
                              ? g_strdup_printf (",\"bootindex\":%u", index + 1)
                              : g_strdup ("");

  monitor_command_add (command, "-add-fd");
  monitor_command_add_format (command, "fd=%d,set=%u", fd, index);
  monitor_command_add (command, "-blockdev");
  monitor_command_add_format (
      command,
      "{%s,\"node-name\":\"disk%u\",\"read-only\":%s,\"discard\":\"unmap\","
      "\"file\":{\"driver\":\"file\",\"filename\":\"/dev/fdset/%u\",\"discard\":\"unmap\"}}",
      disk_drivers[disk->format], index, disk->read_only ? "true" : "false", index);
  monitor_command_add (command, "-device");
  monitor_command_add_format (command,
                              "{\"driver\":\"virtio-blk-%s\",\"id\":\"disk%u\",\"drive\":\"disk%"
                              "u\",\"serial\":\"disk%u\"%s}",
                              transport (settings), index, index, index, boot);
}

MonitorCommand *
monitor_qemu_command (const MachineSettings *settings, const MonitorQemuContext *context,
                      GError **error)
{
  g_autoptr (MonitorCommand) command = monitor_command_new (MONITOR_QEMU_PROGRAM);

  if (settings->monitor != MONITOR_QEMU)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS,
                   "Machine “%s” is not one of monitor qemu.", context->name);
      return NULL;
    }

  add_sandbox (command);
  add_machine (command, settings, context);
  add_actions (command, settings);
  add_console (command);
  add_control (command, settings, context);
  if (settings->agent)
    add_identity (command);
  if (settings->kernel != NULL)
    add_kernel (command, settings);
  for (guint i = 0; i < settings->disks->len; i++)
    add_disk (command, settings, i);

  return g_steal_pointer (&command);
}
