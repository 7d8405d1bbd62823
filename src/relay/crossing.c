/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The descriptors of one message on their way through the tunnel. */
#include "crossing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#define TOKEN_TEXT_SIZE (2 * STREAM_TOKEN_SIZE + 1)

void
crossing_free (Crossing *crossing)
{
  if (crossing == NULL)
    return;

  for (size_t i = 0; i < crossing->n_streams; i++)
    relay_end_free (crossing->streams[i].end);
  g_free (crossing);
}

/* --- Descriptors of somebody here --- */

static uint32_t
get_window (DescriptorKind kind, int fd)
{
  struct winsize window;

  if ((kind != DESCRIPTOR_PTY_MASTER && kind != DESCRIPTOR_PTY_SLAVE)
      || ioctl (fd, TIOCGWINSZ, &window) < 0)
    return 0;

  return (uint32_t) window.ws_row << 16 | window.ws_col;
}

/* Which kinds they are, and which of them are the same thing. */
static gboolean
examine (const FdList *fds, Crossing *crossing, size_t first[LIMIT_MESSAGE_DESCRIPTORS],
         GError **error)
{
  for (size_t i = 0; i < fds->n; i++)
    {
      const char *what;
      DescriptorKind kind = descriptor_kind_of (fds->fds[i], &what);
      size_t j = 0;

      if (kind == 0)
        {
          g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED,
                       "Descriptor %zu is %s, which cannot cross between host and guest; only "
                       "pipes, connected stream sockets and pseudo-terminals can.",
                       i, what);
          return FALSE;
        }

      while (j < crossing->n_streams
             && (crossing->streams[j].kind != kind
                 || !descriptor_kind_is_same (kind, fds->fds[first[j]], fds->fds[i])))
        j++;
      if (j == crossing->n_streams)
        {
          crossing->streams[j].kind = kind;
          crossing->streams[j].window = get_window (kind, fds->fds[i]);
          first[j] = i;
          crossing->n_streams++;
        }
      crossing->descriptors[i] = (uint8_t) j;
    }

  crossing->n_descriptors = fds->n;
  return TRUE;
}

size_t
crossing_check (const FdList *fds, GError **error)
{
  size_t first[LIMIT_MESSAGE_DESCRIPTORS];
  Crossing crossing = { 0 };

  return examine (fds, &crossing, first, error) ? crossing.n_streams : 0;
}

Crossing *
crossing_new (sd_event *event, FdList *fds, GError **error)
{
  g_autoptr (Crossing) crossing = g_new0 (Crossing, 1);
  size_t first[LIMIT_MESSAGE_DESCRIPTORS];
  auto_fd_list list = fd_list_steal (fds);

  if (!examine (&list, crossing, first, error))
    return NULL;

  for (size_t i = 0; i < crossing->n_streams; i++)
    {
      CrossingStream *stream = &crossing->streams[i];
      int r =
          getrandom (stream->token, sizeof stream->token, 0) == sizeof stream->token
              ? relay_end_new (event, stream->kind, fd_steal (&list.fds[first[i]]), &stream->end)
              : -EIO;

      if (r < 0)
        {
          g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                       "Descriptor %zu cannot cross for now: %s.", first[i], g_strerror (-r));
          return NULL;
        }
    }

  return g_steal_pointer (&crossing);
}

/* --- The call --- */

static void
token_to_text (const uint8_t token[STREAM_TOKEN_SIZE], char text[TOKEN_TEXT_SIZE])
{
  for (size_t i = 0; i < STREAM_TOKEN_SIZE; i++)
    g_snprintf (text + 2 * i, 3, "%02x", token[i]);
}

static bool
token_from_text (const char *text, uint8_t token[STREAM_TOKEN_SIZE])
{
  if (strlen (text) != TOKEN_TEXT_SIZE - 1)
    return false;

  for (size_t i = 0; i < STREAM_TOKEN_SIZE; i++)
    {
      int high = g_ascii_xdigit_value (text[2 * i]), low = g_ascii_xdigit_value (text[2 * i + 1]);

      if (high < 0 || low < 0)
        return false;
      token[i] = (uint8_t) (high << 4 | low);
    }

  return true;
}

