/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One exported name on the host's bus. */
#include "alias.h"

#include <errno.h>
#include <string.h>

#include "alias-caller.h"
#include "backoff.h"
#include "body.h"
#include "broadcast.h"
#include "bus-client.h"
#include "forward.h"
#include "limit.h"
#include "report.h"

#define REQUEST_DO_NOT_QUEUE 4

/* Answers to RequestName (D-Bus Specification). */
#define REQUEST_PRIMARY_OWNER 1
#define REQUEST_ALREADY_OWNER 4

/* Of the tunnel's waits: a name that is refused is asked for again after 250 ms … 10 s. */
#define AGAIN_FACTOR 5

struct Alias
{
  Bridge *bridge;
  char *exported;
  char *name;
  BusClient *bus;
  bool ready;  /* the bus takes our calls */
  bool wanted; /* to own the name */
  bool asking; /* RequestName is under way */
  bool owned;
  bool full; /* since the queue passed LIMIT_FLOW_SIZE, until it is empty */
  bool complained;
  char *guest_owner; /* the last one that the guest told of */
  bool changed;      /* to another owner, of which clients have not heard */
  RateLimit changes;
  sd_event_source *settle; /* a guest that changes its mind too often is heard when this is over */
  sd_event_source *retry;
  TunnelBackoff backoff;
  sd_event_source *again; /* asks once more for a name that was refused */
  TunnelBackoff again_backoff;
};

static void connect_bus (Alias *alias);
static void on_drained (BusClient *bus, void *user_data);
static void apply (Alias *alias);

static void
set_owned (Alias *alias, bool owned)
{
  if (alias->owned == owned)
    return;

  alias->owned = owned;
  report_changed (alias->bridge->report);
}

/* --- The bus connection --- */

static int
on_retry (sd_event_source *source, uint64_t time, void *user_data)
{
  connect_bus (user_data);
  return 0;
}

static void
on_closed (BusClient *bus, int reason, void *user_data)
{
  Alias *alias = user_data;

  log_warning (alias->bridge->machine, "The bus connection of %s was lost: %s.", alias->name,
               connection_reason_to_string (reason));

  g_clear_pointer (&alias->bus, bus_client_free);
  alias->ready = alias->asking = false;
  alias->again = sd_event_source_disable_unref (alias->again);
  alias->retry = sd_event_source_disable_unref (alias->retry);
  if (sd_event_add_time_relative (alias->bridge->event, &alias->retry, CLOCK_MONOTONIC,
                                  tunnel_backoff_next (&alias->backoff), 0, on_retry, alias)
      < 0)
    sd_event_exit (alias->bridge->event, -ENOMEM);

  /* The bus itself has answered the callers. */
  alias_callers_drop (alias->bridge, alias, true);
  on_drained (NULL, alias);
  set_owned (alias, false);
}

static int
on_again (sd_event_source *source, uint64_t time, void *user_data)
{
  Alias *alias = user_data;

  alias->again = sd_event_source_disable_unref (alias->again);
  apply (alias);
  return 0;
}

static void
on_requested (BusClient *bus, const WireMessage *reply, void *user_data)
{
  Alias *alias = user_data;
  uint32_t result = 0;
  const char *text;
  WireReader reader;

  alias->asking = false;
  wire_reader_init (&reader, reply);
  if (reply->header.type == WIRE_METHOD_RETURN)
    wire_reader_uint32 (&reader, &result);

  if (result == REQUEST_PRIMARY_OWNER || result == REQUEST_ALREADY_OWNER)
    {
      alias->complained = false;
      alias->again_backoff = (TunnelBackoff){ 0 };
      set_owned (alias, true);
      apply (alias);
      return;
    }

  if (!alias->complained)
    {
      g_autofree char *shown = NULL;

      if (reply->header.type != WIRE_ERROR || !wire_reader_string (&reader, &text))
        text = "somebody else owns it";
      shown = log_text (text, LIMIT_LOG_LINE / 4);
      log_warning (alias->bridge->machine, "The bus does not give us the name %s: %s.", alias->name,
                   shown);
    }
  alias->complained = true;

  /* Whoever has it may leave, and a policy may be mended. */
  if (sd_event_add_time_relative (alias->bridge->event, &alias->again, CLOCK_MONOTONIC,
                                  AGAIN_FACTOR * tunnel_backoff_next (&alias->again_backoff), 0,
                                  on_again, alias)
      < 0)
    sd_event_exit (alias->bridge->event, -ENOMEM);
}

