/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl restart */
#include "config.h"

#include <glib/gi18n.h>

#include "operation.h"
#include "verb.h"

static const Option restart_options[] = {
  VERB_TIMEOUT_OPTION (N_ ("Kill the guest when it has not shut down after TIME (30s)")),
  VERB_WAIT_AGENT_OPTION,
  { OPTION_END },
};

static ClientExit
run (const Options *options)
{
  static const Operation operation = { "Restart", N_ ("restarting…"), .takes_options = TRUE,
                                       .starts = TRUE };

  return operation_run (&operation, options);
}

const Verb verb_restart = {
  "restart",
  N_ ("NAME…"),
  N_ ("Shut machines down and start them again"),
  N_ ("A machine that is stopped is started. The new start has a new identity."),
  1,
  G_MAXUINT,
  .options = restart_options,
  .run = run,
};
