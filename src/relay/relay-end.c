/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The local end of a stream. */
#include "relay-end.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "descriptor.h"
#include "disposal.h"
#include "pty-helper.h"

/* What one splice moves: a pipe holds as many bytes as these pages at least. */
#define SPLICE_SIZE ((size_t) 16 * 1024)

static RelayEnd *
end_new (int fd, unsigned flow)
{
  RelayEnd *end = g_new0 (RelayEnd, 1);

  end->fd = fd;
  end->flow = flow;
  return end;
}

/* A terminal's end: a socket to the helper, which takes `pty`. */
static int
end_new_pty (sd_event *event, PtyRole role, int pty, RelayEnd **ret_end)
{
  struct PtyHelper *helper;
  auto_fd fd = pty;
  int socket;
  int r = pty_helper_new (event, role, fd, &socket, &helper);

  if (r < 0)
    return r;

  *ret_end = end_new (socket, RELAY_READS | RELAY_WRITES);
  (*ret_end)->is_socket = true;
  (*ret_end)->helper = helper;
  return 0;
}

int
relay_end_new (sd_event *event, DescriptorKind kind, int fd, RelayEnd **ret_end)
{
  switch (kind)
    {
    case DESCRIPTOR_PIPE_READ:
      *ret_end = end_new (fd, RELAY_READS);
      break;
    case DESCRIPTOR_PIPE_WRITE:
      *ret_end = end_new (fd, RELAY_WRITES);
      break;
    case DESCRIPTOR_SOCKET:
      *ret_end = end_new (fd, RELAY_READS | RELAY_WRITES);
      (*ret_end)->is_socket = true;
      break;
    case DESCRIPTOR_PTY_MASTER:
      return end_new_pty (event, PTY_FOREIGN_MASTER, fd, ret_end);
    default:
      return end_new_pty (event, PTY_FOREIGN_SLAVE, fd, ret_end);
    }

  (*ret_end)->is_foreign = true;
  return 0;
}

