/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames of terminals, good and bad, in pieces. */
#include "pty-frame.h"

#include <glib.h>
#include <string.h>

static void
test_read (void)
{
  static const struct
  {
    const char *name;
    const char *bytes;
    size_t size;
    int result;
  } cases[] = {
    { "nothing", "", 0, 0 },
    { "half a head", "\1\0", 2, 0 },
    { "half the data", "\1\0\3ab", 5, 0 },
    { "data", "\1\0\3abc", 6, 6 },
    { "data and more", "\1\0\3abcdef", 9, 6 },
    { "no data", "\1\0\0", 3, -1 },
    { "too much data", "\1\x10\1", 3, -1 },
    { "most data", "\1\x10\0", 3, 0 },
    { "half a window", "\2\0\x8\0", 4, 0 },
    { "a window", "\2\0\x8\0\x18\0\x50\1\2\3\4", 11, 11 },
    { "a short window", "\2\0\7", 3, -1 },
    { "a long window", "\2\0\x9", 3, -1 },
    { "no type", "\0\0\1a", 4, -1 },
    { "another type", "\3\0\1a", 4, -1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      PtyFrame frame;

      g_test_message ("%s", cases[i].name);
      g_assert_cmpint (pty_frame_read ((const uint8_t *) cases[i].bytes, cases[i].size, &frame), ==,
                       cases[i].result);
      if (cases[i].result == 6)
        g_assert_cmpmem (frame.content, frame.size, "abc", 3);
      if (cases[i].result == 11)
        {
          g_assert_cmpint (frame.window.ws_row, ==, 24);
          g_assert_cmpint (frame.window.ws_col, ==, 80);
          g_assert_cmpint (frame.window.ws_xpixel, ==, 0x102);
          g_assert_cmpint (frame.window.ws_ypixel, ==, 0x304);
        }
    }
}

static void
test_write (void)
{
  const struct winsize window = { .ws_row = 24, .ws_col = 0x150, .ws_xpixel = 1, .ws_ypixel = 2 };
  uint8_t bytes[PTY_FRAME_WINDOW_SIZE], head[PTY_FRAME_HEAD];
  PtyFrame frame;

  pty_frame_write_window (bytes, &window);
  g_assert_cmpint (pty_frame_read (bytes, sizeof bytes, &frame), ==, sizeof bytes);
  g_assert_cmpint (frame.type, ==, PTY_FRAME_WINDOW);
  g_assert_cmpmem (&frame.window, sizeof window, &window, sizeof window);

  pty_frame_write_head (head, PTY_FRAME_CONTENT);
  g_assert_cmpmem (head, sizeof head, "\1\x10\0", 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/pty-frame/read", test_read);
  g_test_add_func ("/relay/pty-frame/write", test_write);
  return g_test_run ();
}
