/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process at the other end of a socket, as polkit's subject. */
#pragma once

#include "authority.h"

/* Reads who connected to `socket`: pid and user as the socket tells them, the process' start time,
 * and a pidfd, the callee's to close, that holds it. Negative: -errno; -ESRCH where it is gone. */
int process_get_peer (int socket, AuthoritySubject *ret_subject);

/* The groups (uint32_t) of who connected, its own included, or NULL where the kernel does not tell.
 * Free with g_array_unref(). */
GArray *process_get_peer_groups (int socket);
