/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Callers on the host's bus. */
#include "alias-caller.h"

#include <string.h>

#include "bus-peer.h"
#include "caller.h"
#include "limit.h"
#include "tunnel-manager.h"

struct AliasCaller
{
  Bridge *bridge;
  GuestBus guest_bus; /* of all its aliases */
  char *name;         /* unique, on the host's bus */
  Caller *caller;
  GPtrArray *aliases; /* Alias: those whose signals come through the channel; last used, last */
  BusPeer *peer;
};

void
alias_caller_free (AliasCaller *self)
{
  bus_peer_free (self->peer);
  caller_free (self->caller);
  g_ptr_array_unref (self->aliases);
  g_free (self->name);
  g_free (self);
}

static void
forget (AliasCaller *self)
{
  g_hash_table_remove (self->bridge->alias_callers[self->guest_bus], self->name);
}

/* --- What the core asks for --- */

/* The guest's messages to this caller wait while the host's bus does not keep up. */
static void
update_flow (AliasCaller *self)
{
  Channel *channel = caller_get_channel (self->caller);
  bool full = false;

  for (guint i = 0; i < self->aliases->len; i++)
    full = full || alias_is_full (self->aliases->pdata[i]);
  if (channel != NULL)
    channel_pause (channel, full);
}

static void
send_reply (Caller *caller, void *origin, const WireHeader *header, const void *body,
            size_t body_size, FdList *fds)
{
  AliasCaller *self = caller_get_user_data (caller);

  alias_send_reply (origin, header, self->name, body, body_size, fds);
}

/* Through every alias of the sender that the caller has called; what everybody sees is not sent
 * again, unless it is for this caller alone. */
static void
send_signal (Caller *caller, const WireMessage *message)
{
  AliasCaller *self = caller_get_user_data (caller);
  const OwnerTable *owners = channel_get_owners (caller_get_channel (caller));
  const WireHeader *header = &message->header;

  if (strcmp (header->sender, BUS_DRIVER_NAME) == 0)
    return;

  for (guint i = 0; i < self->aliases->len; i++)
    {
      Alias *alias = self->aliases->pdata[i];
      const OwnerEntry *entry = owner_table_find (owners, alias_get_exported (alias));

      if (entry == NULL || entry->owner == NULL || strcmp (entry->owner, header->sender) != 0
          || (header->destination == NULL && self->guest_bus == GUEST_BUS_SYSTEM
              && bridge_settings_broadcast (self->bridge->settings, entry->name,
                                            header->interface)))
        continue;
      alias_send_signal (alias, message, self->name);
    }
}

/* The alias by which the caller called a name of this owner's, the last one where there are
 * several; or NULL. */
static Alias *
find_alias (const AliasCaller *self, const char *owner)
{
  const OwnerTable *owners = channel_get_owners (caller_get_channel (self->caller));

  for (guint i = self->aliases->len; i > 0; i--)
    {
      Alias *alias = self->aliases->pdata[i - 1];
      const OwnerEntry *entry = owner_table_find (owners, alias_get_exported (alias));

      if (entry != NULL && g_strcmp0 (entry->owner, owner) == 0)
        return alias;
    }

  return NULL;
}

/* NULL where one more call may wait for this caller's answer, else what there is too much of. */
static const char *
get_excess (const Caller *caller, const Alias *alias, const WireHeader *call)
{
  if ((call->flags & WIRE_NO_REPLY_EXPECTED) != 0)
    return NULL;
  if (caller_count_callbacks (caller, alias) >= LIMIT_CALLBACKS_ALIAS)
    return "32 calls to this caller wait for answers; wait for some of them.";
  if (caller_count_user_callbacks (caller, alias) >= LIMIT_CALLBACKS_ALIAS_USER)
    return "64 calls to this caller's user wait for answers; wait for some of them.";

  return NULL;
}

