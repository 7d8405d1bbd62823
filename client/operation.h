/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A method of org.tombolo.Host1.Machine on every machine that the command line names, all at
 * once. */
#pragma once

#include "options.h"

typedef struct
{
  const char *method;
  const char *progress;   /* such as “starting…”: N_() */
  gboolean takes_options; /* an a{sv}; `timeout` is in it where the command line gives it */
  gboolean starts;        /* --wait-agent counts */
} Operation;

/* Reports each failure; returns the first one's exit code. */
ClientExit operation_run (const Operation *operation, const Options *options);
