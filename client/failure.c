/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What went wrong, as one line for people and an exit code for scripts. */
#include "config.h"

#include "failure.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "terminal.h"

#define OURS "org.tombolo.Error."
#define THEIRS "org.freedesktop.DBus.Error."

G_DEFINE_QUARK (client - error - quark, client_error)

/* `hint` is what to do, where the error's name alone tells it. */
static const struct
{
  const char *name;
  ClientExit code;
  const char *hint;
} remotes[] = {
  { OURS "InvalidArgument", CLIENT_EXIT_USAGE, NULL },
  { OURS "InvalidName", CLIENT_EXIT_USAGE, NULL },
  { OURS "InvalidSettings", CLIENT_EXIT_USAGE, NULL },
  { OURS "NoSuchMachine", CLIENT_EXIT_NOT_FOUND,
    N_ ("“tomboloctl list” shows the machines that there are.") },
  { OURS "Disconnected", CLIENT_EXIT_UNREACHABLE,
    N_ ("“tomboloctl status” tells why the guest is not connected.") },
  { OURS "NotExported", CLIENT_EXIT_UNREACHABLE,
    N_ ("The guest's /etc/tombolo/guest.conf lists what it exports.") },
  { OURS "TimedOut", CLIENT_EXIT_TIMED_OUT, NULL },
  { THEIRS "AccessDenied", CLIENT_EXIT_DENIED,
    N_ ("An administrator can allow it with a polkit rule, see tomboloctl(1).") },
  { THEIRS "InteractiveAuthorizationRequired", CLIENT_EXIT_DENIED,
    N_ ("To authenticate, run this on a terminal of a login session, without "
        "--no-ask-password.") },
  { THEIRS "Timeout", CLIENT_EXIT_TIMED_OUT, NULL },
  { THEIRS "TimedOut", CLIENT_EXIT_TIMED_OUT, NULL },
  { THEIRS "NoReply", CLIENT_EXIT_TIMED_OUT, NULL },
  { THEIRS "ServiceUnknown", CLIENT_EXIT_UNREACHABLE, NULL },
  { THEIRS "NameHasNoOwner", CLIENT_EXIT_UNREACHABLE, NULL },
};

char *
failure_get_name (const GError *error)
{
  return g_dbus_error_is_remote_error (error) ? g_dbus_error_get_remote_error (error) : NULL;
}

static ClientExit
local_code (const GError *error)
{
  if (error->domain == CLIENT_ERROR)
    return (ClientExit) error->code;
  if (g_error_matches (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_NAME))
    return CLIENT_EXIT_USAGE;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return CLIENT_EXIT_TIMED_OUT;

  return CLIENT_EXIT_FAILED;
}

static char *
message_of (const GError *error)
{
  g_autoptr (GError) bare = g_error_copy (error);

  g_dbus_error_strip_remote_error (bare);
  g_strstrip (bare->message);
  return *bare->message != '\0' ? terminal_text (bare->message)
                                : g_strdup (_ ("It failed, and nobody said why."));
}

/* Messages of others may lack their final stop. */
static char *
with_hint (const char *message, const char *hint)
{
  gboolean stopped = strchr (".!?", message[strlen (message) - 1]) != NULL;

  return g_strconcat (message, stopped ? " " : ". ", hint, NULL);
}

ClientExit
failure_describe (const GError *error, char **ret_line)
{
  g_autofree char *name = failure_get_name (error);
  g_autofree char *message = message_of (error);
  g_autofree char *shown = NULL;

  if (name == NULL)
    {
      *ret_line = g_steal_pointer (&message);
      return local_code (error);
    }

  for (gsize i = 0; i < G_N_ELEMENTS (remotes); i++)
    if (g_str_equal (remotes[i].name, name))
      {
        *ret_line = remotes[i].hint != NULL ? with_hint (message, _ (remotes[i].hint))
                                            : g_steal_pointer (&message);
        return remotes[i].code;
      }

  /* A name of ours says nothing that the sentence does not say; a service's own may. */
  shown = terminal_text (name);
  *ret_line = g_str_has_prefix (name, OURS) ? g_steal_pointer (&message)
                                            : g_strdup_printf ("%s (%s)", message, shown);
  return CLIENT_EXIT_FAILED;
}

ClientExit
failure_report (const GError *error, const char *subject)
{
  g_autofree char *line = NULL;
  g_autofree char *shown = subject != NULL ? terminal_text (subject) : NULL;
  ClientExit code = failure_describe (error, &line);

  fprintf (stderr, "tomboloctl: %s%s%s\n", shown != NULL ? shown : "", shown != NULL ? ": " : "",
           line);
  return code;
}