static void
send_call (Caller *caller, const WireMessage *call, CallbackRoute *ret_route)
{
  AliasCaller *self = caller_get_user_data (caller);
  Alias *alias = find_alias (self, call->header.sender);
  auto_fd_list fds = { 0 };

  ret_route->error = TOMBOLO_ERROR_ACCESS_DENIED;
  if (alias == NULL)
    ret_route->problem = "This caller has not called your service.";
  else if (!callback_is_allowed (call->header.interface))
    ret_route->problem = "Callers on the host's bus are not called on this interface; its clients "
                         "can use the machine's bus socket.";
  else
    {
      ret_route->error = TOMBOLO_ERROR_LIMITS_EXCEEDED;
      ret_route->origin = alias;
      ret_route->problem = get_excess (caller, alias, &call->header);
      if (ret_route->problem == NULL && caller_open_descriptors (caller, &fds) != NULL)
        ret_route->problem = CALLBACK_TOO_MANY;
      if (ret_route->problem == NULL
          && (ret_route->serial = alias_send_call (alias, call, self->name, &fds)) == 0)
        ret_route->problem = "The host's bus does not take the call; try again later.";
    }
}

static void
prepare (Caller *caller, void *origin, const char *name)
{
  AliasCaller *self = caller_get_user_data (caller);
  guint n = self->aliases->len, index;

  if (n > 0 && self->aliases->pdata[n - 1] == origin)
    return;
  if (g_ptr_array_find (self->aliases, origin, &index))
    {
      g_ptr_array_add (self->aliases, g_ptr_array_steal_index (self->aliases, index));
      return;
    }

  g_ptr_array_add (self->aliases, origin);
  update_flow (self);
  channel_add_match (caller_get_channel (caller), alias_get_exported (origin), NULL);
}

static void
lost (Caller *caller)
{
  AliasCaller *self = caller_get_user_data (caller);

  g_ptr_array_set_size (self->aliases, 0);
}

/* A caller that was refused holds nothing; it comes back as a new one. */
static void
idle (Caller *caller)
{
  AliasCaller *self = caller_get_user_data (caller);

  if (caller_get_channel (caller) == NULL)
    forget (self);
}

static const CallerOperations operations = {
  .reply = send_reply,
  .signal = send_signal,
  .prepare = prepare,
  .call = send_call,
  .lost = lost,
  .idle = idle,
};

/* --- Who it is --- */

static void
on_known (uid_t uid, GArray *groups, const char *machine, void *user_data)
{
  AliasCaller *self = user_data;

  caller_set_groups (self->caller, groups);
  caller_set_machine (self->caller, machine);
  caller_set_uid (self->caller, uid);
}

static void
on_left (void *user_data)
{
  forget (user_data);
}

/* Answers what waits; the caller, which then has nothing left, is forgotten by idle(). */
static void
on_unknown (void *user_data)
{
  AliasCaller *self = user_data;

  caller_disconnect (self->caller, "The host's bus does not say who calls and when it leaves.");
}

/* Nobody knows for which machine it speaks. */
static void
on_denied (void *user_data)
{
  AliasCaller *self = user_data;

  caller_deny (self->caller);
}

static const BusPeerHandlers peer_handlers = {
  .known = on_known,
  .left = on_left,
  .unknown = on_unknown,
  .denied = on_denied,
};

static AliasCaller *
add (Bridge *bridge, GuestBus guest_bus, const char *name)
{
  AliasCaller *self = g_new0 (AliasCaller, 1);
  AuthoritySubject subject = { .uid = (uid_t) -1, .pidfd = -1 };

  self->bridge = bridge;
  self->guest_bus = guest_bus;
  self->name = g_strdup (name);
  self->aliases = g_ptr_array_new ();
  subject.bus_name = self->name;
  self->caller = caller_new (bridge, guest_bus, &subject, &operations, self);

  self->peer = bus_peer_new (bridge, name, &peer_handlers, self);
  if (self->peer == NULL)
    {
      alias_caller_free (self);
      return NULL;
    }

  g_hash_table_insert (bridge->alias_callers[guest_bus], self->name, self);
  return self;
}

