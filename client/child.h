/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that runs in our place: on our terminal, with the signals that are sent to us, and with
 * an exit code that becomes ours. */
#pragma once

#include <glib.h>

/* The codes where the program did not even run, as env(1) and its like have them. */
#define CHILD_EXIT_FAILED 125 /* ours */
#define CHILD_EXIT_NO_EXEC 126
#define CHILD_EXIT_NOT_FOUND 127

/* Keeps signals for the program that is to be run; before any thread is started. */
void child_block_signals (void);

/* Runs it with `environment`, found by PATH, and the default main context until it ends. Returns
 * its exit code, 128 and the number of the signal that ended it, or one of the above with a message
 * on standard error. */
int child_run (const char *const *argv, const char *const *environment);
