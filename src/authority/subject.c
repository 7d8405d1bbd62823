/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a process is still the one that it was, and who asks in polkit's terms. */
#include "subject.h"

#include <poll.h>
#include <string.h>

/* Field 22 of /proc/PID/stat. The second field, in parentheses, is the program's to choose, so
 * that counting starts behind its last parenthesis. */
static bool
read_start_time (pid_t pid, uint64_t *ret)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int) pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) fields = NULL;
  const char *rest;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return false;
  rest = strrchr (text, ')');
  if (rest == NULL || rest[1] != ' ')
    return false;

  fields = g_strsplit (rest + 2, " ", 21);
  if (g_strv_length (fields) < 20)
    return false;

  return g_ascii_string_to_unsigned (fields[19], 10, 1, G_MAXUINT64, ret, NULL);
}

bool
authority_process_is_same (pid_t pid, int pidfd, uint64_t start_time)
{
  struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
  uint64_t found;

  /* The start time first: where the process runs after it was read, it was its own. */
  if (start_time != 0 && (!read_start_time (pid, &found) || found != start_time))
    return false;

  return pidfd >= 0 && poll (&poll_fd, 1, 0) == 0;
}

int
authority_subject_append (const AuthoritySubject *subject, sd_bus_message *message)
{
  if (subject->bus_name != NULL)
    return sd_bus_message_append (message, "(sa{sv})", "system-bus-name", 1, "name", "s",
                                  subject->bus_name);

  return sd_bus_message_append (message, "(sa{sv})", "unix-process", 3, "pid", "u",
                                (uint32_t) subject->pid, "start-time", "t", subject->start_time,
                                "uid", "i", (int32_t) subject->uid);
}
