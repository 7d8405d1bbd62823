/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl kill */
#include "config.h"

#include <glib/gi18n.h>

#include "operation.h"
#include "verb.h"

static ClientExit
run (const Options *options)
{
  static const Operation operation = { "Kill", N_ ("killing…"), .takes_options = TRUE };

  return operation_run (&operation, options);
}

const Verb verb_kill = {
  "kill",
  N_ ("NAME…"),
  N_ ("End machines at once"),
  N_ ("The guest is asked nothing, as if its power were cut: what it has not written is lost."),
  1,
  G_MAXUINT,
  .run = run,
};
