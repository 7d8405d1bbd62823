/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process at the other end of a socket. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptor.h"

/* Field 22 of /proc/PID/stat. The second field, the program's name, may hold anything, so fields
 * are counted from its last parenthesis. */
static int
read_start_time (pid_t pid, uint64_t *ret_start_time)
{
  char path[64], text[1024], *field;
  auto_fd fd = -1;
  unsigned long long value;
  ssize_t n;

  snprintf (path, sizeof path, "/proc/%d/stat", pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  n = fd < 0 ? -1 : read (fd, text, sizeof text - 1);
  if (n < 0)
    return errno == ENOENT ? -ESRCH : -errno;

  text[n] = '\0';
  field = strrchr (text, ')');
  for (int i = 2; field != NULL && i < 22; i++)
    field = strchr (field + 1, ' ');
  if (field == NULL || sscanf (field, " %llu", &value) != 1)
    return -EIO;

  *ret_start_time = value;
  return 0;
}

int
process_get_peer (int socket, AuthoritySubject *ret_subject)
{
  AuthoritySubject subject = { .pidfd = -1 };
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  auto_fd pidfd = -1;
  int r;

  if (getsockopt (socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
    return -errno;
  if (credentials.pid <= 0) /* of another pid namespace: no subject that polkit could look at */
    return -ESRCH;

  pidfd = (int) syscall (SYS_pidfd_open, credentials.pid, 0);
  if (pidfd < 0)
    return -errno;

  subject.pid = credentials.pid;
  subject.uid = credentials.uid;
  r = read_start_time (subject.pid, &subject.start_time);
  if (r < 0)
    return r;

  subject.pidfd = fd_steal (&pidfd);
  *ret_subject = subject;
  return 0;
}

GArray *
process_get_peer_groups (int socket)
{
  g_autoptr (GArray) groups = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  socklen_t groups_size = 0;

  if (getsockopt (socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
    return NULL;

  /* The first call tells the size. */
  if (getsockopt (socket, SOL_SOCKET, SO_PEERGROUPS, NULL, &groups_size) < 0 && errno != ERANGE)
    return NULL;
  g_array_set_size (groups, groups_size / sizeof (uint32_t));
  if (groups_size > 0
      && getsockopt (socket, SOL_SOCKET, SO_PEERGROUPS, groups->data, &groups_size) < 0)
    return NULL;

  g_array_append_val (groups, credentials.gid);
  return g_steal_pointer (&groups);
}
