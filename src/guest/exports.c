/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The exported names as one of the guest's buses has them. */
#include "exports.h"

#include <errno.h>

#include "backoff.h"
#include "body.h"
#include "bus-client.h"
#include "limit.h"
#include "log.h"

struct Exports
{
  sd_event *event;
  GuestBus kind;
  char *bus_path;
  SessionLink *session;
  SessionRequest *request; /* for a connection to the session bus */
  OwnerTable table;
  BusClient *bus;
  sd_event_source *retry;
  TunnelBackoff backoff;
  bool complained;
  ExportsChanged changed;
  void *user_data;
};

static void connect_bus (Exports *exports);

static void
tell (Exports *exports, const OwnerEntry *entry)
{
  exports->changed (exports->kind, entry, exports->user_data);
}

static int
on_retry (sd_event_source *source, uint64_t time, void *user_data)
{
  connect_bus (user_data);
  return 0;
}

/* Nobody owns anything, as far as we know. */
static void
lose_bus (Exports *exports)
{
  g_clear_pointer (&exports->bus, bus_client_free);
  g_clear_pointer (&exports->request, session_request_cancel);
  exports->retry = sd_event_source_disable_unref (exports->retry);

  for (unsigned i = 0; i < exports->table.n_entries; i++)
    {
      OwnerEntry *entry = &exports->table.entries[i];
      bool changed = owner_entry_set (entry, NULL) || entry->activatable;

      entry->activatable = false;
      if (changed)
        tell (exports, entry);
    }
}

/* A session that has ended is waited for without looking. */
static void
retry_later (Exports *exports, int reason)
{
  lose_bus (exports);
  if (exports->session != NULL && !session_link_is_up (exports->session))
    return;

  if (!exports->complained)
    log_warning (NULL, "The %s bus%s%s is not there (%s); trying again until it is.",
                 guest_bus_to_string (exports->kind), exports->bus_path != NULL ? " at " : "",
                 exports->bus_path != NULL ? exports->bus_path : "",
                 connection_reason_to_string (reason));
  exports->complained = true;

  if (sd_event_add_time_relative (exports->event, &exports->retry, CLOCK_MONOTONIC,
                                  tunnel_backoff_next (&exports->backoff), 0, on_retry, exports)
      < 0)
    sd_event_exit (exports->event, -ENOMEM);
}

static void
on_owner (BusClient *bus, const WireMessage *reply, void *user_data)
{
  Exports *exports = bus_client_get_user_data (bus);
  OwnerEntry *entry = user_data;

  if (owner_entry_set (entry, bus_client_read_string (reply)))
    tell (exports, entry);
}

static void
on_activatable (BusClient *bus, const WireMessage *reply, void *user_data)
{
  Exports *exports = bus_client_get_user_data (bus);
  bool activatable[LIMIT_EXPORTED_NAMES] = { false };
  WireReader reader;
  const char *name;
  size_t end;

  wire_reader_init (&reader, reply);
  if (reply->header.type != WIRE_METHOD_RETURN || !wire_reader_array (&reader, &end))
    return;

  while (reader.offset < end)
    {
      OwnerEntry *entry;

      wire_reader_element (&reader);
      if (!wire_reader_string (&reader, &name))
        return;
      entry = owner_table_find (&exports->table, name);
      if (entry != NULL)
        activatable[entry - exports->table.entries] = true;
    }

  for (unsigned i = 0; i < exports->table.n_entries; i++)
    if (exports->table.entries[i].activatable != activatable[i])
      {
        exports->table.entries[i].activatable = activatable[i];
        tell (exports, &exports->table.entries[i]);
      }
}

