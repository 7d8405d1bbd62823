/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolo-guest-session: start-up of the helper in a user's session. */
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "log.h"
#include "session-helper.h"
#include "session-protocol.h"

/* The agent wants another helper, or another user's: starting again would change nothing. */
#define EXIT_DISMISSED 77

int
main (int argc, char **argv)
{
  g_autofree char *directory = NULL;
  gboolean version = FALSE;
  const GOptionEntry entries[] = {
    { "directory", 0, 0, G_OPTION_ARG_FILENAME, &directory,
      "Where the agent's socket is, instead of " SESSION_DIRECTORY, "DIRECTORY" },
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) options = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (options,
                                "Lends connections to this session's bus to tombolo-guestd.");
  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error))
    {
      fprintf (stderr, "tombolo-guest-session: %s\n", error->message);
      return EXIT_FAILURE;
    }
  if (version)
    {
      puts ("tombolo-guest-session " TOMBOLO_VERSION);
      return EXIT_SUCCESS;
    }

  log_open ("tombolo-guest-session", LOG_LEVEL_INFO);
  if (session_helper_run (directory != NULL ? directory : SESSION_DIRECTORY,
                          g_getenv ("DBUS_SESSION_BUS_ADDRESS"), g_getenv ("XDG_RUNTIME_DIR"),
                          &error))
    return EXIT_DISMISSED;

  log_error (NULL, "%s", error->message);
  return EXIT_FAILURE;
}
