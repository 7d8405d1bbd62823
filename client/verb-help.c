/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl help */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>

#include "help.h"
#include "pager.h"
#include "terminal.h"
#include "verb.h"

static ClientExit
run (const Options *options)
{
  const char *wanted = options_get_word (options, 0);
  g_autofree char *text = NULL;
  const Verb *verb = NULL;

  for (guint i = 0; wanted != NULL && verbs[i] != NULL; i++)
    if (g_str_equal (verbs[i]->name, wanted))
      verb = verbs[i];
  if (wanted != NULL && verb == NULL)
    {
      g_autoptr (GError) error =
          g_error_new (CLIENT_ERROR, CLIENT_EXIT_USAGE,
                       _ ("There is no verb “%s”: see “tomboloctl --help”."), wanted);

      return failure_report (error, NULL);
    }

  pager_open (options);
  text = help_text (verb, terminal_width ());
  fputs (text, stdout);
  pager_close ();
  return CLIENT_EXIT_DONE;
}

const Verb verb_help = {
  "help", N_ ("[VERB]"), N_ ("Show help, of a verb where one is named"), NULL, 0, 1, .run = run,
};
