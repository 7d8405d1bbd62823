/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a terminal crosses: frames of a type (one byte), the size of their content (two bytes, big
 * endian) and the content. Bytes of the terminal, or the size of its window: rows, columns, and
 * both in pixels, two bytes each, big endian. No I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define PTY_FRAME_HEAD 3
#define PTY_FRAME_CONTENT 4096 /* at most */
#define PTY_FRAME_SIZE (PTY_FRAME_HEAD + PTY_FRAME_CONTENT)

typedef enum
{
  PTY_FRAME_DATA = 1,
  PTY_FRAME_WINDOW = 2,
} PtyFrameType;

typedef struct
{
  PtyFrameType type;
  const uint8_t *content; /* of PTY_FRAME_DATA, within the bytes that were read */
  size_t size;
  struct winsize window;
} PtyFrame;

/* The frame at the start of `data`: its whole size with `*ret_frame`, 0 where more bytes have to
 * come, -1 where it is none. */
int pty_frame_read (const uint8_t *data, size_t size, PtyFrame *ret_frame);

/* Writes a head for `content_size` bytes of data, which follow it. */
void pty_frame_write_head (uint8_t head[PTY_FRAME_HEAD], size_t content_size);

#define PTY_FRAME_WINDOW_SIZE (PTY_FRAME_HEAD + 8)
void pty_frame_write_window (uint8_t frame[PTY_FRAME_WINDOW_SIZE], const struct winsize *window);
