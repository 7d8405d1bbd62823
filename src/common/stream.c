/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams, and the plain one over a socket. */
#include "stream.h"

#include <errno.h>
#include <glib.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t
socket_read (Stream *stream, void *data, size_t size)
{
  ssize_t n;

  do
    n = recv (stream->fd, data, size, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);

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

static size_t
socket_pending (Stream *stream)
{
  return 0;
}

static void
socket_free (Stream *stream)
{
  close (stream->fd);
  g_free (stream);
}

static const StreamOperations socket_operations = {
  .read = socket_read,
  .write = socket_write,
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
