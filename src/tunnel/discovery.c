/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds a guest that is not at fe80::2: an echo request to all nodes of the link, and its answers.
 */
#include "discovery.h"

#include <errno.h>
#include <glib.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <netinet/icmp6.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"
#include "limit.h"
#include "log.h"

#define TOKEN_SIZE 16
#define ASK_INTERVAL_USEC (G_USEC_PER_SEC / 2)
#define READS_AT_ONCE 16

struct TunnelFinder
{
  sd_event *event;
  int interface_index;
  struct in6_addr preferred;
  struct in6_addr usual[2]; /* EUI-64 and fe80::2 */
  struct in6_addr found[LIMIT_GUEST_ADDRESSES];
  unsigned n_found;
  unsigned n_attempts; /* since the last success */

  int fd; /* a ping socket while the guest is looked for, else -1 */
  sd_event_source *io;
  bool asks; /* FALSE where this kernel gives us no ping socket */
  int64_t asked_usec;
  struct
  {
    struct icmp6_hdr header;
    uint8_t token[TOKEN_SIZE]; /* a reply bears it: nobody answers who was not asked */
  } request;
};

/* A link-local address of the interface identifier that follows from a MAC (RFC 4291, appendix A).
 */
static void
make_eui64 (const uint8_t mac[MAC_SIZE], struct in6_addr *ret)
{
  const uint8_t address[16] = { 0xfe,       0x80,   0,      0,    0,    0,      0,      0,
                                mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };

  memcpy (ret, address, sizeof address);
}

static void
make_fixed (uint8_t last, struct in6_addr *ret)
{
  *ret = (struct in6_addr){ .s6_addr = { 0xfe, 0x80 } };
  ret->s6_addr[15] = last;
}

TunnelFinder *
tunnel_finder_new (sd_event *event, int interface_index, const uint8_t mac[MAC_SIZE])
{
  TunnelFinder *finder = g_new0 (TunnelFinder, 1);

  finder->event = sd_event_ref (event);
  finder->interface_index = interface_index;
  finder->fd = -1;
  finder->asks = true;
  make_eui64 (mac, &finder->usual[0]);
  make_fixed (2, &finder->usual[1]);
  finder->preferred = finder->usual[1];
  return finder;
}

static void
finder_close (TunnelFinder *finder)
{
  finder->io = sd_event_source_disable_unref (finder->io);
  fd_clear (&finder->fd);
}

void
tunnel_finder_free (TunnelFinder *finder)
{
  if (finder == NULL)
    return;

  finder_close (finder);
  sd_event_unref (finder->event);
  g_free (finder);
}

/* Adds an address that answered; the oldest makes way. */
static void
finder_add (TunnelFinder *finder, const struct in6_addr *address)
{
  struct in6_addr host;

  make_fixed (1, &host);
  if (!IN6_IS_ADDR_LINKLOCAL (address) || IN6_ARE_ADDR_EQUAL (address, &host)
      || IN6_ARE_ADDR_EQUAL (address, &finder->preferred))
    return;
  for (unsigned i = 0; i < finder->n_found; i++)
    if (IN6_ARE_ADDR_EQUAL (address, &finder->found[i]))
      return;

  if (finder->n_found == LIMIT_GUEST_ADDRESSES)
    memmove (&finder->found[0], &finder->found[1], sizeof finder->found[0] * --finder->n_found);
  finder->found[finder->n_found++] = *address;
}

static int
on_answer (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  TunnelFinder *finder = user_data;

  for (int i = 0; i < READS_AT_ONCE; i++)
    {
      struct sockaddr_in6 from = { 0 };
      socklen_t size = sizeof from;
      uint8_t answer[sizeof finder->request + 1] = { 0 };
      struct icmp6_hdr header;
      ssize_t n =
          recvfrom (fd, answer, sizeof answer, MSG_DONTWAIT, (struct sockaddr *) &from, &size);

      if (n < 0)
        break;
      memcpy (&header, answer, sizeof header);
      if (n == sizeof finder->request && header.icmp6_type == ICMP6_ECHO_REPLY
          && from.sin6_scope_id == (uint32_t) finder->interface_index
          && gnutls_memcmp (answer + sizeof header, finder->request.token, TOKEN_SIZE) == 0)
        finder_add (finder, &from.sin6_addr);
    }

  return 0;
}

