/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of QMP: one command after another on one connection, events in between. Lines, commands
 * and times are bounded, for QEMU may have been taken over by its guest. */
#include "qmp.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"
#include "limit.h"
#include "qmp-message.h"

#define READ_SIZE 4096

struct _Qmp
{
  GObject parent;
  int fd;
  guint io_source;
  GByteArray *input;
  GQueue commands; /* GTask, in the order they were sent */
  gint64 last_id;
  GTask *opening; /* waits for the greeting; then qmp_capabilities is under way */
  guint opening_timeout;
  gboolean ready; /* QEMU took qmp_capabilities */
};

typedef struct
{
  gint64 id;
  guint timeout_source;
} Command;

enum
{
  SIGNAL_EVENT,
  SIGNAL_CLOSED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (Qmp, qmp, G_TYPE_OBJECT)

static void
set_error (GError **error, const char *reason)
{
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED,
               "The control connection to QEMU failed: %s.", reason);
}

static void
fail_commands (Qmp *qmp, const char *reason)
{
  GTask *task;

  while ((task = g_queue_pop_head (&qmp->commands)) != NULL)
    {
      GError *error = NULL;

      set_error (&error, reason);
      g_task_return_error (task, error);
      g_object_unref (task);
    }

  if (qmp->opening != NULL)
    {
      g_autoptr (GTask) opening = g_steal_pointer (&qmp->opening);
      GError *error = NULL;

      set_error (&error, reason);
      g_task_return_error (opening, error);
    }
}

static void
disconnect (Qmp *qmp, const char *reason)
{
  g_clear_handle_id (&qmp->io_source, g_source_remove);
  g_clear_handle_id (&qmp->opening_timeout, g_source_remove);
  fd_clear (&qmp->fd);
  fail_commands (qmp, reason);
}

/* The connection is of no more use; tells whoever listens. */
static void
break_off (Qmp *qmp, const char *reason)
{
  g_autoptr (Qmp) keep = g_object_ref (qmp);
  gboolean was_open = qmp->ready && qmp->fd >= 0;

  disconnect (qmp, reason);
  if (was_open)
    g_signal_emit (qmp, signals[SIGNAL_CLOSED], 0, reason);
}

void
qmp_close (Qmp *qmp)
{
  disconnect (qmp, "it was closed");
}

static void
qmp_dispose (GObject *object)
{
  Qmp *qmp = TOMBOLO_QMP (object);

  qmp_close (qmp);
  g_clear_pointer (&qmp->input, g_byte_array_unref);
  G_OBJECT_CLASS (qmp_parent_class)->dispose (object);
}

