/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One caller on the host and what it is doing in the guest: its channel, and its calls' way there.
 */
#include <errno.h>
#include <string.h>

#include "call-policy.h"
#include "caller-private.h"
#include "forward.h"
#include "limit.h"
#include "tunnel-manager.h"

#define CALL_GUEST_ACTION "org.tombolo.Host1.call-guest"

static bool run_queue (Caller *caller);

static void
finish (Caller *caller)
{
  if (caller->queue.head == NULL)
    caller->operations->idle (caller);
}

/* --- The channel --- */

static void
pass_reply (Caller *caller, void *origin, const WireMessage *reply)
{
  auto_fd_list fds = { 0 };
  const char *excess = caller_open_descriptors (caller, &fds);
  g_autofree char *text = NULL;

  if (excess == NULL)
    {
      caller->operations->reply (caller, origin, &reply->header, reply->body, reply->body_size,
                                 &fds);
      return;
    }

  text = g_strdup_printf ("The reply of machine “%s” brings descriptors, which are too many: %s",
                          caller->bridge->machine, excess);
  caller_send_failure (caller, origin, reply->header.reply_serial, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                       text);
}

static bool
on_reply (Channel *channel, const WireMessage *reply, void *user_data)
{
  Caller *caller = user_data;
  gpointer serial = GUINT_TO_POINTER (reply->header.reply_serial), origin;

  if (!g_hash_table_steal_extended (caller->pending, serial, NULL, &origin))
    return false;

  caller_count_calls (caller, -1);
  if (origin != CALLER_DROPPED)
    pass_reply (caller, origin, reply);
  return true;
}

static void
on_signal (Channel *channel, const WireMessage *signal, void *user_data)
{
  Caller *caller = user_data;

  if (strcmp (signal->header.sender, BUS_DRIVER_NAME) == 0)
    caller_forget_orphans (caller);
  caller->operations->signal (caller, signal);
}

static void
on_call (Channel *channel, const WireMessage *call, void *user_data)
{
  caller_take_callback (user_data, call);
}

/* The channel is dead: every call that went into it gets an error. */
static void
lose_channel (Caller *caller, const char *reason)
{
  g_autofree char *text = g_strdup_printf ("Machine “%s” cannot be reached any more, and whether "
                                           "the call was carried out is not known: %s",
                                           caller->bridge->machine, reason);
  g_autoptr (GHashTable) pending = g_steal_pointer (&caller->pending);
  GHashTableIter iter;
  gpointer serial, origin;

  caller->pending = g_hash_table_new (NULL, NULL);
  caller_count_calls (caller, -(int) g_hash_table_size (pending));
  g_clear_pointer (&caller->channel, channel_free);
  call_map_clear (&caller->callbacks);

  g_hash_table_iter_init (&iter, pending);
  while (g_hash_table_iter_next (&iter, &serial, &origin))
    if (origin != CALLER_DROPPED)
      caller_send_failure (caller, origin, GPOINTER_TO_UINT (serial), TOMBOLO_ERROR_DISCONNECTED,
                           text);

  caller->operations->lost (caller);
}

static void
on_closed (Channel *channel, const char *reason, void *user_data)
{
  Caller *caller = user_data;

  lose_channel (caller, reason);
  finish (caller);
}

static void
on_drained (Channel *channel, void *user_data)
{
  Caller *caller = user_data;

  if (caller->operations->drained != NULL)
    caller->operations->drained (caller);
}

static const ChannelHandlers channel_handlers = {
  .reply = on_reply,
  .signal = on_signal,
  .call = on_call,
  .closed = on_closed,
  .drained = on_drained,
};

static void
adopt_channel (Caller *caller, Channel *channel)
{
  caller->channel = channel;
  caller->identity.uid = caller->subject.uid;
  channel_set_caller (channel, &caller->identity);
  channel_set_budget (
      channel, bridge_get_budget (caller->bridge, caller->subject.uid, caller->identity.machine));
  channel_set_handlers (channel, &channel_handlers, caller);
}

static void
on_pool_done (Channel *channel, const char *reason, void *user_data)
{
  Caller *caller = user_data;

  caller->request = NULL;
  if (channel != NULL)
    {
      adopt_channel (caller, channel);
      run_queue (caller);
    }
  else
    caller_fail_queue (caller, reason);
  finish (caller);
}

static bool
is_known (const Caller *caller)
{
  return caller->subject.uid != (uid_t) -1;
}

static bool
may_have_channel (const Caller *caller)
{
  return is_known (caller) && tunnel_manager_is_up (caller->bridge->tunnel)
         && !caller_is_over_limit (caller);
}

