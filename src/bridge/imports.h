/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names that the machine imports: whether each is there on the host's bus, which the guest's
 * agent is told on its control channel; and the programs in the guest that call them.
 *
 *   bridge → agent   SetImports (as names in the guest) -> (as those that the guest refuses)
 *                    ImportChanged (s name, b available), from then on; it wants no reply
 *   agent → bridge   signal ImportCaller (u id): a program that calls; a channel is opened for it
 */
#pragma once

#include "bridge.h"

/* A name, as the bridge sees it. */
typedef struct
{
  const MachineImport *import; /* the settings' */
  char *host_name;
  bool owned;
  bool activatable;
  bool refused;     /* by the guest's policy */
  char *last_owner; /* a unique name, or NULL */
  struct Imports *imports;
  sd_bus_slot *watch;
  sd_bus_slot *question;
} ImportEntry;

typedef struct Imports Imports;

Imports *imports_new (Bridge *bridge);
void imports_free (Imports *imports);

/* With the tunnel. */
void imports_start (Imports *imports);
void imports_stop (Imports *imports);

/* Takes a message of the agent's control channel that is about imports. False: it is about
 * something else. `*ret_problem` is half a sentence where the agent broke the rules, else NULL. */
bool imports_take_message (Imports *imports, const WireMessage *message, const char **ret_problem);

guint imports_get_n_entries (const Imports *imports);
/* Appends a(ssss), as ReportImports of org.tombolo.Host1.Bridge has it. Negative: -errno. */
int imports_append (const Imports *imports, sd_bus_message *message);

/* For import-caller.c. */
const GPtrArray *imports_get_entries (const Imports *imports); /* ImportEntry */
Bridge *imports_get_bridge (const Imports *imports);
/* What the programs of this guest may hold together. */
ConnectionBudget *imports_get_budget (Imports *imports);
/* Calls that wait for replies, and whether one more may. */
void imports_count_calls (Imports *imports, int change);
bool imports_has_room (const Imports *imports);
/* Bytes that wait for polkit: this guest's are one user's share of the bridge's. */
void imports_count_waiting (Imports *imports, ssize_t change);
bool imports_has_room_to_wait (const Imports *imports, size_t size);
