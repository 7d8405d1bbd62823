/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the tunnel into the guest. */
#include "tunnel-manager.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "backoff.h"
#include "body.h"
#include "connection.h"
#include "discovery.h"
#include "imports.h"
#include "limit.h"
#include "report.h"
#include "shells.h"

#define SUBSCRIBE_SERIAL 1

/* A tunnel that was up for less is no success: a guest that comes and goes waits as one that never
 * came, and neither the bus nor the log hears of it more often. */
#define STABLE_USEC ((gint64) RECONNECT_LAST_USEC)

struct TunnelManager
{
  Bridge *bridge;
  int interface_index;
  TunnelFinder *finder;
  struct in6_addr address; /* of the attempt, or of the tunnel */
  TunnelAttempt *attempt;
  Stream *stream; /* the connection's */
  Connection *connection;
  sd_event_source *timer; /* until the next attempt, or for the answer to Subscribe */
  TunnelBackoff backoff;
  uint32_t serial; /* the last one used */
  OwnerTable exports[N_GUEST_BUSES];
  char *reason;
  bool guess; /* the attempt is at another address than the guest's usual one */
  bool up;
  gint64 up_since; /* monotonic */
  /* What is logged; a true guest that comes back after false ones starts anew. */
  RateLimit changes;
  RateLimit failures;
  RateLimit refusals;
};

static void try_now (TunnelManager *manager);

static void
clear_exports (TunnelManager *manager)
{
  for (GuestBus guest_bus = 0; guest_bus < N_GUEST_BUSES; guest_bus++)
    owner_table_clear (&manager->exports[guest_bus]);
}

static unsigned
count_exports (const TunnelManager *manager)
{
  return manager->exports[GUEST_BUS_SYSTEM].n_entries
         + manager->exports[GUEST_BUS_SESSION].n_entries;
}

static int
on_retry (sd_event_source *source, uint64_t time, void *user_data)
{
  try_now (user_data);
  return 0;
}

static void
set_timer (TunnelManager *manager, uint64_t delay, sd_event_time_handler_t handler)
{
  manager->timer = sd_event_source_disable_unref (manager->timer);
  if (sd_event_add_time_relative (manager->bridge->event, &manager->timer, CLOCK_MONOTONIC, delay,
                                  0, handler, manager)
      < 0)
    sd_event_exit (manager->bridge->event, -ENOMEM);
}

/* Each kind of failure has a budget of its own, so that none hides another. */
static bool
is_logged (TunnelManager *manager, bool refused)
{
  if (refused)
    return rate_limit_pass (&manager->refusals);
  if (manager->up)
    return rate_limit_pass (&manager->changes);

  return rate_limit_pass (&manager->failures);
}

/* Attempts at other addresses take their time from the wait between those at the usual one, which
 * so has its turn every RECONNECT_LAST_USEC. */
static uint64_t
get_delay (TunnelManager *manager)
{
  bool guesses_next = manager->finder != NULL && tunnel_finder_guesses_next (manager->finder);
  bool guessed = manager->guess;
  uint64_t delay;

  /* A guess is made up for once: a failure before the next attempt, as of a link that is gone,
   * waits. */
  manager->guess = false;
  if (guessed && !guesses_next)
    return 0;

  delay = tunnel_backoff_next (&manager->backoff);
  return guesses_next ? delay / 2 : delay;
}

/* Whatever went wrong: drops what there is and tries again later. `refused`: one end did not take
 * the other for what it should be. The log gets a reason once. */
static void
fail (TunnelManager *manager, bool refused, const char *reason)
{
  bool was_up = manager->up;
  bool news = was_up || g_strcmp0 (manager->reason, reason) != 0;

  if (was_up && g_get_monotonic_time () - manager->up_since >= STABLE_USEC)
    {
      manager->backoff = (TunnelBackoff){ 0 };
      manager->failures = manager->refusals = (RateLimit){ 0 };
    }

  if (refused)
    refusals_count (manager->bridge->refusals, REFUSED_HANDSHAKE);
  if (news && is_logged (manager, refused))
    log_message (was_up || refused ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, manager->bridge->machine,
                 refused ? LOG_ID_TUNNEL_REFUSED : LOG_ID_TUNNEL_DOWN,
                 "The guest's agent is not connected: %s", reason);

  g_free (manager->reason);
  manager->reason = g_strdup (reason);
  manager->up = false;
  g_clear_pointer (&manager->attempt, tunnel_attempt_free);
  g_clear_pointer (&manager->connection, connection_free);
  clear_exports (manager);
  set_timer (manager, get_delay (manager), on_retry);

  if (was_up)
    bridge_tunnel_down (manager->bridge);
  else if (news)
    report_changed (manager->bridge->report);
}

