/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hands argv and descriptors to tombolo-launch and waits until it has become the monitor. */
#include "launch-client.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"
#include "limit.h"
#include "log.h"

typedef struct
{
  int fd;
  guint io_source;
  guint timeout_source;
  gulong cancelled_id;
  guint cancelled_source;
} Launch;

static void
launch_free (gpointer data)
{
  Launch *launch = data;

  fd_clear (&launch->fd);
  g_free (launch);
}

static void
stop_waiting (GTask *task)
{
  Launch *launch = g_task_get_task_data (task);

  g_clear_handle_id (&launch->io_source, g_source_remove);
  g_clear_handle_id (&launch->timeout_source, g_source_remove);
  g_clear_handle_id (&launch->cancelled_source, g_source_remove);
  g_cancellable_disconnect (g_task_get_cancellable (task), launch->cancelled_id);
}

GByteArray *
launch_serialize_argv (GPtrArray *argv)
{
  GByteArray *bytes = g_byte_array_new ();

  for (guint i = 0; i < argv->len && argv->pdata[i] != NULL; i++)
    g_byte_array_append (bytes, argv->pdata[i], (guint) strlen (argv->pdata[i]) + 1);

  return bytes;
}

static int
connect_to (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  auto_fd fd = -1;

  if (strlen (path) >= sizeof address.sun_path)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED,
                   "“%s” is too long for a socket; give the machine a shorter name.", path);
      return -1;
    }

  memcpy (address.sun_path, path, strlen (path) + 1);
  fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) < 0)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED,
                   "Cannot reach tombolo-launch at %s: %s.", path, g_strerror (errno));
      return -1;
    }

  return fd_steal (&fd);
}

/* The end of the stream is success, a message is tombolo-launch's complaint. */
static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  GTask *task = user_data;
  Launch *launch = g_task_get_task_data (task);
  g_autofree char *complaint = NULL;
  char text[LIMIT_LOG_LINE];
  ssize_t n = recv (fd, text, sizeof text - 1, 0);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;

  launch->io_source = 0;
  stop_waiting (task);
  if (n == 0)
    g_task_return_boolean (task, TRUE);
  else if (n < 0)
    g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED,
                             "tombolo-launch ended before it read its command: %s.",
                             g_strerror (errno));
  else
    {
      text[n] = '\0';
      complaint = log_text (text, sizeof text);
      g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED, "%s", complaint);
    }

  g_object_unref (task);
  return G_SOURCE_REMOVE;
}

static gboolean
on_timeout (gpointer user_data)
{
  GTask *task = user_data;
  Launch *launch = g_task_get_task_data (task);

  launch->timeout_source = 0;
  stop_waiting (task);
  g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_TIMED_OUT,
                           "tombolo-launch did not take its command within %d s.",
                           (int) (LIMIT_LAUNCH_TIME_USEC / G_USEC_PER_SEC));
  g_object_unref (task);
  return G_SOURCE_REMOVE;
}

static gboolean
return_cancelled (gpointer user_data)
{
  GTask *task = user_data;
  Launch *launch = g_task_get_task_data (task);

  launch->cancelled_source = 0;
  stop_waiting (task);
  g_task_return_error_if_cancelled (task);
  g_object_unref (task);
  return G_SOURCE_REMOVE;
}

/* From the loop: a handler of “cancelled” must not disconnect itself. */
static void
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  Launch *launch = g_task_get_task_data (user_data);

  if (launch->cancelled_source == 0)
    launch->cancelled_source = g_idle_add (return_cancelled, user_data);
}

void
launch_send_async (const char *path, GPtrArray *argv, GArray *fds, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autoptr (GByteArray) message = launch_serialize_argv (argv);
  Launch *launch = g_new0 (Launch, 1);
  GError *error = NULL;

  launch->fd = -1;
  g_task_set_task_data (task, launch, launch_free);
  if (g_task_return_error_if_cancelled (task))
    return;
  if (message->len > LIMIT_LAUNCH_MESSAGE_SIZE)
    {
      g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                               "The monitor's command has %u bytes, more than %zu; shorten "
                               "CommandLine= or the paths.",
                               message->len, LIMIT_LAUNCH_MESSAGE_SIZE);
      return;
    }

  launch->fd = connect_to (path, &error);
  if (launch->fd < 0
      || !fd_send_message (launch->fd, message->data, message->len, (const int *) fds->data,
                           fds->len, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  launch->io_source = g_unix_fd_add (launch->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, task);
  launch->timeout_source =
      g_timeout_add ((guint) (LIMIT_LAUNCH_TIME_USEC / 1000), on_timeout, task);
  if (cancellable != NULL)
    launch->cancelled_id =
        g_cancellable_connect (cancellable, G_CALLBACK (on_cancelled), task, NULL);
  g_steal_pointer (&task); /* the sources' now */
}

gboolean
launch_send_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
