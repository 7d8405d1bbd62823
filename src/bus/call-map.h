/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that went on under another serial than the one under which they came, until they are
 * answered: those of a guest's services to one caller on the host. Bounded, and short enough to be
 * searched from end to end. */
#pragma once

#include "owner-table.h"

typedef struct
{
  uint32_t original; /* the serial that the call bore */
  uint32_t serial;   /* the one that it was given */
  void *route;       /* by which it went; of the map's owner */
  char *caller;      /* who made it: a unique name */
} MappedCall;

typedef struct
{
  MappedCall *calls;
  unsigned n_calls;
} CallMap;

void call_map_clear (CallMap *map);
void mapped_call_clear (MappedCall *call);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MappedCall, mapped_call_clear)

/* Whether LIMIT_CALLBACKS_CHANNEL calls are pending. */
bool call_map_is_full (const CallMap *map);
/* How many of them went by `route`. */
unsigned call_map_count (const CallMap *map, const void *route);
bool call_map_has_original (const CallMap *map, uint32_t original);
bool call_map_has_serial (const CallMap *map, uint32_t serial);

/* The map is not full. */
void call_map_add (CallMap *map, uint32_t original, uint32_t serial, void *route,
                   const char *caller);

/* Each takes one call off the map, and is false where there is none: the one that went by `route`
 * under `serial`; any that went by `route`; any whose caller owns none of the names. */
bool call_map_take (CallMap *map, const void *route, uint32_t serial, MappedCall *ret_call);
bool call_map_take_of_route (CallMap *map, const void *route, MappedCall *ret_call);
bool call_map_take_orphan (CallMap *map, const OwnerTable *owners, MappedCall *ret_call);
