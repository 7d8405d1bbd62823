/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QMP client against a socket on which this test plays QEMU. */
#include "qmp.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"
#include "limit.h"

#define GREETING "{\"QMP\":{}}\r\n"

typedef struct
{
  char *directory;
  char *path;
  int listener;
  int peer;
  Qmp *qmp;
  GString *events;
  guint closed;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  fixture->directory = g_dir_make_tmp ("tombolo-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->directory, "qmp", NULL);
  fixture->peer = -1;
  fixture->events = g_string_new (NULL);
  fixture->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_strlcpy (address.sun_path, fixture->path, sizeof address.sun_path);
  g_assert_cmpint (bind (fixture->listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (fixture->listener, 1), ==, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_object (&fixture->qmp);
  fd_clear (&fixture->peer);
  close (fixture->listener);
  unlink (fixture->path);
  rmdir (fixture->directory);
  g_free (fixture->directory);
  g_free (fixture->path);
  g_string_free (fixture->events, TRUE);
}

static void
say (Fixture *fixture, const char *text)
{
  g_assert_cmpint (send (fixture->peer, text, strlen (text), MSG_NOSIGNAL), ==,
                   (ssize_t) strlen (text));
}

static void
expect_heard (Fixture *fixture, const char *text)
{
  g_autofree char *heard = g_malloc0 (strlen (text) + 1);

  g_assert_cmpint (recv (fixture->peer, heard, strlen (text), MSG_WAITALL), ==,
                   (ssize_t) strlen (text));
  g_assert_cmpstr (heard, ==, text);
}

static void
keep_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static void
wait_for (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
}

static void
on_event (Qmp *qmp, const char *name, Fixture *fixture)
{
  g_string_append_printf (fixture->events, "%s;", name);
}

static void
on_closed (Qmp *qmp, const char *reason, Fixture *fixture)
{
  fixture->closed++;
}

static void
open_connection (Fixture *fixture)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  qmp_open_async (fixture->path, NULL, keep_result, &result);
  fixture->peer = accept (fixture->listener, NULL, NULL);
  say (fixture, GREETING);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  expect_heard (fixture, "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
  say (fixture, "{\"return\":{},\"id\":1}\r\n");
  wait_for (&result);
  fixture->qmp = qmp_open_finish (result, &error);
  g_assert_no_error (error);
  g_signal_connect (fixture->qmp, "event", G_CALLBACK (on_event), fixture);
  g_signal_connect (fixture->qmp, "closed", G_CALLBACK (on_closed), fixture);
}

static void
test_commands (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *status = NULL;

  open_connection (fixture);
  qmp_command_async (fixture->qmp, "query-status", NULL, keep_result, &first);
  qmp_command_async (fixture->qmp, "stop", NULL, keep_result, &second);
  expect_heard (fixture, "{\"execute\":\"query-status\",\"id\":2}\n"
                         "{\"execute\":\"stop\",\"id\":3}\n");
  /* In pieces, with an event in between. */
  say (fixture, "{\"return\":{\"status\":\"run");
  g_main_context_iteration (NULL, TRUE);
  say (fixture, "ning\"},\"id\":2}\r\n{\"event\":\"STOP\"}\r\n");
  say (fixture, "{\"id\":3,\"error\":{\"desc\":\"not now\"}}\r\n");
  wait_for (&first);
  wait_for (&second);

  g_assert_true (qmp_command_finish (fixture->qmp, first, &status, &error));
  g_assert_cmpstr (status, ==, "running");
  g_assert_false (qmp_command_finish (fixture->qmp, second, NULL, &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED);
  g_assert_nonnull (strstr (error->message, "not now"));
  g_assert_cmpstr (fixture->events->str, ==, "STOP;");
}

/* Each of these ends the connection, and fails the command that was under way. */
static void
test_misbehaviour (Fixture *fixture, gconstpointer data)
{
  const char *line = data;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  open_connection (fixture);
  qmp_command_async (fixture->qmp, "stop", NULL, keep_result, &result);
  if (line != NULL)
    say (fixture, line);
  else
    fd_clear (&fixture->peer);
  wait_for (&result);
  g_assert_false (qmp_command_finish (fixture->qmp, result, NULL, &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED);
  g_assert_cmpuint (fixture->closed, ==, 1);

  g_clear_object (&result);
  g_clear_error (&error);
  qmp_command_async (fixture->qmp, "stop", NULL, keep_result, &result);
  wait_for (&result);
  g_assert_false (qmp_command_finish (fixture->qmp, result, NULL, &error));
}

static void
test_endless_line (Fixture *fixture, gconstpointer data)
{
  g_autofree char *piece = g_strnfill (4096, 'x');

  open_connection (fixture);
  for (gsize sent = 0; fixture->closed == 0; sent += 4096)
    {
      g_assert_cmpuint (sent, <, 2 * LIMIT_QMP_LINE);
      if (send (fixture->peer, piece, 4096, MSG_NOSIGNAL) < 0)
        break;
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  g_assert_cmpuint (fixture->closed, ==, 1);
}

static void
test_open_cancelled (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  qmp_open_async (fixture->path, cancellable, keep_result, &result);
  g_cancellable_cancel (cancellable);
  wait_for (&result);
  g_assert_null (qmp_open_finish (result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_open_nobody (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  unlink (fixture->path);
  qmp_open_async (fixture->path, NULL, keep_result, &result);
  wait_for (&result);
  g_assert_null (qmp_open_finish (result, &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED);
}

#define ADD(name, function, data)                                                                  \
  g_test_add ("/host/qmp/" name, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("commands", test_commands, NULL);
  ADD ("ended", test_misbehaviour, NULL);
  ADD ("no-message", test_misbehaviour, "HTTP/1.1 200 OK\r\n");
  ADD ("wrong-id", test_misbehaviour, "{\"return\":{},\"id\":99}\n");
  ADD ("endless-line", test_endless_line, NULL);
  ADD ("open-cancelled", test_open_cancelled, NULL);
  ADD ("open-nobody", test_open_nobody, NULL);
  return g_test_run ();
}
