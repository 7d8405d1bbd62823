/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tombolo-launch takes from its socket, and what the monitor finds when it starts. */
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"
#include "limit.h"
#include "launch-command.h"

static const char *const monitors[] = { "/bin/sh", "/nonexistent/monitor", NULL };

static void
make_pair (int *ours, int *theirs)
{
  int pair[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
  *ours = pair[0];
  *theirs = pair[1];
}

static void
test_messages (void)
{
  static const struct
  {
    const char *text;
    gsize size;
    const char *message; /* NULL: a good one */
  } rows[] = {
    { "/bin/sh\0-c\0\0true", sizeof "/bin/sh\0-c\0\0true", NULL },
    { "/bin/sh", sizeof "/bin/sh", NULL },
    { "/bin/sh", sizeof "/bin/sh" - 1, "is not a command" },
    { "", 1, "“” is not a monitor" },
    { "", 0, "is not a command" }, /* the end of the stream */
    { "/bin/true", sizeof "/bin/true", "“/bin/true” is not a monitor" },
    { "sh", sizeof "sh", "“sh” is not a monitor" },
    { "/bin/../bin/sh", sizeof "/bin/../bin/sh", "is not a monitor" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (LaunchCommand) command = NULL;
      g_autoptr (GError) error = NULL;
      auto_fd ours = -1;
      auto_fd theirs = -1;

      make_pair (&ours, &theirs);
      if (rows[i].size > 0)
        g_assert_cmpint (send (theirs, rows[i].text, rows[i].size, 0), ==, rows[i].size);
      fd_clear (&theirs);

      command = launch_command_receive (ours, monitors, &error);
      g_assert_true ((command != NULL) == (rows[i].message == NULL));
      if (command == NULL)
        g_assert_nonnull (strstr (error->message, rows[i].message));
      else
        {
          g_assert_cmpstr (command->argv->pdata[0], ==, "/bin/sh");
          g_assert_null (command->argv->pdata[command->argv->len]);
          g_assert_cmpuint (command->argv->len, ==, i == 0 ? 4 : 1);
        }
    }
}

static void
test_limits (void)
{
  g_autofree char *large = g_malloc0 (LIMIT_LAUNCH_MESSAGE_SIZE + 1);
  int fds[LIMIT_LAUNCH_DESCRIPTORS];
  g_autoptr (LaunchCommand) command = NULL;
  g_autoptr (GError) error = NULL;
  auto_fd ours = -1;
  auto_fd theirs = -1;

  make_pair (&ours, &theirs);
  memcpy (large, "/bin/sh", sizeof "/bin/sh");
  g_assert_cmpint (send (theirs, large, LIMIT_LAUNCH_MESSAGE_SIZE + 1, 0), >, 0);
  g_assert_null (launch_command_receive (ours, monitors, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);

  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    fds[i] = STDIN_FILENO;
  g_assert_true (
      fd_send_message (theirs, large, LIMIT_LAUNCH_MESSAGE_SIZE, fds, G_N_ELEMENTS (fds), &error));
  g_assert_no_error (error);
  command = launch_command_receive (ours, monitors, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (command->fds->len, ==, LIMIT_LAUNCH_DESCRIPTORS);
}

/* A peer that connects and says nothing does not hold the unit for ever. */
static void
test_silence (void)
{
  g_autoptr (GError) error = NULL;
  gint64 begin = g_get_monotonic_time ();
  auto_fd ours = -1;
  auto_fd theirs = -1;

  make_pair (&ours, &theirs);
  g_assert_null (launch_command_receive (ours, monitors, &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_TIMED_OUT);
  g_assert_cmpint (g_get_monotonic_time () - begin, <, 10 * G_USEC_PER_SEC);
}

static void
test_accept (void)
{
  g_autofree char *directory = g_dir_make_tmp ("tombolo-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "socket", NULL);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autoptr (GError) error = NULL;
  auto_fd listener = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  auto_fd connection = -1;

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_no_errno (bind (listener, (struct sockaddr *) &address, sizeof address));
  g_assert_no_errno (listen (listener, 2));

  for (guint i = 0; i < 2; i++)
    {
      auto_fd client = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
      uid_t peer = i == 0 ? getuid () + 1 : getuid ();

      g_assert_no_errno (connect (client, (struct sockaddr *) &address, sizeof address));
      connection = launch_accept (listener, peer, &error);
      if (i == 0)
        {
          g_assert_cmpint (connection, ==, -1);
          g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_ACCESS_DENIED);
          g_clear_error (&error);
        }
      g_assert_no_error (error);
    }
  g_assert_cmpint (connection, >=, 0);

  unlink (path);
  rmdir (directory);
}

/* Sends a command with `n_fds` pipes, whose order tells in what they hold, and becomes it in a
 * child. Returns the child's wait status; `*ret_answer` is what came back over the connection. */
static int
launch (const char *text, gsize size, guint n_fds, char **ret_answer)
{
  auto_fd ours = -1;
  auto_fd theirs = -1;
  int fds[LIMIT_LAUNCH_DESCRIPTORS];
  char answer[LIMIT_LOG_LINE];
  g_autoptr (GError) error = NULL;
  ssize_t n;
  int status;
  pid_t child;

  make_pair (&ours, &theirs);
  for (guint i = 0; i < n_fds; i++)
    {
      g_autofree char *number = g_strdup_printf ("%u\n", i);
      fds[i] = fd_new_sealed ("test", number, strlen (number), &error);
      g_assert_no_error (error);
    }
  g_assert_true (fd_send_message (theirs, text, size, fds, n_fds, &error));
  for (guint i = 0; i < n_fds; i++)
    close (fds[i]);

  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      LaunchCommand *command = launch_command_receive (ours, monitors, &error);

      close (theirs);
      signal (SIGPIPE, SIG_IGN);
      /* A descriptor that nobody sent, and that no flag keeps from the monitor. */
      dup2 (STDERR_FILENO, 60);
      if (command != NULL)
        launch_command_exec (command, &ours, &error);
      if (send (ours, error->message, strlen (error->message), 0) < 0)
        _exit (101);
      _exit (100);
    }

  fd_clear (&ours);
  n = recv (theirs, answer, sizeof answer, 0);
  *ret_answer = n > 0 ? g_strndup (answer, (gsize) n) : NULL;
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  return status;
}

#define COMMAND(script) "/bin/sh\0-c\0" script, sizeof "/bin/sh\0-c\0" script

static void
test_exec (void)
{
  static const struct
  {
    const char *text;
    gsize size;
    guint n_fds;
  } rows[] = {
    { COMMAND ("exit 0"), 0 },
    { COMMAND ("read a <&3 && read b <&4 && read c <&5 && [ $a$b$c = 012 ]"), 3 },
    { COMMAND ("read a </proc/self/fd/10 && [ $a = 7 ]"), 8 },
    /* The shell's own glob is a descriptor more. */
    { COMMAND ("for f in /proc/$$/fd/*; do case ${f##*/} in [0-5]) ;; *) [ ! -e $f ] || exit 1; "
               "esac; done"),
      3 },
    { COMMAND ("[ \"$(/usr/bin/env -u PWD -u _ -u SHLVL -u OLDPWD)\" = PATH=/usr/bin:/bin ]"), 1 },
    { COMMAND (
          "while read k v; do case $k in SigBlk:|SigIgn:) [ $v = 0000000000000000 ] || exit 1;; "
          "esac; done </proc/self/status"),
      1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *answer = NULL;
      int status = launch (rows[i].text, rows[i].size, rows[i].n_fds, &answer);

      g_assert_cmpstr (answer, ==, NULL);
      if (status != 0)
        g_error ("row %u: status %x", i, (guint) status);
    }
}

static void
test_exec_fails (void)
{
  g_autofree char *answer = NULL;
  int status = launch ("/nonexistent/monitor", sizeof "/nonexistent/monitor", 2, &answer);

  g_assert_cmpint (WEXITSTATUS (status), ==, 100);
  g_assert_cmpstr (answer, ==,
                   "Cannot start /nonexistent/monitor: No such file or directory; is it "
                   "installed?");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/launch/messages", test_messages);
  g_test_add_func ("/launch/limits", test_limits);
  g_test_add_func ("/launch/silence", test_silence);
  g_test_add_func ("/launch/accept", test_accept);
  g_test_add_func ("/launch/exec", test_exec);
  g_test_add_func ("/launch/exec-fails", test_exec_fails);

  return g_test_run ();
}
