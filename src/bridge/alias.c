/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One exported name on the host's bus. */
#include "alias.h"

#include <errno.h>

#include "alias-caller.h"
#include "broadcast.h"
#include "forward.h"
#include "limit.h"
#include "report.h"

struct Alias
{
  Bridge *bridge;
  GuestBus guest_bus;
  char *exported;
  OwnedName *name;
  bool wanted;       /* by the guest's last word */
  char *guest_owner; /* the last one that the guest told of */
  bool changed;      /* to another owner, of which clients have not heard */
  RateLimit changes;
  sd_event_source *settle; /* a guest that changes its mind too often is heard when this is over */
};

/* --- The name and its connection --- */

static void
on_gate_requested (BusClient *bus, const WireMessage *reply, void *user_data)
{
  Alias *alias = user_data;

  if (reply->header.type == WIRE_ERROR)
    log_warning (alias->bridge->machine,
                 "The bus does not let us queue for %s, so its policy may keep callers from %s; "
                 "install data/dbus-1 of tombolo.",
                 guest_bus_to_prefix (alias->guest_bus), alias_get_name (alias));
}

static void
on_ready (OwnedName *name, BusClient *bus, void *user_data)
{
  Alias *alias = user_data;

  bus_client_call_driver (bus, "RequestName", guest_bus_to_prefix (alias->guest_bus), 0,
                          on_gate_requested, alias);
}

static void
on_derived_requested (BusClient *bus, const WireMessage *reply, void *user_data)
{
  Alias *alias = user_data;

  if (reply->header.type == WIRE_ERROR)
    log_warning (alias->bridge->machine,
                 "The bus does not give us the name by which other machines import “%s”.",
                 alias->exported);
}

/* Where Alias= gives another name, the one that follows from the names is owned as well: imports of
 * other machines go there, for nobody but bridges can own it, and so none of their calls can get to
 * somebody else while this machine is away. */
static void
follow_derived_name (Alias *alias)
{
  g_autofree char *derived =
      machine_name_to_alias (alias->bridge->machine, alias->guest_bus, alias->exported);
  BusClient *bus = owned_name_get_bus (alias->name);

  if (bus == NULL || derived == NULL || g_str_equal (derived, alias_get_name (alias)))
    return;

  if (alias_is_owned (alias))
    bus_client_call_driver (bus, "RequestName", derived, REQUEST_DO_NOT_QUEUE, on_derived_requested,
                            alias);
  else
    bus_client_call_driver (bus, "ReleaseName", derived, -1, NULL, NULL);
}

static void
on_changed (OwnedName *name, void *user_data)
{
  Alias *alias = user_data;

  follow_derived_name (alias);
  report_changed (alias->bridge->report);
}

static void
on_message (OwnedName *name, const WireMessage *message, void *user_data)
{
  Alias *alias = user_data;
  WireMessage call = *message;
  auto_fd_list fds = { 0 };

  /* Signals to us are the driver's, of names that we know of. */
  if (call.header.type == WIRE_SIGNAL || call.header.sender == NULL)
    return;

  fds = connection_take_descriptors (bus_client_get_connection (owned_name_get_bus (name)));
  if (call.header.type != WIRE_METHOD_CALL)
    {
      alias_caller_answer (alias->bridge, alias, message, &fds);
      return;
    }

  call.header.destination = alias->exported;
  alias_caller_call (alias->bridge, alias, &call, &fds);
}

/* Some caller's message that the host's bus takes and we do not: nobody else's affair. */
static void
on_refused (OwnedName *name, const WireHeader *header, WireVerdict verdict, void *user_data)
{
  Alias *alias = user_data;
  g_autofree char *text = NULL;
  TomboloError code;

  if (header == NULL || header->type == WIRE_SIGNAL || header->sender == NULL)
    return;

  if (header->type != WIRE_METHOD_CALL)
    {
      alias_caller_answer_bad (alias->bridge, alias, header, wire_verdict_to_string (verdict));
      return;
    }

  text = forward_explain_refusal (alias->bridge->machine, verdict, &code);
  alias_send_error (alias, header, code, text);
}

