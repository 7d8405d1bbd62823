/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who owns which of a fixed list of bus names, as one bus connection saw it: kept from the answers
 * to GetNameOwner and from NameOwnerChanged in the order in which they came. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "message.h"

#define BUS_DRIVER_NAME "org.freedesktop.DBus"
#define BUS_DRIVER_PATH "/org/freedesktop/DBus"
#define BUS_DRIVER_INTERFACE "org.freedesktop.DBus"

typedef struct
{
  char *name;
  char *owner;      /* a unique name; NULL: nobody */
  char *last_owner; /* who had it before; NULL: nobody did */
  bool activatable;
} OwnerEntry;

typedef struct
{
  OwnerEntry *entries;
  unsigned n_entries;
} OwnerTable;

/* What a signal of the bus driver turned out to be. */
typedef enum
{
  OWNER_SIGNAL_OTHER,  /* not NameOwnerChanged, or of names that do not matter here */
  OWNER_SIGNAL_NAME,   /* an entry has changed */
  OWNER_SIGNAL_UNIQUE, /* the unique name of an entry's owner, of now or before, has gone */
} OwnerSignal;

void owner_table_init (OwnerTable *table, const char *const *names, unsigned n_names);
void owner_table_clear (OwnerTable *table);

/* NULL where there is none. */
OwnerEntry *owner_table_find (const OwnerTable *table, const char *name);
OwnerEntry *owner_table_find_owner (const OwnerTable *table, const char *owner);

/* Appends a name, at most LIMIT_EXPORTED_NAMES; NULL where that is passed or the name is there. */
OwnerEntry *owner_table_add (OwnerTable *table, const char *name);

/* `owner` may be NULL or empty. Whether that changed anything. */
bool owner_entry_set (OwnerEntry *entry, const char *owner);

/* Takes a signal whose sender is the bus driver. `ret_entry` may be NULL and is set for
 * OWNER_SIGNAL_NAME alone. */
OwnerSignal owner_table_take_signal (OwnerTable *table, const WireMessage *signal,
                                     OwnerEntry **ret_entry);
