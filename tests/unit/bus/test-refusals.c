/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The status that systemd is told. */
#include "refusals.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int notify_socket;

/* Runs the loop until the status is told; returns it, or NULL where none is within two seconds. */
static char *
wait_for_status (sd_event *event)
{
  gint64 end = g_get_monotonic_time () + 2 * G_USEC_PER_SEC;
  char text[256];
  ssize_t n = -1;

  while (n < 0 && g_get_monotonic_time () < end)
    {
      sd_event_run (event, 100000);
      n = recv (notify_socket, text, sizeof text, MSG_DONTWAIT);
    }

  return n < 0 ? NULL : g_strndup (text, (gsize) n);
}

static void
test_status (void)
{
  sd_event *event = NULL;
  Refusals *refusals;

  g_assert_cmpint (sd_event_new (&event), >=, 0);
  refusals = refusals_new (event, "Not connected");
  {
    g_autofree char *status = wait_for_status (event);

    g_assert_cmpstr (status, ==, "STATUS=Not connected.");
  }

  /* Many at a time are one message. */
  for (int i = 0; i < 1000; i++)
    refusals_count (refusals, REFUSED_HANDSHAKE);
  refusals_count (refusals, REFUSED_CALL);
  refusals_set_state (refusals, "Connected");
  {
    g_autofree char *status = wait_for_status (event);

    g_assert_cmpstr (status, ==, "STATUS=Connected; refused: 1000 handshakes, 1 calls.");
  }
  g_assert_null (wait_for_status (event));

  refusals_count (refusals, REFUSED_CLIENT);
  refusals_free (refusals);
  sd_event_unref (event);
}

int
main (int argc, char **argv)
{
  g_autofree char *directory = g_dir_make_tmp ("tombolo-test-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "notify", NULL);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int r;

  g_test_init (&argc, &argv, NULL);
  notify_socket = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_no_errno (bind (notify_socket, (struct sockaddr *) &address, sizeof address));
  g_setenv ("NOTIFY_SOCKET", path, TRUE);

  g_test_add_func ("/refusals/status", test_status);
  r = g_test_run ();
  close (notify_socket);
  g_unlink (path);
  g_rmdir (directory);
  return r;
}
