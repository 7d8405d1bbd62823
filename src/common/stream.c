/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams, and the plain one over a socket. */
#include "stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "disposal.h"

/* Descriptors where none are expected would be closed by the kernel before it returns to us, which
 * can take as long as who sent them likes (disposal.h). So there is a look first, and they stay
 * where they are until the socket is disposed of. */
static ssize_t
socket_read (Stream *stream, void *data, size_t size)
{
  struct iovec vector = { .iov_base = data, .iov_len = size };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
  ssize_t n;

  do
    n = recvmsg (stream->fd, &message, MSG_DONTWAIT | MSG_PEEK);
  while (n < 0 && errno == EINTR);
  if (n > 0 && (message.msg_flags & MSG_CTRUNC) != 0)
    return -EPROTO;

  while (n > 0)
    {
      ssize_t taken = recv (stream->fd, data, (size_t) n, MSG_DONTWAIT);

      if (taken >= 0 || errno != EINTR)
        return taken < 0 ? -errno : taken;
    }

  return n < 0 ? -errno : n;
}

static ssize_t
socket_write (Stream *stream, const struct iovec *vectors, int n_vectors)
{
  struct msghdr message = { .msg_iov = (struct iovec *) vectors, .msg_iovlen = (size_t) n_vectors };
  ssize_t n;

  do
    n = sendmsg (stream->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);

  return n < 0 ? -errno : n;
}

/* Adds the descriptors of `message` to `fds`. */
static void
collect_descriptors (struct msghdr *message, GArray *fds)
{
  for (struct cmsghdr *header = CMSG_FIRSTHDR (message); header != NULL;
       header = CMSG_NXTHDR (message, header))
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
      g_array_append_vals (fds, CMSG_DATA (header),
                           (guint) ((header->cmsg_len - CMSG_LEN (0)) / sizeof (int)));
}

/* The kernel reads no further than past the first bytes that have descriptors beside them, so there
 * is one list at most. A list that was cut (too long, or no descriptor is free) cannot be told from
 * a shorter one by what follows: the stream ends there. */
static ssize_t
socket_receive (Stream *stream, void *data, size_t size, GArray *fds, size_t max_fds)
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
                            .msg_controllen = CMSG_SPACE (max_fds * sizeof (int)) };
  guint n_before = fds->len;
  ssize_t n;

  g_return_val_if_fail (max_fds <= LIMIT_SOCKET_DESCRIPTORS, -EINVAL);

  do
    n = recvmsg (stream->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return -errno;

  if (message.msg_controllen > 0)
    collect_descriptors (&message, fds);
  /* Room is counted in units of alignment, so one more may have come. */
  if ((message.msg_flags & MSG_CTRUNC) == 0 && fds->len - n_before <= max_fds)
    return n;

  while (fds->len > n_before)
    {
      fd_dispose (g_array_index (fds, int, fds->len - 1));
      g_array_set_size (fds, fds->len - 1);
    }
  return -EMSGSIZE;
}

static ssize_t
socket_send (Stream *stream, const struct iovec *vectors, int n_vectors, const FdList *fds)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (LIMIT_MESSAGE_DESCRIPTORS * sizeof (int))];
  } control = { 0 };
  struct msghdr message = { .msg_iov = (struct iovec *) vectors,
                            .msg_iovlen = (size_t) n_vectors,
                            .msg_control = control.bytes,
                            .msg_controllen = CMSG_SPACE (fds->n * sizeof (int)) };
  struct cmsghdr *header = CMSG_FIRSTHDR (&message);
  ssize_t n;

  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (fds->n * sizeof (int));
  memcpy (CMSG_DATA (header), fds->fds, fds->n * sizeof (int));

  do
    n = sendmsg (stream->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);

  return n < 0 ? -errno : n;
}

static int
socket_end (Stream *stream)
{
  return shutdown (stream->fd, SHUT_WR) < 0 ? -errno : 0;
}

static size_t
socket_pending (Stream *stream)
{
  return 0;
}

static void
socket_free (Stream *stream)
{
  fd_dispose_socket (stream->fd);
  g_free (stream);
}

static const StreamOperations socket_operations = {
  .read = socket_read,
  .write = socket_write,
  .receive = socket_receive,
  .send = socket_send,
  .end = socket_end,
  .pending = socket_pending,
  .free = socket_free,
};

Stream *
stream_new_socket (int fd)
{
  Stream *stream = g_new0 (Stream, 1);

  stream->operations = &socket_operations;
  stream->fd = fd;
  return stream;
}

ssize_t
stream_read (Stream *stream, void *data, size_t size)
{
  return stream->operations->read (stream, data, size);
}

ssize_t
stream_write (Stream *stream, const struct iovec *vectors, int n_vectors)
{
  return stream->operations->write (stream, vectors, n_vectors);
}

ssize_t
stream_receive (Stream *stream, void *data, size_t size, GArray *fds, size_t max_fds)
{
  return stream->operations->receive (stream, data, size, fds, max_fds);
}

ssize_t
stream_send (Stream *stream, const struct iovec *vectors, int n_vectors, const FdList *fds)
{
  return stream->operations->send (stream, vectors, n_vectors, fds);
}

int
stream_end (Stream *stream)
{
  return stream->operations->end (stream);
}

bool
stream_carries_descriptors (const Stream *stream)
{
  return stream->operations->receive != NULL;
}

size_t
stream_pending (Stream *stream)
{
  return stream->operations->pending (stream);
}

void
stream_free (Stream *stream)
{
  if (stream != NULL)
    stream->operations->free (stream);
}
