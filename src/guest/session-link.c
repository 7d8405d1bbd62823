/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The link to the helper in the exported user's session. */
#include "session-link.h"

#include <gio/gio.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"
#include "limit.h"
#include "log.h"
#include "rate-limit.h"
#include "session-protocol.h"

struct SessionRequest
{
  SessionLink *link;
  uint32_t id;
  SessionDone done; /* NULL: nobody waits any more, but the helper will still answer */
  void *user_data;
  sd_event_source *deadline;
};

struct SessionLink
{
  sd_event *event;
  char *path;
  uid_t uid;
  int listener;
  sd_event_source *listening;
  sd_event_source *rest; /* until listening goes on */
  int helper;            /* -1: the link is down */
  sd_event_source *source;
  GHashTable *requests; /* id: SessionRequest */
  uint32_t last_id;
  SessionChanged changed;
  void *user_data;
  RateLimit refusals;
};

/* --- Requests --- */

static void
request_free (SessionRequest *request)
{
  sd_event_source_disable_unref (request->deadline);
  g_free (request);
}

/* Takes `fd`. */
static void
request_finish (SessionRequest *request, int fd)
{
  auto_fd owned = fd;
  SessionDone done = request->done;
  void *user_data = request->user_data;

  g_hash_table_remove (request->link->requests, GUINT_TO_POINTER (request->id));
  if (done != NULL)
    done (fd >= 0 ? fd_steal (&owned) : fd, user_data);
}

static void
fail_requests (SessionLink *link, int reason)
{
  GHashTableIter iter;
  gpointer request;

  /* Who is told may ask again, and then for nothing, since the link is down. */
  while (g_hash_table_iter_init (&iter, link->requests),
         g_hash_table_iter_next (&iter, NULL, &request))
    request_finish (request, reason);
}

/* --- The helper --- */

static void
dismiss (int fd, int reason)
{
  const SessionMessage message = { .id = SESSION_DISMISSED, .error = reason };

  fd_send_message (fd, &message, sizeof message, NULL, 0, NULL);
}

/* `dismissal` 0: it has ended by itself. */
static void
drop_helper (SessionLink *link, int dismissal)
{
  if (link->helper < 0)
    return;

  if (dismissal != 0)
    dismiss (link->helper, dismissal);
  link->source = sd_event_source_disable_unref (link->source);
  fd_clear (&link->helper);
  fail_requests (link, -EPIPE);
  link->changed (link, link->user_data);
}

static void
drop_misbehaved (SessionLink *link, const char *what)
{
  if (rate_limit_pass (&link->refusals))
    log_warning (NULL, "The helper in the session of user %u broke the rules: %s.",
                 (unsigned) link->uid, what);
  drop_helper (link, 0);
}

static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  SessionRequest *request = user_data;

  drop_misbehaved (request->link, "it does not answer");
  return 0;
}

/* Whether what the helper lends can be a bus at all; it is read and written without waiting,
 * whatever flags it has. */
static bool
is_connection (int fd)
{
  struct sockaddr_un peer;
  socklen_t peer_size = sizeof peer, size = sizeof (int);
  int domain, type;

  return getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX
         && getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM
         && getpeername (fd, (struct sockaddr *) &peer, &peer_size) == 0;
}

/* Takes `fd`, which is -1 where none came. */
static void
take_answer (SessionLink *link, const SessionMessage *message, int fd)
{
  auto_fd owned = fd;
  SessionRequest *request = g_hash_table_lookup (link->requests, GUINT_TO_POINTER (message->id));

  if (request == NULL)
    drop_misbehaved (link, "it answers what nobody has asked for");
  else if (message->error > 0 && message->error < 4096 && fd < 0)
    request_finish (request, -message->error);
  else if (message->error == 0 && fd >= 0 && is_connection (fd))
    request_finish (request, fd_steal (&owned));
  else
    drop_misbehaved (link, "it lends what is no connection to a bus");
}

static int
on_helper (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  SessionLink *link = user_data;
  g_autoptr (GError) error = NULL;
  SessionMessage message;
  size_t size, n_fds;
  int lent = -1;

  if (!fd_receive_message (fd, &message, sizeof message, &lent, 1, &size, &n_fds, &error))
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        drop_helper (link, 0);
    }
  else if (size == sizeof message)
    take_answer (link, &message, n_fds > 0 ? lent : -1);
  else
    {
      fd_clear (n_fds > 0 ? &lent : &(int){ -1 });
      if (size == 0)
        drop_helper (link, 0);
      else
        drop_misbehaved (link, "its message has the wrong size");
    }

  return 0;
}

/* Takes `fd`, of a helper of the right user. */
static void
take_helper (SessionLink *link, int fd)
{
  auto_fd owned = fd;

  drop_helper (link, EBUSY);
  if (sd_event_add_io (link->event, &link->source, fd, EPOLLIN, on_helper, link) < 0)
    return;

  link->helper = fd_steal (&owned);
  link->changed (link, link->user_data);
}

