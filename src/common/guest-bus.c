/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two buses of a guest. */
#include "guest-bus.h"

static const char *const words[N_GUEST_BUSES] = {
  [GUEST_BUS_SYSTEM] = "system",
  [GUEST_BUS_SESSION] = "session",
};

const char *
guest_bus_to_string (GuestBus bus)
{
  return words[bus];
}

gboolean
guest_bus_from_string (const char *word, GuestBus *ret_bus)
{
  for (guint bus = 0; bus < N_GUEST_BUSES; bus++)
    if (g_str_equal (words[bus], word))
      {
        *ret_bus = (GuestBus) bus;
        return TRUE;
      }

  return FALSE;
}
