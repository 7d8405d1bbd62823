/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From settings to a command: argv and the descriptors it mentions. Pure functions, so golden
 * files test them. */
#pragma once

#include "machine-settings.h"
#include "name.h"

/* The programs. tombolo-launch execs no other monitor. */
#define MONITOR_QEMU_PROGRAM "/usr/bin/qemu-system-x86_64"
#define MONITOR_CONTAINER_PROGRAM "/usr/bin/systemd-nspawn"

/* What tombolo-kvm-probe found out when the host booted: “kvm” or “tcg”, without a newline. Where
 * the file cannot be read, it is “tcg”. */
#define MONITOR_KVM_FILE "/run/tombolo/kvm"

/* The systemd credential that carries the guest's identity: IDENTITY_CREDENTIAL of src/pki. */
#define MONITOR_IDENTITY_CREDENTIAL "tombolo.identity"

/* What stands behind descriptor number MONITOR_FIRST_DESCRIPTOR + index at exec. */
#define MONITOR_FIRST_DESCRIPTOR 3

typedef enum
{
  MONITOR_DESCRIPTOR_TAP,      /* the control link, with IFF_VNET_HDR */
  MONITOR_DESCRIPTOR_QMP,      /* a listening unix stream socket */
  MONITOR_DESCRIPTOR_IDENTITY, /* a sealed memfd with the guest's identity text */
  MONITOR_DESCRIPTOR_KERNEL,   /* readable to anybody, or a sealed memfd */
  MONITOR_DESCRIPTOR_INITRD,
  MONITOR_DESCRIPTOR_DISK, /* `index` tells which of settings->disks */
} MonitorDescriptorKind;

typedef struct
{
  MonitorDescriptorKind kind;
  guint index;
} MonitorDescriptor;

typedef struct
{
  GPtrArray *argv;     /* char *, ends in NULL */
  GArray *descriptors; /* MonitorDescriptor, in the order of their numbers */
} MonitorCommand;

void monitor_command_free (MonitorCommand *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MonitorCommand, monitor_command_free)

/* What the settings do not hold. */
typedef struct
{
  const char *name;
  uint8_t mac[MAC_SIZE]; /* the guest's end of the control link */
  gboolean kvm;          /* KVM is known to work; else TCG */
} MonitorQemuContext;

/* The descriptors are TAP and QMP; the identity, where the machine has an agent; kernel and initrd,
 * where the settings name them; and each disk, opened for reading, and writing unless read-only. */
MonitorCommand *monitor_qemu_command (const MachineSettings *settings,
                                      const MonitorQemuContext *context, GError **error);

typedef struct
{
  const char *name;
  const char *interface;             /* the veth end to move into the container */
  const char *credentials_directory; /* of this service: holds the identity */
} MonitorContainerContext;

/* Needs no descriptors. Memory and processors are limited by the unit's cgroup, not here. */
MonitorCommand *monitor_container_command (const MachineSettings *settings,
                                           const MonitorContainerContext *context, GError **error);
