/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus socket: accepts clients. */
#include "bus-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-id128.h>

#include "bus-socket-client.h"
#include "descriptor.h"
#include "disposal.h"
#include "process.h"
#include "sasl.h"

struct BusSocket
{
  Bridge *bridge;
  GuestBus guest_bus;
  int fd;
  sd_event_source *source;
  GHashTable *clients; /* BusSocketClient, a set */
  char id[SASL_ID_SIZE];
};

static void
on_client_closed (BusSocketClient *client, void *user_data)
{
  BusSocket *self = user_data;

  g_hash_table_remove (self->clients, client);
  sd_event_source_set_enabled (self->source, SD_EVENT_ON);
}

static void
turn_away (BusSocket *self, int fd, const char *reason)
{
  refusals_count (self->bridge->refusals, REFUSED_CLIENT);
  bridge_complain (self->bridge, NULL, "A client of the bus socket was turned away: %s.", reason);
  fd_dispose_socket (fd);
}

static void
add_client (BusSocket *self, int fd)
{
  BusSocketClient *client;
  AuthoritySubject subject;
  int r;

  if (!bridge_has_room (self->bridge))
    {
      turn_away (self, fd, "there are too many");
      return;
    }

  r = process_get_peer (fd, &subject);
  if (r < 0)
    {
      turn_away (self, fd, g_strerror (-r));
      return;
    }

  client = bus_socket_client_new (self->bridge, self->guest_bus, fd, self->id, &subject,
                                  process_get_peer_groups (fd), on_client_closed, self);
  if (client != NULL)
    g_hash_table_add (self->clients, client);
}

static int
on_connection (sd_event_source *source, int listen_fd, uint32_t events, void *user_data)
{
  BusSocket *self = user_data;
  int fd = accept4 (listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (fd >= 0)
    add_client (self, fd);
  else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
    {
      /* Trying on would only spin; a client that leaves makes room. */
      bridge_complain (self->bridge, NULL, "The bus socket takes no clients for now: %s.",
                       g_strerror (errno));
      if (g_hash_table_size (self->clients) > 0)
        sd_event_source_set_enabled (source, SD_EVENT_OFF);
    }

  return 0;
}

int
bus_socket_new (Bridge *bridge, GuestBus guest_bus, int fd, BusSocket **ret_socket)
{
  BusSocket *self = g_new0 (BusSocket, 1);
  sd_id128_t id;
  int r;

  self->bridge = bridge;
  self->guest_bus = guest_bus;
  self->fd = fd;
  self->clients = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) bus_socket_client_free, NULL);

  r = sd_id128_randomize (&id);
  if (r >= 0 && fcntl (fd, F_SETFL, O_NONBLOCK) < 0)
    r = -errno;
  if (r >= 0)
    r = sd_event_add_io (bridge->event, &self->source, fd, EPOLLIN, on_connection, self);
  if (r < 0)
    {
      bus_socket_free (self);
      return r;
    }

  sd_id128_to_string (id, self->id);
  *ret_socket = self;
  return 0;
}

void
bus_socket_free (BusSocket *self)
{
  if (self == NULL)
    return;

  sd_event_source_disable_unref (self->source);
  g_hash_table_unref (self->clients);
  fd_clear (&self->fd);
  g_free (self);
}
