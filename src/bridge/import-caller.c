/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One program in the guest that calls imported names: its channel and its bus connection. */
#include "import-caller.h"

#include <errno.h>
#include <string.h>

#include "body.h"
#include "import-caller-private.h"
#include "limit.h"
#include "tunnel-manager.h"

/* The agent's interface on its channels (src/guest/agent.h). */
#define AGENT_NAME "org.tombolo.Agent1"
#define AGENT_PATH "/org/tombolo/Agent1"
#define AGENT_CHANNEL_INTERFACE "org.tombolo.Agent1.Channel"

#define ACCEPT_SERIAL 1

static void
end (ImportCaller *caller)
{
  caller->handlers->closed (caller, caller->user_data);
}

void
import_caller_misbehaved (ImportCaller *caller, const char *what)
{
  refusals_count (caller->bridge->refusals, REFUSED_MESSAGE);
  bridge_complain (caller->bridge, LOG_ID_GUEST_MISBEHAVED,
                   "A channel of a program in the guest was closed because the guest broke the "
                   "rules: %s.",
                   what);
  connection_abort (caller->guest, -EPROTO);
}

/* --- The host's bus --- */

static void
finish_open (ImportCaller *caller)
{
  caller->deadline = sd_event_source_disable_unref (caller->deadline);
  caller->open = true;
  connection_pause (caller->guest, false);
  caller->handlers->opened (caller, caller->user_data);
}

static void
on_owner (BusClient *bus, const WireMessage *reply, void *user_data)
{
  ImportCaller *caller = bus_client_get_user_data (bus);

  owner_entry_set (user_data, bus_client_read_string (reply));
  if (--caller->missing == 0)
    finish_open (caller);
}

/* All names' owners are known before the first call, so that whose signals they are is. */
static void
on_bus_ready (BusClient *bus, void *user_data)
{
  ImportCaller *caller = user_data;

  caller->missing = caller->owners.n_entries;
  for (unsigned i = 0; i < caller->owners.n_entries; i++)
    if (bus_client_watch_owner (bus, caller->owners.entries[i].name, on_owner,
                                &caller->owners.entries[i])
        < 0)
      {
        end (caller);
        return;
      }
}

static void
on_bus_message (BusClient *bus, const WireMessage *message, void *user_data)
{
  import_call_take_answer (user_data, message);
}

static void
on_bus_closed (BusClient *bus, int reason, void *user_data)
{
  ImportCaller *caller = user_data;

  bridge_complain (caller->bridge, NULL,
                   "The host's bus ended the connection of a program in the guest: %s.",
                   connection_reason_to_string (reason));
  end (caller);
}

static void
on_bus_drained (BusClient *bus, void *user_data)
{
  import_call_update_flow (user_data);
}

static void
on_bus_refused (BusClient *bus, const WireHeader *header, WireVerdict verdict, void *user_data)
{
  import_call_refuse_answer (user_data, header, verdict);
}

static const BusClientHandlers bus_handlers = {
  .ready = on_bus_ready,
  .message = on_bus_message,
  .closed = on_bus_closed,
  .drained = on_bus_drained,
  .refused = on_bus_refused,
};

/* --- The channel --- */

/* The agent's answer to AcceptImport. An error is no fault: the program may have left. */
static void
take_acceptance (ImportCaller *caller, const WireMessage *message)
{
  if (message->header.type == WIRE_ERROR && message->header.reply_serial == ACCEPT_SERIAL)
    {
      end (caller);
      return;
    }
  if (message->header.type != WIRE_METHOD_RETURN || message->header.reply_serial != ACCEPT_SERIAL)
    {
      import_caller_misbehaved (caller, "it sent something else than the answer to AcceptImport");
      return;
    }

  caller->accepted = true;
  connection_pause (caller->guest, true);
  if (bus_client_new (caller->bridge->event, caller->bridge->bus_path, &bus_handlers, caller,
                      &caller->bus)
      < 0)
    {
      bridge_complain (caller->bridge, NULL,
                       "The host's bus takes no connection for a program in the guest.");
      end (caller);
      return;
    }
  connection_set_budget (bus_client_get_connection (caller->bus),
                         imports_get_budget (caller->imports));
}

