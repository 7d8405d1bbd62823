/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process is recognised by pidfd and start time, and no more once it ended. */
#include "subject.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"

static uint64_t
start_time_of (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int) pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) fields = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  fields = g_strsplit (strrchr (text, ')') + 2, " ", -1);
  return g_ascii_strtoull (fields[19], NULL, 10);
}

static void
test_process (void)
{
  pid_t pid = fork ();
  auto_fd pidfd = -1;
  uint64_t start_time;

  if (pid == 0)
    {
      pause ();
      _exit (0);
    }

  g_assert_cmpint (pid, >, 0);
  pidfd = (int) syscall (SYS_pidfd_open, pid, 0);
  g_assert_cmpint (pidfd, >=, 0);
  start_time = start_time_of (pid);

  g_assert_true (authority_process_is_same (pid, pidfd, start_time));
  g_assert_true (authority_process_is_same (pid, pidfd, 0));
  g_assert_false (authority_process_is_same (pid, pidfd, start_time + 1));
  g_assert_false (authority_process_is_same (pid, -1, start_time));

  /* A zombie still has its line in /proc. */
  kill (pid, SIGKILL);
  g_assert_cmpint (waitid (P_PID, (id_t) pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), ==, 0);
  g_assert_false (authority_process_is_same (pid, pidfd, start_time));
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
  g_assert_false (authority_process_is_same (pid, pidfd, start_time));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/authority/subject/process", test_process);
  return g_test_run ();
}
