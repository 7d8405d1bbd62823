/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A non-blocking, bidirectional stream of bytes, so that what frames messages need not know
 * whether it talks to a unix socket or through a TLS session. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "descriptor.h"

typedef struct Stream Stream;

typedef struct
{
  /* As read(2) and writev(2): the number of bytes, 0 at the end (read), or -errno, -EAGAIN where
   * the stream would block. A short count is no error. */
  ssize_t (*read) (Stream *stream, void *data, size_t size);
  ssize_t (*write) (Stream *stream, const struct iovec *vectors, int n_vectors);
  /* The same with descriptors beside the bytes; NULL where the stream carries none. What is read is
   * added to `fds` (int): at most `max_fds`, or all of them are closed and the stream fails with
   * -EMSGSIZE. What is sent stays the caller's, and went with the first byte. */
  ssize_t (*receive) (Stream *stream, void *data, size_t size, GArray *fds, size_t max_fds);
  ssize_t (*send) (Stream *stream, const struct iovec *vectors, int n_vectors, const FdList *fds);
  /* Ends what is written: the other end reads the end of the stream, and can still write. 0 or
   * -errno; -EAGAIN: again when the descriptor can be written. */
  int (*end) (Stream *stream);
  /* Bytes that were read off the descriptor and wait inside: poll(2) will not tell of them. */
  size_t (*pending) (Stream *stream);
  /* Closes the descriptor and frees the stream. */
  void (*free) (Stream *stream);
} StreamOperations;

/* To be the first member of an implementation. */
struct Stream
{
  const StreamOperations *operations;
  int fd; /* to poll; the stream owns it */
};

/* A stream over the non-blocking socket `fd`, which it takes. */
Stream *stream_new_socket (int fd);

ssize_t stream_read (Stream *stream, void *data, size_t size);
ssize_t stream_write (Stream *stream, const struct iovec *vectors, int n_vectors);
ssize_t stream_receive (Stream *stream, void *data, size_t size, GArray *fds, size_t max_fds);
ssize_t stream_send (Stream *stream, const struct iovec *vectors, int n_vectors, const FdList *fds);
int stream_end (Stream *stream);
size_t stream_pending (Stream *stream);
/* Whether descriptors can go along. */
bool stream_carries_descriptors (const Stream *stream);
/* NULL is allowed. */
void stream_free (Stream *stream);
