/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of the host's, or of other machines', on the guest's system bus: each owned by a connection
 * of its own while the host says that it is available; and the programs here that call them.
 *
 * On the control channel:
 *
 *   host → agent   SetImports (as names) -> (as those that guest.conf does not list)
 *                  ImportChanged (s name, b available)
 *   agent → host   signal ImportCaller (u id): open a channel for this program
 */
#pragma once

#include <systemd/sd-event.h>

#include "body.h"
#include "connection.h"
#include "policy.h"

typedef struct Imports Imports;

/* What imports need of the agent. */
typedef struct
{
  /* Sends the signal ImportCaller to the host. */
  void (*call) (uint32_t id, void *user_data);
  /* Logs what the host did against the rules; not too often. */
  void (*complain) (const char *what, void *user_data);
} ImportsOperations;

/* `policy` and `operations` outlive them. */
Imports *imports_new (sd_event *event, const char *bus_path, const GuestPolicy *policy,
                      const ImportsOperations *operations, void *user_data);
void imports_free (Imports *imports);

/* Takes SetImports: `*ret_refused` is the body of the answer, of signature `as`, to be freed with
 * wire_writer_free(). False: it is not that. */
bool imports_set (Imports *imports, const WireMessage *call, WireWriter **ret_refused);
/* Takes ImportChanged. */
bool imports_change (Imports *imports, const WireMessage *call);

/* The host is gone: nothing is imported any more. */
void imports_clear (Imports *imports);

/* A channel that the host opened for program `id`: takes the connection, to be called from within
 * its `message`. False, and nothing taken, where no such program waits. Its calls wait until
 * imports_send_waiting(), for the host to be answered first. */
bool imports_accept (Imports *imports, uint32_t id, Connection *host);
void imports_send_waiting (Imports *imports, uint32_t id);
