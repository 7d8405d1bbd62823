/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine's bridge as a whole. */
#include "bridge.h"

#include <stdio.h>

#include "alias-caller.h"
#include "broadcast.h"
#include "bus-client.h"
#include "bus-socket.h"
#include "caller.h"
#include "channel-pool.h"
#include "control.h"
#include "descriptor.h"
#include "imports.h"
#include "limit.h"
#include "report.h"
#include "shells.h"
#include "streams.h"
#include "tunnel-manager.h"

static Alias *
find_alias (Bridge *bridge, GuestBus guest_bus, const char *exported)
{
  for (guint i = 0; i < bridge->aliases->len; i++)
    if (alias_get_guest_bus (bridge->aliases->pdata[i]) == guest_bus
        && g_str_equal (alias_get_exported (bridge->aliases->pdata[i]), exported))
      return bridge->aliases->pdata[i];

  return NULL;
}

/* Names that an agent with another policy exports no more. */
static void
drop_aliases (Bridge *bridge, const OwnerTable exports[N_GUEST_BUSES])
{
  for (guint i = bridge->aliases->len; i-- > 0;)
    {
      Alias *alias = bridge->aliases->pdata[i];

      if (owner_table_find (&exports[alias_get_guest_bus (alias)], alias_get_exported (alias))
          != NULL)
        continue;
      alias_callers_drop (bridge, alias, false);
      g_ptr_array_remove_index (bridge->aliases, i);
    }
}

static void
update_aliases (Bridge *bridge, GuestBus guest_bus, const OwnerTable *exports)
{
  for (unsigned i = 0; i < exports->n_entries; i++)
    {
      Alias *alias = find_alias (bridge, guest_bus, exports->entries[i].name);

      if (alias == NULL)
        {
          alias = alias_new (bridge, guest_bus, exports->entries[i].name);
          if (alias == NULL)
            continue;
          g_ptr_array_add (bridge->aliases, alias);
        }
      alias_update (alias, &exports->entries[i]);
    }
}

/* Spare channels wait for who may call soon: nobody does while nothing of a session is there. */
static void
update_spares (Bridge *bridge)
{
  bool session = false;

  for (guint i = 0; i < bridge->aliases->len; i++)
    session = session
              || (alias_get_guest_bus (bridge->aliases->pdata[i]) == GUEST_BUS_SESSION
                  && alias_is_wanted (bridge->aliases->pdata[i]));

  channel_pool_set_warm (bridge->pool, GUEST_BUS_SESSION, session);
}

void
bridge_tunnel_up (Bridge *bridge, const OwnerTable exports[N_GUEST_BUSES])
{
  drop_aliases (bridge, exports);
  channel_pool_start (bridge->pool);
  broadcast_start (bridge->broadcast);

  for (GuestBus guest_bus = 0; guest_bus < N_GUEST_BUSES; guest_bus++)
    update_aliases (bridge, guest_bus, &exports[guest_bus]);

  update_spares (bridge);
  imports_start (bridge->imports);
  refusals_set_state (bridge->refusals, "Connected");
  report_changed (bridge->report);
}

void
bridge_export_changed (Bridge *bridge, GuestBus guest_bus, const OwnerEntry *entry)
{
  Alias *alias = find_alias (bridge, guest_bus, entry->name);

  if (alias != NULL)
    alias_update (alias, entry);
  update_spares (bridge);
}

void
bridge_tunnel_down (Bridge *bridge)
{
  g_autofree char *reason = g_strdup (tunnel_manager_get_reason (bridge->tunnel));
  GList *link;

  /* The names go first: who hears of it and calls again finds the next tunnel. */
  for (guint i = 0; i < bridge->aliases->len; i++)
    alias_release (bridge->aliases->pdata[i]);

  imports_stop (bridge->imports);
  broadcast_stop (bridge->broadcast);
  channel_pool_stop (bridge->pool, reason);

  link = bridge->callers.head;
  while (link != NULL)
    {
      Caller *caller = link->data;

      link = link->next;
      caller_disconnect (caller, reason);
    }

  shells_close (bridge->shells, reason);
  streams_close (bridge->streams);
  refusals_set_state (bridge->refusals, "Not connected");
  report_changed (bridge->report);
}

bool
bridge_export_is_valid (const char *name, const char *owner)
{
  return wire_bus_name_is_valid (name) && !wire_bus_name_is_unique (name)
         && !g_str_equal (name, BUS_DRIVER_NAME)
         && (owner[0] == '\0' || wire_bus_name_is_unique (owner));
}

bool
bridge_is_from_bus (sd_bus_message *message)
{
  return g_strcmp0 (sd_bus_message_get_sender (message), BUS_DRIVER_NAME) == 0;
}

bool
bridge_has_room (const Bridge *bridge)
{
  return bridge->callers.length < LIMIT_CALLERS_MACHINE;
}

