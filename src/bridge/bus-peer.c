/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Somebody on the host's bus, by its unique name. */
#include "bus-peer.h"

#include <string.h>
#include <unistd.h>

struct BusPeer
{
  Bridge *bridge;
  char *name;
  const BusPeerHandlers *handlers;
  void *user_data;
  sd_bus_slot *watch;
  sd_bus_slot *question;
};

static int
on_owner_changed (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  BusPeer *peer = user_data;
  const char *name, *old_owner, *new_owner;

  if (bridge_is_from_bus (message)
      && sd_bus_message_read (message, "sss", &name, &old_owner, &new_owner) >= 0
      && strcmp (name, peer->name) == 0 && new_owner[0] == '\0')
    peer->handlers->left (peer->user_data);
  return 0;
}

/* Without a watch nobody would tell that the peer has left, and what it holds would stay. */
static int
on_watched (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  BusPeer *peer = user_data;

  if (sd_bus_message_is_method_error (message, NULL))
    peer->handlers->unknown (peer->user_data);
  return 0;
}

/* The groups of UnixGroupIDs' value, or NULL. */
static GArray *
read_groups (sd_bus_message *message)
{
  const void *data;
  GArray *groups;
  size_t size;

  if (sd_bus_message_enter_container (message, 'v', "au") < 0
      || sd_bus_message_read_array (message, 'u', &data, &size) < 0)
    return NULL;

  groups = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  g_array_append_vals (groups, data, (guint) (size / sizeof (uint32_t)));
  sd_bus_message_exit_container (message);
  return groups;
}

/* GetConnectionCredentials' answer. Whether it tells the user; the groups may be missing. */
static bool
read_credentials (sd_bus_message *message, uint32_t *ret_uid, GArray **ret_groups)
{
  bool found = false;
  const char *key;

  if (sd_bus_message_enter_container (message, 'a', "{sv}") < 0)
    return false;

  while (sd_bus_message_enter_container (message, 'e', "sv") > 0)
    {
      int r = sd_bus_message_read_basic (message, 's', &key);

      if (r >= 0 && strcmp (key, "UnixUserID") == 0)
        found = sd_bus_message_read (message, "v", "u", ret_uid) >= 0;
      else if (r >= 0 && strcmp (key, "UnixGroupIDs") == 0 && *ret_groups == NULL)
        *ret_groups = read_groups (message);
      else
        sd_bus_message_skip (message, "v");
      if (sd_bus_message_exit_container (message) < 0)
        return false;
    }

  return found;
}

static int
on_identified (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  BusPeer *peer = user_data;
  const char *machine;

  peer->question = sd_bus_slot_unref (peer->question);
  if (sd_bus_message_is_method_error (message, NULL)
      || sd_bus_message_read (message, "s", &machine) < 0
      || strcmp (machine, peer->bridge->machine) == 0)
    {
      bridge_complain (peer->bridge, NULL,
                       "For which machine a bridge calls could not be told, so it is refused.");
      peer->handlers->denied (peer->user_data);
    }
  else
    peer->handlers->known (getuid (), NULL, machine, peer->user_data);
  return 0;
}

/* A connection of another bridge's speaks for a program in that one's guest; tombolod knows which
 * bridge it is. Should it be away, nobody is let in. */
static int
identify (BusPeer *peer)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *message = NULL;
  sd_bus *bus = peer->bridge->bus;
  int r = sd_bus_message_new_method_call (bus, &message, TOMBOLO_BUS_NAME, TOMBOLO_ROOT_PATH,
                                          TOMBOLO_BUS_NAME ".Bridge", "IdentifyCaller");

  if (r >= 0)
    r = sd_bus_message_set_auto_start (message, 0);
  if (r >= 0)
    r = sd_bus_message_append (message, "s", peer->name);
  return r < 0 ? r : sd_bus_call_async (bus, &peer->question, message, on_identified, peer, 0);
}

/* Bridges share a user, which nobody else has. (One that is run as root, as tests do, has no user
 * of its own, and what else runs as root is the host itself.) */
static bool
is_bridge (uid_t uid)
{
  return uid != 0 && uid == getuid ();
}

static int
on_credentials (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  BusPeer *peer = user_data;
  GArray *groups = NULL;
  uint32_t uid;

  bool found;

  peer->question = sd_bus_slot_unref (peer->question);
  found =
      !sd_bus_message_is_method_error (message, NULL) && read_credentials (message, &uid, &groups);
  if (found && !is_bridge (uid))
    {
      peer->handlers->known (uid, groups, NULL, peer->user_data);
      return 0;
    }

  g_clear_pointer (&groups, g_array_unref);
  if (!found || identify (peer) < 0)
    peer->handlers->unknown (peer->user_data);
  return 0;
}

BusPeer *
bus_peer_new (Bridge *bridge, const char *name, const BusPeerHandlers *handlers, void *user_data)
{
  g_autofree char *rule =
      g_strdup_printf ("type='signal',sender='" BUS_DRIVER_NAME "',path='" BUS_DRIVER_PATH
                       "',interface='" BUS_DRIVER_INTERFACE "',member='NameOwnerChanged',arg0='%s'",
                       name);
  BusPeer *peer = g_new0 (BusPeer, 1);
  int r;

  peer->bridge = bridge;
  peer->name = g_strdup (name);
  peer->handlers = handlers;
  peer->user_data = user_data;
  r = sd_bus_add_match_async (bridge->bus, &peer->watch, rule, on_owner_changed, on_watched, peer);
  if (r >= 0)
    r = sd_bus_call_method_async (bridge->bus, &peer->question, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                                  BUS_DRIVER_INTERFACE, "GetConnectionCredentials", on_credentials,
                                  peer, "s", name);
  if (r < 0)
    {
      bus_peer_free (peer);
      return NULL;
    }

  return peer;
}

void
bus_peer_free (BusPeer *peer)
{
  if (peer == NULL)
    return;

  sd_bus_slot_unref (peer->watch);
  sd_bus_slot_unref (peer->question);
  g_free (peer->name);
  g_free (peer);
}
