/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl pause */
#include "config.h"

#include <glib/gi18n.h>

#include "operation.h"
#include "verb.h"

static ClientExit
run (const Options *options)
{
  static const Operation operation = { "Pause", N_ ("pausing…") };

  return operation_run (&operation, options);
}

const Verb verb_pause = {
  "pause",   N_ ("NAME…"), N_ ("Hold running machines still, memory kept"), NULL, 1,
  G_MAXUINT, .run = run,
};
