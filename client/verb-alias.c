/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl alias */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>

#include "host.h"
#include "name.h"
#include "terminal.h"
#include "verb.h"

#define POLICY_DIRECTORY "/etc/dbus-1/system.d"

enum
{
  WORD_POLICY,
  WORD_NAME,
};

/* A name of tombolod's that is none would be markup. */
static gboolean
check_aliases (const char *const *aliases, const char *machine, GError **error)
{
  for (; *aliases != NULL; aliases++)
    if (!g_dbus_is_name (*aliases))
      {
        g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_FAILED,
                     _ ("%s has an alias that is no bus name; look at its machine file."), machine);
        return FALSE;
      }

  return TRUE;
}

/* Machine names may hold two hyphens in a row, which a comment of XML may not: what stands in the
 * comment is the name as bus names have it. */
static void
print_policy (const char *machine, const char *const *aliases)
{
  g_autofree char *element = machine_name_to_element (machine);

  printf ("<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\"\n"
          " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
          "<!-- Aliases of machine %s, for " POLICY_DIRECTORY "/tombolo-alias-%s.conf;\n"
          "     then: systemctl reload dbus -->\n"
          "<busconfig>\n"
          "  <policy user=\"tombolo-bridge\">\n",
          element, element);
  for (guint i = 0; aliases[i] != NULL; i++)
    printf ("    <allow own=\"%s\"/>\n", aliases[i]);
  printf ("  </policy>\n"
          "  <policy context=\"default\">\n");
  for (guint i = 0; aliases[i] != NULL; i++)
    printf ("    <allow send_destination=\"%s\"/>\n", aliases[i]);
  printf ("  </policy>\n"
          "</busconfig>\n");
}

static ClientExit
run (const Options *options)
{
  static const char *const none[] = { NULL };
  const char *name = options_get_word (options, WORD_NAME);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (TomboloMachine) machine = NULL;
  const char *const *aliases;

  if (!g_str_equal (options_get_word (options, WORD_POLICY), "policy"))
    g_set_error (&error, CLIENT_ERROR, CLIENT_EXIT_USAGE, _ ("Write: tomboloctl alias %s"),
                 _ (verb_alias.arguments));
  else if ((bus = host_connect (&error)) != NULL)
    machine = host_find_machine (bus, name, &error);
  if (machine == NULL)
    return failure_report (error, NULL);

  aliases = tombolo_machine_get_outer_aliases (machine);
  if (aliases == NULL)
    aliases = none;
  if (!check_aliases (aliases, name, &error))
    return failure_report (error, NULL);

  /* Nothing on standard output: it may be on its way into a file. */
  if (*aliases == NULL)
    fprintf (stderr, _ ("%s has no alias that needs a policy.\n"), name);
  else
    print_policy (name, aliases);
  return CLIENT_EXIT_DONE;
}

const Verb verb_alias = {
  "alias",
  N_ ("policy NAME"),
  N_ ("Print the bus policy that a machine's aliases need"),
  N_ ("Aliases that do not begin with org.tombolo.Guest1 or org.tombolo.GuestSession1 need a file "
      "in /etc/dbus-1/system.d, which lets the bridge own them, and callers call them. “tomboloctl "
      "status” says where it is missing."),
  WORD_NAME + 1,
  WORD_NAME + 1,
  .run = run,
};
