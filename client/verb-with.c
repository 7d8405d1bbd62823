/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl with */
#include "config.h"

#include <glib/gi18n.h>

#include "call-target.h"
#include "child.h"
#include "host.h"
#include "polkit-agent.h"
#include "private-bus.h"
#include "verb.h"

enum
{
  WORD_NAME,
  WORD_COMMAND,
};

static ClientExit
run (const Options *options)
{
  const char *const *words = (const char *const *) options->words->pdata;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (TomboloMachine) machine = NULL;
  g_autoptr (PrivateBus) private_bus = NULL;
  g_auto (GStrv) environment = NULL;

  /* Before the signals are kept: the agent has to hear its own. */
  if (options->ask_password)
    polkit_agent_open ();
  child_block_signals ();
  if ((bus = host_connect (&error)) == NULL
      || (machine = host_find_machine (bus, words[WORD_NAME], &error)) == NULL
      || !call_target_is_connected (machine, words[WORD_NAME], &error)
      || (private_bus = private_bus_new (machine, &error)) == NULL)
    {
      failure_report (error, NULL);
      return (ClientExit) CHILD_EXIT_FAILED;
    }

  environment = g_environ_setenv (g_get_environ (), "DBUS_SYSTEM_BUS_ADDRESS",
                                  private_bus_get_address (private_bus), TRUE);
  return (ClientExit) child_run (words + WORD_COMMAND, (const char *const *) environment);
}

const Verb verb_with = {
  "with",
  N_ ("NAME [--] COMMAND [ARGUMENT…]"),
  N_ ("Run a program with a guest's system bus in place of the host's"),
  N_ ("What the program calls on the system bus is called in the guest, with your authority, which "
      "polkit and the machine's rules decide about call by call; other names than the guest "
      "exports "
      "are not there. Exits as the program does; with 125 where there is no bus for it, with 126 "
      "or 127 where it cannot be run."),
  WORD_COMMAND + 1,
  G_MAXUINT,
  .verbatim = WORD_COMMAND + 1,
  .run = run,
};
