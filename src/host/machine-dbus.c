/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tombolo.Host1.Machine: properties that follow the model, and a handler for each method. */
#include "machine-dbus-private.h"

#include "caller.h"
#include "error.h"
#include "limit.h"
#include "log.h"
#include "rules-test.h"

static void machine_dbus_implement (TomboloMachineIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (MachineDBus, machine_dbus, TOMBOLO_TYPE_MACHINE_SKELETON,
                               G_IMPLEMENT_INTERFACE (TOMBOLO_TYPE_MACHINE, machine_dbus_implement))

/* --- properties --- */

static GVariant *
invocation_to_variant (const char *text)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("ay"));
  for (const char *p = text; p[0] != '\0' && p[1] != '\0'; p += 2)
    g_variant_builder_add (
        &builder, "y", (guchar) (g_ascii_xdigit_value (p[0]) << 4 | g_ascii_xdigit_value (p[1])));

  return g_variant_builder_end (&builder);
}

static void
update_link (TomboloMachine *skeleton, Machine *machine)
{
  const char *interface = machine_get_interface (machine);
  g_autofree char *address =
      *interface != '\0' ? g_strdup_printf ("fe80::2%%%s", interface) : g_strdup ("");
  char mac_text[MAC_STRING_SIZE];
  uint8_t mac[MAC_SIZE];

  machine_get_mac (machine, mac);
  mac_to_string (mac, mac_text);
  tombolo_machine_set_interface (skeleton, interface);
  tombolo_machine_set_address (skeleton, address);
  tombolo_machine_set_hardware_address (skeleton, mac_text);
}

/* The skeleton signals those that are different. */
static void
update (Machine *machine, gpointer user_data)
{
  TomboloMachine *skeleton = user_data;
  g_autofree char *name = log_text (machine_get_name (machine), LIMIT_LOG_LINE);
  g_autofree char *file = log_text (machine_get_file (machine), LIMIT_LOG_LINE);
  g_autofree char *unit = machine_get_unit (machine);
  g_auto (GStrv) aliases = machine_get_outer_aliases (machine);
  g_autofree char *bus_socket = machine_get_bus_socket (machine, GUEST_BUS_SYSTEM);
  g_autofree char *session_bus_socket = machine_get_bus_socket (machine, GUEST_BUS_SESSION);

  tombolo_machine_set_name (skeleton, name);
  tombolo_machine_set_description (skeleton, machine_get_description (machine));
  tombolo_machine_set_monitor (skeleton, machine_get_monitor (machine));
  tombolo_machine_set_state (skeleton, machine_state_to_string (machine_get_state (machine)));
  tombolo_machine_set_state_reason (skeleton, machine_get_reason (machine));
  tombolo_machine_set_agent_state (skeleton,
                                   agent_state_to_string (machine_get_agent_state (machine)));
  tombolo_machine_set_agent_reason (skeleton, machine_get_agent_reason (machine));
  tombolo_machine_set_file (skeleton, file);
  tombolo_machine_set_unit (skeleton, unit);
  tombolo_machine_set_invocation_id (skeleton,
                                     invocation_to_variant (machine_get_invocation (machine)));
  tombolo_machine_set_start_timestamp (skeleton, machine_get_started (machine));
  tombolo_machine_set_bus_socket (skeleton, bus_socket);
  tombolo_machine_set_session_bus_socket (skeleton, session_bus_socket);
  tombolo_machine_set_problems (skeleton, machine_get_problems (machine));
  tombolo_machine_set_outer_aliases (skeleton, (const char *const *) aliases);
  tombolo_machine_set_exports (skeleton, machine_get_exports (machine, GUEST_BUS_SYSTEM));
  tombolo_machine_set_session_exports (skeleton, machine_get_exports (machine, GUEST_BUS_SESSION));
  tombolo_machine_set_imports (skeleton, machine_get_imports (machine));
  update_link (skeleton, machine);
}

/* --- methods: parse, validate, authorise, validate again, act, reply --- */

typedef struct
{
  MachineDBus *face;
  GDBusMethodInvocation *invocation;
} Act;

/* The properties are signalled first, then the caller gets the answer. */
static void
on_act_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Act *act = user_data;
  GError *error = NULL;

  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (act->face));
  if (machine_act_finish (TOMBOLO_MODEL_MACHINE (source), result, &error))
    g_dbus_method_invocation_return_value (act->invocation, NULL);
  else
    caller_fail (act->invocation, error);

  g_object_unref (act->face);
  g_free (act);
}

static void
begin_act (MachineDBus *face, GDBusMethodInvocation *invocation, guint64 timeout)
{
  const char *method = g_dbus_method_invocation_get_method_name (invocation);
  Machine *machine = face->machine;
  Act *act = g_new0 (Act, 1);

  act->face = g_object_ref (face);
  act->invocation = invocation;
  if (g_str_equal (method, "Start"))
    machine_start_async (machine, on_act_done, act);
  else if (g_str_equal (method, "Stop"))
    machine_stop_async (machine, timeout, on_act_done, act);
  else if (g_str_equal (method, "Restart"))
    machine_restart_async (machine, timeout, on_act_done, act);
  else if (g_str_equal (method, "Pause"))
    machine_pause_async (machine, on_act_done, act);
  else if (g_str_equal (method, "Resume"))
    machine_resume_async (machine, on_act_done, act);
  else
    machine_kill_async (machine, on_act_done, act);
}