bool
crossing_token_equal (const uint8_t *a, const uint8_t *b)
{
  volatile uint8_t difference = 0;

  for (size_t i = 0; i < STREAM_TOKEN_SIZE; i++)
    difference |= a[i] ^ b[i];

  return difference == 0;
}

void
crossing_write (const Crossing *crossing, WireWriter *body)
{
  size_t mark = wire_writer_begin_array (body, 8);

  for (size_t i = 0; i < crossing->n_descriptors; i++)
    {
      const CrossingStream *stream = &crossing->streams[crossing->descriptors[i]];
      char text[TOKEN_TEXT_SIZE];

      token_to_text (stream->token, text);
      wire_writer_begin_struct (body);
      wire_writer_byte (body, stream->kind);
      wire_writer_string (body, text);
      wire_writer_uint32 (body, stream->window);
    }
  wire_writer_end_array (body, mark);
}

/* One descriptor more, of a new stream or of one that is known. */
static bool
add (Crossing *crossing, DescriptorKind kind, const uint8_t token[STREAM_TOKEN_SIZE],
     uint32_t window)
{
  size_t i = 0;

  if (crossing->n_descriptors == LIMIT_MESSAGE_DESCRIPTORS)
    return false;

  while (i < crossing->n_streams && !crossing_token_equal (crossing->streams[i].token, token))
    i++;
  if (i == crossing->n_streams)
    {
      crossing->streams[i].kind = kind;
      crossing->streams[i].window = window;
      memcpy (crossing->streams[i].token, token, STREAM_TOKEN_SIZE);
      crossing->n_streams++;
    }

  crossing->descriptors[crossing->n_descriptors++] = (uint8_t) i;
  return crossing->streams[i].kind == kind;
}

Crossing *
crossing_read (const WireMessage *call)
{
  g_autoptr (Crossing) crossing = g_new0 (Crossing, 1);
  WireReader reader;
  size_t end;

  wire_reader_init (&reader, call);
  if (strcmp (call->header.signature, CROSSING_SIGNATURE) != 0
      || !wire_reader_array (&reader, &end))
    return NULL;

  while (reader.offset < end)
    {
      uint8_t kind, token[STREAM_TOKEN_SIZE];
      const char *text;
      uint32_t window;

      wire_reader_element (&reader);
      if (!wire_reader_struct (&reader) || !wire_reader_byte (&reader, &kind)
          || !wire_reader_string (&reader, &text) || !wire_reader_uint32 (&reader, &window)
          || !descriptor_kind_is_valid (kind) || !token_from_text (text, token)
          || !add (crossing, kind, token, window))
        return NULL;
    }

  return crossing->n_descriptors > 0 ? g_steal_pointer (&crossing) : NULL;
}

/* --- In their place --- */

gboolean
crossing_open (Crossing *crossing, sd_event *event, FdList *ret_fds, GError **error)
{
  auto_fd_list made = { 0 }; /* of each stream */
  auto_fd_list fds = { 0 };
  int r = 0;

  for (size_t i = 0; i < crossing->n_streams && r >= 0; i++)
    {
      int fd = -1;

      r = relay_end_new_counterpart (event, crossing->streams[i].kind, crossing->streams[i].window,
                                     &crossing->streams[i].end, &fd);
      if (r >= 0)
        fd_list_add (&made, fd);
    }
  for (size_t i = 0; i < crossing->n_descriptors && r >= 0; i++)
    {
      int fd = fcntl (made.fds[crossing->descriptors[i]], F_DUPFD_CLOEXEC, 3);

      r = fd < 0 ? -errno : 0;
      if (r >= 0)
        fd_list_add (&fds, fd);
    }

  if (r < 0)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                   "The message's descriptors cannot be made here for now: %s.", g_strerror (-r));
      return FALSE;
    }

  *ret_fds = fd_list_steal (&fds);
  return TRUE;
}
