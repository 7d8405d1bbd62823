/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl status */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>

#include "host.h"
#include "pager.h"
#include "terminal.h"
#include "verb.h"

#define LABEL_WIDTH 11

/* “LABEL: VALUE”, the labels aligned at their ends; nothing where there is no value. */
static void
print_line (const char *label, const char *value, Color color)
{
  g_autofree char *safe = NULL;
  guint width;

  if (value == NULL || *value == '\0')
    return;

  safe = terminal_text (value);
  width = terminal_text_width (label);
  printf ("%*s%s%s %s%s%s\n", width < LABEL_WIDTH ? (int) (LABEL_WIDTH - width) : 0, "", label,
          *label != '\0' ? ":" : " ", terminal_color (color), safe, terminal_color_end (color));
}

static char *
format_since (guint64 usec)
{
  gint64 age = (g_get_real_time () - (gint64) usec) / G_USEC_PER_SEC;
  g_autoptr (GDateTime) time = NULL;
  g_autofree char *text = NULL;

  if (usec == 0 || usec > G_MAXINT64)
    return NULL;
  time = g_date_time_new_from_unix_local ((gint64) (usec / G_USEC_PER_SEC));
  if (time == NULL)
    return NULL;

  text = g_date_time_format (time, "%Y-%m-%d %H:%M:%S %Z");
  if (age < 0)
    return g_steal_pointer (&text);
  if (age < 120)
    return g_strdup_printf (_ ("%s (%d s ago)"), text, (int) age);
  if (age < 2 * 60 * 60)
    return g_strdup_printf (_ ("%s (%d min ago)"), text, (int) (age / 60));
  if (age < 2 * 24 * 60 * 60)
    return g_strdup_printf (_ ("%s (%d h ago)"), text, (int) (age / (60 * 60)));
  return g_strdup_printf (_ ("%s (%d days ago)"), text, (int) (age / (24 * 60 * 60)));
}

static void
print_heading (TomboloMachine *machine)
{
  g_autofree char *name = terminal_text (tombolo_machine_get_name (machine));
  g_autofree char *description = terminal_text (tombolo_machine_get_description (machine));
  Color color = host_state_color (tombolo_machine_get_state (machine));

  printf ("%s●%s %s%s%s%s%s\n", terminal_color (color), terminal_color_end (color),
          terminal_color (COLOR_BOLD), name, terminal_color_end (COLOR_BOLD),
          *description != '\0' ? " — " : "", description);
}

static void
print_state (TomboloMachine *machine)
{
  const char *state = tombolo_machine_get_state (machine);
  const char *agent = tombolo_machine_get_agent_state (machine);
  g_autofree char *since = format_since (tombolo_machine_get_start_timestamp (machine));

  print_line (_ ("State"), state, host_state_color (state));
  print_line ("", tombolo_machine_get_state_reason (machine), COLOR_NONE);
  print_line (_ ("Since"), since, COLOR_NONE);
  print_line (_ ("Agent"), agent, host_state_color (agent));
  print_line ("", tombolo_machine_get_agent_reason (machine), COLOR_NONE);
}

static void
print_problems (TomboloMachine *machine)
{
  const char *const *problems = tombolo_machine_get_problems (machine);
  const char *label = _ ("Problems");

  for (; problems != NULL && *problems != NULL; problems++, label = "")
    print_line (label, *problems, COLOR_BAD);
}

static void
print_exports (const char *label, GVariant *exports)
{
  const char *name;
  const char *alias;
  GVariantIter iter;

  if (exports == NULL)
    return;

  g_variant_iter_init (&iter, exports);
  while (g_variant_iter_next (&iter, "{&s&s}", &name, &alias))
    {
      g_autofree char *line = g_strdup_printf ("→ %s", alias);

      print_line (label, name, COLOR_NONE);
      print_line ("", line, COLOR_FAINT);
      label = "";
    }
}

static void
print_imports (TomboloMachine *machine)
{
  GVariant *imports = tombolo_machine_get_imports (machine);
  const char *label = _ ("Imports");
  const char *as, *source, *name, *state;
  GVariantIter iter;

  if (imports == NULL)
    return;

  g_variant_iter_init (&iter, imports);
  while (g_variant_iter_next (&iter, "(&s&s&s&s)", &as, &source, &name, &state))
    {
      g_autofree char *line = g_strdup_printf ("← %s@%s: %s", name, source, state);

      print_line (label, as, COLOR_NONE);
      print_line ("", line, g_str_equal (state, "refused") ? COLOR_BAD : COLOR_FAINT);
      label = "";
    }
}

static void
print_machine (TomboloMachine *machine)
{
  const char *interface = tombolo_machine_get_interface (machine);
  g_autofree char *link = NULL;

  if (interface != NULL && *interface != '\0')
    link = g_strdup_printf ("%s, %s, %s", interface, tombolo_machine_get_address (machine),
                            tombolo_machine_get_hardware_address (machine));

  print_heading (machine);
  print_state (machine);
  print_line (_ ("Monitor"), tombolo_machine_get_monitor (machine), COLOR_NONE);
  print_line (_ ("File"), tombolo_machine_get_file (machine), COLOR_NONE);
  print_line (_ ("Unit"), tombolo_machine_get_unit (machine), COLOR_NONE);
  print_line (_ ("Link"), link, COLOR_NONE);
  print_line (_ ("Bus socket"), tombolo_machine_get_bus_socket (machine), COLOR_NONE);
  print_line (_ ("Session bus"), tombolo_machine_get_session_bus_socket (machine), COLOR_NONE);
  print_problems (machine);
  print_exports (_ ("Exports"), tombolo_machine_get_exports (machine));
  print_exports (_ ("Of session"), tombolo_machine_get_session_exports (machine));
  print_imports (machine);
}

static void
print_all (GPtrArray *machines, const Options *options)
{
  if (options->json != JSON_OFF)
    {
      host_print_json (machines, options->json);
      return;
    }

  pager_open (options);
  for (guint i = 0; i < machines->len; i++)
    {
      if (i > 0)
        putchar ('\n');
      print_machine (g_ptr_array_index (machines, i));
    }
  pager_close ();
}

static ClientExit
run (const Options *options)
{
  g_autoptr (GPtrArray) machines = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = host_connect (&error);
  ClientExit first = CLIENT_EXIT_DONE;
  const char *name;

  if (bus == NULL)
    return failure_report (error, NULL);

  for (guint i = 0; (name = options_get_word (options, i)) != NULL; i++)
    {
      g_autoptr (GError) problem = NULL;
      TomboloMachine *machine = host_find_machine (bus, name, &problem);
      ClientExit code = CLIENT_EXIT_DONE;

      if (machine != NULL)
        g_ptr_array_add (machines, machine);
      else
        code = failure_report (problem, name);
      if (first == CLIENT_EXIT_DONE)
        first = code;
    }

  if (machines->len > 0)
    print_all (machines, options);
  return first;
}

const Verb verb_status = {
  "status",
  N_ ("NAME…"),
  N_ ("Show all about machines: state, agent, link, exported names"),
  N_ ("Exits with 0 whatever state the machines are in. With --json, each machine is an object "
      "with all its D-Bus properties."),
  1,
  G_MAXUINT,
  .run = run,
};
