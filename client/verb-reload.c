/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl reload */
#include "config.h"

#include <glib/gi18n.h>

#include "host.h"
#include "verb.h"

static ClientExit
run (const Options *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GDBusConnection) bus = host_connect (&error);

  if (bus != NULL)
    reply = host_call_manager (bus, options, "Reload", NULL, _ ("Reading machine files…"), &error);

  return reply != NULL ? CLIENT_EXIT_DONE : failure_report (error, NULL);
}

const Verb verb_reload = {
  "reload",
  "",
  N_ ("Read all machine files again"),
  N_ ("Running machines are not touched: changed settings count from the next start."),
  .run = run,
};
