/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tombolo.Host1.Bridge: what bridges report. Only the main process of a machine's bridge unit
 * speaks for that machine. */
#include "bridge-dbus.h"

#include "bus-process.h"
#include "caller.h"
#include "error.h"
#include "limit.h"
#include "log.h"
#include "tombolo-host1.h"

struct BridgeDBus
{
  Manager *manager;
  Units *units;
  GDBusConnection *bus;
  TomboloBridge *skeleton;
  Bridges *bridges;
  guint pending; /* calls whose sender's process is being looked at */
};

/* --- Report --- */

static gboolean
read_report (GVariant *parameters, const char **ret_machine, AgentState *ret_state,
             const char **ret_reason, GVariant *ret_exports[N_GUEST_BUSES], GVariant **ret_problems,
             GError **error)
{
  const char *state;

  g_variant_get (parameters, "(&s&s&s@a{ss}@a{ss}@as)", ret_machine, &state, ret_reason,
                 &ret_exports[GUEST_BUS_SYSTEM], &ret_exports[GUEST_BUS_SESSION], ret_problems);
  for (AgentState i = AGENT_CONNECTING; i <= AGENT_CONNECTED; i++)
    if (g_str_equal (agent_state_to_string (i), state))
      {
        *ret_state = i;
        return TRUE;
      }

  g_set_error_literal (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                       "The agent's state is “connecting” or “connected”.");
  return FALSE;
}

typedef struct
{
  BridgeDBus *face;
  GDBusMethodInvocation *invocation;
} Report;

/* Whether the sender is the machine's bridge; where not, it was refused. */
static gboolean
take_check (Report *report, GAsyncResult *result)
{
  g_autoptr (GError) error = NULL;

  report->face->pending--;
  if (bus_process_check_finish (result, NULL, &error))
    return TRUE;

  log_warning (NULL, "A report was refused: %s", error->message);
  g_dbus_method_invocation_return_error (report->invocation, TOMBOLO_ERROR,
                                         TOMBOLO_ERROR_ACCESS_DENIED,
                                         "Only a machine's own bridge may report for it.");
  return FALSE;
}

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Report *report = user_data;
  BridgeDBus *face = report->face;
  GDBusMethodInvocation *invocation = report->invocation;
  const char *sender = g_dbus_method_invocation_get_sender (invocation);
  g_autoptr (GError) error = NULL;
  GVariant *exports[N_GUEST_BUSES] = { NULL };
  g_autoptr (GVariant) problems = NULL;
  Machine *machine;
  const char *name, *reason;
  AgentState state;

  if (!take_check (report, result))
    return;

  if (!read_report (g_dbus_method_invocation_get_parameters (invocation), &name, &state, &reason,
                    exports, &problems, &error)
      || (machine = manager_find (face->manager, name, &error)) == NULL
      || !machine_report (machine, state, reason, exports, problems, &error))
    caller_fail (invocation, g_steal_pointer (&error));
  else
    {
      bridges_set (face->bridges, name, sender);
      g_dbus_method_invocation_return_value (invocation, NULL);
    }

  for (GuestBus bus = 0; bus < N_GUEST_BUSES; bus++)
    g_clear_pointer (&exports[bus], g_variant_unref);
}

/* FALSE, and answered, where too many processes are being looked at. */
static gboolean
begin (BridgeDBus *face, GDBusMethodInvocation *invocation)
{
  if (face->pending >= LIMIT_REPORTS_PENDING)
    {
      g_dbus_method_invocation_return_error_literal (
          invocation, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED,
          "Too many reports wait; try again when they are answered.");
      return FALSE;
    }

  face->pending++;
  return TRUE;
}

static Report *
report_new (BridgeDBus *face, GDBusMethodInvocation *invocation)
{
  Report *report = g_new0 (Report, 1);

  report->face = face;
  report->invocation = invocation;
  return report;
}

/* Its process first: nobody else learns even which machines there are. */
static void
check_reporter (BridgeDBus *face, GDBusMethodInvocation *invocation, const char *name,
                GAsyncReadyCallback checked)
{
  g_autofree char *unit = NULL;
  GError *error = NULL;

  if (!machine_name_validate (name, &error))
    {
      caller_fail (invocation, error);
      return;
    }
  if (!begin (face, invocation))
    return;

  unit = machine_name_to_unit (name, MACHINE_UNIT_BRIDGE);
  bus_process_check_async (face->bus, face->units, g_dbus_method_invocation_get_sender (invocation),
                           unit, checked, report_new (face, invocation));
}

