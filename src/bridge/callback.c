/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest's services may call on callers on the host's bus. */
#include "callback.h"

#include <glib.h>

/* Sorted. Each has its line, and its reason, in data/dbus-1/org.tombolo.Host1.conf. */
static const char *const interfaces[] = {
  "net.connman.Agent",        "net.connman.iwd.Agent", "org.bluez.Agent1",
  "org.bluez.MediaEndpoint1", "org.bluez.Profile1",    NULL,
};

bool
callback_is_allowed (const char *interface)
{
  return interface != NULL && g_strv_contains (interfaces, interface);
}

const char *const *
callback_get_interfaces (void)
{
  return interfaces;
}
