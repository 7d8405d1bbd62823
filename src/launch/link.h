/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The container's end of its control link. */
#pragma once

#include <glib.h>

/* Makes a network namespace of this process's own, enters it and takes `interface` along.
 *
 * systemd-nspawn gives the interfaces of a container that ends back to the namespace that it was
 * started in, under names that the guest chose. Were that the namespace of all control links, a
 * guest could leave devices there that pose as other machines'. So nspawn starts in a namespace
 * that ends with it; the link ends, too, and tombolod makes it anew for a guest that reboots. */
gboolean link_take_along (const char *interface, GError **error);
