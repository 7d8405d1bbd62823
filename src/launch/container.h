/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `tombolo-launch container NAME`: runs as root, so it believes nobody but the root-owned machine
 * file. From tombolod come only the link, by its name, and the identity, by systemd. */
#pragma once

#include "monitor.h"

/* The settings of container `name`, from NAME.machine in `directory`. Directory and file have to
 * belong to `owner` and be writable to nobody else; links are not followed. */
MachineSettings *container_read_settings (const char *directory, const char *name, uid_t owner,
                                          GError **error);

/* Becomes systemd-nspawn. Returns, FALSE, only where that fails. */
gboolean container_exec (const char *name, const MachineSettings *settings, GError **error);
