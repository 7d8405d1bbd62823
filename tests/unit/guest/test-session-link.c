/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The link to a session's helper: the real helper in a process of its own, and false ones. */
#include "session-link.h"

#include <glib/gstdio.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"
#include "event-loop.h"
#include "limit.h"
#include "session-helper.h"
#include "session-protocol.h"

#define EXIT_DISMISSED 77
#define WAIT_USEC (10 * G_USEC_PER_SEC)

typedef struct
{
  sd_event *event;
  char *directory;
  char *bus_path;
  int bus; /* listens in place of a bus */
  SessionLink *link;
  unsigned n_changes;
} Fixture;

static void
on_changed (SessionLink *link, void *user_data)
{
  ((Fixture *) user_data)->n_changes++;
}

static int
listen_on (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_no_errno (bind (fd, (struct sockaddr *) &address, sizeof address));
  g_assert_no_errno (listen (fd, 8));
  return fd;
}

static void
make_link (Fixture *fixture, uid_t uid)
{
  g_autoptr (GError) error = NULL;

  fixture->link =
      session_link_new (fixture->event, fixture->directory, uid, on_changed, fixture, &error);
  g_assert_no_error (error);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (event_loop_new (&fixture->event), >=, 0);
  fixture->directory = g_dir_make_tmp ("tombolo-test-XXXXXX", NULL);
  fixture->bus_path = g_build_filename (fixture->directory, "bus", NULL);
  fixture->bus = listen_on (fixture->bus_path);
  make_link (fixture, getuid ());
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  session_link_free (fixture->link);
  g_unlink (fixture->bus_path);
  /* The link takes its socket along, and so nothing is left. */
  g_assert_no_errno (g_rmdir (fixture->directory));
  fd_clear (&fixture->bus);
  sd_event_unref (fixture->event);
  g_free (fixture->bus_path);
  g_free (fixture->directory);
}

/* Until `*value` is `wanted`. */
static void
run_until (Fixture *fixture, const int *value, int wanted)
{
  gint64 end = g_get_monotonic_time () + WAIT_USEC;

  while (*value != wanted && g_get_monotonic_time () < end)
    g_assert_cmpint (sd_event_run (fixture->event, 50000), >=, 0);
  g_assert_cmpint (*value, ==, wanted);
}

static void
run_until_up (Fixture *fixture, bool up)
{
  gint64 end = g_get_monotonic_time () + WAIT_USEC;

  while (session_link_is_up (fixture->link) != up && g_get_monotonic_time () < end)
    g_assert_cmpint (sd_event_run (fixture->event, 50000), >=, 0);
  g_assert_true (session_link_is_up (fixture->link) == up);
}

static pid_t
start_helper (Fixture *fixture)
{
  pid_t pid = fork ();

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      g_autofree char *address = g_strconcat ("unix:path=", fixture->bus_path, NULL);
      g_autoptr (GError) error = NULL;

      prctl (PR_SET_PDEATHSIG, SIGKILL);
      _exit (session_helper_run (fixture->directory, address, NULL, &error) ? EXIT_DISMISSED
                                                                            : EXIT_FAILURE);
    }

  return pid;
}

static int
wait_for_exit (pid_t pid)
{
  int status;

  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  return WIFEXITED (status) ? WEXITSTATUS (status) : -WTERMSIG (status);
}

static void
stop_helper (pid_t pid)
{
  g_assert_no_errno (kill (pid, SIGKILL));
  g_assert_cmpint (wait_for_exit (pid), ==, -SIGKILL);
}

/* What a request came to: a descriptor, a negative errno, or PENDING. */
#define PENDING G_MININT

static void
on_lent (int fd, void *user_data)
{
  *(int *) user_data = fd;
}

static void
run_until_lent (Fixture *fixture, const int *result)
{
  gint64 end = g_get_monotonic_time () + WAIT_USEC;

  while (*result == PENDING && g_get_monotonic_time () < end)
    g_assert_cmpint (sd_event_run (fixture->event, 50000), >=, 0);
}

static void
ask (Fixture *fixture, int *result)
{
  *result = PENDING;
  g_assert_nonnull (session_link_request (fixture->link, on_lent, result));
}

/* The bus sees the helper in what the agent got, and what the agent says arrives there. */
static void
test_lends (Fixture *fixture, gconstpointer data)
{
  pid_t helper = start_helper (fixture);
  struct ucred peer;
  socklen_t size = sizeof peer;
  char byte;
  int fd, result;

  run_until_up (fixture, true);
  for (int i = 0; i < 3; i++)
    {
      ask (fixture, &result);
      run_until_lent (fixture, &result);
      g_assert_cmpint (result, >=, 0);

      fd = accept (fixture->bus, NULL, NULL);
      g_assert_no_errno (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size));
      g_assert_cmpint (peer.pid, ==, helper);
      g_assert_cmpint (send (result, "x", 1, MSG_NOSIGNAL), ==, 1);
      g_assert_cmpint (read (fd, &byte, 1), ==, 1);
      close (result);
      g_assert_cmpint (read (fd, &byte, 1), ==, 0); /* nobody else holds it */
      close (fd);
    }

  stop_helper (helper);
}

