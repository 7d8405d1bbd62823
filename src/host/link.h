/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Control links: the only user of rtnetlink and of TAP devices on the host. Every link's host end
 * is up and has fe80::1/64, without duplicate address detection, autoconfiguration or router
 * advertisements. Errors are TOMBOLO_ERROR_LINK_FAILED. */
#pragma once

#include <glib.h>

#include "name.h"

typedef struct Links Links;

/* A netlink socket into this process' network namespace. */
Links *links_new (GError **error);
void links_free (Links *links);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Links, links_free)

/* A TAP with virtio-net headers that lives as long as its descriptor, which is returned (-1 with
 * `error` set). Pass it on and close it. An older link of that name is removed first. */
int links_make_tap (Links *links, const char *interface, GError **error);

/* A veth pair: `interface` stays, `peer`, with address `mac`, goes to the machine. An older pair of
 * that name is removed first. */
gboolean links_make_veth (Links *links, const char *interface, const char *peer,
                          const uint8_t mac[MAC_SIZE], GError **error);

/* Removes the link (a veth pair with both its ends). One that is gone already is success. */
gboolean links_remove (Links *links, const char *interface, GError **error);

/* The names of all control links of this namespace. */
GPtrArray *links_list (Links *links, GError **error);
