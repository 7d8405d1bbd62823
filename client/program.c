/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl: from the command line to a verb. */
#include "config.h"

#include "program.h"

#include <glib/gi18n.h>
#include <stdio.h>

#include "help.h"
#include "pager.h"
#include "polkit-agent.h"
#include "terminal.h"
#include "verb.h"

const Verb *const verbs[] = {
  &verb_list,   &verb_status, &verb_start,   &verb_stop,    &verb_restart, &verb_kill,  &verb_pause,
  &verb_resume, &verb_create, &verb_delete,  &verb_reload,  &verb_call,    &verb_shell, &verb_with,
  &verb_rules,  &verb_alias,  &verb_monitor, &verb_version, &verb_help,    NULL,
};

static void
print_help (const Options *options)
{
  g_autofree char *text = NULL;

  pager_open (options);
  text = help_text (options->verb, terminal_width ());
  fputs (text, stdout);
  pager_close ();
}

/* A reader that left early is no failure; a full disk is. */
static ClientExit
close_output (ClientExit code)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return code;
  if (errno == EPIPE)
    return code;

  fprintf (stderr, "tomboloctl: %s\n", _ ("The output could not be written."));
  return code == CLIENT_EXIT_DONE ? CLIENT_EXIT_FAILED : code;
}

int
program_run (const char *const *argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Options) options = NULL;
  ClientExit code = CLIENT_EXIT_DONE;

  options = options_parse (argv[0] != NULL ? argv + 1 : argv, verbs, &error);
  if (options == NULL)
    return failure_report (error, NULL);

  if (options->help)
    print_help (options);
  else if (options->version)
    printf ("tomboloctl %s\n", TOMBOLO_VERSION);
  else
    code = (options->verb != NULL ? options->verb : &verb_list)->run (options);

  code = close_output (code);
  polkit_agent_close ();
  return code;
}
