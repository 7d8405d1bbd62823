/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolod, as a client of its D-Bus API sees it. */
#include "config.h"

#include "host.h"

#include <glib/gi18n.h>

#include "failure.h"
#include "name.h"
#include "polkit-agent.h"
#include "progress.h"
#include "terminal.h"

#define MANAGER_INTERFACE "org.tombolo.Host1.Manager"

GDBusConnection *
host_connect (GError **error)
{
  g_autoptr (GError) problem = NULL;
  GDBusConnection *bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &problem);

  if (bus == NULL)
    {
      g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_NO_DAEMON,
                   _ ("The system bus cannot be reached: %s"), problem->message);
      return NULL;
    }

  g_dbus_connection_set_exit_on_close (bus, FALSE);
  return bus;
}

static void
set_no_daemon (GError **error)
{
  g_set_error_literal (error, CLIENT_ERROR, CLIENT_EXIT_NO_DAEMON,
                       _ ("tombolod is not there: “systemctl status tombolod” says why, and "
                          "“systemctl enable --now tombolod” starts it."));
}

void
host_explain_error (GError **error)
{
  static const char *const gone[] = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
  };
  g_autofree char *name = *error != NULL ? failure_get_name (*error) : NULL;

  if (name == NULL)
    return;

  for (gsize i = 0; i < G_N_ELEMENTS (gone); i++)
    if (g_str_equal (name, gone[i]))
      {
        g_clear_error (error);
        set_no_daemon (error);
        return;
      }

  /* The bus answers for an owner that left. */
  if (g_str_equal (name, "org.freedesktop.DBus.Error.NoReply"))
    {
      g_clear_error (error);
      g_set_error_literal (error, CLIENT_ERROR, CLIENT_EXIT_NO_DAEMON,
                           _ ("tombolod went away before it answered: “journalctl -u tombolod” "
                              "says why."));
      return;
    }

  /* The bus tried to start it, and that failed. */
  if (g_str_has_prefix (name, "org.freedesktop.DBus.Error.Spawn.")
      || g_str_has_prefix (name, "org.freedesktop.systemd1."))
    {
      g_autoptr (GError) problem = g_steal_pointer (error);

      g_dbus_error_strip_remote_error (problem);
      g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_NO_DAEMON,
                   _ ("tombolod could not be started (%s): “journalctl -u tombolod” says why."),
                   problem->message);
    }
}

/* A call starts tombolod where the bus can, so that its failure to start has a reason: an object
 * manager of GDBus would only come up empty. */
static gboolean
wake_daemon (GDBusConnection *bus, GError **error)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      bus, TOMBOLO_BUS_NAME, TOMBOLO_ROOT_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL,
      G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);

  if (reply == NULL)
    host_explain_error (error);
  return reply != NULL;
}

GDBusObjectManager *
host_open_registry (GDBusConnection *bus, GError **error)
{
  g_autoptr (GDBusObjectManager) registry = NULL;
  g_autofree char *owner = NULL;

  if (!wake_daemon (bus, error))
    return NULL;

  registry =
      tombolo_object_manager_client_new_sync (bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE,
                                              TOMBOLO_BUS_NAME, TOMBOLO_ROOT_PATH, NULL, error);
  if (registry == NULL)
    {
      host_explain_error (error);
      return NULL;
    }

  owner = g_dbus_object_manager_client_get_name_owner (G_DBUS_OBJECT_MANAGER_CLIENT (registry));
  if (owner == NULL)
    {
      set_no_daemon (error);
      return NULL;
    }

  return g_steal_pointer (&registry);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (tombolo_machine_get_name (*(TomboloMachine *const *) a),
                    tombolo_machine_get_name (*(TomboloMachine *const *) b));
}

GPtrArray *
host_list_machines (GDBusObjectManager *registry)
{
  GPtrArray *machines = g_ptr_array_new_with_free_func (g_object_unref);
  g_autolist (GDBusObject) objects = g_dbus_object_manager_get_objects (registry);

  for (GList *l = objects; l != NULL; l = l->next)
    {
      TomboloMachine *machine = tombolo_object_get_machine (TOMBOLO_OBJECT (l->data));

      if (machine != NULL)
        g_ptr_array_add (machines, machine);
    }

  g_ptr_array_sort (machines, compare_names);
  return machines;
}

