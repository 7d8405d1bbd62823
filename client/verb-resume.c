/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl resume */
#include "config.h"

#include <glib/gi18n.h>

#include "operation.h"
#include "verb.h"

static ClientExit
run (const Options *options)
{
  static const Operation operation = { "Resume", N_ ("resuming…") };

  return operation_run (&operation, options);
}

const Verb verb_resume = {
  "resume", N_ ("NAME…"), N_ ("Let paused machines go on"), NULL, 1, G_MAXUINT, .run = run,
};