static gboolean
on_report (TomboloBridge *skeleton, GDBusMethodInvocation *invocation, const char *name,
           const char *agent_state, const char *reason, GVariant *exports,
           GVariant *session_exports, const char *const *problems, gpointer user_data)
{
  check_reporter (user_data, invocation, name, on_checked);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
on_imports_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Report *report = user_data;
  GVariant *parameters = g_dbus_method_invocation_get_parameters (report->invocation);
  g_autoptr (GVariant) imports = NULL;
  g_autoptr (GError) error = NULL;
  Machine *machine;
  const char *name;

  if (!take_check (report, result))
    return;

  g_variant_get (parameters, "(&s@a(ssss))", &name, &imports);
  machine = manager_find (report->face->manager, name, &error);
  if (machine == NULL || !machine_report_imports (machine, imports, &error))
    caller_fail (report->invocation, g_steal_pointer (&error));
  else
    g_dbus_method_invocation_return_value (report->invocation, NULL);
}

static gboolean
on_report_imports (TomboloBridge *skeleton, GDBusMethodInvocation *invocation, const char *name,
                   GVariant *imports, gpointer user_data)
{
  check_reporter (user_data, invocation, name, on_imports_checked);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* --- IdentifyCaller --- */

static void
refuse_to_identify (Report *report, const GError *error)
{
  report->face->pending--;
  log_warning (NULL, "A caller was not identified: %s", error->message);
  g_dbus_method_invocation_return_error (report->invocation, TOMBOLO_ERROR,
                                         TOMBOLO_ERROR_ACCESS_DENIED,
                                         "That caller speaks for no machine, or you do not.");
}

static void
on_identified (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Report *report = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *machine = bus_process_find_machine_finish (result, &error);

  if (machine == NULL)
    {
      refuse_to_identify (report, error);
      return;
    }

  report->face->pending--;
  g_dbus_method_invocation_return_value (report->invocation, g_variant_new ("(s)", machine));
}

static void
on_asker_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Report *report = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *machine = bus_process_find_machine_finish (result, &error);
  const char *bus_name;

  if (machine == NULL)
    {
      refuse_to_identify (report, error);
      g_free (report);
      return;
    }

  g_variant_get (g_dbus_method_invocation_get_parameters (report->invocation), "(&s)", &bus_name);
  bus_process_find_machine_async (report->face->bus, report->face->units, bus_name, on_identified,
                                  report);
}

static gboolean
on_identify (TomboloBridge *skeleton, GDBusMethodInvocation *invocation, const char *bus_name,
             gpointer user_data)
{
  BridgeDBus *face = user_data;

  if (!g_dbus_is_unique_name (bus_name))
    g_dbus_method_invocation_return_error_literal (invocation, TOMBOLO_ERROR,
                                                   TOMBOLO_ERROR_INVALID_ARGUMENT,
                                                   "Callers have unique bus names.");
  else if (begin (face, invocation))
    bus_process_find_machine_async (face->bus, face->units,
                                    g_dbus_method_invocation_get_sender (invocation),
                                    on_asker_found, report_new (face, invocation));

  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

BridgeDBus *
bridge_dbus_new (Manager *manager, Units *units, Bridges *bridges, GDBusConnection *bus,
                 GError **error)
{
  g_autoptr (BridgeDBus) face = g_new0 (BridgeDBus, 1);

  face->manager = g_object_ref (manager);
  face->units = g_object_ref (units);
  face->bus = g_object_ref (bus);
  face->bridges = bridges;
  face->skeleton = tombolo_bridge_skeleton_new ();
  g_signal_connect (face->skeleton, "handle-report", G_CALLBACK (on_report), face);
  g_signal_connect (face->skeleton, "handle-report-imports", G_CALLBACK (on_report_imports), face);
  g_signal_connect (face->skeleton, "handle-identify-caller", G_CALLBACK (on_identify), face);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (face->skeleton), bus,
                                         TOMBOLO_ROOT_PATH, error))
    return NULL;

  return g_steal_pointer (&face);
}

void
bridge_dbus_free (BridgeDBus *face)
{
  if (g_dbus_interface_skeleton_get_connection (G_DBUS_INTERFACE_SKELETON (face->skeleton)) != NULL)
    g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (face->skeleton));
  g_signal_handlers_disconnect_by_data (face->skeleton, face);
  g_object_unref (face->skeleton);
  g_object_unref (face->bus);
  g_object_unref (face->units);
  g_object_unref (face->manager);
  g_free (face);
}