/* Whether the call has to wait for the channel; where not, it was failed. */
static bool
wait_for_channel (Caller *caller, const Call *call)
{
  Bridge *bridge = caller->bridge;

  if (!tunnel_manager_is_up (bridge->tunnel))
    {
      caller_fail_disconnected (caller, call, tunnel_manager_get_reason (bridge->tunnel));
      return false;
    }
  if (!is_known (caller))
    return true;
  if (caller_is_over_limit (caller))
    {
      caller_fail_over_limit (caller, call);
      return false;
    }

  if (caller->request == NULL)
    caller->request = channel_pool_wait (bridge->pool, caller->guest_bus, on_pool_done, caller);
  return true;
}

/* --- A call's way --- */

/* `line` is the rule's, or 0 where polkit has refused it. */
static void
log_refusal (Caller *caller, const Call *call, guint line)
{
  const WireHeader *header = &call->message.header;
  g_autofree char *rule = line != 0 ? g_strdup_printf (" by line %u", line) : g_strdup ("");

  if (rate_limit_pass (&caller->bridge->refused_calls))
    log_message (LOG_LEVEL_INFO, caller->bridge->machine, LOG_ID_CALL_REFUSED,
                 "A call of %s.%s on %s was refused%s (user %u%s%s).",
                 header->interface != NULL ? header->interface : "", header->member, call->name,
                 rule, caller->subject.uid, caller->machine != NULL ? ", machine " : "",
                 caller->machine != NULL ? caller->machine : "");
}

static void
refuse (Caller *caller, const Call *call, AuthorityVerdict verdict)
{
  const WireHeader *header = &call->message.header;
  const char *machine = caller->bridge->machine;

  /* Nobody in a guest can be asked. */
  if (verdict == AUTHORITY_CHALLENGE && caller->machine != NULL)
    verdict = AUTHORITY_DENIED;

  log_refusal (caller, call, 0);
  switch (verdict)
    {
    case AUTHORITY_CHALLENGE:
      caller_fail (caller, call->origin, header, TOMBOLO_ERROR_INTERACTION,
                   "Calling %s on “%s” of machine “%s” needs authentication, and the call does "
                   "not allow it; allow interactive authorization.",
                   header->member, call->name, machine);
      break;
    case AUTHORITY_LIMIT:
      caller_fail (caller, call->origin, header, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                   "Too many calls into machine “%s” wait for authorization; try again later.",
                   machine);
      break;
    default:
      caller_fail (caller, call->origin, header, TOMBOLO_ERROR_ACCESS_DENIED,
                   "You may not call %s on “%s” of machine “%s”; an administrator can allow it "
                   "by a polkit rule for " CALL_GUEST_ACTION ".",
                   header->member, call->name, machine);
      break;
    }
}

/* The verdict on the queue's head. */
static void
on_verdict (AuthorityVerdict verdict, void *user_data)
{
  Caller *caller = user_data;
  Call *call = caller->queue.head->data;

  caller->check = NULL;
  if (verdict == AUTHORITY_ALLOWED)
    call->stage = CALL_ALLOWED;
  else
    {
      refuse (caller, call, verdict);
      caller_drop_head (caller);
    }

  run_queue (caller);
  finish (caller);
}

static void
authorise (Caller *caller, Call *call)
{
  const WireHeader *header = &call->message.header;
  const char *machine = caller->identity.machine;
  const char *const details[] = { "machine",
                                  caller->bridge->machine,
                                  "bus",
                                  guest_bus_to_string (caller->guest_bus),
                                  "name",
                                  call->name,
                                  "path",
                                  header->path,
                                  "interface",
                                  header->interface != NULL ? header->interface : "",
                                  "member",
                                  header->member,
                                  machine != NULL ? "caller-machine" : NULL,
                                  machine,
                                  NULL };
  const AuthorityRequest request = {
    .subject = caller->subject,
    .action = CALL_GUEST_ACTION,
    .details = details,
    .interactive = machine == NULL && (header->flags & WIRE_ALLOW_INTERACTIVE_AUTHORIZATION) != 0
  };
  AuthorityVerdict verdict = AUTHORITY_DENIED;
  int r = authority_check (caller->bridge->authority, &request, on_verdict, caller, &verdict,
                           &caller->check);

  if (r == 0)
    call->stage = CALL_CHECKING;
  else if (r > 0 && verdict == AUTHORITY_ALLOWED)
    call->stage = CALL_ALLOWED;
  else
    refuse (caller, call, verdict);
}

/* Returns the serial of the announcement, or 0 where the call was failed. */
static uint32_t
announce_descriptors (Caller *caller, Call *call)
{
  g_autoptr (GError) error = NULL;
  uint32_t serial = caller_announce (caller, &call->fds, call->n_streams, &error);

  if (serial != 0)
    call->n_streams = 0; /* each counts for itself now */
  else
    caller_fail (caller, call->origin, &call->message.header, (TomboloError) error->code, "%s",
                 error->message);
  return serial;
}

