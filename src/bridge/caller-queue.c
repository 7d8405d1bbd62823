/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls of a caller that wait, how many there may be, and the bridge's own answers. */
#include <stdio.h>
#include <string.h>

#include "body.h"
#include "caller-private.h"
#include "limit.h"
#include "tunnel-manager.h"

#define NO_ROOM "too many bytes wait for authorization; try again later."

char caller_dropped;

/* --- Answers --- */

void
caller_count_calls (Caller *caller, int change)
{
  caller->bridge->n_calls = (unsigned) ((int) caller->bridge->n_calls + change);
}

static unsigned
get_n_calls (const Caller *caller)
{
  return g_hash_table_size (caller->pending) + caller->queue.length;
}

void
caller_send_failure (Caller *caller, void *origin, uint32_t reply_serial, TomboloError code,
                     const char *text)
{
  WireHeader header = { .byte_order = wire_native_byte_order (),
                        .type = WIRE_ERROR,
                        .flags = WIRE_NO_REPLY_EXPECTED,
                        .reply_serial = reply_serial,
                        .error_name = tombolo_error_name (code),
                        .signature = "s" };
  WireWriter *body = wire_writer_new ();
  const uint8_t *data;
  size_t size;

  wire_writer_string (body, text);
  data = wire_writer_data (body, &size);
  caller->operations->reply (caller, origin, &header, data, size, NULL);
  wire_writer_free (body);
}

void
caller_fail (Caller *caller, void *origin, const WireHeader *call, TomboloError code,
             const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  if (code == TOMBOLO_ERROR_ACCESS_DENIED || code == TOMBOLO_ERROR_INTERACTION
      || code == TOMBOLO_ERROR_LIMITS_EXCEEDED)
    refusals_count (caller->bridge->refusals, REFUSED_CALL);
  if ((call->flags & WIRE_NO_REPLY_EXPECTED) != 0 || origin == CALLER_DROPPED)
    return;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  caller_send_failure (caller, origin, call->serial, code, text);
}

void
caller_fail_disconnected (Caller *caller, const Call *call, const char *reason)
{
  caller_fail (caller, call->origin, &call->message.header, TOMBOLO_ERROR_DISCONNECTED,
               "Machine “%s” cannot be reached: %s", caller->bridge->machine, reason);
}

/* --- The queue --- */

void
caller_drop_descriptors (Caller *caller, Call *call)
{
  fd_list_clear (&call->fds);
  stream_quota_release (caller->quota, call->n_streams);
  call->n_streams = 0;
}

static void
call_free (Caller *caller, Call *call)
{
  caller_drop_descriptors (caller, call);
  g_free (call->owned_name);
  g_free (call->owned_destination);
  g_free (call->owned_bytes);
  g_free (call);
}

void
caller_enqueue (Caller *caller, Call *call)
{
  const WireMessage *message = &call->message;
  Call *copy = g_new0 (Call, 1);

  copy->link.data = copy;
  copy->stage = call->stage;
  copy->hello = call->hello;
  copy->origin = call->origin;
  copy->fds = fd_list_steal (&call->fds);
  copy->n_streams = call->n_streams;
  call->n_streams = 0;
  copy->name = copy->owned_name = g_strdup (call->name);
  copy->owned_destination = g_strdup (message->header.destination);
  copy->owned_bytes = g_memdup2 (message->body + message->body_size - message->size, message->size);

  /* The bytes were parsed before: their verdict cannot change. */
  if (wire_message_parse (copy->owned_bytes, message->size, &copy->message) != WIRE_OK)
    g_assert_not_reached ();
  copy->message.header.destination = copy->owned_destination;

  g_queue_push_tail_link (&caller->queue, &copy->link);
  caller->waiting_size += message->size;
  caller->bridge->waiting_size += message->size;
  caller_count_calls (caller, 1);
}

void
caller_drop_head (Caller *caller)
{
  Call *call = g_queue_pop_head_link (&caller->queue)->data;

  caller->waiting_size -= call->message.size;
  caller->bridge->waiting_size -= call->message.size;
  call_free (caller, call);
  caller_count_calls (caller, -1);
}

void
caller_fail_queue (Caller *caller, const char *reason)
{
  g_clear_pointer (&caller->check, authority_check_cancel);
  while (caller->queue.head != NULL)
    {
      caller_fail_disconnected (caller, caller->queue.head->data, reason);
      caller_drop_head (caller);
    }
}

/* --- Limits --- */

/* All bridges are one user: what programs in a machine may have is that machine's. */
static bool
is_of_same_user (const Caller *a, const Caller *b)
{
  return a->subject.uid == b->subject.uid && g_strcmp0 (a->machine, b->machine) == 0;
}

static unsigned
count_callers_like (const Caller *caller)
{
  unsigned n = 0;

  for (const GList *link = caller->bridge->callers.head; link != NULL; link = link->next)
    n += is_of_same_user (link->data, caller);

  return n;
}

