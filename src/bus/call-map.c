/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that went on under another serial, until they are answered. */
#include "call-map.h"

#include "limit.h"

void
mapped_call_clear (MappedCall *call)
{
  g_clear_pointer (&call->caller, g_free);
}

void
call_map_clear (CallMap *map)
{
  for (unsigned i = 0; i < map->n_calls; i++)
    mapped_call_clear (&map->calls[i]);

  g_clear_pointer (&map->calls, g_free);
  map->n_calls = 0;
}

bool
call_map_is_full (const CallMap *map)
{
  return map->n_calls >= LIMIT_CALLBACKS_CHANNEL;
}

unsigned
call_map_count (const CallMap *map, const void *route)
{
  unsigned n = 0;

  for (unsigned i = 0; i < map->n_calls; i++)
    n += map->calls[i].route == route;

  return n;
}

bool
call_map_has_original (const CallMap *map, uint32_t original)
{
  for (unsigned i = 0; i < map->n_calls; i++)
    if (map->calls[i].original == original)
      return true;

  return false;
}

bool
call_map_has_serial (const CallMap *map, uint32_t serial)
{
  for (unsigned i = 0; i < map->n_calls; i++)
    if (map->calls[i].serial == serial)
      return true;

  return false;
}

void
call_map_add (CallMap *map, uint32_t original, uint32_t serial, void *route, const char *caller)
{
  map->calls = g_renew (MappedCall, map->calls, map->n_calls + 1);
  map->calls[map->n_calls++] = (MappedCall){
    .original = original, .serial = serial, .route = route, .caller = g_strdup (caller)
  };
}

static bool
take (CallMap *map, unsigned i, MappedCall *ret_call)
{
  *ret_call = map->calls[i];
  map->calls[i] = map->calls[--map->n_calls];
  if (map->n_calls == 0)
    g_clear_pointer (&map->calls, g_free);
  return true;
}

bool
call_map_take (CallMap *map, const void *route, uint32_t serial, MappedCall *ret_call)
{
  for (unsigned i = 0; i < map->n_calls; i++)
    if (map->calls[i].route == route && map->calls[i].serial == serial)
      return take (map, i, ret_call);

  return false;
}

bool
call_map_take_of_route (CallMap *map, const void *route, MappedCall *ret_call)
{
  for (unsigned i = 0; i < map->n_calls; i++)
    if (map->calls[i].route == route)
      return take (map, i, ret_call);

  return false;
}

bool
call_map_take_orphan (CallMap *map, const OwnerTable *owners, MappedCall *ret_call)
{
  for (unsigned i = 0; i < map->n_calls; i++)
    if (owner_table_find_owner (owners, map->calls[i].caller) == NULL)
      return take (map, i, ret_call);

  return false;
}
