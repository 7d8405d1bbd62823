/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two buses of a guest, and their words on the wire and in D-Bus answers. */
#pragma once

#include <glib.h>

typedef enum
{
  GUEST_BUS_SYSTEM,
  GUEST_BUS_SESSION, /* of one user of the guest, whom its guest.conf names */
  N_GUEST_BUSES,
} GuestBus;

/* “system” or “session”. */
const char *guest_bus_to_string (GuestBus bus);

/* Whether `word` is one of the two, exactly. */
gboolean guest_bus_from_string (const char *word, GuestBus *ret_bus);
