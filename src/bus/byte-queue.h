/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes that wait to be written, in one piece. An empty queue holds no memory. Internal to src/bus.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Zero before its first use. */
typedef struct
{
  uint8_t *bytes;
  size_t start;
  size_t end;
  size_t capacity;
} ByteQueue;

static inline size_t
byte_queue_get_size (const ByteQueue *queue)
{
  return queue->end - queue->start;
}

static inline const uint8_t *
byte_queue_get_data (const ByteQueue *queue)
{
  return queue->bytes + queue->start;
}

/* Appends what lies in the vectors behind the first `skip` bytes. */
void byte_queue_append (ByteQueue *queue, const struct iovec *vectors, int n_vectors, size_t skip);

/* Drops the first `n` bytes. */
void byte_queue_drop (ByteQueue *queue, size_t n);

void byte_queue_clear (ByteQueue *queue);