static void
on_gate_requested (BusClient *bus, const WireMessage *reply, void *user_data)
{
  Alias *alias = user_data;

  if (reply->header.type == WIRE_ERROR)
    log_warning (alias->bridge->machine,
                 "The bus does not let us queue for " ALIAS_GATE_NAME ", so its policy may keep "
                 "callers from %s; install data/dbus-1 of tombolo.",
                 alias->name);
}

/* Brings what we own in line with what is wanted. */
static void
apply (Alias *alias)
{
  if (!alias->ready || alias->asking || alias->again != NULL || alias->wanted == alias->owned)
    return;

  if (alias->wanted)
    alias->asking = bus_client_call_driver (alias->bus, "RequestName", alias->name,
                                            REQUEST_DO_NOT_QUEUE, on_requested, alias)
                    >= 0;
  else
    {
      bus_client_call_driver (alias->bus, "ReleaseName", alias->name, -1, NULL, NULL);
      set_owned (alias, false);
    }
}

static void
on_ready (BusClient *bus, void *user_data)
{
  Alias *alias = user_data;

  alias->ready = true;
  alias->backoff = (TunnelBackoff){ 0 };
  bus_client_call_driver (bus, "RequestName", ALIAS_GATE_NAME, 0, on_gate_requested, alias);
  apply (alias);
}

static void
on_message (BusClient *bus, const WireMessage *message, void *user_data)
{
  Alias *alias = user_data;
  WireMessage call = *message;

  /* Signals to us are the driver's, of names that we know of; replies are nobody's. */
  if (call.header.type != WIRE_METHOD_CALL || call.header.sender == NULL)
    return;

  call.header.destination = alias->exported;
  alias_caller_call (alias->bridge, alias, &call);
}

static void
on_drained (BusClient *bus, void *user_data)
{
  Alias *alias = user_data;

  alias->full = false;
  alias_callers_resume (alias->bridge);
  broadcast_resume (alias->bridge->broadcast);
}

/* Some caller's message that the host's bus takes and we do not: nobody else's affair. */
static void
on_refused (BusClient *bus, const WireHeader *header, WireVerdict verdict, void *user_data)
{
  Alias *alias = user_data;
  g_autofree char *text = NULL;

  if (header == NULL || header->type != WIRE_METHOD_CALL || header->sender == NULL)
    return;

  text = g_strdup_printf ("The call does not cross into machine “%s”: %s.", alias->bridge->machine,
                          wire_verdict_to_string (verdict));
  alias_send_error (alias, header,
                    verdict == WIRE_TOO_LARGE || verdict == WIRE_TOO_DEEP
                        ? TOMBOLO_ERROR_LIMITS_EXCEEDED
                        : TOMBOLO_ERROR_INVALID_ARGUMENT,
                    text);
}

static const BusClientHandlers bus_handlers = {
  .ready = on_ready,
  .message = on_message,
  .closed = on_closed,
  .drained = on_drained,
  .refused = on_refused,
};

static void
connect_bus (Alias *alias)
{
  int r = bus_client_new (alias->bridge->event, alias->bridge->bus_path, &bus_handlers, alias,
                          &alias->bus);

  if (r < 0)
    on_closed (NULL, r, alias);
}

/* --- Life --- */

Alias *
alias_new (Bridge *bridge, const char *exported)
{
  g_autofree char *name = bridge_settings_get_alias (bridge->settings, exported);
  Alias *alias;

  if (name == NULL || !wire_bus_name_is_valid (name))
    {
      bridge_complain (bridge, NULL,
                       "“%s” gives no valid name on the host's bus and is left out; set one with "
                       "Alias= in the machine file.",
                       exported);
      return NULL;
    }

  alias = g_new0 (Alias, 1);
  alias->bridge = bridge;
  alias->exported = g_strdup (exported);
  alias->name = g_steal_pointer (&name);
  connect_bus (alias);
  return alias;
}