static int
open_socket (int interface_index)
{
  auto_fd fd = socket (AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);
  const int none = 0;

  if (fd < 0
      || setsockopt (fd, SOL_SOCKET, SO_BINDTOIFINDEX, &interface_index, sizeof interface_index) < 0
      || setsockopt (fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &interface_index, sizeof interface_index)
             < 0
      || setsockopt (fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &none, sizeof none) < 0)
    return -errno;

  return fd_steal (&fd);
}

static int
finder_open (TunnelFinder *finder)
{
  int r;

  if (finder->fd >= 0)
    return 0;

  finder->fd = open_socket (finder->interface_index);
  if (finder->fd < 0)
    return finder->fd;

  finder->request.header.icmp6_type = ICMP6_ECHO_REQUEST;
  r = gnutls_rnd (GNUTLS_RND_NONCE, finder->request.token, TOKEN_SIZE);
  if (r >= 0)
    r = sd_event_add_io (finder->event, &finder->io, finder->fd, EPOLLIN, on_answer, finder);
  return r < 0 ? -EIO : 0;
}

/* Asks all nodes of the link. A link that is not up yet is asked again at the next attempt. */
static void
finder_ask (TunnelFinder *finder)
{
  struct sockaddr_in6 to = { .sin6_family = AF_INET6,
                             .sin6_scope_id = (uint32_t) finder->interface_index,
                             .sin6_addr = { .s6_addr = { 0xff, 0x02, [15] = 1 } } };
  int64_t now = g_get_monotonic_time ();
  int r;

  if (!finder->asks || (finder->fd >= 0 && now - finder->asked_usec < ASK_INTERVAL_USEC))
    return;

  r = finder_open (finder);
  if (r < 0)
    {
      log_debug (NULL, "Guests are looked for at their usual addresses only, no ping socket: %s",
                 g_strerror (-r));
      finder_close (finder);
      finder->asks = r != -EACCES && r != -EPERM;
      return;
    }

  finder->asked_usec = now;
  if (sendto (finder->fd, &finder->request, sizeof finder->request, MSG_DONTWAIT | MSG_NOSIGNAL,
              (struct sockaddr *) &to, sizeof to)
      < 0)
    log_debug (NULL, "No echo request on interface %d: %s", finder->interface_index,
               g_strerror (errno));
}

static const struct in6_addr *
get_address (const TunnelFinder *finder, unsigned n)
{
  unsigned turn = n / 2;

  if (n % 2 == 1 && turn % 2 == 1)
    return &finder->usual[turn / 2 % 2];
  if (n % 2 == 1 && finder->n_found > 0)
    return &finder->found[turn / 2 % finder->n_found];

  return &finder->preferred;
}

void
tunnel_finder_next (TunnelFinder *finder, struct in6_addr *ret_address)
{
  unsigned n = finder->n_attempts++;

  if (n > 0)
    finder_ask (finder);
  *ret_address = *get_address (finder, n);
}

bool
tunnel_finder_guesses_next (const TunnelFinder *finder)
{
  return !IN6_ARE_ADDR_EQUAL (get_address (finder, finder->n_attempts), &finder->preferred);
}

void
tunnel_finder_remember (TunnelFinder *finder, const struct in6_addr *address)
{
  finder->preferred = *address;
  finder->n_found = 0;
  finder->n_attempts = 0;
  finder_close (finder);
}

unsigned
tunnel_finder_get_n_found (TunnelFinder *finder)
{
  return finder->n_found;
}