static void
fail_misbehaved (TunnelManager *manager, const char *what)
{
  g_autofree char *reason = g_strdup_printf ("The agent broke the rules: %s.", what);

  refusals_count (manager->bridge->refusals, REFUSED_MESSAGE);
  bridge_complain (manager->bridge, LOG_ID_GUEST_MISBEHAVED, "%s", reason);
  fail (manager, false, reason);
}

/* --- The agent's messages --- */

/* What the agent says of one name. */
typedef struct
{
  GuestBus guest_bus;
  const char *name;
  const char *owner; /* empty: nobody */
  bool activatable;
} Export;

/* Reads sssb; false where it is wrong. */
static bool
read_export (WireReader *reader, Export *ret_export)
{
  const char *bus;

  return wire_reader_string (reader, &bus) && guest_bus_from_string (bus, &ret_export->guest_bus)
         && wire_reader_string (reader, &ret_export->name)
         && wire_reader_string (reader, &ret_export->owner)
         && wire_reader_boolean (reader, &ret_export->activatable)
         && bridge_export_is_valid (ret_export->name, ret_export->owner);
}

static bool
read_exports (TunnelManager *manager, const WireMessage *message)
{
  const char *version;
  WireReader reader;
  Export export;
  size_t end;

  wire_reader_init (&reader, message);
  if (strcmp (message->header.signature, "sa(sssb)") != 0 || !wire_reader_string (&reader, &version)
      || !wire_reader_array (&reader, &end))
    return false;

  while (reader.offset < end)
    {
      OwnerEntry *entry;

      wire_reader_element (&reader);
      if (!wire_reader_struct (&reader) || !read_export (&reader, &export)
          || count_exports (manager) == LIMIT_EXPORTED_NAMES
          || (entry = owner_table_add (&manager->exports[export.guest_bus], export.name)) == NULL)
        return false;
      owner_entry_set (entry, export.owner);
      entry->activatable = export.activatable;
    }

  return true;
}

static void
take_subscription (TunnelManager *manager, const WireMessage *message)
{
  if (message->header.type != WIRE_METHOD_RETURN || message->header.reply_serial != SUBSCRIBE_SERIAL
      || !read_exports (manager, message))
    {
      fail_misbehaved (manager, "its answer to Subscribe is wrong");
      return;
    }

  manager->timer = sd_event_source_disable_unref (manager->timer);
  manager->up = true;
  manager->up_since = g_get_monotonic_time ();
  g_free (manager->reason);
  manager->reason = g_strdup ("");
  tunnel_finder_remember (manager->finder, &manager->address);
  manager->guess = false;

  if (rate_limit_pass (&manager->changes))
    log_message (LOG_LEVEL_NOTICE, manager->bridge->machine, LOG_ID_TUNNEL_UP,
                 "The guest's agent is connected; it exports %u names.", count_exports (manager));
  bridge_tunnel_up (manager->bridge, manager->exports);
}

static void
take_change (TunnelManager *manager, const WireMessage *message)
{
  WireReader reader;
  OwnerEntry *entry;
  Export export;

  wire_reader_init (&reader, message);
  if (message->header.type != WIRE_SIGNAL || strcmp (message->header.member, "ExportChanged") != 0
      || strcmp (message->header.signature, "sssb") != 0 || !read_export (&reader, &export)
      || (entry = owner_table_find (&manager->exports[export.guest_bus], export.name)) == NULL)
    {
      fail_misbehaved (manager, "it sent something else than a change of its exports");
      return;
    }

  owner_entry_set (entry, export.owner);
  entry->activatable = export.activatable;
  bridge_export_changed (manager->bridge, export.guest_bus, entry);
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  TunnelManager *manager = user_data;
  const char *problem;

  if (!manager->up)
    take_subscription (manager, message);
  else if (!imports_take_message (manager->bridge->imports, message, &problem)
           && !shells_take_message (manager->bridge->shells, message, &problem))
    take_change (manager, message);
  else if (problem != NULL)
    fail_misbehaved (manager, problem);
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  TunnelManager *manager = user_data;
  const char *failure = tunnel_stream_get_failure (manager->stream);

  if (reason > 0)
    fail_misbehaved (manager, connection_reason_to_string (reason));
  else
    fail (manager, failure != NULL && !manager->up,
          failure != NULL ? failure : "the agent closed the connection.");
}

