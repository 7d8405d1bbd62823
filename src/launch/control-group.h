/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A container's limits: a control group below the unit's own, which systemd delegates to us. */
#pragma once

#include <glib.h>

#include <stdint.h>

/* Moves this process into a group of its own with at most `memory` bytes and `cpus` processors'
 * time; 0 is no limit. Where the host keeps those controllers in the old hierarchies, whose
 * delegation is not safe, it warns and sets none. */
gboolean control_group_limit (uint64_t memory, uint32_t cpus, GError **error);
