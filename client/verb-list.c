/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl list */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>

#include "host.h"
#include "pager.h"
#include "table.h"
#include "verb.h"

static const char *
or_dash (const char *text)
{
  return text != NULL && *text != '\0' ? text : "-";
}

static void
add_machine (Table *table, TomboloMachine *machine)
{
  const char *state = or_dash (tombolo_machine_get_state (machine));
  const char *agent = or_dash (tombolo_machine_get_agent_state (machine));
  const char *reason = tombolo_machine_get_state_reason (machine);
  gboolean failed = g_str_equal (state, "failed");

  table_add (table, or_dash (tombolo_machine_get_name (machine)), COLOR_BOLD);
  table_add (table, state, host_state_color (state));
  table_add (table, agent, host_state_color (agent));
  table_add (table, or_dash (tombolo_machine_get_monitor (machine)), COLOR_NONE);
  table_add (table, failed ? or_dash (reason) : or_dash (tombolo_machine_get_description (machine)),
             failed ? COLOR_BAD : COLOR_NONE);
}

static void
print_table (GPtrArray *machines, const Options *options)
{
  const TableColumn columns[] = {
    { _ ("NAME"), 12, FALSE },   { _ ("STATE"), 0, FALSE },        { _ ("AGENT"), 0, FALSE },
    { _ ("MONITOR"), 0, FALSE }, { _ ("DESCRIPTION"), 12, FALSE },
  };
  g_autoptr (Table) table = table_new (columns, G_N_ELEMENTS (columns));
  g_autofree char *text = NULL;

  for (guint i = 0; i < machines->len; i++)
    add_machine (table, g_ptr_array_index (machines, i));

  text = table_to_text (table, terminal_width (), options->legend);
  fputs (text, stdout);
  if (options->legend)
    printf (ngettext ("\n%u machine.\n", "\n%u machines.\n", machines->len), machines->len);
}

static ClientExit
run (const Options *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = host_connect (&error);
  g_autoptr (GDBusObjectManager) registry = NULL;
  g_autoptr (GPtrArray) machines = NULL;

  if (bus != NULL)
    registry = host_open_registry (bus, &error);
  if (registry == NULL)
    return failure_report (error, NULL);

  machines = host_list_machines (registry);
  pager_open (options);
  if (options->json != JSON_OFF)
    host_print_json (machines, options->json);
  else
    print_table (machines, options);
  pager_close ();

  return CLIENT_EXIT_DONE;
}

const Verb verb_list = {
  "list",
  "",
  N_ ("List machines and their states"),
  N_ ("With --json, each machine is an object with all its D-Bus properties."),
  .run = run,
};
