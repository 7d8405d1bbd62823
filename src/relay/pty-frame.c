/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a terminal crosses. */
#include "pty-frame.h"

static uint16_t
get_uint16 (const uint8_t *bytes)
{
  return (uint16_t) (bytes[0] << 8 | bytes[1]);
}

static void
put_uint16 (uint8_t *bytes, uint16_t value)
{
  bytes[0] = (uint8_t) (value >> 8);
  bytes[1] = (uint8_t) value;
}

int
pty_frame_read (const uint8_t *data, size_t size, PtyFrame *ret_frame)
{
  size_t content_size;

  if (size < PTY_FRAME_HEAD)
    return 0;

  content_size = get_uint16 (data + 1);
  if (data[0] == PTY_FRAME_DATA ? content_size == 0 || content_size > PTY_FRAME_CONTENT
                                : data[0] != PTY_FRAME_WINDOW || content_size != 8)
    return -1;
  if (size < PTY_FRAME_HEAD + content_size)
    return 0;

  data += PTY_FRAME_HEAD;
  *ret_frame = (PtyFrame){ .type = data[-PTY_FRAME_HEAD], .content = data, .size = content_size };
  if (ret_frame->type == PTY_FRAME_WINDOW)
    ret_frame->window = (struct winsize){ .ws_row = get_uint16 (data),
                                          .ws_col = get_uint16 (data + 2),
                                          .ws_xpixel = get_uint16 (data + 4),
                                          .ws_ypixel = get_uint16 (data + 6) };
  return (int) (PTY_FRAME_HEAD + content_size);
}

void
pty_frame_write_head (uint8_t head[PTY_FRAME_HEAD], size_t content_size)
{
  head[0] = PTY_FRAME_DATA;
  put_uint16 (head + 1, (uint16_t) content_size);
}

void
pty_frame_write_window (uint8_t frame[PTY_FRAME_WINDOW_SIZE], const struct winsize *window)
{
  frame[0] = PTY_FRAME_WINDOW;
  put_uint16 (frame + 1, 8);
  put_uint16 (frame + 3, window->ws_row);
  put_uint16 (frame + 5, window->ws_col);
  put_uint16 (frame + 7, window->ws_xpixel);
  put_uint16 (frame + 9, window->ws_ypixel);
}
