/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl shell */
#include "config.h"

#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "child.h"
#include "host.h"
#include "polkit-agent.h"
#include "progress.h"
#include "terminal-link.h"
#include "verb.h"

enum
{
  WORD_NAME,
  WORD_COMMAND,
};

static const Option shell_options[] = {
  { OPTION_USER, 'u', "user", ARGUMENT_REQUIRED, N_ ("USER"),
    N_ ("The guest's user whose terminal it is (root)") },
  { OPTION_END },
};

typedef struct
{
  GVariant *reply;
  GUnixFDList *list;
  GError *error;
  gboolean done;
} Wait;

static void
on_reply (GObject *source, GAsyncResult *result, gpointer data)
{
  Wait *wait = data;

  wait->reply = g_dbus_proxy_call_with_unix_fd_list_finish (G_DBUS_PROXY (source), &wait->list,
                                                            result, &wait->error);
  wait->done = TRUE;
}

static GVariant *
make_arguments (const Options *options)
{
  static const char *const none[] = { NULL };
  const char *const *words = (const char *const *) options->words->pdata;
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));
  const char *term = g_getenv ("TERM");
  struct winsize window;

  if (term != NULL && *term != '\0' && isatty (STDIN_FILENO))
    g_variant_builder_add (&builder, "{sv}", "term", g_variant_new_string (term));
  if (ioctl (STDIN_FILENO, TIOCGWINSZ, &window) == 0)
    {
      g_variant_builder_add (&builder, "{sv}", "rows", g_variant_new_uint32 (window.ws_row));
      g_variant_builder_add (&builder, "{sv}", "columns", g_variant_new_uint32 (window.ws_col));
    }
  return g_variant_new ("(s^asa{sv})", options->user != NULL ? options->user : "root",
                        words[WORD_COMMAND] != NULL ? words + WORD_COMMAND : none, &builder);
}

/* D-Bus carries UTF-8 alone. */
static gboolean
check_words (const Options *options, GError **error)
{
  const char *word;

  for (guint i = 0; (word = options_get_word (options, i)) != NULL; i++)
    if (!g_utf8_validate (word, -1, NULL))
      {
        g_autofree char *shown = terminal_text (word);

        g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE, _ ("“%s” is not %s."), shown,
                     _ ("valid UTF-8"));
        return FALSE;
      }

  return options->user == NULL || g_utf8_validate (options->user, -1, NULL)
         || (g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE, _ ("“%s” is not %s."), "--user",
                          _ ("valid UTF-8")),
             FALSE);
}

/* The two descriptors of the answer. */
static gboolean
open_shell (TomboloMachine *machine, const Options *options, int *ret_master, int *ret_status,
            GError **error)
{
  gboolean asks = options->ask_password && polkit_agent_open ();
  g_autoptr (Progress) progress = progress_new (_ ("Opening a terminal…"));
  g_autoptr (GUnixFDList) list = NULL;
  g_autoptr (GVariant) reply = NULL;
  gint32 master = -1, status = -1;
  Wait wait = { 0 };

  progress_hold (progress, asks);
  g_dbus_proxy_call_with_unix_fd_list (
      G_DBUS_PROXY (machine), "OpenShell", make_arguments (options),
      options->ask_password ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION
                            : G_DBUS_CALL_FLAGS_NONE,
      HOST_NO_TIMEOUT, NULL, NULL, on_reply, &wait);
  while (!wait.done)
    g_main_context_iteration (NULL, TRUE);

  /* It reads the terminal no more, which is somebody else's now. */
  polkit_agent_close ();
  reply = wait.reply;
  list = wait.list;
  host_explain_error (&wait.error);
  if (reply == NULL)
    {
      g_propagate_error (error, wait.error);
      return FALSE;
    }

  g_variant_get (reply, "(hh)", &master, &status);
  *ret_master = list != NULL ? g_unix_fd_list_get (list, master, error) : -1;
  *ret_status = *ret_master >= 0 ? g_unix_fd_list_get (list, status, error) : -1;
  return *ret_status >= 0;
}

static int
report_end (const char *name, int result)
{
  if (result >= 0)
    return result;

  if (result == TERMINAL_LINK_LOST)
    fprintf (stderr, "tomboloctl: %s: %s\n", name,
             _ ("The terminal was closed, and how the command ended is not known."));
  else if (isatty (STDERR_FILENO))
    fprintf (stderr, "\n%s\n", _ ("The terminal was left."));
  return CHILD_EXIT_FAILED;
}

static ClientExit
run (const Options *options)
{
  const char *name = options_get_word (options, WORD_NAME);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (TomboloMachine) machine = NULL;
  int master = -1, status = -1;

  if (!check_words (options, &error) || (bus = host_connect (&error)) == NULL
      || (machine = host_find_machine (bus, name, &error)) == NULL
      || !open_shell (machine, options, &master, &status, &error))
    {
      failure_report (error, NULL);
      return (ClientExit) CHILD_EXIT_FAILED;
    }

  if (isatty (STDIN_FILENO) && options->legend)
    fprintf (stderr, _ ("A terminal of %s. Type ^] three times within a second to leave it.\n"),
             name);
  return (ClientExit) report_end (name, terminal_link_run (master, status));
}

const Verb verb_shell = {
  "shell",
  N_ ("NAME [--] [COMMAND [ARGUMENT…]]"),
  N_ ("Open a terminal in a guest"),
  N_ ("Runs a log-in shell, or a command by it, as a user that the guest's /etc/tombolo/guest.conf "
      "names in [Shell]. polkit decides, too. Exits as the command does, and with 125 where there "
      "is no terminal, or it was left by typing ^] three times within a second."),
  WORD_NAME + 1,
  G_MAXUINT,
  .verbatim = WORD_COMMAND + 1,
  .options = shell_options,
  .run = run,
};
