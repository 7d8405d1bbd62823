/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Somebody on the host's bus for whom tombolod opened the guest's bus. */
#include "opener.h"

#include <unistd.h>

#include "bus-peer.h"
#include "bus-socket-client.h"
#include "descriptor.h"
#include "error.h"
#include "limit.h"
#include "sasl.h"
#include "tunnel-manager.h"

/* A call that waits for the bus to tell who the opener is. */
typedef struct
{
  sd_bus_message *call;
  GuestBus guest_bus;
  int fd;
} Waiting;

struct Opener
{
  Bridge *bridge;
  char *name;
  char id[SASL_ID_SIZE];
  void (*over) (Opener *opener, void *user_data);
  void *user_data;
  BusPeer *peer;
  bool known;
  uid_t uid;
  GArray *groups;      /* uint32_t; NULL: not known */
  GQueue waiting;      /* Waiting */
  GHashTable *clients; /* BusSocketClient, a set */
};

static void
waiting_free (Waiting *waiting)
{
  sd_bus_message_unref (waiting->call);
  fd_clear (&waiting->fd);
  g_free (waiting);
}

static void
refuse (sd_bus_message *call, TomboloError code, const char *text)
{
  sd_bus_reply_method_errorf (call, tombolo_error_name (code), "%s", text);
}

static void
refuse_all (Opener *opener, const char *text)
{
  Waiting *waiting;

  while ((waiting = g_queue_pop_head (&opener->waiting)) != NULL)
    {
      refuse (waiting->call, TOMBOLO_ERROR_FAILED, text);
      waiting_free (waiting);
    }
}

static void
end_if_over (Opener *opener)
{
  if (g_hash_table_size (opener->clients) == 0 && opener->waiting.length == 0)
    opener->over (opener, opener->user_data);
}

static void
on_client_closed (BusSocketClient *client, void *user_data)
{
  Opener *opener = user_data;

  g_hash_table_remove (opener->clients, client);
  end_if_over (opener);
}

/* The subject is the opener by its bus name alone: no process is looked at. */
static void
serve (Opener *opener, sd_bus_message *call, GuestBus guest_bus, int fd)
{
  const AuthoritySubject subject = { .bus_name = opener->name, .uid = opener->uid, .pidfd = -1 };
  Bridge *bridge = opener->bridge;
  g_autofree char *text = NULL;
  BusSocketClient *client;
  auto_fd own = fd;

  if (!tunnel_manager_is_up (bridge->tunnel))
    {
      text = g_strdup_printf ("Machine “%s” cannot be reached: %s", bridge->machine,
                              tunnel_manager_get_reason (bridge->tunnel));
      refuse (call, TOMBOLO_ERROR_DISCONNECTED, text);
      return;
    }

  client =
      !bridge_has_room (bridge)
          ? NULL
          : bus_socket_client_new (bridge, guest_bus, fd_steal (&own), opener->id, &subject,
                                   opener->groups != NULL ? g_array_copy (opener->groups) : NULL,
                                   on_client_closed, opener);
  if (client == NULL)
    {
      text = g_strdup_printf ("Machine “%s” has too many callers for now; try again later.",
                              bridge->machine);
      refuse (call, TOMBOLO_ERROR_LIMITS_EXCEEDED, text);
      return;
    }

  g_hash_table_add (opener->clients, client);
  sd_bus_reply_method_return (call, "");
}

/* --- Who it is --- */

/* A bus does not cross into a machine, nor does a bridge need one. */
static void
on_denied (void *user_data)
{
  Opener *opener = user_data;
  Waiting *waiting;

  while ((waiting = g_queue_pop_head (&opener->waiting)) != NULL)
    {
      refuse (waiting->call, TOMBOLO_ERROR_ACCESS_DENIED,
              "Programs in machines do not open buses of others.");
      waiting_free (waiting);
    }
  end_if_over (opener);
}

static void
on_known (uid_t uid, GArray *groups, const char *machine, void *user_data)
{
  Opener *opener = user_data;
  Waiting *waiting;

  if (machine != NULL)
    {
      on_denied (opener);
      return;
    }

  opener->known = true;
  opener->uid = uid;
  opener->groups = groups;
  while ((waiting = g_queue_pop_head (&opener->waiting)) != NULL)
    {
      serve (opener, waiting->call, waiting->guest_bus, fd_steal (&waiting->fd));
      waiting_free (waiting);
    }
  end_if_over (opener);
}

static void
on_left (void *user_data)
{
  Opener *opener = user_data;

  refuse_all (opener, "Who asked for the bus has left.");
  g_hash_table_remove_all (opener->clients);
  opener->over (opener, opener->user_data);
}

static void
on_unknown (void *user_data)
{
  Opener *opener = user_data;

  refuse_all (opener, "The host's bus does not say who asked for the bus, and when it leaves.");
  g_hash_table_remove_all (opener->clients);
  opener->over (opener, opener->user_data);
}

static const BusPeerHandlers peer_handlers = {
  .known = on_known,
  .left = on_left,
  .unknown = on_unknown,
  .denied = on_denied,
};

/* --- Life --- */

Opener *
opener_new (Bridge *bridge, const char *name, const char *id,
            void (*over) (Opener *opener, void *user_data), void *user_data)
{
  Opener *opener = g_new0 (Opener, 1);

  opener->bridge = bridge;
  opener->name = g_strdup (name);
  g_strlcpy (opener->id, id, sizeof opener->id);
  opener->over = over;
  opener->user_data = user_data;
  opener->clients =
      g_hash_table_new_full (NULL, NULL, (GDestroyNotify) bus_socket_client_free, NULL);
  opener->peer = bus_peer_new (bridge, name, &peer_handlers, opener);
  if (opener->peer == NULL)
    {
      opener_free (opener);
      return NULL;
    }

  return opener;
}

void
opener_free (Opener *opener)
{
  if (opener == NULL)
    return;

  refuse_all (opener, "The bridge ends.");
  bus_peer_free (opener->peer);
  g_hash_table_unref (opener->clients);
  g_clear_pointer (&opener->groups, g_array_unref);
  g_free (opener->name);
  g_free (opener);
}

const char *
opener_get_name (const Opener *opener)
{
  return opener->name;
}

void
opener_open (Opener *opener, sd_bus_message *call, GuestBus guest_bus, int fd)
{
  Waiting *waiting;

  if (opener->waiting.length + g_hash_table_size (opener->clients) >= LIMIT_OPEN_BUSES_OPENER)
    {
      close (fd);
      refuse (call, TOMBOLO_ERROR_LIMITS_EXCEEDED,
              "You have 64 buses of this machine open; close some.");
    }
  else if (opener->known)
    {
      serve (opener, call, guest_bus, fd);
      end_if_over (opener);
    }
  else
    {
      waiting = g_new0 (Waiting, 1);
      waiting->call = sd_bus_message_ref (call);
      waiting->guest_bus = guest_bus;
      waiting->fd = fd;
      g_queue_push_tail (&opener->waiting, waiting);
    }
}
