/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl delete */
#include "config.h"

#include <glib/gi18n.h>

#include "host.h"
#include "verb.h"

static ClientExit
delete_machine (GDBusConnection *bus, const Options *options, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *valid = g_utf8_make_valid (name, -1);
  g_autofree char *text = g_strdup_printf (_ ("Deleting %s…"), valid);
  g_autoptr (GVariant) reply = host_call_manager (
      bus, options, "DeleteMachine", g_variant_new ("(sa{sv})", valid, NULL), text, &error);

  return reply != NULL ? CLIENT_EXIT_DONE : failure_report (error, name);
}

static ClientExit
run (const Options *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = host_connect (&error);
  ClientExit first = CLIENT_EXIT_DONE;

  if (bus == NULL)
    return failure_report (error, NULL);

  for (guint i = 0; options_get_word (options, i) != NULL; i++)
    {
      ClientExit code = delete_machine (bus, options, options_get_word (options, i));

      if (first == CLIENT_EXIT_DONE)
        first = code;
    }

  return first;
}

const Verb verb_delete = {
  "delete",
  N_ ("NAME…"),
  N_ ("Remove machines that “create” made"),
  N_ ("Removes the machine and its file, not its disks. The machine must be stopped or failed; "
      "machines of /etc/tombolo/machines are the administrator's to remove."),
  1,
  G_MAXUINT,
  .run = run,
};