static void
test_no_bus (Fixture *fixture, gconstpointer data)
{
  pid_t helper = start_helper (fixture);
  int result;

  run_until_up (fixture, true);
  g_unlink (fixture->bus_path);
  ask (fixture, &result);
  run_until_lent (fixture, &result);
  g_assert_cmpint (result, ==, -ENOENT);
  g_assert_true (session_link_is_up (fixture->link));

  stop_helper (helper);
}

/* What waits fails, and there is nobody to be asked. */
static void
test_ends (Fixture *fixture, gconstpointer data)
{
  pid_t helper = start_helper (fixture);
  int result;

  run_until_up (fixture, true);
  g_assert_no_errno (kill (helper, SIGSTOP));
  ask (fixture, &result);
  stop_helper (helper);
  run_until_up (fixture, false);
  g_assert_cmpint (result, ==, -EPIPE);
  g_assert_cmpuint (fixture->n_changes, ==, 2);
  g_assert_null (session_link_request (fixture->link, on_lent, &result));
}

/* A helper outlives agents: it finds the next one, whenever that comes. */
static void
test_agent_comes_back (Fixture *fixture, gconstpointer data)
{
  pid_t helper = start_helper (fixture);

  for (int i = 0; i < 3; i++)
    {
      run_until_up (fixture, true);
      session_link_free (fixture->link);
      if (i > 0)
        g_usleep (50000);
      make_link (fixture, getuid ());
    }

  run_until_up (fixture, true);
  stop_helper (helper);
}

static void
test_stranger (Fixture *fixture, gconstpointer data)
{
  pid_t helper;
  int status = PENDING;

  session_link_free (fixture->link);
  make_link (fixture, getuid () + 1);
  helper = start_helper (fixture);

  while (waitpid (helper, &status, WNOHANG) == 0)
    g_assert_cmpint (sd_event_run (fixture->event, 10000), >=, 0);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, EXIT_DISMISSED);
  g_assert_false (session_link_is_up (fixture->link));
  g_assert_cmpuint (fixture->n_changes, ==, 0);
}

/* The newest wins, and the older one does not come back to win again. */
static void
test_newest_wins (Fixture *fixture, gconstpointer data)
{
  pid_t older = start_helper (fixture), newer;
  int changes = 3, status = PENDING;

  run_until_up (fixture, true);
  newer = start_helper (fixture);
  run_until (fixture, (const int *) &fixture->n_changes, changes);
  g_assert_cmpint (waitpid (older, &status, 0), ==, older);
  g_assert_cmpint (WEXITSTATUS (status), ==, EXIT_DISMISSED);
  g_assert_true (session_link_is_up (fixture->link));
  stop_helper (newer);
}

/* --- False helpers --- */

static int
connect_falsely (Fixture *fixture)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autofree char *path = g_build_filename (fixture->directory, SESSION_SOCKET_NAME, NULL);
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_no_errno (connect (fd, (struct sockaddr *) &address, sizeof address));
  run_until_up (fixture, true);
  return fd;
}

typedef enum
{
  LENDS_NOTHING,
  LENDS_PIPE,
  LENDS_UNCONNECTED,
  LENDS_DATAGRAMS,
  LENDS_INTERNET,
  LENDS_CONNECTION,
} Lent;

static const struct
{
  const char *what;
  Lent lent;
  int32_t error;
  uint32_t other_id; /* added to the right one */
  size_t size;
} lies[] = {
  { "no descriptor", LENDS_NOTHING, 0, 0, sizeof (SessionMessage) },
  { "a pipe", LENDS_PIPE, 0, 0, sizeof (SessionMessage) },
  { "a socket that goes nowhere", LENDS_UNCONNECTED, 0, 0, sizeof (SessionMessage) },
  { "datagrams", LENDS_DATAGRAMS, 0, 0, sizeof (SessionMessage) },
  { "another family", LENDS_INTERNET, 0, 0, sizeof (SessionMessage) },
  { "an error beside a descriptor", LENDS_CONNECTION, ENOENT, 0, sizeof (SessionMessage) },
  { "a negative error", LENDS_NOTHING, -ENOENT, 0, sizeof (SessionMessage) },
  { "an error that is none", LENDS_NOTHING, 1 << 20, 0, sizeof (SessionMessage) },
  { "another request", LENDS_CONNECTION, 0, 1, sizeof (SessionMessage) },
  { "a short message", LENDS_CONNECTION, 0, 0, sizeof (SessionMessage) - 1 },
  { "a long message", LENDS_CONNECTION, 0, 0, sizeof (SessionMessage) + 1 },
};

