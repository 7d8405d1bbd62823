/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who owns which of a fixed list of bus names. */
#include "owner-table.h"

#include <string.h>

#include "body.h"
#include "limit.h"

void
owner_table_init (OwnerTable *table, const char *const *names, unsigned n_names)
{
  *table = (OwnerTable){ 0 };
  for (unsigned i = 0; i < n_names; i++)
    owner_table_add (table, names[i]);
}

void
owner_table_clear (OwnerTable *table)
{
  for (unsigned i = 0; i < table->n_entries; i++)
    {
      g_free (table->entries[i].name);
      g_free (table->entries[i].owner);
      g_free (table->entries[i].last_owner);
    }

  g_clear_pointer (&table->entries, g_free);
  table->n_entries = 0;
}

OwnerEntry *
owner_table_find (const OwnerTable *table, const char *name)
{
  for (unsigned i = 0; i < table->n_entries; i++)
    if (strcmp (table->entries[i].name, name) == 0)
      return &table->entries[i];

  return NULL;
}

OwnerEntry *
owner_table_find_owner (const OwnerTable *table, const char *owner)
{
  for (unsigned i = 0; i < table->n_entries; i++)
    if (table->entries[i].owner != NULL && strcmp (table->entries[i].owner, owner) == 0)
      return &table->entries[i];

  return NULL;
}

OwnerEntry *
owner_table_add (OwnerTable *table, const char *name)
{
  if (table->n_entries >= LIMIT_EXPORTED_NAMES || owner_table_find (table, name) != NULL)
    return NULL;

  table->entries = g_renew (OwnerEntry, table->entries, table->n_entries + 1);
  table->entries[table->n_entries] = (OwnerEntry){ .name = g_strdup (name) };
  return &table->entries[table->n_entries++];
}

bool
owner_entry_set (OwnerEntry *entry, const char *owner)
{
  if (owner != NULL && owner[0] == '\0')
    owner = NULL;
  if (g_strcmp0 (entry->owner, owner) == 0)
    return false;

  if (entry->owner != NULL)
    {
      g_free (entry->last_owner);
      entry->last_owner = entry->owner;
    }
  entry->owner = g_strdup (owner);
  return true;
}

static bool
is_or_was_owner (const OwnerTable *table, const char *name)
{
  for (unsigned i = 0; i < table->n_entries; i++)
    if (g_strcmp0 (table->entries[i].owner, name) == 0
        || g_strcmp0 (table->entries[i].last_owner, name) == 0)
      return true;

  return false;
}

OwnerSignal
owner_table_take_signal (OwnerTable *table, const WireMessage *signal, OwnerEntry **ret_entry)
{
  const char *name, *old_owner, *new_owner;
  OwnerEntry *entry;
  WireReader reader;

  if (strcmp (signal->header.member, "NameOwnerChanged") != 0
      || strcmp (signal->header.interface, BUS_DRIVER_INTERFACE) != 0
      || strcmp (signal->header.signature, "sss") != 0)
    return OWNER_SIGNAL_OTHER;

  wire_reader_init (&reader, signal);
  if (!wire_reader_string (&reader, &name) || !wire_reader_string (&reader, &old_owner)
      || !wire_reader_string (&reader, &new_owner))
    return OWNER_SIGNAL_OTHER;

  entry = owner_table_find (table, name);
  if (entry == NULL)
    return is_or_was_owner (table, name) ? OWNER_SIGNAL_UNIQUE : OWNER_SIGNAL_OTHER;
  if (new_owner[0] != '\0' && !wire_bus_name_is_unique (new_owner))
    return OWNER_SIGNAL_OTHER;

  owner_entry_set (entry, new_owner);
  if (ret_entry != NULL)
    *ret_entry = entry;
  return OWNER_SIGNAL_NAME;
}