static char *
get_budget_key (uid_t uid, const char *machine)
{
  return g_strdup_printf ("%u@%s", uid, machine != NULL ? machine : "");
}

ConnectionBudget *
bridge_get_budget (Bridge *bridge, uid_t uid, const char *machine)
{
  g_autofree char *key = get_budget_key (uid, machine);
  ConnectionBudget *budget = g_hash_table_lookup (bridge->user_budgets, key);

  if (budget == NULL)
    {
      budget = g_new0 (ConnectionBudget, 1);
      budget->limit = LIMIT_HELD_USER;
      budget->descriptor_limit = LIMIT_HELD_DESCRIPTORS_USER;
      budget->parent = &bridge->budget;
      g_hash_table_insert (bridge->user_budgets, g_steal_pointer (&key), budget);
    }

  return budget;
}

void
bridge_drop_budget (Bridge *bridge, uid_t uid, const char *machine)
{
  g_autofree char *key = get_budget_key (uid, machine);

  g_hash_table_remove (bridge->user_budgets, key);
}

void
bridge_complain (Bridge *bridge, const char *message_id, const char *format, ...)
{
  char text[LIMIT_LOG_LINE];
  va_list arguments;

  if (!rate_limit_pass (&bridge->complaints))
    return;

  va_start (arguments, format);
  vsnprintf (text, sizeof text, format, arguments);
  va_end (arguments);
  log_message (LOG_LEVEL_WARNING, bridge->machine, message_id, "%s", text);
}

/* Takes all descriptors. */
static int
open_sockets (Bridge *bridge, const int listen_fds[N_GUEST_BUSES])
{
  int r = 0;

  for (GuestBus guest_bus = 0; guest_bus < N_GUEST_BUSES; guest_bus++)
    {
      auto_fd fd = listen_fds[guest_bus];

      if (fd >= 0 && r >= 0)
        r = bus_socket_new (bridge, guest_bus, fd_steal (&fd), &bridge->sockets[guest_bus]);
    }

  return r;
}

int
bridge_new (sd_event *event, sd_bus *bus, const BridgeSettings *settings, TunnelContext *context,
            const int listen_fds[N_GUEST_BUSES], Bridge **ret_bridge)
{
  Bridge *bridge = g_new0 (Bridge, 1);
  int r;

  bridge->event = sd_event_ref (event);
  bridge->bus = sd_bus_ref (bus);
  bridge->bus_path = bus_client_get_system_path ();
  bridge->settings = settings;
  bridge->machine = settings->machine;
  bridge->context = tunnel_context_ref (context);
  bridge->authority = authority_new (bus);
  bridge->budget.limit = LIMIT_HELD_MACHINE;
  bridge->budget.descriptor_limit = LIMIT_HELD_DESCRIPTORS_MACHINE;
  bridge->user_budgets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  bridge->refusals = refusals_new (event, "Not connected");
  bridge->aliases = g_ptr_array_new_with_free_func ((GDestroyNotify) alias_free);
  for (GuestBus guest_bus = 0; guest_bus < N_GUEST_BUSES; guest_bus++)
    bridge->alias_callers[guest_bus] =
        g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) alias_caller_free);
  bridge->streams = streams_new (bridge);
  bridge->shells = shells_new (bridge);
  bridge->pool = channel_pool_new (bridge);
  bridge->broadcast = broadcast_new (bridge);
  bridge->tunnel = tunnel_manager_new (bridge);
  /* Before the report, upon which tombolod may call: who that is has then been asked. */
  bridge->control = control_new (bridge);
  bridge->report = report_new (bridge);
  bridge->imports = imports_new (bridge);
  r = open_sockets (bridge, listen_fds);
  if (r < 0 || bridge->report == NULL || bridge->control == NULL)
    {
      bridge_free (bridge);
      return r < 0 ? r : -ENOMEM;
    }

  *ret_bridge = bridge;
  return 0;
}

void
bridge_free (Bridge *bridge)
{
  if (bridge == NULL)
    return;

  control_free (bridge->control);
  for (GuestBus guest_bus = 0; guest_bus < N_GUEST_BUSES; guest_bus++)
    {
      bus_socket_free (bridge->sockets[guest_bus]);
      g_hash_table_unref (bridge->alias_callers[guest_bus]);
    }
  broadcast_free (bridge->broadcast);
  channel_pool_free (bridge->pool);
  shells_free (bridge->shells);
  streams_free (bridge->streams);
  imports_free (bridge->imports);
  g_ptr_array_unref (bridge->aliases);
  tunnel_manager_free (bridge->tunnel);
  report_free (bridge->report);
  refusals_free (bridge->refusals);
  g_hash_table_unref (bridge->user_budgets);
  authority_free (bridge->authority);
  tunnel_context_unref (bridge->context);
  sd_bus_unref (bridge->bus);
  sd_event_unref (bridge->event);
  g_free (bridge->bus_path);
  g_free (bridge);
}
