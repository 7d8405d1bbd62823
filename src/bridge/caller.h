/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One caller on the host and what it is doing on one of the guest's buses: its channel, the calls
 * that wait for polkit or for the channel, in order, and those that wait for the guest's reply.
 * What stands between it and the bridge (an alias, the bus socket) is its operations'. */
#pragma once

#include "callback.h"
#include "channel.h"
#include "error.h"

typedef struct Caller Caller;

/* `origin` is what caller_call() was given. Only `idle` may free the caller. */
typedef struct
{
  /* Sends a reply. `header` says all but serial, sender and destination; `fds` (NULL: none) go with
   * it, or are left. */
  void (*reply) (Caller *caller, void *origin, const WireHeader *header, const void *body,
                 size_t body_size, FdList *fds);
  void (*signal) (Caller *caller, const WireMessage *signal);
  /* A call of `name` from this origin is about to use the channel. May be NULL. */
  void (*prepare) (Caller *caller, void *origin, const char *name);
  /* Sends the caller a call of a guest's service, which owns an exported name; refuses it where the
   * caller has not called that service. */
  void (*call) (Caller *caller, const WireMessage *call, CallbackRoute *ret_route);
  /* What caller_hello() asked for is there: the channel is open. May be NULL. */
  void (*opened) (Caller *caller, const WireHeader *hello);
  /* The channel is gone; calls that waited for replies were failed. */
  void (*lost) (Caller *caller);
  /* The channel takes more again. May be NULL. */
  void (*drained) (Caller *caller);
  /* Nothing waits for polkit or a channel any more. Called last. */
  void (*idle) (Caller *caller);
} CallerOperations;

/* `subject` names who asks; its bus name and pidfd have to outlive the caller. */
Caller *caller_new (Bridge *bridge, GuestBus guest_bus, const AuthoritySubject *subject,
                    const CallerOperations *operations, void *user_data);
/* Nobody is answered any more. */
void caller_free (Caller *caller);

void *caller_get_user_data (const Caller *caller);
/* NULL while there is none. */
Channel *caller_get_channel (const Caller *caller);
/* Whether calls wait for polkit or a channel. */
bool caller_is_waiting (const Caller *caller);

/* The groups (uint32_t) of the caller's user, which it takes, or NULL where nobody can tell. */
void caller_set_groups (Caller *caller, GArray *groups);

/* The caller is a program in that machine, and none of the host's; told before the uid. */
void caller_set_machine (Caller *caller, const char *machine);

/* Who the caller is cannot be told: what waits is refused. May free the caller. */
void caller_deny (Caller *caller);

/* Who the caller is was not known yet (caller_new() with uid -1), and is now, its groups told
 * before: until then no rule decides about it, and no channel is taken. */
void caller_set_uid (Caller *caller, uid_t uid);

/* Whether its user has more than LIMIT_CALLERS_USER callers. */
bool caller_is_over_limit (const Caller *caller);

/* A METHOD_CALL of `message`, to be sent to `message->header.destination`, once polkit has allowed
 * a call of `name`. It is answered exactly once, unless it wants no reply. May free the caller, by
 * its idle operation. `fds` (NULL: none) are the message's, which it takes. */
void caller_call (Caller *caller, void *origin, const char *name, const WireMessage *message,
                  FdList *fds);

/* The same for the Hello of a bus-socket client: `opened` is called instead of the guest. */
void caller_hello (Caller *caller, void *origin, const WireMessage *message);

/* Within the `call` operation, or `reply`: what stands on the host for the descriptors of the
 * guest's message, counted, and their streams. NULL, also where it has none; else what there is too
 * much of, half a sentence. */
const char *caller_open_descriptors (Caller *caller, FdList *ret_fds);
/* The caller's answer, METHOD_RETURN or ERROR, to a call that its `call` operation sent by way of
 * `origin`. Its descriptors are taken or left. False: nobody waits for it. */
bool caller_answer (Caller *caller, void *origin, const WireMessage *answer, FdList *fds);
/* The same for an answer that may not pass. `problem` is half a sentence. */
bool caller_answer_bad (Caller *caller, void *origin, uint32_t serial, const char *problem);
/* How many answers are still to come by way of `origin`. */
unsigned caller_count_callbacks (const Caller *caller, const void *origin);
/* The same of all callers of its user. */
unsigned caller_count_user_callbacks (const Caller *caller, const void *origin);

/* An error in the bridge's own words, unless `call` wants no reply. */
void caller_fail (Caller *caller, void *origin, const WireHeader *call, TomboloError code,
                  const char *format, ...) G_GNUC_PRINTF (5, 6);

/* The channel and everything on it failed, because of the tunnel. May free the caller. */
void caller_disconnect (Caller *caller, const char *reason);

/* Fails what waits for `origin`, or, where `silently`, forgets it; replies that still come are
 * swallowed. What the guest called by way of it fails. May free the caller. */
void caller_drop_origin (Caller *caller, void *origin, bool silently);
