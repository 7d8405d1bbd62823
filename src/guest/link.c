/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's end of the control link, over rtnetlink. */
#include "link.h"

#include <gio/gio.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <poll.h>
#include <stdio.h>

#define GUEST_ADDRESS "fe80::2/64"

typedef struct nl_sock NlSocket;
typedef struct nl_cache NlCache;
typedef struct nl_addr NlAddress;
typedef struct rtnl_link RtnlLink;
typedef struct rtnl_addr RtnlAddress;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NlSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NlCache, nl_cache_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NlAddress, nl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtnlLink, rtnl_link_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtnlAddress, rtnl_addr_put)

static gboolean
set_error (GError **error, const char *what, int r)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", what, nl_geterror (r));
  return FALSE;
}

static NlSocket *
open_socket (GError **error)
{
  g_autoptr (NlSocket) socket = nl_socket_alloc ();
  int r = socket == NULL ? -NLE_NOMEM : nl_connect (socket, NETLINK_ROUTE);

  if (r < 0)
    {
      set_error (error, "Cannot open a netlink socket", r);
      return NULL;
    }

  return g_steal_pointer (&socket);
}

/* VLANs, bridges and their kin on top of an interface share its MAC, but have a kind of their own.
 */
static gboolean
is_control_link (RtnlLink *link, const uint8_t mac[MAC_SIZE])
{
  const NlAddress *address = rtnl_link_get_addr (link);
  const char *kind = rtnl_link_get_type (link);

  return rtnl_link_get_arptype (link) == ARPHRD_ETHER && address != NULL
         && nl_addr_get_len (address) == MAC_SIZE
         && memcmp (nl_addr_get_binary_addr (address), mac, MAC_SIZE) == 0
         && (kind == NULL || g_str_equal (kind, "veth"));
}

/* 0 where there is none, -1 with `error` set. */
static int
search (const uint8_t mac[MAC_SIZE], GError **error)
{
  g_autoptr (NlSocket) socket = open_socket (error);
  g_autoptr (NlCache) cache = NULL;
  int r;

  if (socket == NULL)
    return -1;

  r = rtnl_link_alloc_cache (socket, AF_UNSPEC, &cache);
  if (r < 0)
    {
      set_error (error, "Cannot list the network interfaces", r);
      return -1;
    }

  for (struct nl_object *object = nl_cache_get_first (cache); object != NULL;
       object = nl_cache_get_next (object))
    if (is_control_link ((RtnlLink *) object, mac))
      return rtnl_link_get_ifindex ((RtnlLink *) object);

  return 0;
}

/* Waits for news of any interface, and forgets what they were. */
static gboolean
wait_for_news (NlSocket *socket, gint64 deadline)
{
  struct pollfd pollfd = { .fd = nl_socket_get_fd (socket), .events = POLLIN };
  gint64 left = deadline - g_get_monotonic_time ();
  char buffer[8192];

  if (left <= 0 || poll (&pollfd, 1, (int) (left / 1000) + 1) == 0)
    return FALSE;

  while (recv (pollfd.fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0)
    ;
  return TRUE;
}

int
link_find (const uint8_t mac[MAC_SIZE], gint64 timeout_usec, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + timeout_usec;
  g_autoptr (NlSocket) events = open_socket (error);
  char text[MAC_STRING_SIZE];
  int r;

  if (events == NULL)
    return 0;
  r = nl_socket_add_membership (events, RTNLGRP_LINK);
  if (r < 0)
    {
      set_error (error, "Cannot listen to network interfaces", r);
      return 0;
    }

  do
    {
      int index = search (mac, error);

      if (index != 0)
        return MAX (index, 0);
    }
  while (wait_for_news (events, deadline));

  mac_to_string (mac, text);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
               "No network interface has the control link's MAC address %s; check that the "
               "driver of the virtual network card is loaded.",
               text);
  return 0;
}

/* Where IPv6 is off by default, it is still needed on this one link. */
static void
enable_ipv6 (int index)
{
  char name[IF_NAMESIZE];
  g_autofree char *path = NULL;
  FILE *file;

  if (if_indextoname ((unsigned) index, name) == NULL)
    return;

  path = g_strdup_printf ("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
  file = fopen (path, "we");
  if (file == NULL)
    return;
  fputs ("0\n", file);
  fclose (file);
}

static gboolean
set_up (NlSocket *socket, int index, GError **error)
{
  g_autoptr (RtnlLink) link = rtnl_link_alloc ();
  g_autoptr (RtnlLink) change = rtnl_link_alloc ();
  int r;

  rtnl_link_set_ifindex (link, index);
  rtnl_link_set_ifindex (change, index);
  rtnl_link_set_flags (change, IFF_UP);
  r = rtnl_link_change (socket, link, change, 0);
  return r >= 0 || set_error (error, "Cannot set the control link up", r);
}

static gboolean
add_address (NlSocket *socket, int index, GError **error)
{
  g_autoptr (RtnlAddress) address = rtnl_addr_alloc ();
  g_autoptr (NlAddress) local = NULL;
  int r = nl_addr_parse (GUEST_ADDRESS, AF_INET6, &local);

  if (r >= 0)
    r = rtnl_addr_set_local (address, local);
  if (r >= 0)
    {
      rtnl_addr_set_ifindex (address, index);
      rtnl_addr_set_flags (address, IFA_F_NODAD);
      r = rtnl_addr_add (socket, address, 0);
    }

  return r >= 0 || r == -NLE_EXIST
         || set_error (error, "Cannot give the control link the address " GUEST_ADDRESS, r);
}

gboolean
link_prepare (int index, GError **error)
{
  g_autoptr (NlSocket) socket = open_socket (error);

  if (socket == NULL)
    return FALSE;

  enable_ipv6 (index);
  return set_up (socket, index, error) && add_address (socket, index, error);
}
