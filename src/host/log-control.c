/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.freedesktop.LogControl1: “systemctl service-log-level tombolod debug”. */
#include "log-control.h"

#include <unistd.h>

#include "error.h"
#include "log.h"

#define OBJECT_PATH "/org/freedesktop/LogControl1"
#define IDENTIFIER "tombolod"

static const char introspection[] =
    "<node><interface name='org.freedesktop.LogControl1'>"
    "<property name='LogLevel' type='s' access='readwrite'>"
    "<annotation name='org.freedesktop.DBus.Property.EmitsChangedSignal' value='false'/>"
    "</property>"
    "<property name='LogTarget' type='s' access='readwrite'>"
    "<annotation name='org.freedesktop.DBus.Property.EmitsChangedSignal' value='false'/>"
    "</property>"
    "<property name='SyslogIdentifier' type='s' access='read'>"
    "<annotation name='org.freedesktop.DBus.Property.EmitsChangedSignal' value='const'/>"
    "</property>"
    "</interface></node>";

static const char *
get_target (void)
{
  return g_log_writer_is_journald (STDERR_FILENO) ? "journal" : "console";
}

static GVariant *
get_property (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
              const char *name, GError **error, gpointer user_data)
{
  if (g_str_equal (name, "LogLevel"))
    return g_variant_new_string (log_level_to_string (log_get_level ()));
  if (g_str_equal (name, "LogTarget"))
    return g_variant_new_string (get_target ());

  return g_variant_new_string (IDENTIFIER);
}

static gboolean
change (const char *name, const char *value, GError **error)
{
  LogLevel level;

  if (g_str_equal (name, "LogTarget"))
    {
      if (g_str_equal (value, get_target ()) || g_str_equal (value, "auto"))
        return TRUE;
      g_set_error_literal (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                           "tombolod logs to its standard error alone, as its unit says.");
      return FALSE;
    }

  if (!log_level_from_string (value, &level))
    {
      g_set_error_literal (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                           "The log level is one of err, warning, notice, info, debug.");
      return FALSE;
    }

  log_set_level (level);
  return TRUE;
}

static void
on_uid (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) value = NULL;
  const char *name;
  guint32 uid;

  if (reply == NULL)
    {
      g_dbus_method_invocation_take_error (invocation, error);
      return;
    }

  g_variant_get (reply, "(u)", &uid);
  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(&s&sv)", NULL, &name,
                 &value);
  if (uid != 0)
    g_dbus_method_invocation_return_error (invocation, TOMBOLO_ERROR, TOMBOLO_ERROR_ACCESS_DENIED,
                                           "Only root changes how tombolod logs.");
  else if (!change (name, g_variant_get_string (value, NULL), &error))
    g_dbus_method_invocation_take_error (invocation, error);
  else
    g_dbus_method_invocation_return_value (invocation, NULL);
}

/* Without a set_property of ours, GDBus hands on Properties.Set as a call, type already checked: so
 * that the sender can be looked at without blocking. */
static void
method_call (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
             const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
             gpointer user_data)
{
  g_dbus_connection_call (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                          "org.freedesktop.DBus", "GetConnectionUnixUser",
                          g_variant_new ("(s)", sender), G_VARIANT_TYPE ("(u)"),
                          G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_uid, invocation);
}

guint
log_control_export (GDBusConnection *bus, GError **error)
{
  static const GDBusInterfaceVTable vtable = { .method_call = method_call,
                                               .get_property = get_property };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (introspection, error);

  if (node == NULL)
    return 0;

  return g_dbus_connection_register_object (bus, OBJECT_PATH, node->interfaces[0], &vtable, NULL,
                                            NULL, error);
}
