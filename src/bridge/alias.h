/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One exported name on the host's bus: a connection of its own, because clients call the owner's
 * unique name, which therefore has to tell the service. It owns the alias while the guest's name is
 * owned or can be started, and is always queued for the gate name, by which bus policies open it:
 * guest_bus_to_prefix(). */
#pragma once

#include "bridge.h"
#include "error.h"
#include "owned-name.h"

typedef struct Alias Alias;

/* NULL, and logged, where `exported` gives no valid name on the host. */
Alias *alias_new (Bridge *bridge, GuestBus guest_bus, const char *exported);
void alias_free (Alias *alias);

GuestBus alias_get_guest_bus (const Alias *alias);
const char *alias_get_exported (const Alias *alias);
const char *alias_get_name (const Alias *alias);
/* Whether there is somebody in the guest to be called. */
bool alias_is_wanted (const Alias *alias);
/* Whether the host's bus has given us the name. */
bool alias_is_owned (const Alias *alias);

/* Why not, where it was asked for the name. */
OwnedNameRefusal alias_get_refusal (const Alias *alias);

/* What the guest says of the name. A new owner after another makes clients start over: the alias is
 * released and owned again. */
void alias_update (Alias *alias, const OwnerEntry *entry);
/* The tunnel is down, or the name is exported no more. */
void alias_release (Alias *alias);

/* Whether the host's bus does not keep up: whose messages go through here waits, until all has been
 * taken, for alias_callers_resume() or broadcast_resume(). */
bool alias_is_full (const Alias *alias);

/* Sends a reply to `destination`; an error where it does not fit. */
void alias_send_reply (Alias *alias, const WireHeader *reply, const char *destination,
                       const void *body, size_t body_size, FdList *fds);
/* `destination` NULL: to everybody. Dropped, and logged, where the bus does not keep up. */
void alias_send_signal (Alias *alias, const WireMessage *signal, const char *destination);
/* Sends `destination` a call of the guest's, with `fds`, which it takes or leaves. Returns the
 * serial under which it waits for its answer, or 0 where it was not sent. */
uint32_t alias_send_call (Alias *alias, const WireMessage *call, const char *destination,
                          FdList *fds);
/* An error in answer to `call`, which has a sender. */
void alias_send_error (Alias *alias, const WireHeader *call, TomboloError code, const char *text);
