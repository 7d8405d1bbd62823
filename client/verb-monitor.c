/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl monitor */
#include "config.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <stdio.h>

#include "host.h"
#include "name.h"
#include "terminal.h"
#include "verb.h"

typedef struct
{
  const Options *options;
  GMainLoop *loop;
  gboolean present; /* tombolod is */
} Monitor;

static gboolean
is_wanted (const Monitor *monitor, const char *name)
{
  if (options_get_word (monitor->options, 0) == NULL)
    return TRUE;

  return name != NULL
         && g_strv_contains ((const char *const *) monitor->options->words->pdata, name);
}

static void
print_json (const Monitor *monitor, const char *event, const char *name, GVariant *properties)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));
  g_autoptr (GVariant) line = NULL;

  g_variant_builder_add (&builder, "{sv}", "timestamp", g_variant_new_int64 (g_get_real_time ()));
  g_variant_builder_add (&builder, "{sv}", "event", g_variant_new_string (event));
  if (name != NULL)
    g_variant_builder_add (&builder, "{sv}", "machine", g_variant_new_string (name));
  if (properties != NULL)
    g_variant_builder_add (&builder, "{sv}", "properties", properties);
  line = g_variant_ref_sink (g_variant_builder_end (&builder));
  json_print (line, monitor->options->json, JSON_PLAIN);
}

static char *
format_property (const char *name, GVariant *value)
{
  g_autofree char *printed = NULL;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_strdup_printf ("%s=%s", name, g_variant_get_string (value, NULL));

  printed = json_from_variant (value, JSON_SHORT, JSON_PLAIN);
  return g_strdup_printf ("%s=%s", name, printed);
}

/* One line: time, machine, what happened. */
static void
print_line (const char *name, const char *text)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%H:%M:%S");
  g_autofree char *safe_name = terminal_text (name);
  g_autofree char *safe_text = terminal_text (text);

  printf ("%s%s%s %s%s%s %s\n", terminal_color (COLOR_FAINT), time,
          terminal_color_end (COLOR_FAINT), terminal_color (COLOR_BOLD), safe_name,
          terminal_color_end (COLOR_BOLD), safe_text);
}

static void
print_change (const char *name, GVariant *properties)
{
  g_autoptr (GString) text = g_string_new (NULL);
  GVariantIter iter;
  const char *property;
  GVariant *value;

  g_variant_iter_init (&iter, properties);
  while (g_variant_iter_next (&iter, "{&sv}", &property, &value))
    {
      g_autofree char *shown = format_property (property, value);

      g_string_append_printf (text, "%s%s", text->len > 0 ? " " : "", shown);
      g_variant_unref (value);
    }

  print_line (name, text->str);
}

static void
on_changed (GDBusObjectManagerClient *registry, GDBusObjectProxy *object, GDBusProxy *interface,
            GVariant *changed, GStrv invalidated, gpointer data)
{
  Monitor *monitor = data;
  g_autofree char *name =
      machine_name_from_path (g_dbus_object_get_object_path (G_DBUS_OBJECT (object)));

  if (name == NULL || !is_wanted (monitor, name))
    return;

  if (monitor->options->json != JSON_OFF)
    print_json (monitor, "changed", name, host_properties_to_json (changed));
  else
    print_change (name, changed);
  fflush (stdout);
}

static void
on_added (GDBusObjectManager *registry, GDBusObject *object, gpointer data)
{
  Monitor *monitor = data;
  g_autofree char *name = machine_name_from_path (g_dbus_object_get_object_path (object));
  g_autoptr (TomboloMachine) machine = tombolo_object_get_machine (TOMBOLO_OBJECT (object));

  if (!monitor->present || name == NULL || machine == NULL || !is_wanted (monitor, name))
    return;

  if (monitor->options->json != JSON_OFF)
    print_json (monitor, "added", name, host_machine_to_json (machine));
  else
    print_line (name, _ ("added"));
  fflush (stdout);
}

static void
on_removed (GDBusObjectManager *registry, GDBusObject *object, gpointer data)
{
  Monitor *monitor = data;
  g_autofree char *name = machine_name_from_path (g_dbus_object_get_object_path (object));

  if (!monitor->present || name == NULL || !is_wanted (monitor, name))
    return;

  if (monitor->options->json != JSON_OFF)
    print_json (monitor, "removed", name, NULL);
  else
    print_line (name, _ ("removed"));
  fflush (stdout);
}

/* Objects vanish after the owner does, and come back before it is told of: these are no events of
 * the machines. */
static void
on_owner (GDBusObjectManagerClient *registry, GParamSpec *property, gpointer data)
{
  Monitor *monitor = data;
  g_autofree char *owner = g_dbus_object_manager_client_get_name_owner (registry);

  monitor->present = owner != NULL;
  if (monitor->options->json != JSON_OFF)
    print_json (monitor, monitor->present ? "daemon-appeared" : "daemon-vanished", NULL, NULL);
  else
    print_line ("tombolod", monitor->present ? _ ("is back") : _ ("is gone"));
  fflush (stdout);
}

static gboolean
on_signal (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_CONTINUE;
}

static ClientExit
run (const Options *options)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Monitor monitor = { options, loop, TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = host_connect (&error);
  g_autoptr (GDBusObjectManager) registry = NULL;

  if (bus != NULL)
    registry = host_open_registry (bus, &error);
  if (registry == NULL)
    return failure_report (error, NULL);

  g_signal_connect (registry, "interface-proxy-properties-changed", G_CALLBACK (on_changed),
                    &monitor);
  g_signal_connect (registry, "object-added", G_CALLBACK (on_added), &monitor);
  g_signal_connect (registry, "object-removed", G_CALLBACK (on_removed), &monitor);
  g_signal_connect (registry, "notify::name-owner", G_CALLBACK (on_owner), &monitor);
  g_unix_signal_add (SIGINT, on_signal, loop);
  g_unix_signal_add (SIGTERM, on_signal, loop);
  g_signal_connect_swapped (bus, "closed", G_CALLBACK (g_main_loop_quit), loop);
  g_main_loop_run (loop);

  return g_dbus_connection_is_closed (bus) ? CLIENT_EXIT_NO_DAEMON : CLIENT_EXIT_DONE;
}

const Verb verb_monitor = {
  "monitor",
  N_ ("[NAME…]"),
  N_ ("Follow machines as they come, change and go"),
  N_ ("Runs until it is interrupted. With --json=short, each event is an object on a line of its "
      "own."),
  0,
  G_MAXUINT,
  .run = run,
};
