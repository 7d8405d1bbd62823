/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes the container's end of its control link out of tombolo's network namespace. */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <sched.h>

#include "descriptor.h"
#include "error.h"

typedef struct nl_sock NetlinkSocket;
typedef struct rtnl_link NetlinkLink;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NetlinkSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NetlinkLink, rtnl_link_put)

static gboolean
fail (GError **error, const char *interface, const char *why)
{
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_LINK_FAILED,
               "Cannot take control link %s to its container: %s; start the machine with "
               "tomboloctl.",
               interface, why);
  return FALSE;
}

gboolean
link_take_along (const char *interface, GError **error)
{
  g_autoptr (NetlinkSocket) socket = nl_socket_alloc ();
  g_autoptr (NetlinkLink) link = rtnl_link_alloc ();
  g_autoptr (NetlinkLink) changes = rtnl_link_alloc ();
  unsigned index = if_nametoindex (interface);
  auto_fd namespace = -1;
  int r;

  if (index == 0)
    return fail (error, interface, g_strerror (errno));
  if (socket == NULL || link == NULL || changes == NULL)
    return fail (error, interface, g_strerror (ENOMEM));

  /* The socket stays where it was made: it speaks for the old namespace from within the new one. */
  r = nl_connect (socket, NETLINK_ROUTE);
  if (r < 0)
    return fail (error, interface, nl_geterror (r));
  if (unshare (CLONE_NEWNET) < 0)
    return fail (error, interface, g_strerror (errno));
  namespace = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (namespace < 0)
    return fail (error, interface, g_strerror (errno));

  rtnl_link_set_ifindex (link, (int) index);
  rtnl_link_set_ifindex (changes, (int) index);
  rtnl_link_set_ns_fd (changes, namespace);
  r = rtnl_link_change (socket, link, changes, 0);
  return r >= 0 || fail (error, interface, nl_geterror (r));
}
