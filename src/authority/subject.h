/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a process is still the one that it was, and who asks in polkit's terms. */
#pragma once

#include "authority.h"

/* The process runs and started when it is said to: pids are reused. `start_time` of 0 is not
 * compared. FALSE in doubt. */
bool authority_process_is_same (pid_t pid, int pidfd, uint64_t start_time);

/* Appends polkit's `(sa{sv})`. Negative: -errno. */
int authority_subject_append (const AuthoritySubject *subject, sd_bus_message *message);
