/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A terminal somewhere else on the terminal here: what is typed goes there, what comes is shown as
 * it is, and the size of the window follows. Runs on the default main context. */
#pragma once

#include <glib.h>

/* What terminal_link_run() returns where there is no exit status. */
#define TERMINAL_LINK_LEFT -1 /* the user typed ^] three times, or a signal ended it */
#define TERMINAL_LINK_LOST -2 /* the other side went away */

/* Takes both: the master of the terminal, and the pipe with the exit status (“N\n”). Where standard
 * input is a terminal it is raw meanwhile, and as it was afterwards; where it is none, its end is
 * not passed on. Returns the exit status, or one of the above. */
int terminal_link_run (int master, int status);