/* The options of this call, if it has any; TRUE where they are good. */
static gboolean
read_arguments (GDBusMethodInvocation *invocation, guint64 *ret_timeout, GError **error)
{
  GVariant *parameters = g_dbus_method_invocation_get_parameters (invocation);
  const char *method = g_dbus_method_invocation_get_method_name (invocation);
  gboolean has_timeout = g_str_equal (method, "Stop") || g_str_equal (method, "Restart");
  g_autoptr (GVariant) options = NULL;

  if (g_variant_n_children (parameters) == 0)
    return TRUE;

  options = g_variant_get_child_value (parameters, 0);
  return caller_read_options (options, has_timeout ? ret_timeout : NULL, error);
}

static void
on_allowed (GDBusMethodInvocation *invocation, gpointer object)
{
  MachineDBus *face = TOMBOLO_MACHINE_DBUS (object);
  guint64 timeout = STOP_TIME_USEC;
  GError *error = NULL;

  if (face->closed)
    g_dbus_method_invocation_return_error (invocation, TOMBOLO_ERROR, TOMBOLO_ERROR_NO_SUCH_MACHINE,
                                           "Machine %s was deleted meanwhile.",
                                           machine_get_name (face->machine));
  else if (!read_arguments (invocation, &timeout, &error))
    caller_fail (invocation, error);
  else
    begin_act (face, invocation, timeout);
}

static gboolean
handle (TomboloMachine *skeleton, GDBusMethodInvocation *invocation)
{
  MachineDBus *face = TOMBOLO_MACHINE_DBUS (skeleton);
  guint64 timeout;
  GError *error = NULL;

  if (!read_arguments (invocation, &timeout, &error))
    caller_fail (invocation, error);
  else
    caller_authorize (face->authority, invocation, machine_get_name (face->machine),
                      G_OBJECT (face), on_allowed);

  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_with_options (TomboloMachine *skeleton, GDBusMethodInvocation *invocation, GVariant *options)
{
  return handle (skeleton, invocation);
}

/* --- TestCall --- */

static void
on_tested (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) answer = rules_test_finish (result, &error);

  if (answer != NULL)
    g_dbus_method_invocation_return_value (invocation, answer);
  else
    caller_fail (invocation, error);
}

static void
test_call (GDBusMethodInvocation *invocation, gpointer object)
{
  Machine *machine = TOMBOLO_MACHINE_DBUS (object)->machine;
  GVariant *parameters = g_dbus_method_invocation_get_parameters (invocation);
  gsize n_arguments = g_variant_n_children (parameters) - 1; /* less the options */
  GVariantBuilder call = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("(ssossas)"));
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, n_arguments);
  GError *error = NULL;
  GuestBus bus;

  if (*machine_get_file (machine) == '\0')
    {
      g_dbus_method_invocation_return_error (
          invocation, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_STATE,
          "The file of machine %s is gone, and its rules with it.", machine_get_name (machine));
      return;
    }

  if (!machine_dbus_read_bus (options, &bus, &error))
    {
      caller_fail (invocation, error);
      return;
    }

  for (gsize i = 0; i < n_arguments; i++)
    {
      g_autoptr (GVariant) argument = g_variant_get_child_value (parameters, i);

      g_variant_builder_add_value (&call, argument);
    }
  rules_test_async (machine_get_file (machine), machine_is_created (machine),
                    machine_get_bridge_credential (machine), bus, g_variant_builder_end (&call),
                    on_tested, invocation);
}

static gboolean
handle_test_call (TomboloMachine *skeleton, GDBusMethodInvocation *invocation, const char *caller,
                  const char *name, const char *path, const char *interface, const char *member,
                  const char *const *arguments, GVariant *options)
{
  MachineDBus *face = TOMBOLO_MACHINE_DBUS (skeleton);
  GError *error = NULL;
  GuestBus bus;

  if (!machine_dbus_read_bus (options, &bus, &error))
    caller_fail (invocation, error);
  else
    caller_authorize (face->authority, invocation, machine_get_name (face->machine),
                      G_OBJECT (face), test_call);

  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
machine_dbus_implement (TomboloMachineIface *iface)
{
  iface->handle_start = handle_with_options;
  iface->handle_stop = handle_with_options;
  iface->handle_restart = handle_with_options;
  iface->handle_pause = handle;
  iface->handle_resume = handle;
  iface->handle_kill = handle_with_options;
  iface->handle_test_call = handle_test_call;
  iface->handle_open_bus = machine_dbus_open_bus;
  iface->handle_open_shell = machine_dbus_open_shell;
}

static void
machine_dbus_dispose (GObject *object)
{
  MachineDBus *face = TOMBOLO_MACHINE_DBUS (object);

  if (face->machine != NULL)
    g_signal_handlers_disconnect_by_data (face->machine, face);
  g_clear_object (&face->machine);
  G_OBJECT_CLASS (machine_dbus_parent_class)->dispose (object);
}

static void
machine_dbus_class_init (MachineDBusClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = machine_dbus_dispose;
}

static void
machine_dbus_init (MachineDBus *face)
{
}

MachineDBus *
machine_dbus_new (Machine *machine, const CallerAuthority *authority, Bridges *bridges)
{
  MachineDBus *face = g_object_new (MACHINE_DBUS_TYPE, NULL);

  face->machine = g_object_ref (machine);
  face->authority = authority;
  face->bridges = bridges;
  update (machine, face);
  g_signal_connect (machine, "changed", G_CALLBACK (update), face);
  return face;
}

void
machine_dbus_close (MachineDBus *face)
{
  face->closed = TRUE;
  g_signal_handlers_disconnect_by_data (face->machine, face);
}
