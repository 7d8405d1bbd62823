/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A line on standard error that tells what is waited for, once it takes longer than a second, and
 * for how long. Nothing where standard error is no terminal. Runs on the default main context. */
#pragma once

#include <glib.h>

typedef struct Progress Progress;

/* `text` such as “Starting work…”. */
Progress *progress_new (const char *text);
/* Wipes the line. NULL is allowed. */
void progress_free (Progress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Progress, progress_free)

/* While held, nothing is drawn: somebody else, such as the polkit agent, may be writing. */
void progress_hold (Progress *progress, gboolean held);
