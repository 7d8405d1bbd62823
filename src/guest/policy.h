/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guest lets the host see and call: /etc/tombolo/guest.conf. Nothing, unless it says
 * otherwise.
 *
 *   [Export]
 *   System=org.freedesktop.hostname1 org.freedesktop.timedate1
 *   Session=org.mpris.MediaPlayer2.player
 *   User=alice
 *   [Call]
 *   Rule=allow org.freedesktop.hostname1
 *   Rule=allow org.freedesktop.timedate1=org.freedesktop.DBus.Properties
 *   SessionRule=allow org.mpris.MediaPlayer2.player
 *   [Shell]
 *   User=alice
 *   [Import]
 *   System=org.freedesktop.NetworkManager
 */
#pragma once

#include <glib.h>

#include "call-rule.h"
#include "guest-bus.h"

/* Of one bus: its rules say nothing about names of the other. */
typedef struct
{
  char **names;     /* what is exported of it; of both at most LIMIT_EXPORTED_NAMES */
  GPtrArray *rules; /* CallRule: allow or deny; what none fits is denied */
} GuestBusPolicy;

typedef struct
{
  GuestBusPolicy buses[N_GUEST_BUSES];
  char *user; /* whose session bus it is, by name or number and never root; NULL: nobody's */
  GPtrArray *shell_users; /* char: as whom the host may open a terminal, by name */
  char **imports; /* names that the host may own on the system bus, at most LIMIT_IMPORTED_NAMES */
} GuestPolicy;

void guest_policy_free (GuestPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GuestPolicy, guest_policy_free)

/* A policy that exports nothing. */
GuestPolicy *guest_policy_new_empty (void);

/* Reads the text strictly: what is not known is an error (TOMBOLO_ERROR_INVALID_SETTINGS) that says
 * where and what to do. All keys but [Export]'s `User=` may stand several times; `file` is only for
 * messages.
 */
GuestPolicy *guest_policy_from_text (const char *text, gsize size, const char *file,
                                     GError **error);

/* The same from a file; one that is not there exports nothing. */
GuestPolicy *guest_policy_load (const char *path, GError **error);
