/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The default mode of tombolo-launch: a command and its descriptors come from tombolod over the
 * machine's own socket, and the process becomes the monitor. */
#pragma once

#include <glib.h>

#include <sys/types.h>

typedef struct
{
  GPtrArray *argv; /* char *, ends in NULL */
  GArray *fds; /* int: the command's MONITOR_FIRST_DESCRIPTOR and those after it; closed with it */
} LaunchCommand;

void launch_command_free (LaunchCommand *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LaunchCommand, launch_command_free)

/* Accepts one connection from the listening socket `listener`, whose peer has to have the user id
 * `peer`. Waits LAUNCH_WAIT_MSEC at most. Returns the connection, or -1. */
int launch_accept (int listener, uid_t peer, GError **error);

/* Reads the one message of launch-protocol.h. The program, argv[0], has to be one of `monitors`,
 * which ends in NULL. */
LaunchCommand *launch_command_receive (int connection, const char *const *monitors, GError **error);

/* Becomes the command: its descriptors at their numbers, no other one above standard error, signals
 * as they were born, an environment with PATH alone. Returns, FALSE, only where that fails.
 * `connection` closes as the program starts; it may get another number before. */
gboolean launch_command_exec (LaunchCommand *command, int *connection, GError **error);