bool
caller_is_last_of_user (const Caller *caller)
{
  return count_callers_like (caller) == 0;
}

bool
caller_is_over_limit (const Caller *caller)
{
  return count_callers_like (caller) > LIMIT_CALLERS_USER;
}

void
caller_fail_over_limit (Caller *caller, const Call *call)
{
  caller_fail (caller, call->origin, &call->message.header, TOMBOLO_ERROR_LIMITS_EXCEEDED,
               "User %u has %d callers of machine “%s” already; close some of them.",
               caller->subject.uid, LIMIT_CALLERS_USER, caller->bridge->machine);
}

/* One user's share is counted only where that many calls are there at all: it takes a while.
 * Callers whose user the bus has not told yet share a smaller one, so that a crowd of new callers
 * leaves room for those who are known. */
static bool
is_over_share (const Caller *caller)
{
  const Bridge *bridge = caller->bridge;
  unsigned limit =
      caller->subject.uid != (uid_t) -1 ? LIMIT_PENDING_CALLS_USER : LIMIT_PENDING_CALLS_UNKNOWN;
  unsigned n = 0;

  if (bridge->n_calls < limit)
    return false;

  for (const GList *link = bridge->callers.head; link != NULL; link = link->next)
    if (is_of_same_user (link->data, caller))
      n += get_n_calls (link->data);

  return n >= limit;
}

/* A lone call may be of any size. */
bool
caller_has_room (const Caller *caller, const WireMessage *message)
{
  const Bridge *bridge = caller->bridge;
  size_t of_user = message->size;

  if (bridge->waiting_size + message->size > LIMIT_WAITING_SIZE
      || (caller->queue.head != NULL && caller->waiting_size + message->size > LIMIT_QUEUE_SIZE))
    return false;

  for (const GList *link = bridge->callers.head; link != NULL; link = link->next)
    if (is_of_same_user (link->data, caller))
      of_user += ((const Caller *) link->data)->waiting_size;

  return of_user <= LIMIT_WAITING_USER;
}

/* NULL where there is room for one more call, else what there is too much of. */
static const char *
get_excess (const Caller *caller, const WireMessage *message)
{
  const Bridge *bridge = caller->bridge;

  if (get_n_calls (caller) >= LIMIT_PENDING_CALLS_CALLER)
    return "128 of your calls wait for replies; wait for some of them.";
  if (bridge->n_calls >= LIMIT_PENDING_CALLS_MACHINE)
    return "it has 1024 calls to answer already; try again later.";
  if (is_over_share (caller))
    return "your user's calls that wait for replies are at their limit; wait for some of them.";
  if (caller->queue.head != NULL && !caller_has_room (caller, message))
    return NO_ROOM;

  return NULL;
}

/* Looks at the call's descriptors and counts them, before anything is sent; where they may not
 * cross, fails it. */
static bool
admit_descriptors (Caller *caller, Call *call)
{
  const char *machine = caller->bridge->machine;
  const WireHeader *header = &call->message.header;
  g_autoptr (GError) error = NULL;
  const char *excess;
  size_t n;

  if (header->n_descriptors == 0)
    return true;
  if (call->fds.n != header->n_descriptors)
    {
      caller_fail (caller, call->origin, header, TOMBOLO_ERROR_NOT_SUPPORTED,
                   "The file descriptors of the call have not come along; negotiate them.");
      return false;
    }

  n = crossing_check (&call->fds, &error);
  if (n == 0)
    {
      caller_fail (caller, call->origin, header, (TomboloError) error->code, "%s", error->message);
      return false;
    }

  excess = stream_quota_reserve (caller->quota, n);
  if (excess != NULL)
    {
      caller_fail (caller, call->origin, header, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                   "Machine “%s” takes no more descriptors of yours for now: %s", machine, excess);
      return false;
    }

  call->n_streams = n;
  return true;
}

bool
caller_admit (Caller *caller, Call *call)
{
  const Bridge *bridge = caller->bridge;
  const WireMessage *message = &call->message;
  const WireHeader *header = &message->header;
  void *origin = call->origin;
  const char *excess;

  if (!tunnel_manager_is_up (bridge->tunnel))
    caller_fail (caller, origin, header, TOMBOLO_ERROR_DISCONNECTED,
                 "Machine “%s” cannot be reached: %s", bridge->machine,
                 tunnel_manager_get_reason (bridge->tunnel));
  else if ((excess = get_excess (caller, message)) != NULL)
    caller_fail (caller, origin, header, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                 "Machine “%s” takes no more calls of yours for now: %s", bridge->machine, excess);
  else
    return admit_descriptors (caller, call);

  return false;
}

void
caller_fail_no_room (Caller *caller, const Call *call)
{
  caller_fail (caller, call->origin, &call->message.header, TOMBOLO_ERROR_LIMITS_EXCEEDED,
               "Machine “%s” takes no more calls of yours for now: %s", caller->bridge->machine,
               NO_ROOM);
}