/* Looking a caller up costs the bus more than being called costs the caller: while lookups pile up
 * nobody new is looked up. */
static bool
can_look_up (const Bridge *bridge)
{
  uint64_t queued = 0;

  return sd_bus_get_n_queued_write (bridge->bus, &queued) >= 0 && queued < LIMIT_QUEUED_LOOKUPS;
}

void
alias_caller_call (Bridge *bridge, Alias *alias, const WireMessage *call, FdList *fds)
{
  GuestBus guest_bus = alias_get_guest_bus (alias);
  AliasCaller *self = g_hash_table_lookup (bridge->alias_callers[guest_bus], call->header.sender);
  g_autofree char *text = NULL;

  if (self == NULL && !tunnel_manager_is_up (bridge->tunnel))
    {
      text = g_strdup_printf ("Machine “%s” cannot be reached: %s", bridge->machine,
                              tunnel_manager_get_reason (bridge->tunnel));
      alias_send_error (alias, &call->header, TOMBOLO_ERROR_DISCONNECTED, text);
      return;
    }
  if (self == NULL
      && (!bridge_has_room (bridge) || !can_look_up (bridge)
          || (self = add (bridge, guest_bus, call->header.sender)) == NULL))
    {
      text = g_strdup_printf ("Machine “%s” has too many callers for now; try again later.",
                              bridge->machine);
      alias_send_error (alias, &call->header, TOMBOLO_ERROR_LIMITS_EXCEEDED, text);
      return;
    }

  caller_call (self->caller, alias, alias_get_exported (alias), call, fds);
}

/* The caller that has to answer, or any where the bus answers in its place: then the serial, one of
 * the alias' own, tells which. */
static bool
answer (AliasCaller *self, Alias *alias, const WireMessage *message, FdList *fds,
        const WireHeader *bad, const char *problem)
{
  return message != NULL ? caller_answer (self->caller, alias, message, fds)
                         : caller_answer_bad (self->caller, alias, bad->reply_serial, problem);
}

static void
take_answer (Bridge *bridge, Alias *alias, const WireHeader *header, const WireMessage *message,
             FdList *fds, const char *problem)
{
  GHashTable *callers = bridge->alias_callers[alias_get_guest_bus (alias)];
  AliasCaller *self = g_hash_table_lookup (callers, header->sender);
  GHashTableIter iter;
  gpointer value;

  if (self != NULL)
    answer (self, alias, message, fds, header, problem);
  if (header->type != WIRE_ERROR || strcmp (header->sender, BUS_DRIVER_NAME) != 0)
    return;

  g_hash_table_iter_init (&iter, callers);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (answer (value, alias, message, fds, header, problem))
      return;
}

void
alias_caller_answer (Bridge *bridge, Alias *alias, const WireMessage *message, FdList *fds)
{
  take_answer (bridge, alias, &message->header, message, fds, NULL);
}

void
alias_caller_answer_bad (Bridge *bridge, Alias *alias, const WireHeader *header,
                         const char *problem)
{
  take_answer (bridge, alias, header, NULL, NULL, problem);
}

void
alias_callers_hold (Bridge *bridge, const Alias *alias)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, bridge->alias_callers[alias_get_guest_bus (alias)]);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (g_ptr_array_find (((AliasCaller *) value)->aliases, alias, NULL))
      update_flow (value);
}

void
alias_callers_resume (Bridge *bridge, const Alias *alias)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, bridge->alias_callers[alias_get_guest_bus (alias)]);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    update_flow (value);
}

void
alias_callers_drop (Bridge *bridge, Alias *alias, bool silently)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, bridge->alias_callers[alias_get_guest_bus (alias)]);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      AliasCaller *self = value;

      caller_drop_origin (self->caller, alias, silently);
      /* With a new bus connection signals go on; with the alias gone they end. */
      if (!silently)
        {
          g_ptr_array_remove (self->aliases, alias);
          update_flow (self); /* it will not tell when it is drained */
        }
    }
}
