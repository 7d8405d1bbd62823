/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether KVM runs guests here at the speed of the processor. That /dev/kvm opens proves nothing:
 * some hosts emulate each instruction of a kernel, or know only kernels that were made for them. */
#pragma once

#include <glib.h>

/* Runs a tiny guest in 64-bit mode: a loop that is soon over where the processor runs it, vector
 * registers, a switch of page tables, and port output. FALSE, and `error` says why, where that
 * fails or takes longer than a second in all. `device` is /dev/kvm. */
gboolean kvm_probe (const char *device, GError **error);

/* Replaces the text of the existing file `path`. */
gboolean kvm_probe_write (const char *path, const char *verdict, GError **error);
