/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that services make to the caller behind a channel. */
#include "callback.h"

#include "error.h"
#include "forward.h"
#include "limit.h"

#define ERROR_NO_REPLY "org.freedesktop.DBus.Error.NoReply"

void
callbacks_init (Callbacks *callbacks, Agent *agent, Connection *host, const OwnerTable *owners)
{
  *callbacks = (Callbacks){ .agent = agent, .host = host, .owners = owners };
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

static void
pass_call (Callbacks *callbacks, const WireMessage *call)
{
  const WireHeader *from = &call->header;
  bool wants_reply = (from->flags & WIRE_NO_REPLY_EXPECTED) == 0;
  WireHeader header = forward_call (from, NULL);

  header.serial = next_serial (callbacks);
  header.sender = from->sender;
  if (wants_reply && call_map_is_full (&callbacks->calls))
    callbacks_refuse (callbacks, from, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED),
                      "128 calls to this caller wait for answers; wait for some of them.");
  else if (connection_send (callbacks->host, &header, call->body, call->body_size) < 0)
    callbacks_refuse (callbacks, from, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED),
                      "The host does not take calls as fast as you make them; try again later.");
  else if (wants_reply)
    call_map_add (&callbacks->calls, from->serial, header.serial, NULL, from->sender);
}

void
callbacks_take_call (Callbacks *callbacks, const WireMessage *call)
{
  const WireHeader *header = &call->header;

  if (header->sender == NULL || owner_table_find_owner (callbacks->owners, header->sender) == NULL)
    callbacks_refuse (callbacks, header, tombolo_error_name (TOMBOLO_ERROR_ACCESS_DENIED),
                      "Only services that this guest exports may call their callers on the host.");
  else if (header->n_descriptors > 0)
    callbacks_refuse (callbacks, header, tombolo_error_name (TOMBOLO_ERROR_NOT_SUPPORTED),
                      "File descriptors do not cross to a caller on the host.");
  else
    pass_call (callbacks, call);
}

void
callbacks_take_answer (Callbacks *callbacks, const WireMessage *answer)
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
  if (from->n_descriptors > 0)
    callbacks_refuse (callbacks, &failed, tombolo_error_name (TOMBOLO_ERROR_NOT_SUPPORTED),
                      "The answer carries file descriptors, which do not cross into a guest.");
  else
    forward_send_reply (bus_client_get_connection (callbacks->bus), &header, answer->body,
                        answer->body_size, NULL);
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
