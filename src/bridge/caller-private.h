/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A caller from within: what caller.c and caller-queue.c share. */
#pragma once

#include "call-map.h"
#include "call-rule.h"
#include "caller.h"
#include "channel-pool.h"
#include "streams.h"

typedef enum
{
  CALL_NEW,
  CALL_CHECKING, /* at polkit */
  CALL_ALLOWED,  /* waits for the channel */
} CallStage;

/* A call on its way to the guest; a copy of its own where it has to wait. */
typedef struct
{
  GList link;
  CallStage stage;
  bool hello;
  void *origin;
  const char *name;
  WireMessage message;
  FdList fds;
  size_t n_streams; /* that they will be, and are counted as */
  char *owned_name;
  char *owned_destination;
  uint8_t *owned_bytes;
} Call;

struct Caller
{
  Bridge *bridge;
  GuestBus guest_bus;
  GList link;
  AuthoritySubject subject;
  CallRuleCaller identity; /* as rules and the guest see it; complete once the uid is known */
  GArray *groups;          /* uint32_t, of `identity`; NULL: not known */
  char *machine;           /* of `identity`; NULL: it is one of the host */
  const CallerOperations *operations;
  void *user_data;
  Channel *channel;
  PoolRequest *request;
  AuthorityCheck *check; /* of the queue's head */
  GQueue queue;          /* Call, in the caller's order */
  size_t waiting_size;   /* of its messages */
  GHashTable *pending;   /* serial: origin */
  StreamQuota *quota;
  CallMap callbacks; /* the guest's calls that it has not answered; `route` is the origin */
};

/* The origin of calls that nobody waits for any more. */
extern char caller_dropped;
#define CALLER_DROPPED ((void *) &caller_dropped)

/* Whether, with this one off the bridge's list, its user has no other. */
bool caller_is_last_of_user (const Caller *caller);

void caller_count_calls (Caller *caller, int change);

/* Whether the call may go on, its descriptors counted; where not, it was failed. */
bool caller_admit (Caller *caller, Call *call);
/* Closes its descriptors, and counts them no more. */
void caller_drop_descriptors (Caller *caller, Call *call);
/* Whether its bytes may wait. */
bool caller_has_room (const Caller *caller, const WireMessage *message);
/* Takes its descriptors. */
void caller_enqueue (Caller *caller, Call *call);
void caller_drop_head (Caller *caller);
/* Fails all that wait. */
void caller_fail_queue (Caller *caller, const char *reason);

/* Tells the guest of `n_streams` descriptors, which it takes, right in front of their message: they
 * were looked at, and counted, and now each counts for itself. Returns the serial of that, or 0
 * with `error` set, and they are counted still. */
uint32_t caller_announce (Caller *caller, FdList *fds, size_t n_streams, GError **error);

/* A call of the guest's, on the channel. */
void caller_take_callback (Caller *caller, const WireMessage *call);
/* Owners have changed: calls of those who own nothing any more are forgotten. */
void caller_forget_orphans (Caller *caller);
/* Fails what waits for an answer by way of `origin`. */
void caller_fail_callbacks (Caller *caller, const void *origin);

void caller_send_failure (Caller *caller, void *origin, uint32_t reply_serial, TomboloError code,
                          const char *text);
void caller_fail_disconnected (Caller *caller, const Call *call, const char *reason);
void caller_fail_over_limit (Caller *caller, const Call *call);
void caller_fail_no_room (Caller *caller, const Call *call);
