/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TCP over the control link: what the bridge connects with and the agent listens on. */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "descriptor.h"
#include "limit.h"
#include "session-internal.h"

/* Connections that wait in the kernel: a bridge opens its callers' channels in one go. */
#define BACKLOG 32

/* How long a listener rests that cannot accept, for want of descriptors or memory. */
#define PAUSE_USEC ((uint64_t) 200 * 1000)

/* A silent peer is probed from 3/10 of KEEP_ALIVE_USEC on, three times, and given up at 9/10: the
 * kernel rounds up. So are bytes that nobody acknowledges. */
#define KEEP_ALIVE_IDLE ((int) (KEEP_ALIVE_USEC * 3 / 10 / G_USEC_PER_SEC))
#define KEEP_ALIVE_INTERVAL ((int) (KEEP_ALIVE_USEC * 2 / 10 / G_USEC_PER_SEC))
#define KEEP_ALIVE_PROBES 3
#define USER_TIMEOUT ((int) (KEEP_ALIVE_USEC * 9 / 10 / 1000))

const TunnelOptions tunnel_options = {
  .connect_usec = LIMIT_CONNECT_TIME_USEC,
  .handshake_usec = LIMIT_HANDSHAKE_TIME_USEC,
  .port = TUNNEL_PORT,
};

