/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Headers written anew from known fields. */
#include "message.h"

#include "bytes.h"
#include "fields.h"
#include "limit.h"

/* A header as it is written; `size` of 0 is one that did not fit. */
typedef struct
{
  uint8_t *buffer;
  size_t capacity;
  size_t size;
  bool swap;
} HeaderWriter;

/* Room for a field of `value_size` bytes after its code and signature, which are written; NULL
 * where there is none. */
static uint8_t *
begin_field (HeaderWriter *writer, uint8_t field, size_t value_size)
{
  size_t start = bytes_align (writer->size, 8);
  uint8_t *p = writer->buffer + writer->size;

  if (writer->size == 0 || start + 4 > writer->capacity
      || value_size > writer->capacity - start - 4)
    {
      writer->size = 0;
      return NULL;
    }

  memset (p, 0, start - writer->size);
  p = writer->buffer + start;
  p[0] = field;
  p[1] = 1;
  p[2] = (uint8_t) field_types[field];
  p[3] = 0;
  writer->size = start + 4 + value_size;
  return p + 4;
}

static void
write_uint32_field (HeaderWriter *writer, uint8_t field, uint32_t value)
{
  uint8_t *p;

  if (value == 0)
    return;

  p = begin_field (writer, field, 4);
  if (p != NULL)
    bytes_put_uint32 (p, value, writer->swap);
}

static void
write_text_field (HeaderWriter *writer, uint8_t field, const char *text)
{
  size_t length;
  uint8_t *p;

  if (text == NULL)
    return;

  length = strlen (text);
  p = begin_field (writer, field, 4 + length + 1);
  if (p != NULL)
    {
      bytes_put_uint32 (p, (uint32_t) length, writer->swap);
      memcpy (p + 4, text, length + 1);
    }
}

static void
write_signature_field (HeaderWriter *writer, const char *signature)
{
  size_t length = signature != NULL ? strnlen (signature, LIMIT_SIGNATURE_LENGTH + 1) : 0;
  uint8_t *p;

  if (length == 0)
    return;
  if (length > LIMIT_SIGNATURE_LENGTH)
    {
      writer->size = 0;
      return;
    }

  p = begin_field (writer, FIELD_SIGNATURE, 1 + length + 1);
  if (p != NULL)
    {
      p[0] = (uint8_t) length;
      memcpy (p + 1, signature, length + 1);
    }
}

size_t
wire_header_write (const WireHeader *header, size_t body_size, uint8_t *buffer, size_t buffer_size)
{
  HeaderWriter writer = { .buffer = buffer,
                          .capacity =
                              buffer_size < LIMIT_HEADER_SIZE ? buffer_size : LIMIT_HEADER_SIZE,
                          .size = WIRE_PREFIX_SIZE,
                          .swap = header->byte_order != WIRE_NATIVE_ENDIAN };
  /* A call or a signal that quotes a serial must not pass for a reply anywhere. */
  const bool is_reply = header->type == WIRE_METHOD_RETURN || header->type == WIRE_ERROR;
  size_t fields_size, size;

  if (writer.capacity < WIRE_PREFIX_SIZE || body_size > LIMIT_MESSAGE_SIZE)
    return 0;

  write_text_field (&writer, FIELD_PATH, header->path);
  write_text_field (&writer, FIELD_INTERFACE, header->interface);
  write_text_field (&writer, FIELD_MEMBER, header->member);
  if (is_reply)
    {
      write_text_field (&writer, FIELD_ERROR_NAME, header->error_name);
      write_uint32_field (&writer, FIELD_REPLY_SERIAL, header->reply_serial);
    }
  write_text_field (&writer, FIELD_DESTINATION, header->destination);
  write_text_field (&writer, FIELD_SENDER, header->sender);
  write_signature_field (&writer, header->signature);
  write_uint32_field (&writer, FIELD_UNIX_FDS, header->n_descriptors);

  size = bytes_align (writer.size, 8);
  if (writer.size == 0 || size > writer.capacity || body_size > LIMIT_MESSAGE_SIZE - size)
    return 0;
  memset (buffer + writer.size, 0, size - writer.size);
  fields_size = writer.size - WIRE_PREFIX_SIZE;

  buffer[0] = header->byte_order;
  buffer[1] = header->type;
  buffer[2] = header->flags & KNOWN_FLAGS;
  buffer[3] = 1;
  bytes_put_uint32 (buffer + 4, (uint32_t) body_size, writer.swap);
  bytes_put_uint32 (buffer + 8, header->serial, writer.swap);
  bytes_put_uint32 (buffer + 12, (uint32_t) fields_size, writer.swap);
  return size;
}