void
alias_free (Alias *alias)
{
  if (alias == NULL)
    return;

  bus_client_free (alias->bus);
  sd_event_source_disable_unref (alias->retry);
  sd_event_source_disable_unref (alias->settle);
  sd_event_source_disable_unref (alias->again);
  g_free (alias->guest_owner);
  g_free (alias->exported);
  g_free (alias->name);
  g_free (alias);
}

const char *
alias_get_exported (const Alias *alias)
{
  return alias->exported;
}

const char *
alias_get_name (const Alias *alias)
{
  return alias->name;
}

bool
alias_is_owned (const Alias *alias)
{
  return alias->owned;
}

/* Does what the guest's last word asks for. */
static void
follow_guest (Alias *alias)
{
  bool wanted = alias->wanted;

  if (alias->changed)
    {
      alias->wanted = false;
      apply (alias);
      alias->wanted = wanted;
      alias->changed = false;
    }

  apply (alias);
}

static int
on_settled (sd_event_source *source, uint64_t time, void *user_data)
{
  Alias *alias = user_data;

  alias->settle = sd_event_source_disable_unref (alias->settle);
  follow_guest (alias);
  return 0;
}

void
alias_update (Alias *alias, const OwnerEntry *entry)
{
  bool wanted = entry->owner != NULL || entry->activatable;
  bool other = entry->owner != NULL && g_strcmp0 (entry->owner, alias->guest_owner) != 0;
  bool changed = other && alias->guest_owner != NULL;

  if (other)
    {
      g_free (alias->guest_owner);
      alias->guest_owner = g_strdup (entry->owner);
    }
  if (!changed && wanted == alias->wanted)
    return;

  alias->changed = alias->changed || changed;
  alias->wanted = wanted;

  /* The host's bus does not do a guest's every whim. */
  if (alias->settle != NULL)
    return;
  if (rate_limit_pass (&alias->changes))
    follow_guest (alias);
  else if (sd_event_add_time_relative (alias->bridge->event, &alias->settle, CLOCK_MONOTONIC,
                                       RECONNECT_LAST_USEC, 0, on_settled, alias)
           < 0)
    sd_event_exit (alias->bridge->event, -ENOMEM);
}

void
alias_release (Alias *alias)
{
  g_clear_pointer (&alias->guest_owner, g_free);
  alias->settle = sd_event_source_disable_unref (alias->settle);
  alias->changed = alias->wanted = false;
  apply (alias);
}

bool
alias_is_full (const Alias *alias)
{
  return alias->full;
}

/* --- Messages --- */

/* The callers share the queue: a large message of one guest service must not fill it for the reply
 * to another caller, which is left in the tunnel meanwhile. */
static void
update_full (Alias *alias)
{
  if (alias->full
      || connection_get_queued (bus_client_get_connection (alias->bus)) <= LIMIT_FLOW_SIZE)
    return;

  alias->full = true;
  alias_callers_hold (alias->bridge, alias);
}

void
alias_send_reply (Alias *alias, const WireHeader *reply, const char *destination, const void *body,
                  size_t body_size)
{
  Connection *connection;
  WireHeader header;

  if (!alias->ready)
    return;

  connection = bus_client_get_connection (alias->bus);
  header = forward_reply (reply, bus_client_next_serial (alias->bus), NULL, destination);

  /* Where not even an error in its place goes, the bus answers for us. */
  if (forward_send_reply (connection, &header, body, body_size) == -ENOBUFS)
    connection_abort (connection, -ENOBUFS);
  update_full (alias);
}

void
alias_send_signal (Alias *alias, const WireMessage *signal, const char *destination)
{
  WireHeader header;

  if (!alias->ready)
    return;

  header = forward_signal (&signal->header, bus_client_next_serial (alias->bus), NULL, destination);
  if (connection_send (bus_client_get_connection (alias->bus), &header, signal->body,
                       signal->body_size)
      == -ENOBUFS)
    bridge_complain (alias->bridge, NULL,
                     "Signals of %s were dropped: the host's bus does not keep up.", alias->name);
  update_full (alias);
}

void
alias_send_error (Alias *alias, const WireHeader *call, TomboloError code, const char *text)
{
  if (!alias->ready)
    return;

  connection_send_error (bus_client_get_connection (alias->bus), call,
                         bus_client_next_serial (alias->bus), NULL, call->sender,
                         tombolo_error_name (code), text);
  update_full (alias);
}
