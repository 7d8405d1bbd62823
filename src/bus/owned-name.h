/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bus name and the connection that owns it, which it has to itself: clients call the unique name
 * of a name's owner, and so the connection tells which service they mean. The connection comes back
 * when the bus restarts; a name that somebody else has, or that the bus' policy forbids, is asked
 * for again. */
#pragma once

#include "bus-client.h"

typedef struct OwnedName OwnedName;

/* Any but `message` and `refused` may be NULL. None may free the name; `lost` may be called before
 * owned_name_new() returns. */
typedef struct
{
  /* The connection is there: the bus takes calls. */
  void (*ready) (OwnedName *name, BusClient *bus, void *user_data);
  /* owned_name_is_owned() or owned_name_get_refusal() has changed. */
  void (*changed) (OwnedName *name, void *user_data);
  /* A message to the connection that is no answer of the bus driver's to a call of ours. */
  void (*message) (OwnedName *name, const WireMessage *message, void *user_data);
  /* A message that the bus lets through and we do not, as BusClientHandlers has it. */
  void (*refused) (OwnedName *name, const WireHeader *header, WireVerdict verdict, void *user_data);
  /* The connection is gone, and with it whoever waited for replies. */
  void (*lost) (OwnedName *name, void *user_data);
  /* owned_name_is_full() has changed. */
  void (*flow) (OwnedName *name, void *user_data);
} OwnedNameHandlers;

/* Connects to the bus at `bus_path`, and stays connected whether the name is wanted or not; it is
 * not at first. `machine` is for logs, and may be NULL. */
OwnedName *owned_name_new (sd_event *event, const char *bus_path, const char *machine,
                           const char *name, const OwnedNameHandlers *handlers, void *user_data);
void owned_name_free (OwnedName *name); /* NULL is allowed */

const char *owned_name_get_name (const OwnedName *name);
void *owned_name_get_user_data (const OwnedName *name);
/* NULL while there is no connection. */
BusClient *owned_name_get_bus (const OwnedName *name);

void owned_name_set_wanted (OwnedName *name, bool wanted);
/* Whether the bus has given us the name. */
bool owned_name_is_owned (const OwnedName *name);

/* Why the bus has not given it to us, when it was asked last. */
typedef enum
{
  OWNED_NAME_NOT_REFUSED,
  OWNED_NAME_FORBIDDEN, /* by its policy */
  OWNED_NAME_TAKEN,     /* somebody else owns it */
  OWNED_NAME_FAILED,    /* anything else */
} OwnedNameRefusal;

OwnedNameRefusal owned_name_get_refusal (const OwnedName *name);

/* Whether the bus does not keep up: since the queue passed LIMIT_FLOW_SIZE, until it is empty.
 * Those whose messages go through here share the queue: a large one of one shall not fill it for
 * the reply to another, so that more is left where it comes from meanwhile. */
bool owned_name_is_full (const OwnedName *name);

/* Its messages come and go with their descriptors. */
void owned_name_pass_descriptors (OwnedName *name);

/* Sends a reply to `destination`, with `fds` (NULL: none); an error where it does not fit. */
void owned_name_send_reply (OwnedName *name, const WireHeader *reply, const char *destination,
                            const void *body, size_t body_size, FdList *fds);
/* `destination` NULL: to everybody. -ENOBUFS: it does not fit, and is dropped. */
int owned_name_send_signal (OwnedName *name, const WireMessage *signal, const char *destination);
/* With `fds`, which it takes or leaves. Returns the serial under which the call waits for its
 * answer, or 0 where it was not sent. */
uint32_t owned_name_send_call (OwnedName *name, const WireMessage *call, const char *destination,
                               FdList *fds);
/* An error in answer to `call`, which has a sender. */
void owned_name_send_error (OwnedName *name, const WireHeader *call, const char *error_name,
                            const char *text);