static const ConnectionHandlers connection_handlers = {
  .message = on_message,
  .closed = on_closed,
};

/* --- Attempts --- */

static int
on_no_answer (sd_event_source *source, uint64_t time, void *user_data)
{
  fail (user_data, false, "the agent does not answer.");
  return 0;
}

static void
on_session (Stream *stream, ChannelKind kind, const GError *error, void *user_data)
{
  static const WireHeader subscribe = { .byte_order = 'l',
                                        .type = WIRE_METHOD_CALL,
                                        .serial = SUBSCRIBE_SERIAL,
                                        .path = "/org/tombolo/Agent1",
                                        .interface = "org.tombolo.Agent1",
                                        .member = "Subscribe",
                                        .signature = "" };
  TunnelManager *manager = user_data;

  g_clear_pointer (&manager->attempt, tunnel_attempt_free);
  if (stream == NULL)
    {
      fail (manager, tunnel_error_is_refusal (error), error->message);
      return;
    }
  if (connection_new (manager->bridge->event, stream, &connection_handlers, manager,
                      &manager->connection)
      < 0)
    {
      stream_free (stream);
      fail (manager, false, "the host is out of resources.");
      return;
    }

  manager->stream = stream;
  set_timer (manager, LIMIT_CHANNEL_TIME_USEC, on_no_answer);
  connection_send (manager->connection, &subscribe, NULL, 0);
}

static void
try_now (TunnelManager *manager)
{
  int index = (int) if_nametoindex (manager->bridge->settings->interface);

  if (index == 0)
    {
      fail (manager, false, "the control link's interface is not there.");
      return;
    }

  /* A link that was made anew has another index. */
  if (index != manager->interface_index)
    {
      g_clear_pointer (&manager->finder, tunnel_finder_free);
      manager->finder =
          tunnel_finder_new (manager->bridge->event, index, manager->bridge->settings->guest_mac);
      manager->interface_index = index;
    }

  manager->guess = tunnel_finder_guesses_next (manager->finder);
  tunnel_finder_next (manager->finder, &manager->address);
  if (tunnel_manager_connect (manager, CHANNEL_AGENT, on_session, manager, &manager->attempt) < 0)
    fail (manager, false, "the control link is not up.");
}

TunnelManager *
tunnel_manager_new (Bridge *bridge)
{
  TunnelManager *manager = g_new0 (TunnelManager, 1);

  manager->bridge = bridge;
  manager->reason = g_strdup ("The guest's agent has not answered yet.");
  set_timer (manager, 0, on_retry);
  return manager;
}

void
tunnel_manager_free (TunnelManager *manager)
{
  if (manager == NULL)
    return;

  tunnel_attempt_free (manager->attempt);
  connection_free (manager->connection);
  sd_event_source_disable_unref (manager->timer);
  g_clear_pointer (&manager->finder, tunnel_finder_free);
  clear_exports (manager);
  g_free (manager->reason);
  g_free (manager);
}

bool
tunnel_manager_is_up (const TunnelManager *manager)
{
  return manager->up;
}

const char *
tunnel_manager_get_reason (const TunnelManager *manager)
{
  return manager->reason;
}

uint32_t
tunnel_manager_call (TunnelManager *manager, const WireHeader *call, WireWriter *body)
{
  WireHeader header = *call;
  const uint8_t *data;
  size_t size;

  if (++manager->serial <= SUBSCRIBE_SERIAL)
    manager->serial = SUBSCRIBE_SERIAL + 1;
  header.byte_order = wire_native_byte_order ();
  header.type = WIRE_METHOD_CALL;
  header.serial = manager->serial;
  header.path = "/org/tombolo/Agent1";
  header.interface = "org.tombolo.Agent1";
  data = wire_writer_data (body, &size);
  /* An agent that does not read loses its tunnel: what it is told of next makes no sense without
   * this. */
  if (connection_send (manager->connection, &header, data, size) == -ENOBUFS)
    connection_abort (manager->connection, -ENOBUFS);
  wire_writer_free (body);
  return manager->serial;
}

int
tunnel_manager_connect (TunnelManager *manager, ChannelKind kind, TunnelDone done, void *user_data,
                        TunnelAttempt **ret_attempt)
{
  return tunnel_connect (manager->bridge->event, manager->bridge->context, manager->interface_index,
                         &manager->address, kind, done, user_data, ret_attempt);
}
