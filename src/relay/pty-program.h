/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolo-pty: one terminal and a socket, and bytes and window sizes between them. It ends when
 * either does. */
#pragma once

/* Where it finds them, and the words for what the terminal is (PtyRole). */
#define PTY_PROGRAM_TERMINAL 3
#define PTY_PROGRAM_SOCKET 4
#define PTY_ROLE_FOREIGN_MASTER "foreign-master"
#define PTY_ROLE_FOREIGN_SLAVE "foreign-slave"
#define PTY_ROLE_OWN_MASTER "own-master"
#define PTY_ROLE_OWN_SLAVE "own-slave"

/* The whole program; returns its exit code. */
int pty_program_run (const char *role);
