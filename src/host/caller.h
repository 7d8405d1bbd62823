/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who calls, and whether polkit lets it: what every method handler does before it acts. */
#pragma once

#include <gio/gio.h>

#include "authority.h"
#include "units.h"

/* What decides about callers: polkit; and what tells who of them speaks for a machine, which is
 * every connection of user `bridge_uid`. A bridge's uid alone opens nothing: such a caller is a
 * program in a guest (or the bridge itself, which is no better), and polkit is told of which one,
 * in detail `caller-machine`. */
typedef struct
{
  Authority *authority;
  GDBusConnection *bus;
  Units *units;
  uid_t bridge_uid; /* -1: there is no such user */
} CallerAuthority;

/* The caller may: go on. The arguments are those of `invocation`, which nobody can have changed;
 * what they are about may have, so validate again. */
typedef void (*CallerAllowed) (GDBusMethodInvocation *invocation, gpointer object);

/* Asks by the row that authority-table.h has for the method; `machine` is the detail of that name,
 * or NULL. Calls `allowed` with `object`, which is kept meanwhile, or answers the invocation with
 * an error. `authority` outlives all that is called. */
void caller_authorize (const CallerAuthority *authority, GDBusMethodInvocation *invocation,
                       const char *machine, GObject *object, CallerAllowed allowed);

/* Reads `options` (a{sv}): `timeout` (t) into `ret_timeout`, where that is not NULL. Anything else
 * is an error (TOMBOLO_ERROR_INVALID_ARGUMENT). */
gboolean caller_read_options (GVariant *options, guint64 *ret_timeout, GError **error);

/* Answers with `error`, which it takes: the one place where errors turn into those of D-Bus. What
 * bears no name of ours becomes org.tombolo.Error.Failed. */
void caller_fail (GDBusMethodInvocation *invocation, GError *error);