TomboloMachine *
host_find_machine (GDBusConnection *bus, const char *name, GError **error)
{
  g_autoptr (GVariant) found = NULL;
  TomboloMachine *machine;
  const char *path;

  if (!g_utf8_validate (name, -1, NULL))
    {
      machine_name_validate (name, error);
      return NULL;
    }

  found = g_dbus_connection_call_sync (
      bus, TOMBOLO_BUS_NAME, TOMBOLO_ROOT_PATH, MANAGER_INTERFACE, "FindMachine",
      g_variant_new ("(s)", name), G_VARIANT_TYPE ("(o)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
  if (found == NULL)
    {
      host_explain_error (error);
      return NULL;
    }

  g_variant_get (found, "(&o)", &path);
  machine = tombolo_machine_proxy_new_sync (bus, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START,
                                            TOMBOLO_BUS_NAME, path, NULL, error);
  if (machine == NULL)
    host_explain_error (error);
  return machine;
}

typedef struct
{
  GVariant *reply;
  GError *error;
  gboolean done;
} Wait;

static void
on_reply (GObject *source, GAsyncResult *result, gpointer data)
{
  Wait *wait = data;

  wait->reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &wait->error);
  wait->done = TRUE;
}

GVariant *
host_call_manager (GDBusConnection *bus, const Options *options, const char *method,
                   GVariant *arguments, const char *text, GError **error)
{
  gboolean asks = options->ask_password && polkit_agent_open ();
  g_autoptr (Progress) progress = progress_new (text);
  Wait wait = { 0 };

  progress_hold (progress, asks);
  g_dbus_connection_call (bus, TOMBOLO_BUS_NAME, TOMBOLO_ROOT_PATH, MANAGER_INTERFACE, method,
                          arguments, NULL,
                          options->ask_password ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION
                                                : G_DBUS_CALL_FLAGS_NONE,
                          HOST_NO_TIMEOUT, NULL, on_reply, &wait);
  while (!wait.done)
    g_main_context_iteration (NULL, TRUE);

  if (wait.reply == NULL)
    {
      host_explain_error (&wait.error);
      g_propagate_error (error, wait.error);
    }
  return wait.reply;
}

static GVariant *
bytes_to_hexadecimal (GVariant *bytes)
{
  gsize n;
  const guint8 *data = g_variant_get_fixed_array (bytes, &n, 1);
  g_autoptr (GString) text = g_string_new (NULL);

  for (gsize i = 0; i < n; i++)
    g_string_append_printf (text, "%02x", data[i]);

  return g_variant_new_string (text->str);
}

static char *
json_key (const char *property)
{
  GString *key = g_string_new (NULL);

  for (const char *p = property; *p != '\0'; p++)
    {
      if (p != property && g_ascii_isupper (*p) && g_ascii_islower (p[-1]))
        g_string_append_c (key, '_');
      g_string_append_c (key, g_ascii_tolower (*p));
    }

  return g_string_free (key, FALSE);
}

static void
add_property (GVariantBuilder *builder, const char *name, GVariant *value)
{
  g_autofree char *key = json_key (name);

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    value = bytes_to_hexadecimal (value);
  g_variant_builder_add (builder, "{sv}", key, value);
}

GVariant *
host_properties_to_json (GVariant *properties)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, properties);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    add_property (&builder, name, value);

  return g_variant_builder_end (&builder);
}

GVariant *
host_machine_to_json (TomboloMachine *machine)
{
  g_auto (GStrv) names = g_dbus_proxy_get_cached_property_names (G_DBUS_PROXY (machine));
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));

  for (guint i = 0; names != NULL && names[i] != NULL; i++)
    {
      g_autoptr (GVariant) value =
          g_dbus_proxy_get_cached_property (G_DBUS_PROXY (machine), names[i]);

      add_property (&builder, names[i], value);
    }

  return g_variant_builder_end (&builder);
}

void
host_print_json (GPtrArray *machines, JsonMode mode)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) list = NULL;

  for (guint i = 0; i < machines->len; i++)
    g_variant_builder_add_value (&builder, host_machine_to_json (g_ptr_array_index (machines, i)));
  list = g_variant_ref_sink (g_variant_builder_end (&builder));
  json_print (list, mode, JSON_PLAIN);
}

Color
host_state_color (const char *state)
{
  static const struct
  {
    const char *state;
    Color color;
  } colors[] = {
    { "running", COLOR_GOOD },    { "connected", COLOR_GOOD }, { "starting", COLOR_BUSY },
    { "connecting", COLOR_BUSY }, { "paused", COLOR_BUSY },    { "stopping", COLOR_BUSY },
    { "failed", COLOR_BAD },      { "stopped", COLOR_FAINT },  { "none", COLOR_FAINT },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (colors); i++)
    if (g_strcmp0 (colors[i].state, state) == 0)
      return colors[i].color;

  return COLOR_NONE;
}
