/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files that a QEMU machine's settings name, opened. */
#pragma once

#include <gio/gio.h>

#include "machine-settings.h"

typedef struct
{
  int kernel; /* -1: none named */
  int initrd;
  GArray *disks; /* int, as settings->disks */
} MachineImages;

void machine_images_free (MachineImages *images);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MachineImages, machine_images_free)

/* Opens all of them, in a thread, for a kernel on a slow disk must not hold up the daemon. A kernel
 * or initrd that not everybody may read is copied to a sealed memory file. `created`: the settings
 * came over D-Bus, so that every file must be readable to everybody, along its whole path and
 * without symbolic links, and disks are read only. Errors are TOMBOLO_ERROR_INVALID_SETTINGS and
 * point to the line of `file`, the machine file. */
void machine_images_open_async (const MachineSettings *settings, const char *file, gboolean created,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);
MachineImages *machine_images_open_finish (GAsyncResult *result, GError **error);
