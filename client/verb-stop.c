/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl stop */
#include "config.h"

#include <glib/gi18n.h>

#include "operation.h"
#include "verb.h"

static const Option stop_options[] = {
  VERB_TIMEOUT_OPTION (N_ ("Kill the guest when it has not shut down after TIME (30s)")),
  { OPTION_END },
};

static ClientExit
run (const Options *options)
{
  static const Operation operation = { "Stop", N_ ("stopping…"), .takes_options = TRUE };

  return operation_run (&operation, options);
}

const Verb verb_stop = {
  "stop",
  N_ ("NAME…"),
  N_ ("Shut machines down"),
  N_ ("Asks each guest to shut down and returns when the machines are stopped. A machine that is "
      "stopped already is no failure."),
  1,
  G_MAXUINT,
  .options = stop_options,
  .run = run,
};
