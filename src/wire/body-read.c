/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading bodies that are known to be good. All offsets are checked all the same, so that a caller
 * that loops wrongly reads nothing but the body. */
#include "body.h"

#include "bytes.h"
#include "syntax.h"
#include "values.h"

void
wire_reader_init (WireReader *reader, const WireMessage *message)
{
  reader->data = message->body;
  reader->size = message->body_size;
  reader->offset = 0;
  reader->signature = message->header.signature;
  reader->swap = message->header.byte_order != WIRE_NATIVE_ENDIAN;
  reader->depth = 0;
}

/* The signature at the next value: behind the ends of structures that were read. */
static const char *
next_type (const WireReader *reader)
{
  const char *signature = reader->signature;

  while (*signature == ')' || *signature == '}')
    signature++;

  return signature;
}

/* Where the next value of `alignment` and of at least `size` bytes lies. */
static bool
find_value (const WireReader *reader, size_t alignment, size_t size, size_t *ret_offset)
{
  size_t limit = reader->depth > 0 ? reader->arrays[reader->depth - 1].end : reader->size;
  size_t offset = bytes_align (reader->offset, alignment);

  if (offset > limit || limit - offset < size)
    return false;

  *ret_offset = offset;
  return true;
}

bool
wire_reader_string (WireReader *reader, const char **ret_value)
{
  const WireValues values = { .data = reader->data, .end = reader->size, .swap = reader->swap };
  const char *type = next_type (reader);
  size_t offset, length;

  if (*type != 's' && *type != 'o' && *type != 'g')
    return false;
  if (!find_value (reader, syntax_alignment (*type), 1, &offset))
    return false;
  if (*type == 'g' ? !values_get_signature (&values, &offset, ret_value, &length)
                   : !values_get_string (&values, &offset, ret_value, &length))
    return false;

  reader->offset = offset;
  reader->signature = type + 1;
  return true;
}

bool
wire_reader_byte (WireReader *reader, uint8_t *ret_value)
{
  const char *type = next_type (reader);
  size_t offset;

  if (*type != 'y' || !find_value (reader, 1, 1, &offset))
    return false;

  *ret_value = reader->data[offset];
  reader->offset = offset + 1;
  reader->signature = type + 1;
  return true;
}

static bool
read_uint32 (WireReader *reader, char wanted, uint32_t *ret_value)
{
  const char *type = next_type (reader);
  size_t offset;

  if (*type != wanted || !find_value (reader, 4, 4, &offset))
    return false;

  *ret_value = bytes_get_uint32 (reader->data + offset, reader->swap);
  reader->offset = offset + 4;
  reader->signature = type + 1;
  return true;
}

bool
wire_reader_uint32 (WireReader *reader, uint32_t *ret_value)
{
  return read_uint32 (reader, 'u', ret_value);
}

bool
wire_reader_boolean (WireReader *reader, bool *ret_value)
{
  uint32_t value;

  if (!read_uint32 (reader, 'b', &value))
    return false;

  *ret_value = value != 0;
  return true;
}

bool
wire_reader_array (WireReader *reader, size_t *ret_end)
{
  const char *type = next_type (reader);
  size_t offset, size;

  if (*type != 'a' || reader->depth == WIRE_READER_DEPTH || !find_value (reader, 4, 4, &offset))
    return false;

  size = bytes_get_uint32 (reader->data + offset, reader->swap);
  offset = bytes_align (offset + 4, syntax_alignment (type[1]));
  if (offset > reader->size || size > reader->size - offset)
    return false;

  reader->offset = offset;
  reader->signature = type + 1;
  reader->arrays[reader->depth].element = type + 1;
  reader->arrays[reader->depth].end = offset + size;
  reader->depth++;
  *ret_end = offset + size;
  return true;
}

void
wire_reader_element (WireReader *reader)
{
  if (reader->depth > 0)
    reader->signature = reader->arrays[reader->depth - 1].element;
}

void
wire_reader_leave (WireReader *reader)
{
  if (reader->depth == 0)
    return;

  reader->depth--;
  reader->offset = reader->arrays[reader->depth].end;
  reader->signature = syntax_skip_type (reader->arrays[reader->depth].element);
}

bool
wire_reader_struct (WireReader *reader)
{
  const char *type = next_type (reader);
  size_t offset;

  if ((*type != '(' && *type != '{') || !find_value (reader, 8, 1, &offset))
    return false;

  reader->offset = offset;
  reader->signature = type + 1;
  return true;
}
