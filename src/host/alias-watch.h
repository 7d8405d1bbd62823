/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bridges share a user, so that the bus lets each own every alias. This looks after them: an alias
 * is owned by its machine's own bridge, or its owner is stopped. */
#pragma once

#include <gio/gio.h>

#include "manager.h"

typedef struct AliasWatch AliasWatch;

AliasWatch *alias_watch_new (Manager *manager, Units *units, GDBusConnection *bus);
void alias_watch_free (AliasWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AliasWatch, alias_watch_free)

/* The element of `name` that tells its machine: “work” of org.tombolo.Guest1.work.org.example and
 * of org.tombolo.GuestSession1.work.org.example. NULL where it has none. Free with g_free(). */
char *alias_get_element (const char *name);

typedef enum
{
  ALIAS_OWNER_RIGHT,  /* the machine's own bridge after all, restarted since */
  ALIAS_OWNER_BRIDGE, /* another machine's bridge, `*ret_machine`'s */
  ALIAS_OWNER_OTHER,
} AliasOwner;

/* What the owner of an alias is, by the unit of its process (NULL: none) and that of the bridge
 * that should own it. */
AliasOwner alias_owner_judge (const char *unit, const char *expected, char **ret_machine);
