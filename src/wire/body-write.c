/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing bodies of our own. */
#include "body.h"

#include <glib.h>

#include "bytes.h"
#include "limit.h"

struct WireWriter
{
  GByteArray *bytes;
  bool failed;
};

WireWriter *
wire_writer_new (void)
{
  WireWriter *writer = g_new0 (WireWriter, 1);

  writer->bytes = g_byte_array_sized_new (256);
  return writer;
}

void
wire_writer_free (WireWriter *writer)
{
  if (writer == NULL)
    return;

  g_byte_array_unref (writer->bytes);
  g_free (writer);
}

/* `size` more bytes, aligned, the padding zero; NULL where they do not fit. */
static uint8_t *
extend (WireWriter *writer, size_t alignment, size_t size)
{
  size_t old = writer->bytes->len, start = bytes_align (old, alignment);

  if (writer->failed || start > LIMIT_MESSAGE_SIZE || size > LIMIT_MESSAGE_SIZE - start)
    {
      writer->failed = true;
      return NULL;
    }

  g_byte_array_set_size (writer->bytes, (guint) (start + size));
  if (start > old)
    memset (writer->bytes->data + old, 0, start - old);
  return writer->bytes->data + start;
}

void
wire_writer_byte (WireWriter *writer, uint8_t value)
{
  uint8_t *p = extend (writer, 1, 1);

  if (p != NULL)
    *p = value;
}

void
wire_writer_string (WireWriter *writer, const char *value)
{
  size_t length = strlen (value);
  uint8_t *p = extend (writer, 4, length + 5);

  if (p != NULL)
    {
      bytes_put_uint32 (p, (uint32_t) length, false);
      memcpy (p + 4, value, length + 1);
    }
}

void
wire_writer_signature (WireWriter *writer, const char *value)
{
  size_t length = strlen (value);
  uint8_t *p;

  if (length > LIMIT_SIGNATURE_LENGTH)
    {
      writer->failed = true;
      return;
    }

  p = extend (writer, 1, length + 2);
  if (p != NULL)
    {
      p[0] = (uint8_t) length;
      memcpy (p + 1, value, length + 1);
    }
}

void
wire_writer_uint32 (WireWriter *writer, uint32_t value)
{
  uint8_t *p = extend (writer, 4, 4);

  if (p != NULL)
    bytes_put_uint32 (p, value, false);
}

void
wire_writer_boolean (WireWriter *writer, bool value)
{
  wire_writer_uint32 (writer, value ? 1 : 0);
}

/* The mark is where the elements start. Their number of bytes stands four before that, or, where
 * they are aligned to 8 and padding came between, eight: the lowest bit, free in a multiple of 4,
 * tells. */
size_t
wire_writer_begin_array (WireWriter *writer, size_t alignment)
{
  size_t start;

  wire_writer_uint32 (writer, 0);
  start = writer->bytes->len;
  extend (writer, alignment, 0);

  return writer->bytes->len | (writer->bytes->len > start ? 1 : 0);
}

void
wire_writer_end_array (WireWriter *writer, size_t mark)
{
  size_t start = mark & ~(size_t) 1, length_at = start - ((mark & 1) != 0 ? 8 : 4);

  if (!writer->failed)
    bytes_put_uint32 (writer->bytes->data + length_at, (uint32_t) (writer->bytes->len - start),
                      false);
}

void
wire_writer_begin_struct (WireWriter *writer)
{
  extend (writer, 8, 0);
}

const uint8_t *
wire_writer_data (const WireWriter *writer, size_t *ret_size)
{
  *ret_size = writer->failed ? 0 : writer->bytes->len;
  return writer->failed ? NULL : writer->bytes->data;
}

bool
wire_writer_failed (const WireWriter *writer)
{
  return writer->failed;
}

uint8_t
wire_native_byte_order (void)
{
  return WIRE_NATIVE_ENDIAN;
}
