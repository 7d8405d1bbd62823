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

static const Option with_options[] = {
  { OPTION_SESSION, 0, "session", ARGUMENT_NONE, NULL,
    N_ ("The session bus of the guest's configured user as well") },
  { OPTION_END },
};

static const char *const variables[N_GUEST_BUSES] = {
  [GUEST_BUS_SYSTEM] = "DBUS_SYSTEM_BUS_ADDRESS",
  [GUEST_BUS_SESSION] = "DBUS_SESSION_BUS_ADDRESS",
};

/* Listens for each bus, and tells the program where. */
static gboolean
open_buses (TomboloMachine *machine, const Options *options, PrivateBus *buses[N_GUEST_BUSES],
            char ***environment, GError **error)
{
  for (GuestBus bus = GUEST_BUS_SYSTEM;
       bus <= (options->session ? GUEST_BUS_SESSION : GUEST_BUS_SYSTEM); bus++)
    {
      buses[bus] = private_bus_new (machine, bus, error);
      if (buses[bus] == NULL)
        return FALSE;
      *environment = g_environ_setenv (*environment, variables[bus],
                                       private_bus_get_address (buses[bus]), TRUE);
    }

  return TRUE;
}

static int
run_program (TomboloMachine *machine, const Options *options)
{
  g_auto (GStrv) environment = g_get_environ ();
  PrivateBus *buses[N_GUEST_BUSES] = { NULL };
  g_autoptr (GError) error = NULL;
  int code = CHILD_EXIT_FAILED;

  if (open_buses (machine, options, buses, &environment, &error))
    code = child_run ((const char *const *) options->words->pdata + WORD_COMMAND,
                      (const char *const *) environment);
  else
    failure_report (error, NULL);

  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    private_bus_free (buses[bus]);
  return code;
}

static ClientExit
run (const Options *options)
{
  const char *const *words = (const char *const *) options->words->pdata;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (TomboloMachine) machine = NULL;

  /* Before the signals are kept: the agent has to hear its own. */
  if (options->ask_password)
    polkit_agent_open ();
  child_block_signals ();
  if ((bus = host_connect (&error)) == NULL
      || (machine = host_find_machine (bus, words[WORD_NAME], &error)) == NULL
      || !call_target_is_connected (machine, words[WORD_NAME], &error))
    {
      failure_report (error, NULL);
      return (ClientExit) CHILD_EXIT_FAILED;
    }

  return (ClientExit) run_program (machine, options);
}

const Verb verb_with = {
  "with",
  N_ ("NAME [--session] [--] COMMAND [ARGUMENT…]"),
  N_ ("Run a program with a guest's system bus in place of the host's"),
  N_ ("What the program calls on the system bus is called in the guest, with your authority, which "
      "polkit and the machine's rules decide about call by call; other names than the guest "
      "exports "
      "are not there. Exits as the program does; with 125 where there is no bus for it, with 126 "
      "or 127 where it cannot be run."),
  WORD_COMMAND + 1,
  G_MAXUINT,
  .verbatim = WORD_COMMAND + 1,
  .options = with_options,
  .run = run,
};
