/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's side of tombolo-shell.socket. */
#include "shell-client.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "error.h"
#include "limit.h"
#include "log.h"

#define ANSWER_SIZE 2048
#define ANSWER_DESCRIPTORS 2

struct ShellClient
{
  int fd;
  sd_event_source *io;
  sd_event_source *deadline;
  ShellDone done;
  void *user_data;
};

static int
on_answer (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  ShellClient *client = user_data;
  char text[ANSWER_SIZE + 1] = "";
  int fds[ANSWER_DESCRIPTORS];
  auto_fd_list list = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *problem = NULL;
  size_t size, n_fds;

  if (!fd_receive_message (fd, text, ANSWER_SIZE, fds, ANSWER_DESCRIPTORS, &size, &n_fds, &error))
    {
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return 0;
      problem = g_strdup (error->message);
      n_fds = size = 0;
    }

  text[size] = '\0';
  for (size_t i = 0; i < n_fds; i++)
    fd_list_add (&list, fds[i]);
  if (problem == NULL)
    problem = size > 1 ? log_text (text, ANSWER_SIZE)
                       : g_strdup ("The guest's tombolo-guest-shell ended without an answer.");

  if (n_fds == ANSWER_DESCRIPTORS)
    client->done (&list, NULL, client->user_data);
  else
    client->done (NULL, problem, client->user_data);
  return 0;
}

static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  ShellClient *client = user_data;

  client->done (NULL, "The guest's tombolo-guest-shell does not answer.", client->user_data);
  return 0;
}

static gboolean
ask (ShellClient *client, const ShellRequest *request, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SHELL_SOCKET };
  g_autoptr (GByteArray) bytes = shell_request_write (request);

  client->fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (client->fd < 0
      || connect (client->fd, (const struct sockaddr *) &address, sizeof address) < 0)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                   "The guest opens no terminals (%s): “systemctl enable --now "
                   "tombolo-shell.socket” there, and [Shell] of its guest.conf, let it.",
                   g_strerror (errno));
      return FALSE;
    }

  return fd_send_message (client->fd, bytes->data, bytes->len, NULL, 0, error);
}

ShellClient *
shell_client_new (sd_event *event, const ShellRequest *request, ShellDone done, void *user_data,
                  GError **error)
{
  ShellClient *client = g_new0 (ShellClient, 1);
  int r;

  client->fd = -1;
  client->done = done;
  client->user_data = user_data;
  if (!ask (client, request, error))
    {
      shell_client_free (client);
      return NULL;
    }

  r = sd_event_add_io (event, &client->io, client->fd, EPOLLIN, on_answer, client);
  if (r >= 0)
    r = sd_event_add_time_relative (event, &client->deadline, CLOCK_MONOTONIC,
                                    LIMIT_SHELL_TIME_USEC, 0, on_deadline, client);
  if (r < 0)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED, "The agent is out of resources.");
      shell_client_free (client);
      return NULL;
    }

  return client;
}

void
shell_client_free (ShellClient *client)
{
  if (client == NULL)
    return;

  sd_event_source_disable_unref (client->io);
  sd_event_source_disable_unref (client->deadline);
  fd_clear (&client->fd);
  g_free (client);
}
