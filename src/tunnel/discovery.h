/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds the guest's address on its control link. Most guests are fe80::2; one that keeps the
 * address of its own making (SLAAC) is found by asking all nodes of the link. The link has two
 * ends, so whoever answers is the guest or speaks for it; who it is, TLS proves.
 *
 * Usage: tunnel_finder_next() before each attempt, tunnel_finder_remember() after one that led to a
 * session. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "name.h"

typedef struct TunnelFinder TunnelFinder;

/* For the guest whose interface has address `mac`, on the link `interface_index`. Does nothing yet.
 * Asking the link needs an unprivileged ping socket (sysctl net.ipv4.ping_group_range); without
 * one only fe80::2 and the address that follows from the MAC (EUI-64) are tried. */
TunnelFinder *tunnel_finder_new (sd_event *event, int interface_index, const uint8_t mac[MAC_SIZE]);
void tunnel_finder_free (TunnelFinder *finder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TunnelFinder, tunnel_finder_free)

/* The link-local address for the next attempt. The one that was remembered, else fe80::2, is every
 * second one; addresses that answered, EUI-64 and fe80::2 share the others. From the second call
 * without a success on it also asks the link, at most twice a second. */
void tunnel_finder_next (TunnelFinder *finder, struct in6_addr *ret_address);

/* Whether the next attempt will be at another address than the one that comes first: then it should
 * not cost that one its turn. */
bool tunnel_finder_guesses_next (const TunnelFinder *finder);

/* An attempt at `address` worked: it comes first from now on, and the link is left in peace. */
void tunnel_finder_remember (TunnelFinder *finder, const struct in6_addr *address);

/* How many addresses answered since the last success; for tests and logs. */
unsigned tunnel_finder_get_n_found (TunnelFinder *finder);
