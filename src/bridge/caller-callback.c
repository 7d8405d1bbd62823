/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that the guest's services make to one caller, and its answers. Only an owner of an exported
 * name that this caller was allowed to call, and has called, gets so far. */
#include <errno.h>

#include "caller-private.h"
#include "forward.h"
#include "limit.h"

#define ERROR_NO_REPLY "org.freedesktop.DBus.Error.NoReply"

static void
log_refusal (Caller *caller, const WireHeader *call, const char *problem)
{
  refusals_count (caller->bridge->refusals, REFUSED_CALL);
  if (rate_limit_pass (&caller->bridge->refused_calls))
    log_message (LOG_LEVEL_INFO, caller->bridge->machine, LOG_ID_CALL_REFUSED,
                 "The guest's %s may not call %s.%s on its caller: %s", call->sender,
                 call->interface != NULL ? call->interface : "", call->member, problem);
}

/* The agent counts and numbers them itself: more, or one number twice, is no agent of ours. */
static const char *
get_fault (const Caller *caller, const WireHeader *call)
{
  if (call_map_has_original (&caller->callbacks, call->serial))
    return "it gave two calls the same serial";
  if (call_map_is_full (&caller->callbacks))
    return "it sent more calls than may wait for answers";

  return NULL;
}

void
caller_take_callback (Caller *caller, const WireMessage *call)
{
  const WireHeader *header = &call->header;
  bool wants_reply = (header->flags & WIRE_NO_REPLY_EXPECTED) == 0;
  const char *fault = wants_reply ? get_fault (caller, header) : NULL;
  CallbackRoute route = { 0 };

  if (fault != NULL)
    {
      channel_misbehaved (caller->channel, fault);
      return;
    }

  caller->operations->call (caller, call, &route);
  if (route.problem != NULL)
    {
      log_refusal (caller, header, route.problem);
      channel_refuse (caller->channel, header, tombolo_error_name ((TomboloError) route.error),
                      route.problem);
    }
  else if (wants_reply)
    call_map_add (&caller->callbacks, header->serial, route.serial, route.origin, header->sender);
}

/* The agent does the same at the same place of the stream. */
void
caller_forget_orphans (Caller *caller)
{
  const OwnerTable *owners = channel_get_owners (caller->channel);
  MappedCall call;

  while (call_map_take_orphan (&caller->callbacks, owners, &call))
    mapped_call_clear (&call);
}

static void
fail (Caller *caller, const MappedCall *call, const char *error_name, const char *text)
{
  const WireHeader header = { .serial = call->original };

  channel_refuse (caller->channel, &header, error_name, text);
}

/* Tells the guest of the answer's descriptors. FALSE with `error` set where they may not cross. */
static gboolean
announce_descriptors (Caller *caller, const WireHeader *answer, FdList *fds, GError **error)
{
  const char *excess;
  size_t n;

  if (fds->n != answer->n_descriptors)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                   "Its file descriptors have not come along.");
      return FALSE;
    }
  if (fds->n == 0)
    return TRUE;

  n = crossing_check (fds, error);
  if (n == 0)
    return FALSE;
  excess = stream_quota_reserve (caller->quota, n);
  if (excess != NULL)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                 "Machine “%s” takes no more descriptors for now: %s", caller->bridge->machine,
                 excess);
  else if (caller_announce (caller, fds, n, error) != 0)
    return TRUE;
  else
    stream_quota_release (caller->quota, n);

  return FALSE;
}

bool
caller_answer (Caller *caller, void *origin, const WireMessage *answer, FdList *fds)
{
  const WireHeader *from = &answer->header;
  g_auto (MappedCall) call = { 0 };
  g_autoptr (GError) error = NULL;
  WireHeader header;

  if (!call_map_take (&caller->callbacks, origin, from->reply_serial, &call))
    return false;

  header = forward_reply (from, 0, NULL, NULL);
  header.reply_serial = call.original;
  header.n_descriptors = from->n_descriptors;
  if (announce_descriptors (caller, from, fds, &error))
    channel_send_reply (caller->channel, &header, answer->body, answer->body_size);
  else
    {
      g_prefix_error (&error, "The caller's answer does not cross into the guest. ");
      fail (caller, &call, tombolo_error_name ((TomboloError) error->code), error->message);
    }
  return true;
}

bool
caller_answer_bad (Caller *caller, void *origin, uint32_t serial, const char *problem)
{
  g_autofree char *text =
      g_strdup_printf ("The answer does not cross into the guest: %s.", problem);
  g_auto (MappedCall) call = { 0 };

  if (!call_map_take (&caller->callbacks, origin, serial, &call))
    return false;

  fail (caller, &call, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED), text);
  return true;
}

void
caller_fail_callbacks (Caller *caller, const void *origin)
{
  MappedCall call;

  while (call_map_take_of_route (&caller->callbacks, origin, &call))
    {
      fail (caller, &call, ERROR_NO_REPLY, "The caller cannot answer any more.");
      mapped_call_clear (&call);
    }
}

unsigned
caller_count_callbacks (const Caller *caller, const void *origin)
{
  return call_map_count (&caller->callbacks, origin);
}

unsigned
caller_count_user_callbacks (const Caller *caller, const void *origin)
{
  unsigned n = 0;

  for (const GList *link = caller->bridge->callers.head; link != NULL; link = link->next)
    {
      const Caller *other = link->data;

      if (other->subject.uid == caller->subject.uid)
        n += call_map_count (&other->callbacks, origin);
    }

  return n;
}
