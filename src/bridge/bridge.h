/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine's bridge as a whole: what its parts share. */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "authority.h"
#include "connection.h"
#include "guest-bus.h"
#include "log.h"
#include "owner-table.h"
#include "rate-limit.h"
#include "refusals.h"
#include "session.h"
#include "settings.h"

typedef struct Bridge Bridge;

/* The members are for the bridge's own files; each part is described in its header. */
struct Bridge
{
  sd_event *event;
  sd_bus *bus; /* control: polkit, callers that leave, tombolod */
  char *bus_path;
  const BridgeSettings *settings;
  const char *machine;
  TunnelContext *context;
  Authority *authority;
  struct TunnelManager *tunnel;
  struct ChannelPool *pool; /* of both buses */
  struct Broadcast *broadcast;
  struct BusSocket *sockets[N_GUEST_BUSES];
  struct Control *control;
  struct Shells *shells;
  struct Report *report;
  struct Streams *streams;
  struct Imports *imports;
  GPtrArray *aliases; /* Alias */
  /* By unique name on the host's bus: AliasCaller. Who calls names of both buses is one of each. */
  GHashTable *alias_callers[N_GUEST_BUSES];
  GQueue stream_quotas;     /* StreamQuota */
  GQueue callers;           /* Caller, those of aliases and of the bus socket */
  unsigned n_calls;         /* of all callers, pending and queued */
  size_t waiting_size;      /* of the queued ones, and of those out of the guest */
  ConnectionBudget budget;  /* of channels and of the bus socket's clients */
  GHashTable *user_budgets; /* user and machine: ConnectionBudget, a part of it */
  Refusals *refusals;
  RateLimit complaints;
  RateLimit refused_calls;
};

/* `bus` is attached to the event loop; `listen_fds`, taken, are the bus sockets, or -1. Negative:
 * -errno. */
int bridge_new (sd_event *event, sd_bus *bus, const BridgeSettings *settings,
                TunnelContext *context, const int listen_fds[N_GUEST_BUSES], Bridge **ret_bridge);
void bridge_free (Bridge *bridge);

/* What the tunnel's manager tells. */
void bridge_tunnel_up (Bridge *bridge, const OwnerTable exports[N_GUEST_BUSES]);
void bridge_export_changed (Bridge *bridge, GuestBus guest_bus, const OwnerEntry *entry);
void bridge_tunnel_down (Bridge *bridge);

/* Whether a guest may say that it exports `name`, owned by `owner` (empty: nobody). */
bool bridge_export_is_valid (const char *name, const char *owner);

/* Whether the host's bus itself sent the message. sd-bus does not tell: for it, any unique name may
 * be behind a match's well-known sender, and a bus delivers anybody's signals to a unique name. */
bool bridge_is_from_bus (sd_bus_message *message);

/* Whether there is room for one more caller. */
bool bridge_has_room (const Bridge *bridge);

/* One user's part of the budget, or where `machine` is not NULL that of its programs: the same
 * until bridge_drop_budget(), to be called when its last caller is gone. */
ConnectionBudget *bridge_get_budget (Bridge *bridge, uid_t uid, const char *machine);
void bridge_drop_budget (Bridge *bridge, uid_t uid, const char *machine);

/* Logs what somebody else did wrong, but not too often. `message_id` may be NULL. Text of the
 * guest's passes log_text() first. */
void bridge_complain (Bridge *bridge, const char *message_id, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
