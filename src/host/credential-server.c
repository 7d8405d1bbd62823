/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers systemd's LoadCredential= requests on a unix socket. */
#include "credential-server.h"

#include <errno.h>
#include <glib-unix.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"
#include "limit.h"
#include "log.h"

struct CredentialServer
{
  int fd;
  guint source;
  guint rest_source; /* while nothing is accepted, for want of descriptors or memory */
  GQueue clients;    /* Client, each by its own link */
  CredentialLookup lookup;
  gpointer user_data;
};

/* One request whose answer the socket did not take at once. */
typedef struct
{
  CredentialServer *server;
  GList link;
  int fd;
  guint source;
  guint timeout_source;
  char *text;
  gsize size;
  gsize sent;
} Client;

gboolean
credential_address_parse (const char *path, gsize size, char **ret_unit, char **ret_credential)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) parts = NULL;

  if (size < 2 || path[0] != '\0' || memchr (path + 1, '\0', size - 1) != NULL
      || !g_utf8_validate (path + 1, (gssize) size - 1, NULL))
    return FALSE;

  text = g_strndup (path + 1, size - 1);
  parts = g_strsplit (text, "/", 5);
  if (g_strv_length (parts) != 4 || !g_str_equal (parts[1], "unit") || *parts[0] == '\0'
      || *parts[2] == '\0' || *parts[3] == '\0')
    return FALSE;

  *ret_unit = g_strdup (parts[2]);
  *ret_credential = g_strdup (parts[3]);
  return TRUE;
}

static void
client_free (Client *client)
{
  g_queue_unlink (&client->server->clients, &client->link);
  g_clear_handle_id (&client->source, g_source_remove);
  g_clear_handle_id (&client->timeout_source, g_source_remove);
  fd_clear (&client->fd);
  explicit_bzero (client->text, client->size);
  g_free (client->text);
  g_free (client);
}

/* FALSE: there is more to send. */
static gboolean
client_send (Client *client)
{
  while (client->sent < client->size)
    {
      ssize_t n =
          send (client->fd, client->text + client->sent, client->size - client->sent, MSG_NOSIGNAL);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return errno != EAGAIN;
      client->sent += (gsize) n;
    }

  return TRUE;
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer user_data)
{
  Client *client = user_data;

  if (!client_send (client))
    return G_SOURCE_CONTINUE;

  client->source = 0;
  client_free (client);
  return G_SOURCE_REMOVE;
}

static gboolean
on_timeout (gpointer user_data)
{
  Client *client = user_data;

  client->timeout_source = 0;
  log_warning (NULL, "A request for a credential was not read to its end in time");
  client_free (client);
  return G_SOURCE_REMOVE;
}

static gboolean
read_request (int fd, char **ret_unit, char **ret_credential)
{
  struct sockaddr_un address;
  socklen_t size = sizeof address;
  struct ucred credentials;
  socklen_t credentials_size = sizeof credentials;

  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &credentials, &credentials_size) < 0
      || credentials.uid != 0)
    {
      log_warning (NULL, "Somebody other than systemd asked for a credential and got nothing");
      return FALSE;
    }

  if (getpeername (fd, (struct sockaddr *) &address, &size) < 0
      || size <= offsetof (struct sockaddr_un, sun_path)
      || !credential_address_parse (address.sun_path,
                                    size - offsetof (struct sockaddr_un, sun_path), ret_unit,
                                    ret_credential))
    {
      log_warning (NULL, "A request for a credential names no unit and got nothing");
      return FALSE;
    }

  return TRUE;
}

static void
answer (CredentialServer *server, int fd)
{
  auto_fd owned = fd;
  g_autofree char *unit = NULL;
  g_autofree char *credential = NULL;
  g_autoptr (GError) error = NULL;
  Client *client;
  char *text;
  gsize size;

  if (!read_request (fd, &unit, &credential))
    return;

  text = server->lookup (unit, credential, &size, server->user_data, &error);
  if (text == NULL)
    {
      g_autofree char *request = g_strdup_printf ("%s of unit %s", credential, unit);
      g_autofree char *shown = log_text (request, LIMIT_LOG_LINE / 2);

      log_warning (NULL, "Credential %s was asked for and not given: %s", shown, error->message);
      return;
    }

  client = g_new0 (Client, 1);
  client->server = server;
  client->fd = fd_steal (&owned);
  client->text = text;
  client->size = size;
  client->link.data = client;
  g_queue_push_tail_link (&server->clients, &client->link);
  if (client_send (client))
    {
      client_free (client);
      return;
    }

  client->source = g_unix_fd_add (client->fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, on_writable, client);
  client->timeout_source =
      g_timeout_add ((guint) (LIMIT_CREDENTIAL_TIME_USEC / 1000), on_timeout, client);
}

static gboolean on_connection (int listener, GIOCondition condition, gpointer user_data);

static void
listen_on (CredentialServer *server)
{
  server->source = g_unix_fd_add (server->fd, G_IO_IN, on_connection, server);
}

static gboolean
on_rested (gpointer user_data)
{
  CredentialServer *server = user_data;

  server->rest_source = 0;
  listen_on (server);
  return G_SOURCE_REMOVE;
}

static gboolean
on_connection (int listener, GIOCondition condition, gpointer user_data)
{
  CredentialServer *server = user_data;
  int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (fd < 0)
    {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return G_SOURCE_CONTINUE;

      /* The request stays there, and would call us again at once. */
      log_warning (NULL, "Cannot accept a request for a credential: %s", g_strerror (errno));
      server->source = 0;
      server->rest_source = g_timeout_add (CREDENTIAL_REST_USEC / 1000, on_rested, server);
      return G_SOURCE_REMOVE;
    }

  if (server->clients.length >= LIMIT_CREDENTIAL_CLIENTS)
    {
      log_warning (NULL, "More than %d requests for credentials at a time: one was refused",
                   LIMIT_CREDENTIAL_CLIENTS);
      close (fd);
      return G_SOURCE_CONTINUE;
    }

  answer (server, fd);
  return G_SOURCE_CONTINUE;
}

CredentialServer *
credential_server_new (int fd, CredentialLookup lookup, gpointer user_data)
{
  CredentialServer *server = g_new0 (CredentialServer, 1);

  server->fd = fd;
  server->lookup = lookup;
  server->user_data = user_data;
  g_queue_init (&server->clients);
  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  listen_on (server);
  return server;
}

void
credential_server_free (CredentialServer *server)
{
  while (server->clients.head != NULL)
    client_free (server->clients.head->data);

  g_clear_handle_id (&server->source, g_source_remove);
  g_clear_handle_id (&server->rest_source, g_source_remove);
  fd_clear (&server->fd);
  g_free (server);
}
