/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Under which name a guest's service is called on the host's system bus. */
#include "config.h"

#include "call-target.h"

#include <glib/gi18n.h>

#include "failure.h"
#include "host.h"
#include "name.h"

#define UNREACHABLE CLIENT_ERROR, CLIENT_EXIT_UNREACHABLE

char *
call_target_default (const char *machine, GuestBus guest_bus, const char *service, GError **error)
{
  char *alias;

  if (!machine_name_validate (machine, error))
    return NULL;

  alias = machine_name_to_alias (machine, guest_bus, service);
  if (alias == NULL)
    g_set_error (error, UNREACHABLE,
                 _ ("The alias of “%s” is longer than a bus name may be: use the guest's bus "
                    "socket, see “tomboloctl status %s”."),
                 service, machine);
  return alias;
}

gboolean
call_target_is_absent (const GError *error)
{
  g_autofree char *name = failure_get_name (error);

  return g_strcmp0 (name, "org.freedesktop.DBus.Error.ServiceUnknown") == 0
         || g_strcmp0 (name, "org.freedesktop.DBus.Error.NameHasNoOwner") == 0;
}

gboolean
call_target_is_connected (TomboloMachine *machine, const char *name, GError **error)
{
  const char *state = tombolo_machine_get_state (machine);
  const char *agent = tombolo_machine_get_agent_state (machine);
  const char *reason = tombolo_machine_get_agent_reason (machine);

  if (g_strcmp0 (agent, "connected") == 0)
    return TRUE;

  if (g_strcmp0 (state, "running") != 0)
    g_set_error (error, UNREACHABLE, _ ("%s does not run (state %s): start it first."), name,
                 state != NULL ? state : "?");
  else if (g_strcmp0 (agent, "none") == 0)
    g_set_error (error, UNREACHABLE, _ ("%s has no guest agent, so nothing in it can be called."),
                 name);
  else
    g_set_error (error, UNREACHABLE, _ ("The agent of %s is not connected. %s"), name,
                 reason != NULL ? reason : "");
  return FALSE;
}

char *
call_target_look_up (GDBusConnection *bus, const char *machine, GuestBus guest_bus,
                     const char *service, const char *tried, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (TomboloMachine) found = host_find_machine (bus, machine, &problem);
  GVariant *exports;
  const char *alias;

  if (found == NULL || !call_target_is_connected (found, machine, &problem))
    {
      g_clear_error (error);
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }

  exports = guest_bus == GUEST_BUS_SESSION ? tombolo_machine_get_session_exports (found)
                                           : tombolo_machine_get_exports (found);
  if (exports == NULL || !g_variant_lookup (exports, service, "&s", &alias))
    {
      g_clear_error (error);
      g_set_error (error, UNREACHABLE,
                   guest_bus == GUEST_BUS_SESSION
                       ? _ ("%s exports no “%s” of a session now: its /etc/tombolo/guest.conf says "
                            "what it does, and whose session it is.")
                       : _ ("%s does not export “%s”: its /etc/tombolo/guest.conf lists what it "
                            "does."),
                   machine, service);
      return NULL;
    }

  return g_str_equal (alias, tried) ? NULL : g_strdup (alias);
}