static void
send_call (Caller *caller, Call *call)
{
  uint32_t announced = 0;
  const WireHeader *from = &call->message.header;
  WireHeader header = forward_call (from, from->destination);
  bool wants_reply = (from->flags & WIRE_NO_REPLY_EXPECTED) == 0;
  int r;

  if (wants_reply && g_hash_table_contains (caller->pending, GUINT_TO_POINTER (from->serial)))
    {
      caller_fail (caller, call->origin, from, TOMBOLO_ERROR_INVALID_ARGUMENT,
                   "Serial %u belongs to a call that is not answered yet.", from->serial);
      return;
    }

  if (caller->operations->prepare != NULL)
    caller->operations->prepare (caller, call->origin, call->name);

  if (from->n_descriptors > 0 && (announced = announce_descriptors (caller, call)) == 0)
    return;

  header.n_descriptors = from->n_descriptors;
  r = channel_send (caller->channel, &header, call->message.body, call->message.body_size);
  if (r < 0 && announced != 0)
    streams_drop (caller->bridge->streams, caller->channel, announced);
  if (r == -ENOBUFS)
    caller_fail (caller, call->origin, from, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                 "Machine “%s” does not take calls as fast as you make them; wait for replies.",
                 caller->bridge->machine);
  else if (wants_reply)
    {
      /* Also where the channel broke: its end fails what is pending. */
      g_hash_table_insert (caller->pending, GUINT_TO_POINTER (from->serial), call->origin);
      caller_count_calls (caller, 1);
    }
}

/* What rules say comes first, then polkit. */
static void
decide (Caller *caller, Call *call)
{
  const WireHeader *header = &call->message.header;
  guint line;

  caller->identity.uid = caller->subject.uid;
  switch (call_policy_decide (caller->bridge->settings, caller->guest_bus, call->name,
                              &call->message, &caller->identity, &line))
    {
    case CALL_RULE_ALLOW:
      call->stage = CALL_ALLOWED;
      break;
    case CALL_RULE_ASK:
      authorise (caller, call);
      break;
    case CALL_RULE_DENY:
      log_refusal (caller, call, line);
      caller_fail (caller, call->origin, header, TOMBOLO_ERROR_ACCESS_DENIED,
                   "You may not call %s on “%s” of machine “%s”: line %u of its machine file "
                   "refuses it.",
                   header->member, call->name, caller->bridge->machine, line);
      break;
    }
}

/* Takes the call as far as it goes. Returns whether it is over: sent, or failed. */
static bool
advance (Caller *caller, Call *call)
{
  if (call->origin == CALLER_DROPPED && call->stage != CALL_CHECKING)
    return true;

  if (call->stage == CALL_NEW)
    {
      /* Rules and polkit want to know for whom it speaks. */
      if (!is_known (caller))
        return false;
      decide (caller, call);
    }
  if (call->stage != CALL_ALLOWED)
    return call->stage == CALL_NEW; /* refused; else polkit is at it */

  if (caller->channel == NULL && may_have_channel (caller))
    {
      Channel *channel = channel_pool_take (caller->bridge->pool, caller->guest_bus);

      if (channel != NULL)
        adopt_channel (caller, channel);
    }
  if (caller->channel == NULL)
    return !wait_for_channel (caller, call);

  if (call->hello)
    caller->operations->opened (caller, &call->message.header);
  else
    send_call (caller, call);
  return true;
}

/* Returns whether the queue is empty. */
static bool
run_queue (Caller *caller)
{
  while (caller->queue.head != NULL)
    {
      if (!advance (caller, caller->queue.head->data))
        return false;
      caller_drop_head (caller);
    }

  return true;
}

static void
take_call (Caller *caller, Call *call)
{
  if (caller_admit (caller, call))
    {
      bool first = caller->queue.head == NULL;

      if (!first || !advance (caller, call))
        {
          if (!first || caller_has_room (caller, &call->message))
            {
              caller_enqueue (caller, call);
              return;
            }

          g_clear_pointer (&caller->check, authority_check_cancel);
          caller_fail_no_room (caller, call);
        }
    }

  caller_drop_descriptors (caller, call);
  if (caller->channel == NULL)
    finish (caller);
}

void
caller_call (Caller *caller, void *origin, const char *name, const WireMessage *message,
             FdList *fds)
{
  Call call = { .origin = origin, .name = name, .message = *message };

  if (fds != NULL)
    call.fds = fd_list_steal (fds);
  take_call (caller, &call);
}

void
caller_hello (Caller *caller, void *origin, const WireMessage *message)
{
  Call call = { .origin = origin, .name = BUS_DRIVER_NAME, .message = *message, .hello = true };

  take_call (caller, &call);
}

