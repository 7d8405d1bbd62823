/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bus name and the connection that owns it. */
#include "owned-name.h"

#include <errno.h>

#include "backoff.h"
#include "body.h"
#include "forward.h"
#include "limit.h"
#include "log.h"

/* Answers to RequestName (D-Bus Specification). */
#define REQUEST_PRIMARY_OWNER 1
#define REQUEST_ALREADY_OWNER 4

/* Of the waits for a connection: a name that is refused is asked for again after 250 ms … 10 s. */
#define AGAIN_FACTOR 5

struct OwnedName
{
  sd_event *event;
  char *bus_path;
  char *machine;
  char *name;
  const OwnedNameHandlers *handlers;
  void *user_data;
  BusClient *bus;
  bool ready; /* the bus takes our calls */
  bool wanted;
  bool asking; /* RequestName is under way */
  bool owned;
  bool full;
  bool passes_descriptors;
  OwnedNameRefusal refusal;
  sd_event_source *retry;
  TunnelBackoff backoff;
  sd_event_source *again; /* asks once more for a name that was refused */
  TunnelBackoff again_backoff;
};

static void connect_bus (OwnedName *name);
static void apply (OwnedName *name);

static void
set_state (OwnedName *name, bool owned, OwnedNameRefusal refusal)
{
  if (name->owned == owned && name->refusal == refusal)
    return;

  name->owned = owned;
  name->refusal = refusal;
  if (name->handlers->changed != NULL)
    name->handlers->changed (name, name->user_data);
}

static void
set_full (OwnedName *name, bool full)
{
  if (name->full == full)
    return;

  name->full = full;
  if (name->handlers->flow != NULL)
    name->handlers->flow (name, name->user_data);
}

/* --- The connection --- */

static int
on_retry (sd_event_source *source, uint64_t time, void *user_data)
{
  connect_bus (user_data);
  return 0;
}

static void
on_closed (BusClient *bus, int reason, void *user_data)
{
  OwnedName *name = user_data;

  log_warning (name->machine, "The bus connection of %s was lost: %s.", name->name,
               connection_reason_to_string (reason));

  g_clear_pointer (&name->bus, bus_client_free);
  name->ready = name->asking = false;
  name->again = sd_event_source_disable_unref (name->again);
  name->retry = sd_event_source_disable_unref (name->retry);
  if (sd_event_add_time_relative (name->event, &name->retry, CLOCK_MONOTONIC,
                                  tunnel_backoff_next (&name->backoff), 0, on_retry, name)
      < 0)
    sd_event_exit (name->event, -ENOMEM);

  if (name->handlers->lost != NULL)
    name->handlers->lost (name, name->user_data);
  set_full (name, false);
  set_state (name, false, OWNED_NAME_NOT_REFUSED);
}

static void
on_ready (BusClient *bus, void *user_data)
{
  OwnedName *name = user_data;

  name->ready = true;
  name->backoff = (TunnelBackoff){ 0 };
  if (name->handlers->ready != NULL)
    name->handlers->ready (name, bus, name->user_data);
  apply (name);
}

static void
on_message (BusClient *bus, const WireMessage *message, void *user_data)
{
  OwnedName *name = user_data;

  name->handlers->message (name, message, name->user_data);
}

static void
on_refused (BusClient *bus, const WireHeader *header, WireVerdict verdict, void *user_data)
{
  OwnedName *name = user_data;

  name->handlers->refused (name, header, verdict, name->user_data);
}

static void
on_drained (BusClient *bus, void *user_data)
{
  set_full (user_data, false);
}

static const BusClientHandlers bus_handlers = {
  .ready = on_ready,
  .message = on_message,
  .closed = on_closed,
  .drained = on_drained,
  .refused = on_refused,
};

static void
connect_bus (OwnedName *name)
{
  int r = bus_client_new (name->event, name->bus_path, &bus_handlers, name, &name->bus);

  if (r < 0)
    on_closed (NULL, r, name);
  else if (name->passes_descriptors)
    bus_client_pass_descriptors (name->bus);
}

/* --- The name --- */

static int
on_again (sd_event_source *source, uint64_t time, void *user_data)
{
  OwnedName *name = user_data;

  name->again = sd_event_source_disable_unref (name->again);
  apply (name);
  return 0;
}

static OwnedNameRefusal
get_refusal (const WireMessage *reply)
{
  if (reply->header.type != WIRE_ERROR)
    return OWNED_NAME_TAKEN;
  return g_str_equal (reply->header.error_name, "org.freedesktop.DBus.Error.AccessDenied")
             ? OWNED_NAME_FORBIDDEN
             : OWNED_NAME_FAILED;
}

