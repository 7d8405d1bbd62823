/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolod's end of the launch protocol, against the other end in this process. */
#include "launch-client.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"
#include "limit.h"

typedef struct
{
  char *directory;
  char *path;
  int listener;
  GPtrArray *argv;
  GArray *fds;
  gboolean done;
  gboolean launched;
  GError *error;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  fixture->directory = g_dir_make_tmp ("tombolo-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->directory, "socket", NULL);
  fixture->argv = g_ptr_array_new_with_free_func (g_free);
  fixture->fds = g_array_new (FALSE, FALSE, sizeof (int));
  fixture->listener = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  g_strlcpy (address.sun_path, fixture->path, sizeof address.sun_path);
  g_assert_cmpint (bind (fixture->listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (fixture->listener, 1), ==, 0);

  g_ptr_array_add (fixture->argv, g_strdup ("monitor"));
  g_ptr_array_add (fixture->argv, g_strdup (""));
  g_ptr_array_add (fixture->argv, g_strdup ("two words"));
  g_ptr_array_add (fixture->argv, NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  close (fixture->listener);
  unlink (fixture->path);
  rmdir (fixture->directory);
  g_free (fixture->directory);
  g_free (fixture->path);
  g_ptr_array_unref (fixture->argv);
  g_array_unref (fixture->fds);
  g_clear_error (&fixture->error);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *fixture = user_data;

  fixture->launched = launch_send_finish (result, &fixture->error);
  fixture->done = TRUE;
}

static void
wait_until_done (Fixture *fixture)
{
  while (!fixture->done)
    g_main_context_iteration (NULL, TRUE);
}

static int
begin (Fixture *fixture, GCancellable *cancellable)
{
  launch_send_async (fixture->path, fixture->argv, fixture->fds, cancellable, on_done, fixture);
  return accept (fixture->listener, NULL, NULL);
}

static void
test_launched (Fixture *fixture, gconstpointer data)
{
  auto_fd fd = -1;
  char message[256];
  int fds[4];
  gsize size, n_fds;

  g_array_append_val (fixture->fds, fixture->listener);
  fd = begin (fixture, NULL);
  g_assert_true (fd_receive_message (fd, message, sizeof message, fds, 4, &size, &n_fds, NULL));
  g_assert_cmpmem (message, size, "monitor\0\0two words", 19);
  g_assert_cmpuint (n_fds, ==, 1);
  close (fds[0]);
  g_assert_false (fixture->done);

  fd_clear (&fd); /* as exec does */
  wait_until_done (fixture);
  g_assert_no_error (fixture->error);
  g_assert_true (fixture->launched);
}

static void
test_complaint (Fixture *fixture, gconstpointer data)
{
  auto_fd fd = begin (fixture, NULL);
  char message[256];

  g_assert_cmpint (recv (fd, message, sizeof message, 0), >, 0);
  g_assert_cmpint (send (fd, "No \x1b such program", 18, 0), ==, 18);
  wait_until_done (fixture);
  g_assert_error (fixture->error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED);
  g_assert_cmpstr (fixture->error->message, ==, "No ? such program");
}

/* It died before it read anything: that is no exec. */
static void
test_died (Fixture *fixture, gconstpointer data)
{
  auto_fd fd = begin (fixture, NULL);

  fd_clear (&fd);
  wait_until_done (fixture);
  g_assert_error (fixture->error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED);
}

static void
test_cancelled (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  auto_fd fd = begin (fixture, cancellable);

  g_cancellable_cancel (cancellable);
  wait_until_done (fixture);
  g_assert_error (fixture->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_nobody (Fixture *fixture, gconstpointer data)
{
  unlink (fixture->path);
  launch_send_async (fixture->path, fixture->argv, fixture->fds, NULL, on_done, fixture);
  wait_until_done (fixture);
  g_assert_error (fixture->error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED);
}

static void
test_too_long (Fixture *fixture, gconstpointer data)
{
  fixture->argv->pdata[fixture->argv->len - 1] = g_strnfill (LIMIT_LAUNCH_MESSAGE_SIZE, 'x');
  g_ptr_array_add (fixture->argv, NULL);
  launch_send_async (fixture->path, fixture->argv, fixture->fds, NULL, on_done, fixture);
  wait_until_done (fixture);
  g_assert_error (fixture->error, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED);
}

#define ADD(name, function)                                                                        \
  g_test_add ("/host/launch-client/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("launched", test_launched);
  ADD ("complaint", test_complaint);
  ADD ("died", test_died);
  ADD ("cancelled", test_cancelled);
  ADD ("nobody", test_nobody);
  ADD ("too-long", test_too_long);
  return g_test_run ();
}
