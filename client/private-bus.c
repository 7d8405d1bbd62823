/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A socket of our own on which a guest's bus answers. */
#include "config.h"

#include "private-bus.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "descriptor.h"
#include "limit.h"
#include "relay.h"

#define DIRECTORY "tombolo-XXXXXX"
#define SOCKET_NAME "bus"
#define BACKLOG 64

struct PrivateBus
{
  TomboloMachine *machine;
  GuestBus bus;
  GCancellable *cancellable;
  char *directory;
  char *path;
  char *address;
  int fd;
  guint source;
  GHashTable *relays; /* Relay, a set */
  guint n_opening;
  gboolean complained;
};

static gboolean on_connection (int fd, GIOCondition condition, gpointer data);

/* --- the socket --- */

static gboolean
is_ours (const char *directory)
{
  struct stat status;

  return directory != NULL && g_path_is_absolute (directory) && stat (directory, &status) == 0
         && S_ISDIR (status.st_mode) && status.st_uid == geteuid ();
}

/* A path that is too long for a socket's address is no use. */
static char *
make_directory (GError **error)
{
  const char *runtime = g_getenv ("XDG_RUNTIME_DIR");
  gsize room =
      sizeof ((struct sockaddr_un *) NULL)->sun_path - sizeof DIRECTORY - sizeof SOCKET_NAME - 1;
  g_autofree char *directory = g_build_filename (
      is_ours (runtime) && strlen (runtime) < room ? runtime : "/tmp", DIRECTORY, NULL);

  if (g_mkdtemp (directory) != NULL)
    return g_steal_pointer (&directory);

  g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_FAILED, _ ("Cannot make directory %s: %s"),
               directory, g_strerror (errno));
  return NULL;
}

static int
listen_at (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  auto_fd fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  if (fd >= 0 && bind (fd, (const struct sockaddr *) &address, sizeof address) == 0
      && listen (fd, BACKLOG) == 0)
    return fd_steal (&fd);

  g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_FAILED, _ ("Cannot listen at %s: %s"), path,
               g_strerror (errno));
  return -1;
}

/* --- the connections --- */

/* As many as tombolod opens for us; more wait to be accepted. */
static void
update_source (PrivateBus *self)
{
  gboolean room = g_hash_table_size (self->relays) + self->n_opening < LIMIT_OPEN_BUSES_OPENER;

  if (room && self->source == 0)
    self->source = g_unix_fd_add (self->fd, G_IO_IN, on_connection, self);
  else if (!room)
    g_clear_handle_id (&self->source, g_source_remove);
}

static void
on_relay_over (Relay *relay, gpointer data)
{
  PrivateBus *self = data;

  g_hash_table_remove (self->relays, relay);
  update_source (self);
}

/* A client's socket, while the bus for it is opened. */
typedef struct
{
  PrivateBus *self;
  int fd;
} Opening;

/* Every client after the first would fail for the same reason. */
static void
complain (PrivateBus *self, GError *error)
{
  if (!self->complained)
    failure_report (error, tombolo_machine_get_name (self->machine));
  self->complained = TRUE;
}

static void
on_opened (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree Opening *opening = data;
  auto_fd client = opening->fd;
  auto_fd bus = -1;
  g_autoptr (GUnixFDList) list = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;
  PrivateBus *self;

  reply = g_dbus_proxy_call_with_unix_fd_list_finish (G_DBUS_PROXY (source), &list, result, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* the bus is freed */

  self = opening->self;
  self->n_opening--;
  if (reply != NULL && list != NULL && g_unix_fd_list_get_length (list) == 1)
    bus = g_unix_fd_list_get (list, 0, &error);
  host_explain_error (&error);

  if (bus >= 0)
    g_hash_table_add (self->relays,
                      relay_new (fd_steal (&client), fd_steal (&bus), on_relay_over, self));
  else if (error != NULL)
    complain (self, error);
  update_source (self);
}

static void
open_bus (PrivateBus *self, int fd)
{
  Opening *opening = g_new0 (Opening, 1);
  GVariantBuilder options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));

  g_variant_builder_add (&options, "{sv}", "bus",
                         g_variant_new_string (guest_bus_to_string (self->bus)));
  opening->self = self;
  opening->fd = fd;
  self->n_opening++;
  g_dbus_proxy_call_with_unix_fd_list (
      G_DBUS_PROXY (self->machine), "OpenBus", g_variant_new ("(a{sv})", &options),
      G_DBUS_CALL_FLAGS_NONE, HOST_NO_TIMEOUT, NULL, self->cancellable, on_opened, opening);
}

/* The directory keeps others out; what root or a descriptor lets in is turned away here: whoever is
 * connected acts with our authority. */
static gboolean
is_own_user (int fd)
{
  struct ucred credentials;
  socklen_t size = sizeof credentials;

  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0
         && credentials.uid == geteuid ();
}

static gboolean
on_connection (int listen_fd, GIOCondition condition, gpointer data)
{
  PrivateBus *self = data;
  auto_fd fd = accept4 (listen_fd, NULL, NULL, SOCK_CLOEXEC);

  if (fd >= 0 && is_own_user (fd))
    open_bus (self, fd_steal (&fd));
  update_source (self);
  return self->source != 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* --- life --- */

PrivateBus *
private_bus_new (TomboloMachine *machine, GuestBus bus, GError **error)
{
  g_autoptr (PrivateBus) self = g_new0 (PrivateBus, 1);
  g_autofree char *escaped = NULL;

  self->machine = g_object_ref (machine);
  self->bus = bus;
  self->cancellable = g_cancellable_new ();
  self->relays = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) relay_free, NULL);
  self->fd = -1;
  self->directory = make_directory (error);
  if (self->directory == NULL)
    return NULL;

  self->path = g_build_filename (self->directory, SOCKET_NAME, NULL);
  escaped = g_dbus_address_escape_value (self->path);
  self->address = g_strconcat ("unix:path=", escaped, NULL);
  self->fd = listen_at (self->path, error);
  if (self->fd < 0)
    return NULL;

  update_source (self);
  return g_steal_pointer (&self);
}

void
private_bus_free (PrivateBus *self)
{
  if (self == NULL)
    return;

  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->source, g_source_remove);
  g_hash_table_unref (self->relays);
  fd_clear (&self->fd);
  if (self->path != NULL)
    g_unlink (self->path);
  if (self->directory != NULL)
    g_rmdir (self->directory);
  g_object_unref (self->cancellable);
  g_object_unref (self->machine);
  g_free (self->directory);
  g_free (self->path);
  g_free (self->address);
  g_free (self);
}

const char *
private_bus_get_address (const PrivateBus *self)
{
  return self->address;
}