static void
on_requested (BusClient *bus, const WireMessage *reply, void *user_data)
{
  OwnedName *name = user_data;
  uint32_t result = 0;
  const char *text;
  WireReader reader;

  name->asking = false;
  wire_reader_init (&reader, reply);
  if (reply->header.type == WIRE_METHOD_RETURN)
    wire_reader_uint32 (&reader, &result);

  if (result == REQUEST_PRIMARY_OWNER || result == REQUEST_ALREADY_OWNER)
    {
      name->again_backoff = (TunnelBackoff){ 0 };
      set_state (name, true, OWNED_NAME_NOT_REFUSED);
      apply (name);
      return;
    }

  if (name->refusal == OWNED_NAME_NOT_REFUSED)
    {
      g_autofree char *shown = NULL;

      if (reply->header.type != WIRE_ERROR || !wire_reader_string (&reader, &text))
        text = "somebody else owns it";
      shown = log_text (text, LIMIT_LOG_LINE / 4);
      log_warning (name->machine, "The bus does not give us the name %s: %s.", name->name, shown);
    }
  set_state (name, false, get_refusal (reply));

  /* Whoever has it may leave, and a policy may be mended. */
  if (sd_event_add_time_relative (name->event, &name->again, CLOCK_MONOTONIC,
                                  AGAIN_FACTOR * tunnel_backoff_next (&name->again_backoff), 0,
                                  on_again, name)
      < 0)
    sd_event_exit (name->event, -ENOMEM);
}

/* Brings what we own in line with what is wanted. */
static void
apply (OwnedName *name)
{
  if (!name->ready || name->asking || name->again != NULL || name->wanted == name->owned)
    return;

  if (name->wanted)
    name->asking = bus_client_call_driver (name->bus, "RequestName", name->name,
                                           REQUEST_DO_NOT_QUEUE, on_requested, name)
                   >= 0;
  else
    {
      bus_client_call_driver (name->bus, "ReleaseName", name->name, -1, NULL, NULL);
      set_state (name, false, OWNED_NAME_NOT_REFUSED);
    }
}

void
owned_name_set_wanted (OwnedName *name, bool wanted)
{
  name->wanted = wanted;
  apply (name);
}

bool
owned_name_is_owned (const OwnedName *name)
{
  return name->owned;
}

OwnedNameRefusal
owned_name_get_refusal (const OwnedName *name)
{
  return name->wanted ? name->refusal : OWNED_NAME_NOT_REFUSED;
}

/* --- Messages --- */

void
owned_name_pass_descriptors (OwnedName *name)
{
  name->passes_descriptors = true;
  if (name->bus != NULL)
    bus_client_pass_descriptors (name->bus);
}

bool
owned_name_is_full (const OwnedName *name)
{
  return name->full;
}

static void
update_full (OwnedName *name)
{
  if (connection_get_queued (bus_client_get_connection (name->bus)) > LIMIT_FLOW_SIZE)
    set_full (name, true);
}

void
owned_name_send_reply (OwnedName *name, const WireHeader *reply, const char *destination,
                       const void *body, size_t body_size, FdList *fds)
{
  Connection *connection;
  WireHeader header;

  if (!name->ready)
    return;

  connection = bus_client_get_connection (name->bus);
  header = forward_reply (reply, bus_client_next_serial (name->bus), NULL, destination);

  /* Where not even an error in its place goes, the bus answers for us. */
  if (forward_send_reply (connection, &header, body, body_size, fds) == -ENOBUFS)
    connection_abort (connection, -ENOBUFS);
  update_full (name);
}

int
owned_name_send_signal (OwnedName *name, const WireMessage *signal, const char *destination)
{
  WireHeader header;
  int r;

  if (!name->ready)
    return 0;

  header = forward_signal (&signal->header, bus_client_next_serial (name->bus), NULL, destination);
  r = connection_send (bus_client_get_connection (name->bus), &header, signal->body,
                       signal->body_size);
  update_full (name);
  return r;
}

uint32_t
owned_name_send_call (OwnedName *name, const WireMessage *call, const char *destination,
                      FdList *fds)
{
  WireHeader header = forward_call (&call->header, destination);
  Connection *connection;
  int r;

  if (!name->ready)
    return 0;

  connection = bus_client_get_connection (name->bus);
  if (fds->n > 0 && !connection_passes_descriptors (connection))
    return 0;

  header.serial = bus_client_next_serial (name->bus);
  r = connection_send_descriptors (connection, &header, call->body, call->body_size, fds);
  update_full (name);
  return r < 0 ? 0 : header.serial;
}

void
owned_name_send_error (OwnedName *name, const WireHeader *call, const char *error_name,
                       const char *text)
{
  if (!name->ready)
    return;

  connection_send_error (bus_client_get_connection (name->bus), call,
                         bus_client_next_serial (name->bus), NULL, call->sender, error_name, text);
  update_full (name);
}

/* --- Life --- */

OwnedName *
owned_name_new (sd_event *event, const char *bus_path, const char *machine, const char *name,
                const OwnedNameHandlers *handlers, void *user_data)
{
  OwnedName *self = g_new0 (OwnedName, 1);

  self->event = sd_event_ref (event);
  self->bus_path = g_strdup (bus_path);
  self->machine = g_strdup (machine);
  self->name = g_strdup (name);
  self->handlers = handlers;
  self->user_data = user_data;
  connect_bus (self);
  return self;
}

void
owned_name_free (OwnedName *name)
{
  if (name == NULL)
    return;

  bus_client_free (name->bus);
  sd_event_source_disable_unref (name->retry);
  sd_event_source_disable_unref (name->again);
  sd_event_unref (name->event);
  g_free (name->bus_path);
  g_free (name->machine);
  g_free (name->name);
  g_free (name);
}

const char *
owned_name_get_name (const OwnedName *name)
{
  return name->name;
}

BusClient *
owned_name_get_bus (const OwnedName *name)
{
  return name->ready ? name->bus : NULL;
}

void *
owned_name_get_user_data (const OwnedName *name)
{
  return name->user_data;
}