static void
qmp_class_init (QmpClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = qmp_dispose;
  signals[SIGNAL_EVENT] = g_signal_new ("event", QMP_TYPE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                        G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[SIGNAL_CLOSED] = g_signal_new ("closed", QMP_TYPE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                         G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
qmp_init (Qmp *qmp)
{
  qmp->fd = -1;
  qmp->input = g_byte_array_new ();
  g_queue_init (&qmp->commands);
}

static void
command_free (gpointer data)
{
  Command *command = data;

  g_clear_handle_id (&command->timeout_source, g_source_remove);
  g_free (command);
}

/* An answer that does not come leaves unknown which command later answers belong to. */
static gboolean
on_timeout (gpointer user_data)
{
  GTask *task = user_data;

  ((Command *) g_task_get_task_data (task))->timeout_source = 0;
  break_off (g_task_get_source_object (task), "it did not answer in time");
  return G_SOURCE_REMOVE;
}

void
qmp_command_async (Qmp *qmp, const char *name, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (qmp, cancellable, callback, user_data);
  Command *command = g_new0 (Command, 1);
  g_autofree char *line = NULL;
  GError *error = NULL;

  g_task_set_task_data (task, command, command_free);
  if (qmp->fd < 0 || qmp->commands.length >= LIMIT_QMP_COMMANDS)
    {
      set_error (&error, qmp->fd < 0 ? "it is closed" : "too many commands wait for an answer");
      g_task_return_error (task, error);
      return;
    }

  command->id = ++qmp->last_id;
  line = qmp_command_format (name, command->id);
  if (send (qmp->fd, line, strlen (line), MSG_NOSIGNAL) != (ssize_t) strlen (line))
    {
      set_error (&error, "it takes no commands");
      g_task_return_error (task, error);
      return;
    }

  command->timeout_source = g_timeout_add ((guint) (LIMIT_QMP_TIME_USEC / 1000), on_timeout, task);
  g_queue_push_tail (&qmp->commands, g_steal_pointer (&task));
}

gboolean
qmp_command_finish (Qmp *qmp, GAsyncResult *result, char **ret_status, GError **error)
{
  QmpMessage *message = g_task_propagate_pointer (G_TASK (result), error);

  if (message == NULL)
    return FALSE;

  if (ret_status != NULL)
    *ret_status = g_steal_pointer (&message->status);
  qmp_message_free (message);
  return TRUE;
}

/* FALSE: an answer to nothing. */
static gboolean
handle_answer (Qmp *qmp, QmpMessage *message)
{
  GTask *first = g_queue_peek_head (&qmp->commands);
  Command *command = first != NULL ? g_task_get_task_data (first) : NULL;
  g_autoptr (GTask) task = NULL;

  if (command == NULL || command->id != message->id)
    {
      qmp_message_free (message);
      return FALSE;
    }

  task = g_queue_pop_head (&qmp->commands);
  g_clear_handle_id (&command->timeout_source, g_source_remove);
  if (message->kind == QMP_RETURN)
    {
      g_task_return_pointer (task, message, (GDestroyNotify) qmp_message_free);
      return TRUE;
    }

  g_task_return_new_error (task, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED, "QEMU refused: %s.",
                           message->text != NULL ? message->text : "without a reason");
  qmp_message_free (message);
  return TRUE;
}

static void
on_capabilities (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) opening = user_data;
  Qmp *qmp = TOMBOLO_QMP (source);
  GError *error = NULL;

  qmp->ready = qmp_command_finish (qmp, result, NULL, &error);
  if (qmp->ready)
    g_task_return_pointer (opening, g_object_ref (qmp), g_object_unref);
  else
    g_task_return_error (opening, error);
}

static gboolean
handle_line (Qmp *qmp, const char *line, gsize size, GError **error)
{
  QmpMessage *message = qmp_message_parse (line, size, error);

  if (message == NULL)
    return FALSE;

  if (message->kind == QMP_RETURN || message->kind == QMP_ERROR)
    {
      if (handle_answer (qmp, message))
        return TRUE;
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                           "QEMU answered what nobody asked");
      return FALSE;
    }

  if (message->kind == QMP_GREETING && qmp->opening != NULL)
    {
      GTask *opening = g_steal_pointer (&qmp->opening);

      g_clear_handle_id (&qmp->opening_timeout, g_source_remove);
      qmp_command_async (qmp, "qmp_capabilities", g_task_get_cancellable (opening), on_capabilities,
                         opening);
    }
  else if (message->kind == QMP_EVENT)
    g_signal_emit (qmp, signals[SIGNAL_EVENT], 0, message->text);

  qmp_message_free (message);
  return TRUE;
}

static gboolean
handle_input (Qmp *qmp, GError **error)
{
  const char *end;

  while (qmp->fd >= 0 && qmp->input->len > 0
         && (end = memchr (qmp->input->data, '\n', qmp->input->len)) != NULL)
    {
      gsize size = (gsize) (end - (const char *) qmp->input->data);
      g_autofree char *line = g_strndup ((const char *) qmp->input->data, size);

      g_byte_array_remove_range (qmp->input, 0, (guint) size + 1);
      if (size > 0 && line[size - 1] == '\r')
        size--;
      if (size > 0 && !handle_line (qmp, line, size, error))
        return FALSE;
    }

  if (qmp->input->len <= LIMIT_QMP_LINE)
    return TRUE;

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
               "QEMU sent a line of more than %zu bytes", LIMIT_QMP_LINE);
  return FALSE;
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (Qmp) qmp = g_object_ref (user_data);
  g_autoptr (GError) error = NULL;
  char data[READ_SIZE];
  ssize_t n = recv (fd, data, sizeof data, 0);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n <= 0)
    {
      break_off (qmp, n == 0 ? "QEMU ended" : g_strerror (errno));
      return G_SOURCE_REMOVE;
    }

  g_byte_array_append (qmp->input, (const guint8 *) data, (guint) n);
  if (handle_input (qmp, &error))
    return qmp->fd >= 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;

  break_off (qmp, error->message);
  return G_SOURCE_REMOVE;
}

static int
connect_to (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  auto_fd fd = -1;

  if (g_strlcpy (address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
    {
      set_error (error, "its path is too long");
      return -1;
    }

  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) < 0)
    {
      set_error (error, g_strerror (errno));
      return -1;
    }

  return fd_steal (&fd);
}

static void
on_open_cancelled (GCancellable *cancellable, gpointer user_data)
{
  Qmp *qmp = user_data;

  if (!qmp->ready)
    disconnect (qmp, "another request ended it");
}

static gboolean
on_open_timeout (gpointer user_data)
{
  Qmp *qmp = user_data;

  qmp->opening_timeout = 0;
  disconnect (qmp, "it said nothing in time");
  return G_SOURCE_REMOVE;
}

void
qmp_open_async (const char *path, GCancellable *cancellable, GAsyncReadyCallback callback,
                gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autoptr (Qmp) qmp = g_object_new (QMP_TYPE, NULL);
  GError *error = NULL;

  if (g_task_return_error_if_cancelled (task))
    return;
  qmp->fd = connect_to (path, &error);
  if (qmp->fd < 0)
    {
      g_task_return_error (task, error);
      return;
    }

  qmp->opening = g_object_ref (task);
  qmp->io_source = g_unix_fd_add (qmp->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, qmp);
  qmp->opening_timeout =
      g_timeout_add ((guint) (LIMIT_LAUNCH_TIME_USEC / 1000), on_open_timeout, qmp);
  if (cancellable != NULL)
    g_signal_connect_object (cancellable, "cancelled", G_CALLBACK (on_open_cancelled), qmp, 0);
  g_task_set_task_data (task, g_steal_pointer (&qmp), g_object_unref);
}

Qmp *
qmp_open_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
