/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting until a machine's guest agent is connected. */
#include "config.h"

#include "agent-wait.h"

#include <glib/gi18n.h>

#include "progress.h"
#include "terminal.h"

static gboolean
on_time (gpointer data)
{
  gboolean *over = data;

  *over = TRUE;
  return G_SOURCE_REMOVE;
}

/* The answer to Start() may overtake the signals of its changes, so what the proxy holds may be of
 * the time before. */
static gboolean
refresh (TomboloMachine *machine, GError **error)
{
  GDBusProxy *proxy = G_DBUS_PROXY (machine);
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      g_dbus_proxy_get_connection (proxy), g_dbus_proxy_get_name (proxy),
      g_dbus_proxy_get_object_path (proxy), "org.freedesktop.DBus.Properties", "GetAll",
      g_variant_new ("(s)", g_dbus_proxy_get_interface_name (proxy)), G_VARIANT_TYPE ("(a{sv})"),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, error);
  g_autoptr (GVariantIter) iter = NULL;
  const char *name;
  GVariant *value;

  if (reply == NULL)
    {
      host_explain_error (error);
      return FALSE;
    }

  g_variant_get (reply, "(a{sv})", &iter);
  while (g_variant_iter_loop (iter, "{&sv}", &name, &value))
    g_dbus_proxy_set_cached_property (proxy, name, value);
  return TRUE;
}

/* Why it is no use to wait, or NULL. */
static char *
problem_of (TomboloMachine *machine)
{
  g_autofree char *owner = g_dbus_proxy_get_name_owner (G_DBUS_PROXY (machine));
  const char *state = tombolo_machine_get_state (machine);
  const char *reason = tombolo_machine_get_state_reason (machine);

  if (owner == NULL || state == NULL)
    return g_strdup (_ ("tombolod went away while its agent was waited for."));
  if (g_str_equal (state, "failed"))
    return g_strdup_printf (_ ("it failed before its agent connected: %s"), reason);
  if (g_str_equal (state, "stopped") || g_str_equal (state, "stopping"))
    return g_strdup (_ ("it stopped before its agent connected."));
  if (g_str_equal (state, "running")
      && g_strcmp0 (tombolo_machine_get_agent_state (machine), "none") == 0)
    return g_strdup (_ ("it runs, but has no agent to wait for: its machine file says Agent=no."));

  return NULL;
}

gboolean
agent_wait (TomboloMachine *machine, gint64 deadline, GError **error)
{
  gint64 left = MAX (deadline - g_get_monotonic_time (), 0);
  const char *name = tombolo_machine_get_name (machine);
  g_autofree char *text = g_strdup_printf (_ ("Waiting for the agent of %s…"), name);
  g_autoptr (Progress) progress = progress_new (text);
  gboolean over = FALSE;
  gboolean connected = FALSE;
  guint timer;

  if (!refresh (machine, error))
    return FALSE;
  timer = g_timeout_add ((guint) (left / 1000), on_time, &over);

  /* The proxy's properties follow PropertiesChanged: any event is a reason to look again. */
  for (;;)
    {
      g_autofree char *problem = problem_of (machine);

      connected = g_strcmp0 (tombolo_machine_get_agent_state (machine), "connected") == 0;
      if (connected)
        break;
      if (problem != NULL)
        {
          g_set_error_literal (error, CLIENT_ERROR, CLIENT_EXIT_FAILED, problem);
          break;
        }
      if (over)
        {
          g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_TIMED_OUT,
                       _ ("it runs, but its agent did not connect in time. %s"),
                       tombolo_machine_get_agent_reason (machine));
          break;
        }
      g_main_context_iteration (NULL, TRUE);
    }

  if (!over)
    g_source_remove (timer);
  return connected;
}
