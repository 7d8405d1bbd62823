/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program in the guest from within: what import-caller.c and import-call.c share. */
#pragma once

#include "bus-client.h"
#include "import-caller.h"

struct ImportCaller
{
  Imports *imports;
  Bridge *bridge;
  const ImportCallerHandlers *handlers;
  void *user_data;
  uint32_t id;
  TunnelAttempt *attempt;
  Stream *stream;            /* the connection's */
  Connection *guest;         /* NULL until there is a session */
  sd_event_source *deadline; /* until it is open */
  bool accepted;             /* by the agent */
  BusClient *bus;
  unsigned missing; /* owners that are still asked for */
  bool open;
  OwnerTable owners;   /* of the names on the host's bus, as this connection saw them */
  GHashTable *pending; /* serial: ImportEntry */
  GHashTable *heard;   /* ImportEntry, a set: those whose signals are passed on */
  uint32_t serial;     /* of messages of our own into the guest */
  /* The call that polkit is asked about; nothing is read behind it meanwhile. */
  AuthorityCheck *check;
  uint8_t *waiting_bytes;
  WireMessage waiting;
  ImportEntry *waiting_entry;
};

/* A message of the guest's, once the caller is open. */
void import_call_take (ImportCaller *caller, const WireMessage *message);
/* A reply or a signal of the host's bus. */
void import_call_take_answer (ImportCaller *caller, const WireMessage *message);
/* One that is more than the tunnel takes. */
void import_call_refuse_answer (ImportCaller *caller, const WireHeader *header,
                                WireVerdict verdict);
/* Forgets what waits. */
void import_call_drop (ImportCaller *caller);
/* Reads from the guest, or not: while polkit is asked, or the host's bus does not keep up. */
void import_call_update_flow (ImportCaller *caller);

/* Logs what the guest did and ends its channel. */
void import_caller_misbehaved (ImportCaller *caller, const char *what);