/* --- Life --- */

Caller *
caller_new (Bridge *bridge, GuestBus guest_bus, const AuthoritySubject *subject,
            const CallerOperations *operations, void *user_data)
{
  Caller *caller = g_new0 (Caller, 1);

  caller->bridge = bridge;
  caller->guest_bus = guest_bus;
  caller->subject = *subject;
  caller->operations = operations;
  caller->user_data = user_data;
  caller->pending = g_hash_table_new (NULL, NULL);
  caller->quota = stream_quota_new (bridge);
  stream_quota_set_uid (caller->quota, subject->uid);
  caller->link.data = caller;
  g_queue_push_tail_link (&bridge->callers, &caller->link);
  return caller;
}

void
caller_free (Caller *caller)
{
  g_queue_unlink (&caller->bridge->callers, &caller->link);
  g_clear_pointer (&caller->check, authority_check_cancel);
  while (caller->queue.head != NULL)
    caller_drop_head (caller);
  caller_count_calls (caller, -(int) g_hash_table_size (caller->pending));
  pool_request_cancel (caller->request);
  channel_free (caller->channel);
  call_map_clear (&caller->callbacks);
  if (caller_is_last_of_user (caller))
    bridge_drop_budget (caller->bridge, caller->subject.uid, caller->identity.machine);
  if (caller->subject.bus_name != NULL)
    authority_forget (caller->bridge->authority, caller->subject.bus_name);
  stream_quota_unref (caller->quota);
  g_hash_table_unref (caller->pending);
  g_clear_pointer (&caller->groups, g_array_unref);
  g_free (caller->machine);
  g_free (caller);
}

void *
caller_get_user_data (const Caller *caller)
{
  return caller->user_data;
}

Channel *
caller_get_channel (const Caller *caller)
{
  return caller->channel;
}

bool
caller_is_waiting (const Caller *caller)
{
  return caller->queue.head != NULL;
}

void
caller_set_groups (Caller *caller, GArray *groups)
{
  static const uint32_t none = 0;

  g_clear_pointer (&caller->groups, g_array_unref);
  caller->groups = groups;
  caller->identity.n_groups = groups != NULL ? groups->len : 0;
  caller->identity.groups = groups == NULL ? NULL : groups->len > 0 ? (void *) groups->data : &none;
}

void
caller_set_machine (Caller *caller, const char *machine)
{
  g_free (caller->machine);
  caller->machine = g_strdup (machine);
  caller->identity.machine = caller->machine;
}

void
caller_deny (Caller *caller)
{
  for (; caller->queue.head != NULL; caller_drop_head (caller))
    {
      const Call *call = caller->queue.head->data;

      log_refusal (caller, call, 0);
      caller_fail (caller, call->origin, &call->message.header, TOMBOLO_ERROR_ACCESS_DENIED,
                   "For which machine you call cannot be told, so you may not call machine “%s”.",
                   caller->bridge->machine);
    }

  finish (caller);
}

void
caller_set_uid (Caller *caller, uid_t uid)
{
  caller->subject.uid = uid;
  stream_quota_set_uid (caller->quota, uid);

  /* At once, and not after polkit: who waits there takes others' places. */
  if (caller_is_over_limit (caller))
    {
      g_clear_pointer (&caller->check, authority_check_cancel);
      for (; caller->queue.head != NULL; caller_drop_head (caller))
        caller_fail_over_limit (caller, caller->queue.head->data);
    }

  run_queue (caller);
  finish (caller);
}

void
caller_disconnect (Caller *caller, const char *reason)
{
  g_clear_pointer (&caller->request, pool_request_cancel);
  caller_fail_queue (caller, reason);
  if (caller->channel != NULL)
    lose_channel (caller, reason);
  finish (caller);
}

void
caller_drop_origin (Caller *caller, void *origin, bool silently)
{
  GHashTableIter iter;
  gpointer serial, value;

  caller_fail_callbacks (caller, origin);
  g_hash_table_iter_init (&iter, caller->pending);
  while (g_hash_table_iter_next (&iter, &serial, &value))
    if (value == origin)
      {
        if (!silently)
          caller_send_failure (caller, origin, GPOINTER_TO_UINT (serial),
                               TOMBOLO_ERROR_NOT_EXPORTED,
                               "The guest does not export this name any more.");
        g_hash_table_iter_replace (&iter, CALLER_DROPPED);
      }

  for (GList *link = caller->queue.head; link != NULL; link = link->next)
    {
      Call *call = link->data;

      if (call->origin != origin)
        continue;
      if (!silently)
        caller_fail (caller, origin, &call->message.header, TOMBOLO_ERROR_NOT_EXPORTED,
                     "The guest does not export this name any more.");
      call->origin = CALLER_DROPPED;
    }
}
