/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine's settings, read from the text of its machine file (tombolo.machine(5)). No I/O: the
 * caller reads the file. */
#pragma once

#include <glib.h>

#include <stdint.h>

#include "call-rule.h"
#include "guest-bus.h"
#include "import.h"

typedef enum
{
  MONITOR_QEMU,
  MONITOR_CONTAINER,
} MonitorKind;

typedef enum
{
  QEMU_MACHINE_Q35,
  QEMU_MACHINE_MICROVM,
} QemuMachine;

typedef enum
{
  DISK_FORMAT_RAW,
  DISK_FORMAT_QCOW2,
} DiskFormat;

typedef struct
{
  char *path;
  DiskFormat format; /* always stated, never probed */
  gboolean read_only;
  guint line; /* of the file, from 1; so are the other lines here */
} MachineDisk;

/* One entry of Broadcast=: NAME or NAME@INTERFACE. */
typedef struct
{
  char *name;
  char *interface; /* NULL: every interface */
} MachineBroadcast;

/* One entry of Alias= or SessionAlias=: EXPORTED:ALIAS. */
typedef struct
{
  char *exported;
  char *alias;
  guint line;
} MachineAlias;

typedef struct
{
  /* [Machine] */
  MonitorKind monitor;
  char *description;
  gboolean agent;     /* Agent=yes (default): the guest has tombolo-guestd, so it gets a bridge */
  gboolean autostart; /* Start=boot; default Start=manual */
  uint64_t memory;    /* bytes: Memory=512M; qemu default 512M; container 0 = no limit */
  uint32_t cpus;      /* CPUs=1; qemu default 1; container 0 = no limit */

  /* [Qemu] */
  QemuMachine qemu_machine; /* Type=q35 (default) or microvm */
  char *kernel;             /* Kernel=, Initrd=, CommandLine= */
  char *initrd;
  guint kernel_line;
  guint initrd_line;
  char *command_line;
  GPtrArray *disks; /* MachineDisk: Disk=PATH:raw|qcow2[:ro], may be repeated */

  /* [Container] */
  char *root; /* Root=DIRECTORY */
  guint root_line;
  gboolean private_users; /* PrivateUsers=yes (default) */
  gboolean ephemeral;     /* Ephemeral=no (default): --volatile=overlay; needs PrivateUsers=no */

  /* [Bus] */
  GPtrArray *broadcasts;             /* MachineBroadcast, of the system bus */
  GPtrArray *aliases[N_GUEST_BUSES]; /* MachineAlias: Alias=, SessionAlias= */
  GPtrArray *imports;                /* MachineImport */

  /* [Call] */
  GPtrArray *rules[N_GUEST_BUSES]; /* CallRule, with their lines: Rule=, SessionRule= */

  /* [Import] */
  GPtrArray *import_rules; /* the same, for calls of the machine to the host's names */
} MachineSettings;

void machine_settings_free (MachineSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MachineSettings, machine_settings_free)

/* Reads `text` strictly: unknown groups and keys, duplicates, bad values, keys of another monitor,
 * invalid UTF-8 and missing keys are errors (TOMBOLO_ERROR_INVALID_SETTINGS) of the form
 * “FILE:LINE: what is wrong, and what to do”. `file` is only for the messages. */
MachineSettings *machine_settings_from_text (const char *text, gsize size, const char *file,
                                             GError **error);

/* The text of a machine file from CreateMachine()'s settings (a{sa{sv}}: groups of keys with
 * strings or arrays of strings); checked by reading it back, to `*ret_settings`, which may be NULL.
 * Free with g_free(). Newlines and control characters in values are refused. */
char *machine_settings_text_from_variant (GVariant *settings, MachineSettings **ret_settings,
                                          GError **error);
