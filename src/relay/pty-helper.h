/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolo-pty, from the side of the program that starts it.
 *
 * A terminal has a process of its own, for two reasons. The size of a terminal's window changes
 * without a word to whoever holds its slave, but for a signal to the session that the terminal
 * controls: so somebody has to be that session, and neither bridge nor agent can be the session of
 * more than one. And a terminal that somebody else holds, too, can be made to block whoever reads
 * or writes it: then only that one terminal stands still. */
#pragma once

#include <systemd/sd-event.h>

typedef enum
{
  PTY_FOREIGN_MASTER, /* somebody here passed it */
  PTY_FOREIGN_SLAVE,
  PTY_OWN_MASTER, /* somebody here has the other end of the pair */
  PTY_OWN_SLAVE,
} PtyRole;

/* A new pair with a window of this size, close-on-exec, the caller's. Negative: -errno. */
int pty_open (unsigned rows, unsigned columns, int *ret_master, int *ret_slave);

/* No echo, no lines, no signals. Negative: -errno. */
int pty_set_raw (int slave);

/* Starts it with `pty`, which stays the caller's. `*ret_socket`, the caller's, carries the frames
 * of pty-frame.h. Negative: -errno. */
typedef struct PtyHelper PtyHelper;
int pty_helper_new (sd_event *event, PtyRole role, int pty, int *ret_socket,
                    PtyHelper **ret_helper);

/* Ends the process and forgets it. NULL is allowed. */
void pty_helper_free (PtyHelper *helper);

/* The program; fixed but for tests. */
extern const char *pty_helper_program;
