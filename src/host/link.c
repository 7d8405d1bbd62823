/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Control links by libnl-route and /dev/net/tun. Netlink answers at once, so nothing here waits. */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/link/veth.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"

#define LINK_PREFIX "tb-"
#define HOST_ADDRESS "fe80::1/64"
#define ADDRESS_MODE_NONE 1 /* IN6_ADDR_GEN_MODE_NONE */

struct Links
{
  struct nl_sock *socket;
};

typedef struct rtnl_link RtnlLink;
typedef struct rtnl_addr RtnlAddress;
typedef struct nl_cache NlCache;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtnlLink, rtnl_link_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtnlAddress, rtnl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NlCache, nl_cache_free)

static gboolean
fail (GError **error, const char *what, const char *interface, const char *why)
{
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_LINK_FAILED,
               "Cannot %s control link %s: %s. Check that tombolod runs in tombolo's network "
               "namespace with CAP_NET_ADMIN.",
               what, interface, why);
  return FALSE;
}

static gboolean
fail_netlink (GError **error, const char *what, const char *interface, int code)
{
  return fail (error, what, interface, nl_geterror (code));
}

Links *
links_new (GError **error)
{
  g_autoptr (Links) links = g_new0 (Links, 1);
  int r;

  links->socket = nl_socket_alloc ();
  if (links->socket == NULL)
    g_error ("%s: out of memory", G_STRFUNC);

  r = nl_connect (links->socket, NETLINK_ROUTE);
  if (r < 0)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_LINK_FAILED,
                   "Cannot open a netlink socket for control links: %s.", nl_geterror (r));
      return NULL;
    }

  return g_steal_pointer (&links);
}

void
links_free (Links *links)
{
  nl_socket_free (links->socket);
  g_free (links);
}

/* Changes by name fail in libnl: the index it is. */
static gboolean
change (Links *links, int index, void (*modify) (RtnlLink *), const char *interface, GError **error)
{
  g_autoptr (RtnlLink) original = rtnl_link_alloc ();
  g_autoptr (RtnlLink) changes = rtnl_link_alloc ();
  int r;

  rtnl_link_set_ifindex (original, index);
  rtnl_link_set_ifindex (changes, index);
  modify (changes);
  r = rtnl_link_change (links->socket, original, changes, 0);
  return r >= 0 || fail_netlink (error, "configure", interface, r);
}

static void
modify_address_mode (RtnlLink *link)
{
  rtnl_link_inet6_set_addr_gen_mode (link, ADDRESS_MODE_NONE);
}

static void
modify_up (RtnlLink *link)
{
  rtnl_link_set_flags (link, IFF_UP);
}

/* Router advertisements of a guest mean nothing to the host. The namespace's default says so for
 * every new interface; where it does not, this one is set. */
static gboolean
refuse_router_advertisements (const char *interface, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/sys/net/ipv6/conf/%s/accept_ra", interface);
  auto_fd fd = -1;
  char value = '\0';

  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && read (fd, &value, 1) == 1 && value == '0')
    return TRUE;

  fd_clear (&fd);
  fd = open (path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && write (fd, "0\n", 2) == 2)
    return TRUE;

  return fail (error, "turn off router advertisements on", interface, g_strerror (errno));
}

static gboolean
add_host_address (Links *links, int index, const char *interface, GError **error)
{
  g_autoptr (RtnlAddress) address = rtnl_addr_alloc ();
  struct nl_addr *local = NULL;
  int r = nl_addr_parse (HOST_ADDRESS, AF_INET6, &local);

  if (r >= 0)
    r = rtnl_addr_set_local (address, local);
  nl_addr_put (local);
  if (r < 0)
    return fail_netlink (error, "address", interface, r);

  rtnl_addr_set_ifindex (address, index);
  rtnl_addr_set_flags (address, IFA_F_NODAD);
  r = rtnl_addr_add (links->socket, address, NLM_F_CREATE | NLM_F_EXCL);
  return r >= 0 || fail_netlink (error, "address", interface, r);
}

static gboolean
configure (Links *links, const char *interface, GError **error)
{
  int index = (int) if_nametoindex (interface);

  if (index == 0)
    return fail (error, "find", interface, g_strerror (errno));

  return change (links, index, modify_address_mode, interface, error)
         && refuse_router_advertisements (interface, error)
         && change (links, index, modify_up, interface, error)
         && add_host_address (links, index, interface, error);
}

int
links_make_tap (Links *links, const char *interface, GError **error)
{
  struct ifreq request = { 0 };
  auto_fd fd = -1;

  /* Whoever holds a TAP's descriptor can have it outlive that: nothing older is ever used again. */
  if (!links_remove (links, interface, error))
    return -1;

  fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    {
      fail (error, "open /dev/net/tun for", interface, g_strerror (errno));
      return -1;
    }

  g_strlcpy (request.ifr_name, interface, sizeof request.ifr_name);
  request.ifr_flags = (short) (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL);
  if (ioctl (fd, TUNSETIFF, &request) < 0)
    {
      fail (error, "make", interface, g_strerror (errno));
      return -1;
    }

  /* The device goes with its descriptor where the rest fails. */
  if (!configure (links, interface, error))
    return -1;

  return fd_steal (&fd);
}

gboolean
links_make_veth (Links *links, const char *interface, const char *peer, const uint8_t mac[MAC_SIZE],
                 GError **error)
{
  g_autoptr (RtnlLink) link = NULL;
  g_autoptr (RtnlLink) other_end = NULL;
  struct nl_addr *address;
  int r;

  if (!links_remove (links, interface, error))
    return FALSE;

  link = rtnl_link_veth_alloc ();
  if (link == NULL)
    return fail (error, "make", interface, "no memory");

  rtnl_link_set_name (link, interface);
  other_end = rtnl_link_veth_get_peer (link); /* a reference of our own */
  rtnl_link_set_name (other_end, peer);
  address = nl_addr_build (AF_LLC, mac, MAC_SIZE);
  rtnl_link_set_addr (other_end, address);
  nl_addr_put (address);

  r = rtnl_link_add (links->socket, link, NLM_F_CREATE | NLM_F_EXCL);
  if (r < 0)
    return fail_netlink (error, "make", interface, r);

  if (configure (links, interface, error))
    return TRUE;

  links_remove (links, interface, NULL);
  return FALSE;
}

gboolean
links_remove (Links *links, const char *interface, GError **error)
{
  g_autoptr (RtnlLink) link = NULL;
  int index = (int) if_nametoindex (interface);
  int r;

  if (index == 0)
    return TRUE;

  link = rtnl_link_alloc ();
  rtnl_link_set_ifindex (link, index);
  r = rtnl_link_delete (links->socket, link);
  return r >= 0 || r == -NLE_NODEV || r == -NLE_OBJ_NOTFOUND
         || fail_netlink (error, "remove", interface, r);
}

GPtrArray *
links_list (Links *links, GError **error)
{
  g_autoptr (NlCache) cache = NULL;
  GPtrArray *names;
  int r = rtnl_link_alloc_cache (links->socket, AF_UNSPEC, &cache);

  if (r < 0)
    {
      fail_netlink (error, "list", LINK_PREFIX "*", r);
      return NULL;
    }

  names = g_ptr_array_new_with_free_func (g_free);
  for (struct nl_object *object = nl_cache_get_first (cache); object != NULL;
       object = nl_cache_get_next (object))
    {
      const char *name = rtnl_link_get_name ((RtnlLink *) object);

      if (name != NULL && g_str_has_prefix (name, LINK_PREFIX))
        g_ptr_array_add (names, g_strdup (name));
    }

  return names;
}