static void
make_lent (Lent lent, int fds[2])
{
  fds[0] = fds[1] = -1;
  if (lent == LENDS_PIPE)
    g_assert_no_errno (pipe (fds));
  else if (lent == LENDS_UNCONNECTED)
    fds[0] = socket (AF_UNIX, SOCK_STREAM, 0);
  else if (lent == LENDS_DATAGRAMS)
    g_assert_no_errno (socketpair (AF_UNIX, SOCK_DGRAM, 0, fds));
  else if (lent == LENDS_INTERNET)
    fds[0] = socket (AF_INET6, SOCK_STREAM, 0);
  else if (lent == LENDS_CONNECTION)
    g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM, 0, fds));
}

static void
test_lies (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (lies); i++)
    {
      auto_fd helper = connect_falsely (fixture);
      SessionMessage messages[2] = { 0 };
      int fds[2], result;

      g_test_message ("%s", lies[i].what);
      ask (fixture, &result);
      g_assert_cmpint (read (helper, messages, sizeof messages[0]), ==, sizeof messages[0]);
      messages[0].id += lies[i].other_id;
      messages[0].error = lies[i].error;
      make_lent (lies[i].lent, fds);
      g_assert_true (
          fd_send_message (helper, messages, lies[i].size, fds, fds[0] >= 0 ? 1 : 0, NULL));
      fd_clear (&fds[0]);

      run_until_up (fixture, false);
      g_assert_cmpint (result, ==, -EPIPE);
      fd_clear (&fds[1]);
    }
}

/* More descriptors than one are a lie, too, and none of them stays. */
static void
test_several_descriptors (Fixture *fixture, gconstpointer data)
{
  auto_fd helper = connect_falsely (fixture);
  SessionMessage message;
  int result, fds[2];
  char byte;

  ask (fixture, &result);
  g_assert_cmpint (read (helper, &message, sizeof message), ==, sizeof message);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM, 0, fds));
  g_assert_true (
      fd_send_message (helper, &message, sizeof message, (int[]){ fds[0], fds[0] }, 2, NULL));
  close (fds[0]);
  run_until_up (fixture, false);
  g_assert_cmpint (result, ==, -EPIPE);
  g_assert_cmpint (read (fds[1], &byte, 1), ==, 0);
  close (fds[1]);
}

static void
test_limit (Fixture *fixture, gconstpointer data)
{
  auto_fd helper = connect_falsely (fixture);
  int results[LIMIT_SESSION_REQUESTS], more = PENDING;

  for (int i = 0; i < LIMIT_SESSION_REQUESTS; i++)
    ask (fixture, &results[i]);
  g_assert_null (session_link_request (fixture->link, on_lent, &more));
  g_assert_true (session_link_is_up (fixture->link));

  fd_clear (&helper);
  run_until_up (fixture, false);
  for (int i = 0; i < LIMIT_SESSION_REQUESTS; i++)
    g_assert_cmpint (results[i], ==, -EPIPE);
  g_assert_cmpint (more, ==, PENDING);
}

/* Who waits no longer is not told, and what still comes is closed. */
static void
test_cancelled (Fixture *fixture, gconstpointer data)
{
  auto_fd helper = connect_falsely (fixture);
  SessionRequest *request;
  SessionMessage message;
  int result = PENDING, second, fds[2];
  char byte;

  request = session_link_request (fixture->link, on_lent, &result);
  session_request_cancel (request);
  g_assert_cmpint (read (helper, &message, sizeof message), ==, sizeof message);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM, 0, fds));
  g_assert_true (fd_send_message (helper, &message, sizeof message, fds, 1, NULL));
  close (fds[0]);

  ask (fixture, &second);
  g_assert_cmpint (read (helper, &message, sizeof message), ==, sizeof message);
  message.error = ECONNREFUSED;
  g_assert_true (fd_send_message (helper, &message, sizeof message, NULL, 0, NULL));
  run_until_lent (fixture, &second);
  g_assert_cmpint (second, ==, -ECONNREFUSED);
  g_assert_cmpint (result, ==, PENDING);
  g_assert_cmpint (read (fds[1], &byte, 1), ==, 0);
  close (fds[1]);
}

static void
test_silent (Fixture *fixture, gconstpointer data)
{
  auto_fd helper = connect_falsely (fixture);
  gint64 begin = g_get_monotonic_time ();
  int result;

  ask (fixture, &result);
  run_until_lent (fixture, &result);
  g_assert_cmpint (result, ==, -EPIPE);
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, LIMIT_SESSION_TIME_USEC);
  g_assert_false (session_link_is_up (fixture->link));
}

#define ADD(name, function)                                                                        \
  g_test_add ("/session-link/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("lends", test_lends);
  ADD ("no-bus", test_no_bus);
  ADD ("ends", test_ends);
  ADD ("agent-comes-back", test_agent_comes_back);
  ADD ("stranger", test_stranger);
  ADD ("newest-wins", test_newest_wins);
  ADD ("lies", test_lies);
  ADD ("several-descriptors", test_several_descriptors);
  ADD ("limit", test_limit);
  ADD ("cancelled", test_cancelled);
  ADD ("silent", test_silent);
  return g_test_run ();
}
