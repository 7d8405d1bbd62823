/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes that wait to be written. */
#include "byte-queue.h"

#include <glib.h>
#include <string.h>

/* Room for `more` bytes at the end. */
static void
reserve (ByteQueue *queue, size_t more)
{
  size_t size = byte_queue_get_size (queue);

  if (queue->end + more <= queue->capacity)
    return;

  if (size > 0)
    memmove (queue->bytes, queue->bytes + queue->start, size);
  queue->start = 0;
  queue->end = size;

  if (size + more > queue->capacity)
    {
      queue->capacity = MAX (size + more, queue->capacity * 2);
      queue->bytes = g_realloc (queue->bytes, queue->capacity);
    }
}

void
byte_queue_append (ByteQueue *queue, const struct iovec *vectors, int n_vectors, size_t skip)
{
  size_t total = 0;

  for (int i = 0; i < n_vectors; i++)
    total += vectors[i].iov_len;
  reserve (queue, total - skip);

  for (int i = 0; i < n_vectors; i++)
    {
      size_t skipped = MIN (skip, vectors[i].iov_len);
      size_t rest = vectors[i].iov_len - skipped;

      skip -= skipped;
      if (rest > 0)
        memcpy (queue->bytes + queue->end, (const uint8_t *) vectors[i].iov_base + skipped, rest);
      queue->end += rest;
    }
}

void
byte_queue_drop (ByteQueue *queue, size_t n)
{
  queue->start += n;
  if (queue->start == queue->end)
    byte_queue_clear (queue);
}

void
byte_queue_clear (ByteQueue *queue)
{
  g_free (queue->bytes);
  *queue = (ByteQueue){ 0 };
}
