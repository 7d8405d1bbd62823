/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl version */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>

#include "host.h"
#include "name.h"
#include "terminal.h"
#include "verb.h"

static char *
ask_daemon (GError **error)
{
  g_autoptr (GDBusConnection) bus = host_connect (error);
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) value = NULL;

  if (bus == NULL)
    return NULL;

  reply = g_dbus_connection_call_sync (
      bus, TOMBOLO_BUS_NAME, TOMBOLO_ROOT_PATH, "org.freedesktop.DBus.Properties", "Get",
      g_variant_new ("(ss)", "org.tombolo.Host1.Manager", "Version"), G_VARIANT_TYPE ("(v)"),
      G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
  if (reply == NULL)
    {
      host_explain_error (error);
      return NULL;
    }

  g_variant_get (reply, "(v)", &value);
  return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) ? g_variant_dup_string (value, NULL)
                                                             : g_strdup ("?");
}

static ClientExit
run (const Options *options)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *daemon = ask_daemon (&error);
  g_autofree char *shown = daemon != NULL ? terminal_text (daemon) : NULL;

  if (options->json != JSON_OFF)
    {
      GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{ss}"));
      g_autoptr (GVariant) versions = NULL;

      g_variant_builder_add (&builder, "{ss}", "tomboloctl", TOMBOLO_VERSION);
      if (daemon != NULL)
        g_variant_builder_add (&builder, "{ss}", "tombolod", daemon);
      versions = g_variant_ref_sink (g_variant_builder_end (&builder));
      json_print (versions, options->json, JSON_PLAIN);
    }
  else
    {
      printf ("tomboloctl %s\n", TOMBOLO_VERSION);
      if (shown != NULL)
        printf ("tombolod %s\n", shown);
    }

  return daemon != NULL ? CLIENT_EXIT_DONE : failure_report (error, NULL);
}

const Verb verb_version = {
  "version", "",         N_ ("Show the versions of tomboloctl and of the running tombolod"),
  NULL,      .run = run,
};