static void
on_ready (BusClient *bus, void *user_data)
{
  Exports *exports = user_data;
  int r = bus_client_call_driver (bus, "AddMatch",
                                  "type='signal',sender='" BUS_DRIVER_NAME
                                  "',interface='" BUS_DRIVER_INTERFACE
                                  "',member='ActivatableServicesChanged'",
                                  -1, NULL, NULL);

  exports->backoff = (TunnelBackoff){ 0 };
  exports->complained = false;

  for (unsigned i = 0; r >= 0 && i < exports->table.n_entries; i++)
    r = bus_client_watch_owner (bus, exports->table.entries[i].name, on_owner,
                                &exports->table.entries[i]);
  if (r >= 0)
    r = bus_client_call_driver (bus, "ListActivatableNames", NULL, -1, on_activatable, NULL);
  if (r < 0)
    retry_later (exports, r);
}

static void
on_message (BusClient *bus, const WireMessage *message, void *user_data)
{
  Exports *exports = user_data;
  OwnerEntry *entry;

  if (message->header.type == WIRE_METHOD_CALL && message->header.sender != NULL)
    connection_send_error (bus_client_get_connection (bus), &message->header,
                           bus_client_next_serial (bus), NULL, message->header.sender,
                           "org.freedesktop.DBus.Error.UnknownMethod",
                           "This connection of the guest's agent has no methods.");
  if (message->header.type != WIRE_SIGNAL
      || g_strcmp0 (message->header.sender, BUS_DRIVER_NAME) != 0)
    return;

  if (g_str_equal (message->header.member, "ActivatableServicesChanged"))
    bus_client_call_driver (bus, "ListActivatableNames", NULL, -1, on_activatable, NULL);
  else if (owner_table_take_signal (&exports->table, message, &entry) == OWNER_SIGNAL_NAME)
    tell (exports, entry);
}

static void
on_closed (BusClient *bus, int reason, void *user_data)
{
  retry_later (user_data, reason);
}

static const BusClientHandlers bus_handlers = {
  .ready = on_ready,
  .message = on_message,
  .closed = on_closed,
};

static void
on_lent (int fd, void *user_data)
{
  Exports *exports = user_data;
  int r = fd;

  exports->request = NULL;
  if (fd >= 0)
    r = bus_client_new_connected (exports->event, fd, &bus_handlers, exports, &exports->bus);
  if (r < 0)
    retry_later (exports, r);
}

static void
connect_bus (Exports *exports)
{
  int r = 0;

  if (exports->session == NULL)
    r = bus_client_new (exports->event, exports->bus_path, &bus_handlers, exports, &exports->bus);
  else
    {
      exports->request = session_link_request (exports->session, on_lent, exports);
      r = exports->request != NULL ? 0 : -EAGAIN;
    }

  if (r < 0)
    retry_later (exports, r);
}

Exports *
exports_new (sd_event *event, GuestBus bus, const char *bus_path, SessionLink *session,
             const char *const *names, ExportsChanged changed, void *user_data)
{
  Exports *exports = g_new0 (Exports, 1);

  exports->event = sd_event_ref (event);
  exports->kind = bus;
  exports->bus_path = g_strdup (bus_path);
  exports->session = session;
  exports->changed = changed;
  exports->user_data = user_data;
  owner_table_init (&exports->table, names, g_strv_length ((char **) names));

  /* An agent that exports nothing has nothing to ask. */
  if (exports->table.n_entries > 0 && bus_path != NULL)
    connect_bus (exports);
  return exports;
}

void
exports_session_changed (Exports *exports)
{
  lose_bus (exports);
  exports->complained = false;
  exports->backoff = (TunnelBackoff){ 0 };
  if (exports->table.n_entries > 0 && session_link_is_up (exports->session))
    connect_bus (exports);
}

void
exports_free (Exports *exports)
{
  if (exports == NULL)
    return;

  bus_client_free (exports->bus);
  session_request_cancel (exports->request);
  sd_event_source_disable_unref (exports->retry);
  sd_event_unref (exports->event);
  owner_table_clear (&exports->table);
  g_free (exports->bus_path);
  g_free (exports);
}

const OwnerTable *
exports_get_table (const Exports *exports)
{
  return &exports->table;
}