/* --- Listening --- */

static int
on_rested (sd_event_source *source, uint64_t time, void *user_data)
{
  SessionLink *link = user_data;

  link->rest = sd_event_source_disable_unref (link->rest);
  sd_event_source_set_enabled (link->listening, SD_EVENT_ON);
  return 0;
}

/* Trying on at once would only spin. */
static void
rest (SessionLink *link, int reason)
{
  if (rate_limit_pass (&link->refusals))
    log_warning (NULL, "Cannot take a connection of a session's helper: %s", g_strerror (reason));
  sd_event_source_set_enabled (link->listening, SD_EVENT_OFF);
  if (sd_event_add_time_relative (link->event, &link->rest, CLOCK_MONOTONIC, SESSION_REST_USEC, 0,
                                  on_rested, link)
      < 0)
    sd_event_exit (link->event, -ENOMEM);
}

static int
on_connection (sd_event_source *source, int listener, uint32_t events, void *user_data)
{
  SessionLink *link = user_data;
  auto_fd fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  struct ucred peer;
  socklen_t size = sizeof peer;

  if (fd < 0)
    {
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        rest (link, errno);
      return 0;
    }
  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
    return 0;

  if (peer.uid == link->uid)
    take_helper (link, fd_steal (&fd));
  else
    {
      if (rate_limit_pass (&link->refusals))
        log_warning (NULL,
                     "User %u offered a session bus and was turned away: guest.conf names user %u.",
                     (unsigned) peer.uid, (unsigned) link->uid);
      dismiss (fd, EACCES);
    }

  return 0;
}

/* Whoever waits for the name finds somebody behind it: a socket that listens gets it. Anybody may
 * connect; who it is decides. */
static int
listen_in (SessionLink *link, const char *directory)
{
  g_autofree char *new_path = g_build_filename (directory, SESSION_SOCKET_NEW, NULL);
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  if (strlen (new_path) >= sizeof address.sun_path)
    return -ENAMETOOLONG;
  memcpy (address.sun_path, new_path, strlen (new_path));

  link->listener = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (link->listener < 0 || (unlink (new_path) < 0 && errno != ENOENT)
      || bind (link->listener, (struct sockaddr *) &address, sizeof address) < 0
      || chmod (new_path, 0666) < 0 || listen (link->listener, SESSION_BACKLOG) < 0
      || rename (new_path, link->path) < 0)
    return -errno;

  return sd_event_add_io (link->event, &link->listening, link->listener, EPOLLIN, on_connection,
                          link);
}

SessionLink *
session_link_new (sd_event *event, const char *directory, uid_t uid, SessionChanged changed,
                  void *user_data, GError **error)
{
  SessionLink *link = g_new0 (SessionLink, 1);
  int r;

  link->event = sd_event_ref (event);
  link->path = g_build_filename (directory, SESSION_SOCKET_NAME, NULL);
  link->uid = uid;
  link->listener = link->helper = -1;
  link->changed = changed;
  link->user_data = user_data;
  link->requests = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) request_free);

  r = listen_in (link, directory);
  if (r < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (-r), "Cannot listen on %s: %s",
                   link->path, g_strerror (-r));
      session_link_free (link);
      return NULL;
    }

  return link;
}

void
session_link_free (SessionLink *link)
{
  if (link == NULL)
    return;

  if (link->listening != NULL)
    unlink (link->path);
  sd_event_source_disable_unref (link->listening);
  sd_event_source_disable_unref (link->rest);
  sd_event_source_disable_unref (link->source);
  fd_clear (&link->listener);
  fd_clear (&link->helper);
  g_hash_table_unref (link->requests);
  sd_event_unref (link->event);
  g_free (link->path);
  g_free (link);
}

bool
session_link_is_up (const SessionLink *link)
{
  return link->helper >= 0;
}

SessionRequest *
session_link_request (SessionLink *link, SessionDone done, void *user_data)
{
  SessionRequest *request;
  SessionMessage message = { 0 };

  if (link->helper < 0 || g_hash_table_size (link->requests) >= LIMIT_SESSION_REQUESTS)
    return NULL;

  do
    message.id = ++link->last_id;
  while (message.id == SESSION_DISMISSED
         || g_hash_table_contains (link->requests, GUINT_TO_POINTER (message.id)));
  if (!fd_send_message (link->helper, &message, sizeof message, NULL, 0, NULL))
    return NULL;

  request = g_new0 (SessionRequest, 1);
  request->link = link;
  request->id = message.id;
  request->done = done;
  request->user_data = user_data;
  g_hash_table_insert (link->requests, GUINT_TO_POINTER (request->id), request);
  if (sd_event_add_time_relative (link->event, &request->deadline, CLOCK_MONOTONIC,
                                  LIMIT_SESSION_TIME_USEC, 0, on_deadline, request)
      < 0)
    sd_event_exit (link->event, -ENOMEM);
  return request;
}

void
session_request_cancel (SessionRequest *request)
{
  if (request != NULL)
    request->done = NULL;
}
