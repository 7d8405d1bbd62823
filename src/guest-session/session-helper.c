/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The helper's work. */
#include "session-helper.h"

#include <gio/gio.h>

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "descriptor.h"
#include "log.h"
#include "session-bus.h"
#include "session-protocol.h"

typedef struct
{
  struct sockaddr_un bus;
  socklen_t bus_size;
  struct sockaddr_un agent;
  int watch; /* inotify, on the directory of the agent's socket */
} Helper;

static gboolean
set_error (GError **error, const char *what)
{
  int code = errno;

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "%s: %s", what, g_strerror (code));
  return FALSE;
}

/* Where the bus is not there, the agent is told so, and asks again. */
static gboolean
answer (Helper *helper, int agent, uint32_t id, GError **error)
{
  auto_fd bus = session_bus_connect (&helper->bus, helper->bus_size);
  SessionMessage message = { .id = id, .error = bus < 0 ? -bus : 0 };

  return fd_send_message (agent, &message, sizeof message, &bus, bus < 0 ? 0 : 1, error);
}

/* Until the agent ends the connection. Returns whether it dismissed us. */
static gboolean
serve (Helper *helper, int agent)
{
  g_autoptr (GError) error = NULL;
  SessionMessage request;
  size_t size, n_fds;

  while (fd_receive_message (agent, &request, sizeof request, NULL, 0, &size, &n_fds, &error)
         && size == sizeof request)
    {
      if (request.id == SESSION_DISMISSED)
        {
          log_notice (NULL, "The agent does not want this session: %s.",
                      request.error == EACCES ? "User= in its guest.conf names another user"
                                              : "another helper serves it");
          return TRUE;
        }
      if (!answer (helper, agent, request.id, &error))
        break;
    }

  log_info (NULL, "The agent has ended the connection%s%s; waiting for it to come back.",
            error != NULL ? ": " : "", error != NULL ? error->message : "");
  return FALSE;
}

/* Sleeps until a file has been renamed into the directory, as an agent's new socket is. */
static gboolean
wait_for_change (Helper *helper, GError **error)
{
  union
  {
    struct inotify_event event;
    char bytes[4096];
  } buffer;
  ssize_t n;

  do
    n = read (helper->watch, buffer.bytes, sizeof buffer);
  while (n < 0 && errno == EINTR);

  if (n < (ssize_t) sizeof buffer.event)
    return set_error (error, "Cannot wait for the agent");
  if ((buffer.event.mask & (IN_DELETE_SELF | IN_IGNORED)) != 0)
    {
      errno = ENOENT;
      return set_error (error, "The directory of the agent's socket is gone");
    }

  return TRUE;
}

static int
connect_agent (const Helper *helper)
{
  auto_fd fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

  if (fd < 0 || connect (fd, (const struct sockaddr *) &helper->agent, sizeof helper->agent) < 0)
    return -errno;

  return fd_steal (&fd);
}

static gboolean
run (Helper *helper, GError **error)
{
  for (;;)
    {
      auto_fd agent = connect_agent (helper);

      if (agent >= 0)
        {
          if (serve (helper, agent))
            return TRUE;
        }
      else if (!wait_for_change (helper, error))
        return FALSE;
    }
}

gboolean
session_helper_run (const char *directory, const char *bus_address, const char *runtime_directory,
                    GError **error)
{
  g_autofree char *path = g_build_filename (directory, SESSION_SOCKET_NAME, NULL);
  Helper helper = { .agent.sun_family = AF_UNIX };
  auto_fd watch = -1;
  int r = session_bus_parse_address (bus_address, runtime_directory, &helper.bus, &helper.bus_size);

  if (r >= 0 && strlen (path) >= sizeof helper.agent.sun_path)
    r = -ENAMETOOLONG;
  if (r < 0)
    {
      errno = -r;
      return set_error (error, r == -EINVAL ? "DBUS_SESSION_BUS_ADDRESS names no unix socket"
                                            : "The path of a socket does not fit");
    }

  /* The watch comes before the first attempt, so that no agent slips in between. */
  memcpy (helper.agent.sun_path, path, strlen (path));
  watch = inotify_init1 (IN_CLOEXEC);
  if (watch < 0
      || inotify_add_watch (watch, directory, IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR) < 0)
    return set_error (error, directory);

  helper.watch = watch;
  return run (&helper, error);
}