static void
on_guest_message (Connection *connection, const WireMessage *message, void *user_data)
{
  ImportCaller *caller = user_data;

  if (!caller->accepted)
    take_acceptance (caller, message);
  else
    import_call_take (caller, message);
}

static void
on_guest_closed (Connection *connection, int reason, void *user_data)
{
  ImportCaller *caller = user_data;

  if (reason > 0)
    {
      refusals_count (caller->bridge->refusals, REFUSED_MESSAGE);
      bridge_complain (caller->bridge, LOG_ID_GUEST_MISBEHAVED,
                       "A channel of a program in the guest was closed because the guest sent a "
                       "bad message: %s.",
                       connection_reason_to_string (reason));
    }
  end (caller);
}

static const ConnectionHandlers guest_handlers = {
  .message = on_guest_message,
  .closed = on_guest_closed,
};

static void
send_accept (ImportCaller *caller)
{
  const WireHeader header = { .byte_order = wire_native_byte_order (),
                              .type = WIRE_METHOD_CALL,
                              .serial = ACCEPT_SERIAL,
                              .path = AGENT_PATH,
                              .interface = AGENT_CHANNEL_INTERFACE,
                              .member = "AcceptImport",
                              .destination = AGENT_NAME,
                              .signature = "u" };
  WireWriter *body = wire_writer_new ();
  const uint8_t *data;
  size_t size;

  wire_writer_uint32 (body, caller->id);
  data = wire_writer_data (body, &size);
  connection_send (caller->guest, &header, data, size);
  wire_writer_free (body);
}

static void
on_session (Stream *stream, ChannelKind kind, const GError *error, void *user_data)
{
  ImportCaller *caller = user_data;

  g_clear_pointer (&caller->attempt, tunnel_attempt_free);
  if (stream == NULL)
    {
      if (tunnel_error_is_refusal (error))
        refusals_count (caller->bridge->refusals, REFUSED_HANDSHAKE);
      end (caller);
      return;
    }
  if (connection_new (caller->bridge->event, stream, &guest_handlers, caller, &caller->guest) < 0)
    {
      stream_free (stream);
      end (caller);
      return;
    }

  caller->stream = stream;
  connection_set_budget (caller->guest, imports_get_budget (caller->imports));
  send_accept (caller);
}

static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  end (user_data);
  return 0;
}

/* --- Life --- */

/* Two imports may be of one name. */
static void
fill_owners (ImportCaller *caller)
{
  const GPtrArray *entries = imports_get_entries (caller->imports);

  owner_table_init (&caller->owners, NULL, 0);
  for (guint i = 0; i < entries->len; i++)
    owner_table_add (&caller->owners, ((const ImportEntry *) entries->pdata[i])->host_name);
}

ImportCaller *
import_caller_new (Imports *imports, uint32_t id, const ImportCallerHandlers *handlers,
                   void *user_data)
{
  ImportCaller *caller = g_new0 (ImportCaller, 1);
  Bridge *bridge = imports_get_bridge (imports);
  int r;

  caller->imports = imports;
  caller->bridge = bridge;
  caller->id = id;
  caller->handlers = handlers;
  caller->user_data = user_data;
  caller->pending = g_hash_table_new (NULL, NULL);
  caller->heard = g_hash_table_new (NULL, NULL);
  fill_owners (caller);

  r = tunnel_manager_connect (bridge->tunnel, CHANNEL_BUS, on_session, caller, &caller->attempt);
  /* An attempt that could not begin ends from the loop, too. */
  if (sd_event_add_time_relative (bridge->event, &caller->deadline, CLOCK_MONOTONIC,
                                  r < 0 ? 0 : LIMIT_CHANNEL_TIME_USEC, 0, on_deadline, caller)
      < 0)
    sd_event_exit (bridge->event, -ENOMEM);
  return caller;
}

void
import_caller_free (ImportCaller *caller)
{
  import_call_drop (caller);
  tunnel_attempt_free (caller->attempt);
  connection_free (caller->guest);
  sd_event_source_disable_unref (caller->deadline);
  bus_client_free (caller->bus);
  owner_table_clear (&caller->owners);
  imports_count_calls (caller->imports, -(int) g_hash_table_size (caller->pending));
  g_hash_table_unref (caller->pending);
  g_hash_table_unref (caller->heard);
  g_free (caller);
}

bool
import_caller_is_open (const ImportCaller *caller)
{
  return caller->open;
}
