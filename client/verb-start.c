/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl start */
#include "config.h"

#include <glib/gi18n.h>

#include "operation.h"
#include "verb.h"

static const Option start_options[] = {
  VERB_WAIT_AGENT_OPTION,
  { OPTION_END },
};

static ClientExit
run (const Options *options)
{
  static const Operation operation = { "Start", N_ ("starting…"), .takes_options = TRUE,
                                       .starts = TRUE };

  return operation_run (&operation, options);
}

const Verb verb_start = {
  "start",
  N_ ("NAME…"),
  N_ ("Start machines"),
  N_ ("Returns when their monitors run. The guest's agent connects later: --wait-agent waits for "
      "it."),
  1,
  G_MAXUINT,
  .options = start_options,
  .run = run,
};