/* The bus itself has answered the callers. */
static void
on_lost (OwnedName *name, void *user_data)
{
  Alias *alias = user_data;

  alias_callers_drop (alias->bridge, alias, true);
}

static void
on_flow (OwnedName *name, void *user_data)
{
  Alias *alias = user_data;

  if (owned_name_is_full (name))
    alias_callers_hold (alias->bridge, alias);
  else
    {
      alias_callers_resume (alias->bridge, alias);
      broadcast_resume (alias->bridge->broadcast);
    }
}

static const OwnedNameHandlers name_handlers = {
  .ready = on_ready,
  .changed = on_changed,
  .message = on_message,
  .refused = on_refused,
  .lost = on_lost,
  .flow = on_flow,
};

/* --- Life --- */

Alias *
alias_new (Bridge *bridge, GuestBus guest_bus, const char *exported)
{
  g_autofree char *name = bridge_settings_get_alias (bridge->settings, guest_bus, exported);
  Alias *alias;

  if (name == NULL || !wire_bus_name_is_valid (name))
    {
      bridge_complain (bridge, NULL,
                       "“%s” gives no valid name on the host's bus and is left out; set one with "
                       "%s in the machine file.",
                       exported, guest_bus == GUEST_BUS_SESSION ? "SessionAlias=" : "Alias=");
      return NULL;
    }

  alias = g_new0 (Alias, 1);
  alias->bridge = bridge;
  alias->guest_bus = guest_bus;
  alias->exported = g_strdup (exported);
  alias->name = owned_name_new (bridge->event, bridge->bus_path, bridge->machine, name,
                                &name_handlers, alias);
  owned_name_pass_descriptors (alias->name);
  return alias;
}

void
alias_free (Alias *alias)
{
  if (alias == NULL)
    return;

  owned_name_free (alias->name);
  sd_event_source_disable_unref (alias->settle);
  g_free (alias->guest_owner);
  g_free (alias->exported);
  g_free (alias);
}

GuestBus
alias_get_guest_bus (const Alias *alias)
{
  return alias->guest_bus;
}

const char *
alias_get_exported (const Alias *alias)
{
  return alias->exported;
}

const char *
alias_get_name (const Alias *alias)
{
  return owned_name_get_name (alias->name);
}

bool
alias_is_wanted (const Alias *alias)
{
  return alias->wanted;
}

bool
alias_is_owned (const Alias *alias)
{
  return owned_name_is_owned (alias->name);
}

OwnedNameRefusal
alias_get_refusal (const Alias *alias)
{
  return owned_name_get_refusal (alias->name);
}

/* Does what the guest's last word asks for. */
static void
follow_guest (Alias *alias)
{
  if (alias->changed)
    owned_name_set_wanted (alias->name, false);

  alias->changed = false;
  owned_name_set_wanted (alias->name, alias->wanted);
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
  owned_name_set_wanted (alias->name, false);
}

bool
alias_is_full (const Alias *alias)
{
  return owned_name_is_full (alias->name);
}

void
alias_send_reply (Alias *alias, const WireHeader *reply, const char *destination, const void *body,
                  size_t body_size, FdList *fds)
{
  owned_name_send_reply (alias->name, reply, destination, body, body_size, fds);
}

void
alias_send_signal (Alias *alias, const WireMessage *signal, const char *destination)
{
  if (owned_name_send_signal (alias->name, signal, destination) == -ENOBUFS)
    bridge_complain (alias->bridge, NULL,
                     "Signals of %s were dropped: the host's bus does not keep up.",
                     alias_get_name (alias));
}

uint32_t
alias_send_call (Alias *alias, const WireMessage *call, const char *destination, FdList *fds)
{
  WireMessage plain = *call;

  /* No guest asks the host's users for a password. */
  plain.header.flags &= WIRE_NO_REPLY_EXPECTED;
  return owned_name_send_call (alias->name, &plain, destination, fds);
}

void
alias_send_error (Alias *alias, const WireHeader *call, TomboloError code, const char *text)
{
  owned_name_send_error (alias->name, call, tombolo_error_name (code), text);
}
