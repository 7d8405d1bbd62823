/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The local end of a stream: what stands between a descriptor that somebody here uses and the one
 * that somebody on the other side uses in its place. For a pipe or socket it is a descriptor; for a
 * pseudo-terminal a socket to tombolo-pty, which has the terminal. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "descriptor-kind.h"

typedef enum
{
  RELAY_READS = 1 << 0,  /* from the local end into the stream */
  RELAY_WRITES = 1 << 1, /* from the stream to the local end */
} RelayFlow;

typedef struct
{
  int fd;
  unsigned flow; /* RelayFlow */
  bool is_socket;
  /* Its file description is somebody else's, too, who must not find it changed, and who might take
   * what poll(2) promised: no call on it may block all the same. */
  bool is_foreign;
  struct PtyHelper *helper; /* or NULL */
} RelayEnd;

/* For a descriptor of somebody here, which it takes in any case. Negative: -errno. */
int relay_end_new (sd_event *event, DescriptorKind kind, int fd, RelayEnd **ret_end);

/* For one of somebody on the other side: `*ret_fd`, the caller's, is to be used here in its place.
 * `window` is a terminal's, as crossing.h has it. Negative: -errno. */
int relay_end_new_counterpart (sd_event *event, DescriptorKind kind, uint32_t window,
                               RelayEnd **ret_end, int *ret_fd);

/* Closes it. NULL is allowed. */
void relay_end_free (RelayEnd *end);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayEnd, relay_end_free)

/* As read(2) and write(2), never blocking: the number of bytes, 0 at the end (read), or -errno. */
ssize_t relay_end_read (RelayEnd *end, void *data, size_t size);
ssize_t relay_end_write (RelayEnd *end, const void *data, size_t size);

/* Nothing more will be written: whoever reads a socket reads the end. (A pipe is to be closed.) */
void relay_end_finish_writing (RelayEnd *end);
