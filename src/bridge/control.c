/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tombolod asks of a bridge, and nobody else. */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-id128.h>

#include "descriptor.h"
#include "error.h"
#include "limit.h"
#include "opener.h"
#include "sasl.h"
#include "shells.h"

#define BRIDGE_PATH "/org/tombolo/Bridge1"
#define BRIDGE_INTERFACE "org.tombolo.Bridge1"

struct Control
{
  Bridge *bridge;
  char *daemon; /* the unique name that owns org.tombolo.Host1 now; NULL: nobody known */
  sd_bus_slot *watch;
  sd_bus_slot *question;
  sd_bus_slot *object;
  GHashTable *openers;   /* their unique names: Opener */
  char id[SASL_ID_SIZE]; /* of the bus, for those that it is opened for */
};

/* --- Who tombolod is --- */

/* The bus tells of a new owner before that owner can call: no call of its is too early. */
static int
on_owner_changed (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  Control *control = user_data;
  const char *name, *old_owner, *new_owner;

  if (!bridge_is_from_bus (message)
      || sd_bus_message_read (message, "sss", &name, &old_owner, &new_owner) < 0
      || strcmp (name, TOMBOLO_BUS_NAME) != 0)
    return 0;

  /* What is heard now is newer than any answer. */
  control->question = sd_bus_slot_unref (control->question);
  g_free (control->daemon);
  control->daemon = new_owner[0] != '\0' ? g_strdup (new_owner) : NULL;
  return 0;
}

static int
on_owner (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  Control *control = user_data;
  const char *owner;

  control->question = sd_bus_slot_unref (control->question);
  if (!sd_bus_message_is_method_error (message, NULL)
      && sd_bus_message_read (message, "s", &owner) >= 0)
    control->daemon = g_strdup (owner);
  return 0;
}

static int
watch_daemon (Control *control)
{
  sd_bus *bus = control->bridge->bus;
  int r = sd_bus_add_match_async (bus, &control->watch,
                                  "type='signal',sender='" BUS_DRIVER_NAME
                                  "',path='" BUS_DRIVER_PATH "',interface='" BUS_DRIVER_INTERFACE
                                  "',member='NameOwnerChanged',arg0='" TOMBOLO_BUS_NAME "'",
                                  on_owner_changed, NULL, control);

  if (r >= 0)
    r = sd_bus_call_method_async (bus, &control->question, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                                  BUS_DRIVER_INTERFACE, "GetNameOwner", on_owner, control, "s",
                                  TOMBOLO_BUS_NAME);
  return r;
}

/* A bus' policy lets tombolod's user alone call; this holds also where it does not. */
static bool
is_from_daemon (const Control *control, sd_bus_message *call)
{
  return control->daemon != NULL
         && g_strcmp0 (sd_bus_message_get_sender (call), control->daemon) == 0;
}

static int
refuse (sd_bus_message *call, TomboloError code, const char *text)
{
  return sd_bus_reply_method_errorf (call, tombolo_error_name (code), "%s", text);
}

/* --- OpenBus --- */

/* A descriptor of our own, non-blocking, of a connected stream socket; or -errno. */
static int
take_socket (int fd)
{
  int domain = 0, type = 0;
  socklen_t size = sizeof domain;
  auto_fd own = -1;

  if (getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0
      || getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
    return -errno;
  if (domain != AF_UNIX || type != SOCK_STREAM)
    return -EINVAL;

  own = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  if (own < 0 || fcntl (own, F_SETFL, O_NONBLOCK) < 0)
    return -errno;
  return fd_steal (&own);
}

static void
on_opener_over (Opener *opener, void *user_data)
{
  Control *control = user_data;

  g_hash_table_remove (control->openers, opener_get_name (opener));
}

/* Each is a match rule on the host's bus, which limits those of a connection. */
static Opener *
get_opener (Control *control, const char *name)
{
  Opener *opener = g_hash_table_lookup (control->openers, name);

  if (opener != NULL || g_hash_table_size (control->openers) >= LIMIT_CALLERS_MACHINE)
    return opener;

  opener = opener_new (control->bridge, name, control->id, on_opener_over, control);
  if (opener != NULL)
    g_hash_table_insert (control->openers, (char *) opener_get_name (opener), opener);
  return opener;
}

static int
on_open_bus (sd_bus_message *call, void *user_data, sd_bus_error *ret_error)
{
  Control *control = user_data;
  const char *name, *bus;
  GuestBus guest_bus;
  auto_fd own = -1;
  Opener *opener;
  int fd;

  if (!is_from_daemon (control, call))
    return refuse (call, TOMBOLO_ERROR_ACCESS_DENIED, "A bridge takes calls of tombolod alone.");
  if (sd_bus_message_read (call, "ssh", &name, &bus, &fd) < 0 || !wire_bus_name_is_valid (name)
      || !wire_bus_name_is_unique (name))
    return refuse (call, TOMBOLO_ERROR_INVALID_ARGUMENT,
                   "The opener is a unique name, and comes with a bus and a socket.");
  if (!guest_bus_from_string (bus, &guest_bus))
    return refuse (call, TOMBOLO_ERROR_NOT_SUPPORTED, "There is no such bus of a guest.");

  own = take_socket (fd);
  if (own < 0)
    return refuse (call, TOMBOLO_ERROR_INVALID_ARGUMENT, "It is not a connected stream socket.");

  opener = get_opener (control, name);
  if (opener == NULL)
    return refuse (call, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                   "Too many open a bus of this machine; try again later.");

  opener_open (opener, call, guest_bus, fd_steal (&own));
  return 1;
}

/* --- OpenShell --- */

/* polkit has been asked by tombolod, which knows the caller. */
static int
on_open_shell (sd_bus_message *call, void *user_data, sd_bus_error *ret_error)
{
  Control *control = user_data;

  if (!is_from_daemon (control, call))
    return refuse (call, TOMBOLO_ERROR_ACCESS_DENIED, "A bridge takes calls of tombolod alone.");

  shells_open (control->bridge->shells, call);
  return 1;
}

static const sd_bus_vtable vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD_WITH_ARGS ("OpenBus", SD_BUS_ARGS ("s", opener, "s", bus, "h", socket),
                           SD_BUS_NO_RESULT, on_open_bus, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD_WITH_ARGS (
      "OpenShell", SD_BUS_ARGS ("s", user, "as", command, "s", term, "u", rows, "u", columns),
      SD_BUS_RESULT ("h", terminal, "h", status), on_open_shell, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_VTABLE_END,
};

/* --- Life --- */

Control *
control_new (Bridge *bridge)
{
  Control *control = g_new0 (Control, 1);
  sd_id128_t id;

  control->bridge = bridge;
  control->openers =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) opener_free);
  if (sd_id128_randomize (&id) < 0 || watch_daemon (control) < 0
      || sd_bus_add_object_vtable (bridge->bus, &control->object, BRIDGE_PATH, BRIDGE_INTERFACE,
                                   vtable, control)
             < 0)
    {
      control_free (control);
      return NULL;
    }

  sd_id128_to_string (id, control->id);
  return control;
}

void
control_free (Control *control)
{
  if (control == NULL)
    return;

  sd_bus_slot_unref (control->object);
  sd_bus_slot_unref (control->watch);
  sd_bus_slot_unref (control->question);
  g_hash_table_unref (control->openers);
  g_free (control->daemon);
  g_free (control);
}
