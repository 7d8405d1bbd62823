/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a descriptor is, and whether it can cross as a stream of bytes. The values cross, too. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum
{
  DESCRIPTOR_PIPE_READ = 1, /* the end of a pipe or FIFO that is read */
  DESCRIPTOR_PIPE_WRITE = 2,
  DESCRIPTOR_SOCKET = 3, /* a connected AF_UNIX stream socket */
  DESCRIPTOR_PTY_MASTER = 4,
  DESCRIPTOR_PTY_SLAVE = 5,
} DescriptorKind;

/* The kind of `fd`, or 0 where it cannot cross; then `*ret_what` says what it is: "a regular file",
 * a constant. */
DescriptorKind descriptor_kind_of (int fd, const char **ret_what);

bool descriptor_kind_is_valid (uint8_t kind);

/* Whether two descriptors of the same kind are ends of the same thing: then they are one stream. */
bool descriptor_kind_is_same (DescriptorKind kind, int a, int b);
