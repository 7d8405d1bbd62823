/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's bridge: its units, what it reports, and the secrets that systemd fetches for it. */
#include "machine-private.h"

#include <string.h>

#include "bridge-credential.h"
#include "error.h"
#include "identity.h"
#include "limit.h"
#include "log.h"

static gboolean
machine_runs (Machine *machine)
{
  return machine->state == MACHINE_RUNNING || machine->state == MACHINE_PAUSED;
}

static void
disconnected (Machine *machine, const char *reason)
{
  if (machine->bridged && machine_runs (machine))
    machine_set_agent (machine, AGENT_CONNECTING, reason, NULL);
}

/* While systemd starts it again by itself, its state is none of these. */
static void
bridge_unit_changed (const char *unit, const char *active_state, gpointer user_data)
{
  Machine *machine = user_data;
  g_autofree char *reason = NULL;

  if (g_str_equal (active_state, "failed"))
    reason = g_strdup_printf ("The bridge failed; “journalctl -u %s” tells why.", unit);
  else if (g_str_equal (active_state, "inactive"))
    reason = g_strdup_printf ("The bridge was stopped; “systemctl start %s” starts it.", unit);
  if (reason != NULL)
    disconnected (machine, reason);
}

void
machine_watch_bridge (Machine *machine)
{
  g_autofree char *unit = machine_name_to_unit (machine->name, MACHINE_UNIT_BRIDGE);

  machine->bridged = TRUE;
  machine->bridge_watch = units_watch (machine->host->units, unit, bridge_unit_changed, machine);
}

static void
on_bridge_job (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Machine) machine = user_data;
  g_autoptr (GError) error = NULL;

  if (units_job_finish (TOMBOLO_UNITS (source), result, &error)
      || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || !machine_runs (machine))
    return;

  log_error (machine->name, "Machine %s runs without its bridge: %s", machine->name,
             error->message);
  disconnected (machine, error->message);
}

void
machine_start_bridge (Machine *machine)
{
  static const MachineUnit kinds[] = { MACHINE_UNIT_BRIDGE_SOCKET, MACHINE_UNIT_BRIDGE };

  if (machine->run == NULL || !machine->run->agent)
    return;

  if (machine->bridge_watch == 0)
    machine_watch_bridge (machine);
  machine_set_agent (machine, AGENT_CONNECTING, "", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *unit = machine_name_to_unit (machine->name, kinds[i]);

      units_job_async (machine->host->units, UNIT_START, unit, machine->cancellable, on_bridge_job,
                       g_object_ref (machine));
    }
}

/* --- what it reports --- */

static gboolean
exports_are_valid (GVariant *exports)
{
  GVariantIter iter;
  const char *name, *alias;

  g_variant_iter_init (&iter, exports);
  while (g_variant_iter_next (&iter, "{&s&s}", &name, &alias))
    if (!g_dbus_is_name (name) || g_dbus_is_unique_name (name) || !g_dbus_is_name (alias)
        || g_dbus_is_unique_name (alias))
      return FALSE;

  return TRUE;
}

static char **
read_problems (GVariant *problems)
{
  char **texts = g_variant_dup_strv (problems, NULL);

  for (char **text = texts; *text != NULL; text++)
    {
      char *safe = log_text (*text, LIMIT_LOG_LINE / 4);

      g_free (*text);
      *text = safe;
    }

  return texts;
}

gboolean
machine_report (Machine *machine, AgentState state, const char *reason,
                GVariant *const exports[N_GUEST_BUSES], GVariant *problems, GError **error)
{
  gsize n_exports = g_variant_n_children (exports[GUEST_BUS_SYSTEM])
                    + g_variant_n_children (exports[GUEST_BUS_SESSION]);
  g_autofree char *safe = log_text (reason, LIMIT_LOG_LINE / 4);

  if (!machine->bridged || !machine_runs (machine))
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_STATE,
                   "Machine %s does not run with a bridge.", machine->name);
      return FALSE;
    }
  if (n_exports > (state == AGENT_CONNECTED ? LIMIT_EXPORTED_NAMES : 0)
      || !exports_are_valid (exports[GUEST_BUS_SYSTEM])
      || !exports_are_valid (exports[GUEST_BUS_SESSION]))
    {
      g_set_error (
          error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
          "Exports are at most %d bus names with their aliases, and none unless connected.",
          LIMIT_EXPORTED_NAMES);
      return FALSE;
    }

  if (g_variant_n_children (problems) > (state == AGENT_CONNECTED ? LIMIT_EXPORTED_NAMES : 0))
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                   "Problems are at most %d, one for each name, and none unless connected.",
                   LIMIT_EXPORTED_NAMES);
      return FALSE;
    }

  g_strfreev (machine->problems);
  machine->problems = read_problems (problems);
  machine_set_agent (machine, state, safe, exports);
  return TRUE;
}

void
machine_bridge_vanished (Machine *machine)
{
  /* Else its unit told more already. */
  if (machine->agent_state == AGENT_CONNECTED)
    disconnected (machine, "The bridge ended; systemd starts it again.");
}

/* --- what systemd fetches --- */

static const char *
find_secret (Machine *machine, MachineUnit kind, const char *credential)
{
  const RuntimeState *run = machine->run;
  gboolean identity = g_str_equal (credential, IDENTITY_CREDENTIAL);

  if (run == NULL)
    return NULL;
  if (kind == MACHINE_UNIT_CONTAINER && run->monitor == MONITOR_CONTAINER && identity)
    return run->guest_identity;
  if (kind == MACHINE_UNIT_BRIDGE && run->agent && identity)
    return run->bridge_identity;
  if (kind == MACHINE_UNIT_BRIDGE && run->agent && g_str_equal (credential, BRIDGE_CREDENTIAL))
    return run->bridge_credential;

  return NULL;
}

/* A container's link ends with its monitor. systemd starts the unit of a guest that reboots by
 * itself, and this is where it asks: the new monitor needs a new link, before it looks for it. */
static gboolean
renew_link (Machine *machine, GError **error)
{
  char peer[INTERFACE_NAME_SIZE];

  if (!machine->link_taken)
    {
      machine->link_taken = TRUE;
      return TRUE;
    }
  if (machine->host->links == NULL)
    {
      if (error != NULL)
        *error = g_error_copy (machine->host->links_error);
      return FALSE;
    }

  machine_name_to_interface (machine->name, TRUE, peer);
  return links_make_veth (machine->host->links, machine->run->interface, peer, machine->run->mac,
                          error);
}

char *
machine_get_credential (Machine *machine, MachineUnit kind, const char *credential, gsize *ret_size,
                        GError **error)
{
  const char *secret = find_secret (machine, kind, credential);

  if (secret == NULL)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_STATE,
                   "machine %s is %s and has no such secret for this unit", machine->name,
                   machine_state_to_string (machine->state));
      return NULL;
    }

  if (kind == MACHINE_UNIT_CONTAINER && !renew_link (machine, error))
    return NULL;

  *ret_size = strlen (secret);
  return g_strdup (secret);
}
