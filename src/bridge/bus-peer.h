/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Somebody on the host's bus, by its unique name: who it is, and when it leaves. The bus says both,
 * so that no pid is asked for. */
#pragma once

#include "bridge.h"

typedef struct BusPeer BusPeer;

/* Each may free the peer. */
typedef struct
{
  /* Its user, and its groups (uint32_t), which the callee takes, or NULL where the bus does not
   * tell; and where it is a program in another machine, whose bridge speaks for it, that machine,
   * else NULL. Once, unless one of the others comes first. */
  void (*known) (uid_t uid, GArray *groups, const char *machine, void *user_data);
  /* It left the bus, and its name is nobody's ever again. */
  void (*left) (void *user_data);
  /* The bus does not say who it is, or would not say when it leaves. */
  void (*unknown) (void *user_data);
  /* Its user is the bridges', and for which other machine it speaks nobody can tell. */
  void (*denied) (void *user_data);
} BusPeerHandlers;

/* The questions go out at once, before any that the caller asks polkit over the same connection: a
 * peer that leaves in between is told of, or unknown to polkit. NULL where they cannot. */
BusPeer *bus_peer_new (Bridge *bridge, const char *name, const BusPeerHandlers *handlers,
                       void *user_data);
void bus_peer_free (BusPeer *peer); /* NULL is allowed */
