/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who polkit is on the bus, and when its earlier answers are worth nothing any more. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

typedef struct PolkitWatch PolkitWatch;

/* `changed` is called when polkit's rules changed, and when polkit came or went. */
PolkitWatch *polkit_watch_new (sd_bus *bus, void (*changed) (void *user_data), void *user_data);
void polkit_watch_free (PolkitWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PolkitWatch, polkit_watch_free)

/* Whether `changed` would be called for each change there is: only then may answers be kept. */
bool polkit_watch_is_reliable (const PolkitWatch *watch);

/* A signal of the bus itself. sd-bus lets signals of every connection pass a match on a well-known
 * sender, for it does not know the owners, and on the system bus everybody may send signals. */
bool polkit_watch_is_from_bus (sd_bus_message *message);