static int
set_non_blocking (int fd)
{
  int flags = fcntl (fd, F_GETFL);

  return flags < 0 || fcntl (fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* `local` is the index of our end of the pair. */
static int
end_new_pipe (int local, RelayEnd **ret_end, int *ret_fd)
{
  int fds[2];
  int r;

  if (pipe2 (fds, O_CLOEXEC) < 0)
    return -errno;
  r = set_non_blocking (fds[local]);
  if (r < 0)
    {
      close (fds[0]);
      close (fds[1]);
      return r;
    }

  *ret_end = end_new (fds[local], local == 0 ? RELAY_READS : RELAY_WRITES);
  *ret_fd = fds[!local];
  return 0;
}

static int
end_new_socket (RelayEnd **ret_end, int *ret_fd)
{
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
    return -errno;

  *ret_end = end_new (fds[0], RELAY_READS | RELAY_WRITES);
  (*ret_end)->is_socket = true;
  *ret_fd = fds[1];
  return 0;
}

static int
end_new_terminal (sd_event *event, DescriptorKind kind, uint32_t window, RelayEnd **ret_end,
                  int *ret_fd)
{
  bool master = kind == DESCRIPTOR_PTY_MASTER; /* what is passed on */
  auto_fd master_fd = -1;
  auto_fd slave_fd = -1;
  int r = pty_open (window >> 16, window & 0xffff, &master_fd, &slave_fd);

  /* At once, and not when the helper comes to it: nothing of what is typed may be echoed here. */
  if (r >= 0 && master)
    r = pty_set_raw (slave_fd);

  if (r >= 0)
    r = end_new_pty (event, master ? PTY_OWN_SLAVE : PTY_OWN_MASTER,
                     fd_steal (master ? &slave_fd : &master_fd), ret_end);
  if (r >= 0)
    *ret_fd = fd_steal (master ? &master_fd : &slave_fd);
  return r;
}

int
relay_end_new_counterpart (sd_event *event, DescriptorKind kind, uint32_t window,
                           RelayEnd **ret_end, int *ret_fd)
{
  switch (kind)
    {
    case DESCRIPTOR_PIPE_READ:
      return end_new_pipe (1, ret_end, ret_fd);
    case DESCRIPTOR_PIPE_WRITE:
      return end_new_pipe (0, ret_end, ret_fd);
    case DESCRIPTOR_SOCKET:
      return end_new_socket (ret_end, ret_fd);
    default:
      return end_new_terminal (event, kind, window, ret_end, ret_fd);
    }
}

void
relay_end_free (RelayEnd *end)
{
  if (end == NULL)
    return;

  /* Whoever has the other end may have sent descriptors over it. */
  if (end->is_socket && !end->is_foreign)
    fd_dispose_socket (end->fd);
  else
    fd_dispose (end->fd);
  pty_helper_free (end->helper);
  g_free (end);
}

/* vmsplice(2) copies out of a pipe, and is the one call that can be told not to block on a pipe
 * that somebody else holds in blocking mode (read(2) with RWF_NOWAIT needs Linux 6.4). */
static ssize_t
read_foreign_pipe (int fd, void *data, size_t size)
{
  struct iovec vector = { .iov_base = data, .iov_len = size };

  return vmsplice (fd, &vector, 1, SPLICE_F_NONBLOCK);
}

/* Descriptors do not cross within a stream. Those that come are taken off the kernel, which would
 * close them before it returns to us. */
static ssize_t
read_socket (int fd, void *data, size_t size)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (LIMIT_SOCKET_DESCRIPTORS * sizeof (int))];
  } control;
  struct iovec vector = { .iov_base = data, .iov_len = size };
  struct msghdr message = { .msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  ssize_t n = recvmsg (fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

  if (n < 0)
    return n;

  for (struct cmsghdr *header = CMSG_FIRSTHDR (&message); header != NULL;
       header = CMSG_NXTHDR (&message, header))
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
      for (size_t i = 0; i < (header->cmsg_len - CMSG_LEN (0)) / sizeof (int); i++)
        fd_dispose (((const int *) CMSG_DATA (header))[i]);

  return n;
}

ssize_t
relay_end_read (RelayEnd *end, void *data, size_t size)
{
  ssize_t n;

  do
    n = end->is_socket    ? read_socket (end->fd, data, size)
        : end->is_foreign ? read_foreign_pipe (end->fd, data, size)
                          : read (end->fd, data, size);
  while (n < 0 && errno == EINTR);

  return n < 0 ? -errno : n;
}

/* The other way there is only a splice from a pipe of ours, which is empty before and after. */
static ssize_t
write_foreign_pipe (int fd, const void *data, size_t size)
{
  static int own[2] = { -1, -1 };
  ssize_t filled, n;
  int code;

  if (own[0] < 0 && pipe2 (own, O_CLOEXEC | O_NONBLOCK) < 0)
    return -1;

  filled = write (own[1], data, MIN (size, SPLICE_SIZE));
  if (filled < 0)
    return -1;
  n = splice (own[0], NULL, fd, NULL, (size_t) filled, SPLICE_F_NONBLOCK);
  code = errno;

  if (n < filled)
    {
      uint8_t rest[SPLICE_SIZE];

      if (read (own[0], rest, sizeof rest) < 0)
        g_assert_not_reached ();
    }
  errno = code;
  return n;
}

ssize_t
relay_end_write (RelayEnd *end, const void *data, size_t size)
{
  ssize_t n;

  do
    n = end->is_socket    ? send (end->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
        : end->is_foreign ? write_foreign_pipe (end->fd, data, size)
                          : write (end->fd, data, size);
  while (n < 0 && errno == EINTR);

  return n < 0 ? -errno : n;
}

void
relay_end_finish_writing (RelayEnd *end)
{
  if (end->is_socket)
    shutdown (end->fd, SHUT_WR);
}