static int
set_option (int fd, int level, int name, int value)
{
  return setsockopt (fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

static int
set_up_connection (int fd)
{
  int r;

  if ((r = set_option (fd, IPPROTO_TCP, TCP_NODELAY, 1)) < 0
      || (r = set_option (fd, SOL_SOCKET, SO_KEEPALIVE, 1)) < 0
      || (r = set_option (fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_ALIVE_IDLE)) < 0
      || (r = set_option (fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_ALIVE_INTERVAL)) < 0
      || (r = set_option (fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_ALIVE_PROBES)) < 0)
    return r;

  return set_option (fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT);
}

void
transport_be_patient (int fd)
{
  set_option (fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
}

int
tunnel_connect_full (sd_event *event, TunnelContext *context, const struct sockaddr_in6 *address,
                     ChannelKind kind, const TunnelOptions *options, TunnelDone done,
                     void *user_data, TunnelAttempt **ret_attempt)
{
  auto_fd fd = socket (AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  int r;

  if (fd < 0)
    return -errno;
  if ((r = set_up_connection (fd)) < 0)
    return r;
  if (connect (fd, (const struct sockaddr *) address, sizeof *address) < 0 && errno != EINPROGRESS)
    return -errno;

  return tunnel_attempt_new (event, context, fd_steal (&fd), true, kind, options, done, user_data,
                             ret_attempt);
}

int
tunnel_connect (sd_event *event, TunnelContext *context, int interface_index,
                const struct in6_addr *address, ChannelKind kind, TunnelDone done, void *user_data,
                TunnelAttempt **ret_attempt)
{
  struct sockaddr_in6 to = { .sin6_family = AF_INET6,
                             .sin6_addr = *address,
                             .sin6_scope_id = (uint32_t) interface_index,
                             .sin6_port = htons (TUNNEL_PORT) };

  /* Anything else would be routed. */
  if (!IN6_IS_ADDR_LINKLOCAL (address) || interface_index <= 0
      || context->identity->role != IDENTITY_BRIDGE)
    return -EINVAL;

  return tunnel_connect_full (event, context, &to, kind, &tunnel_options, done, user_data,
                              ret_attempt);
}

/* One of the handshakes that a listener runs at a time. */
typedef struct
{
  TunnelListener *listener;
  TunnelAttempt *attempt;
} Slot;

struct TunnelListener
{
  sd_event *event;
  TunnelContext *context;
  TunnelOptions options;
  int fd;
  sd_event_source *io;
  sd_event_source *pause;
  Slot slots[LIMIT_HANDSHAKES_MACHINE];
  TunnelDone done;
  void *user_data;
};

void
tunnel_listener_free (TunnelListener *listener)
{
  if (listener == NULL)
    return;

  for (guint i = 0; i < G_N_ELEMENTS (listener->slots); i++)
    tunnel_attempt_free (listener->slots[i].attempt);
  sd_event_source_disable_unref (listener->io);
  sd_event_source_disable_unref (listener->pause);
  fd_clear (&listener->fd);
  tunnel_context_unref (listener->context);
  sd_event_unref (listener->event);
  g_free (listener);
}

static Slot *
find_slot (TunnelListener *listener)
{
  for (guint i = 0; i < G_N_ELEMENTS (listener->slots); i++)
    if (listener->slots[i].attempt == NULL)
      return &listener->slots[i];

  return NULL;
}

/* Accepts while a slot is free and the listener does not rest; the kernel keeps the others. */
static int
listener_update (TunnelListener *listener)
{
  bool accepts = listener->pause == NULL && find_slot (listener) != NULL;

  return sd_event_source_set_enabled (listener->io, accepts ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int
on_pause_over (sd_event_source *source, uint64_t usec, void *user_data)
{
  TunnelListener *listener = user_data;

  listener->pause = sd_event_source_disable_unref (listener->pause);
  return listener_update (listener);
}

/* What will fail again at once must not be tried at once: the loop would spin. */
static int
listener_pause (TunnelListener *listener)
{
  int r = sd_event_add_time_relative (listener->event, &listener->pause, CLOCK_MONOTONIC,
                                      PAUSE_USEC, 0, on_pause_over, listener);

  return r < 0 ? r : listener_update (listener);
}

static void
on_attempt_done (Stream *stream, ChannelKind kind, const GError *error, void *user_data)
{
  Slot *slot = user_data;
  TunnelListener *listener = slot->listener;

  g_clear_pointer (&slot->attempt, tunnel_attempt_free);
  listener_update (listener);
  listener->done (stream, kind, error, listener->user_data); /* may free the listener */
}

static bool
is_shortage (int code)
{
  return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

static int
on_connection (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  TunnelListener *listener = user_data;
  Slot *slot = find_slot (listener);
  auto_fd connection = -1;
  int r;

  if (slot == NULL)
    return listener_update (listener);

  connection = accept4 (fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (connection < 0)
    /* Anything but a shortage is the connection's own trouble: it is gone from the queue. */
    return is_shortage (errno) ? listener_pause (listener) : 0;
  if (set_up_connection (connection) < 0)
    return 0;

  r = tunnel_attempt_new (listener->event, listener->context, fd_steal (&connection), false,
                          CHANNEL_BUS, &listener->options, on_attempt_done, slot, &slot->attempt);
  return r < 0 ? listener_pause (listener) : listener_update (listener);
}

/* The socket takes connections of this interface only, to whatever address the interface has. */
static int
open_listener (int interface_index, uint16_t port)
{
  struct sockaddr_in6 address = { .sin6_family = AF_INET6,
                                  .sin6_addr = IN6ADDR_ANY_INIT,
                                  .sin6_port = htons (port) };
  auto_fd fd = socket (AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  int r;

  if (fd < 0)
    return -errno;
  if ((r = set_option (fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) < 0
      || (r = set_option (fd, SOL_SOCKET, SO_REUSEADDR, 1)) < 0
      || (r = set_option (fd, SOL_SOCKET, SO_BINDTOIFINDEX, interface_index)) < 0)
    return r;
  if (bind (fd, (const struct sockaddr *) &address, sizeof address) < 0 || listen (fd, BACKLOG) < 0)
    return -errno;

  return fd_steal (&fd);
}

int
tunnel_listen_full (sd_event *event, TunnelContext *context, int interface_index,
                    const TunnelOptions *options, TunnelDone done, void *user_data,
                    TunnelListener **ret_listener)
{
  TunnelListener *listener;
  int fd, r;

  if (interface_index <= 0 || context->identity->role != IDENTITY_GUEST)
    return -EINVAL;
  fd = open_listener (interface_index, options->port);
  if (fd < 0)
    return fd;

  listener = g_new0 (TunnelListener, 1);
  listener->event = sd_event_ref (event);
  listener->context = tunnel_context_ref (context);
  listener->options = *options;
  listener->fd = fd;
  listener->done = done;
  listener->user_data = user_data;
  for (guint i = 0; i < G_N_ELEMENTS (listener->slots); i++)
    listener->slots[i].listener = listener;

  r = sd_event_add_io (event, &listener->io, fd, EPOLLIN, on_connection, listener);
  if (r < 0)
    {
      tunnel_listener_free (listener);
      return r;
    }

  *ret_listener = listener;
  return 0;
}

int
tunnel_listen (sd_event *event, TunnelContext *context, int interface_index, TunnelDone done,
               void *user_data, TunnelListener **ret_listener)
{
  return tunnel_listen_full (event, context, interface_index, &tunnel_options, done, user_data,
                             ret_listener);
}

uint16_t
tunnel_listener_get_port (TunnelListener *listener)
{
  struct sockaddr_in6 address = { 0 };
  socklen_t size = sizeof address;

  getsockname (listener->fd, (struct sockaddr *) &address, &size);
  return ntohs (address.sin6_port);
}
