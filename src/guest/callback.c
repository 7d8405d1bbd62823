/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that services make to the caller behind a channel. */
#include "callback.h"

#include <errno.h>

#include "error.h"
#include "forward.h"
#include "limit.h"
#include "streams.h"

#define ERROR_NO_REPLY "org.freedesktop.DBus.Error.NoReply"
#define TOO_FAST "The host does not take calls as fast as you make them; try again later."

void
callbacks_init (Callbacks *callbacks, Agent *agent, const void *channel, Connection *host,
                const OwnerTable *owners)
{
  *callbacks = (Callbacks){ .agent = agent, .channel = channel, .host = host, .owners = owners };
}

void
callbacks_clear (Callbacks *callbacks)
{
  call_map_clear (&callbacks->calls);
}

void
callbacks_refuse (Callbacks *callbacks, const WireHeader *call, const char *error_name,
                  const char *text)
{
  connection_send_error (bus_client_get_connection (callbacks->bus), call,
                         bus_client_next_serial (callbacks->bus), NULL, call->sender, error_name,
                         text);
}

static uint32_t
next_serial (Callbacks *callbacks)
{
  do
    callbacks->serial++;
  while (callbacks->serial == 0 || call_map_has_serial (&callbacks->calls, callbacks->serial));

  return callbacks->serial;
}

/* Whether a message fits even behind what announces its descriptors: the two go together. */
static bool
has_room (const Callbacks *callbacks, const WireMessage *call)
{
  size_t queued = connection_get_queued (callbacks->host);

  return queued < LIMIT_FLOW_SIZE / 2 || queued + call->size < LIMIT_QUEUE_SIZE / 2;
}

/* Whether the call may go on: it has no descriptors, or the host knows of them. Else it was
 * refused. */
static bool
announce_descriptors (Callbacks *callbacks, const WireMessage *call)
{
  const WireHeader *from = &call->header;
  auto_fd_list fds = { 0 };
  g_autoptr (GError) error = NULL;

  if (from->n_descriptors == 0)
    return true;

  fds = connection_take_descriptors (bus_client_get_connection (callbacks->bus));
  if (!has_room (callbacks, call))
    g_set_error (&error, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED, TOO_FAST);
  else if (guest_streams_announce (agent_get_streams (callbacks->agent), callbacks->channel,
                                   callbacks->host, next_serial (callbacks), &fds,
                                   from->n_descriptors, &error))
    return true;
  else
    g_prefix_error (&error, "The call does not cross to the host. ");

  callbacks_refuse (callbacks, from, tombolo_error_name ((TomboloError) error->code),
                    error->message);
  return false;
}

static void
send_call (Callbacks *callbacks, const WireMessage *call)
{
  const WireHeader *from = &call->header;
  WireHeader header = forward_call (from, NULL);
  int r;

  header.serial = next_serial (callbacks);
  header.sender = from->sender;
  header.n_descriptors = from->n_descriptors;
  r = connection_send (callbacks->host, &header, call->body, call->body_size);
  if (r == -ENOBUFS && header.n_descriptors > 0)
    connection_abort (callbacks->host, r);
  if (r < 0)
    callbacks_refuse (callbacks, from, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED),
                      TOO_FAST);
  else if ((from->flags & WIRE_NO_REPLY_EXPECTED) == 0)
    call_map_add (&callbacks->calls, from->serial, header.serial, NULL, from->sender);
}

static void
pass_call (Callbacks *callbacks, const WireMessage *call)
{
  bool wants_reply = (call->header.flags & WIRE_NO_REPLY_EXPECTED) == 0;

  if (wants_reply && call_map_is_full (&callbacks->calls))
    callbacks_refuse (callbacks, &call->header, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED),
                      "128 calls to this caller wait for answers; wait for some of them.");
  else if (announce_descriptors (callbacks, call))
    send_call (callbacks, call);
}

void
callbacks_take_call (Callbacks *callbacks, const WireMessage *call)
{
  const WireHeader *header = &call->header;

  if (header->sender == NULL || owner_table_find_owner (callbacks->owners, header->sender) == NULL)
    callbacks_refuse (callbacks, header, tombolo_error_name (TOMBOLO_ERROR_ACCESS_DENIED),
                      "Only services that this guest exports may call their callers on the host.");
  else
    pass_call (callbacks, call);
}

void
callbacks_take_answer (Callbacks *callbacks, const WireMessage *answer, FdList *fds)
{
  const WireHeader *from = &answer->header;
  g_auto (MappedCall) call = { 0 };
  WireHeader header, failed = { 0 };

  /* Of a call whose caller has lost its name meanwhile, or of none. */
  if (!call_map_take (&callbacks->calls, NULL, from->reply_serial, &call))
    return;

  header = forward_reply (from, bus_client_next_serial (callbacks->bus), NULL, call.caller);
  header.reply_serial = failed.serial = call.original;
  failed.sender = call.caller;
  /* Where none came along an error of the bridge's has taken the answer's place. */
  if (from->n_descriptors == 0)
    fd_list_clear (fds);
  if (from->n_descriptors != fds->n)
    callbacks_refuse (callbacks, &failed, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED),
                      "The answer brings descriptors, and the guest takes no more of this caller; "
                      "close some of them.");
  else
    forward_send_reply (bus_client_get_connection (callbacks->bus), &header, answer->body,
                        answer->body_size, fds);
}

/* The bridge sees the same change at the same place of the stream and forgets the same calls. */
void
callbacks_owners_changed (Callbacks *callbacks)
{
  MappedCall call;

  while (call_map_take_orphan (&callbacks->calls, callbacks->owners, &call))
    {
      WireHeader failed = { .serial = call.original, .sender = call.caller };

      callbacks_refuse (callbacks, &failed, ERROR_NO_REPLY,
                        "You own no exported name any more; nobody waits for the answer.");
      mapped_call_clear (&call);
    }
}
