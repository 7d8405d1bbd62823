/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guest lets the host see and call: /etc/tombolo/guest.conf. Nothing, unless it says
 * otherwise.
 *
 *   [Export]
 *   System=org.freedesktop.hostname1 org.freedesktop.timedate1
 *   [Call]
 *   Rule=allow org.freedesktop.hostname1
 *   Rule=allow org.freedesktop.timedate1=org.freedesktop.DBus.Properties
 */
#pragma once

#include <glib.h>

#include "call-rule.h"

typedef struct
{
  char **system;    /* exported names of the system bus, at most LIMIT_EXPORTED_NAMES */
  GPtrArray *rules; /* CallRule: allow or deny; what none fits is denied */
} GuestPolicy;

void guest_policy_free (GuestPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GuestPolicy, guest_policy_free)

/* A policy that exports nothing. */
GuestPolicy *guest_policy_new_empty (void);

/* Reads the text strictly: what is not known is an error (TOMBOLO_ERROR_INVALID_SETTINGS) that says
 * where and what to do. `System=` and `Rule=` may stand several times; `file` is only for
 * messages. */
GuestPolicy *guest_policy_from_text (const char *text, gsize size, const char *file,
                                     GError **error);

/* The same from a file; one that is not there exports nothing. */
GuestPolicy *guest_policy_load (const char *path, GError **error);
