/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading and writing the few bodies that bridge and agent speak themselves (the bus driver's
 * methods, errors, the agent's own interface). Forwarded bodies never pass here. */
#pragma once

#include "message.h"

#define WIRE_READER_DEPTH 4

/* Reads a body that wire_message_parse() accepted. A read of another type than what stands next
 * returns false and changes nothing. */
typedef struct
{
  const uint8_t *data;
  size_t size;
  size_t offset;
  const char *signature; /* what is left of it */
  bool swap;
  /* The arrays that were entered and not yet left. */
  unsigned depth;
  struct
  {
    const char *element; /* its element's type */
    size_t end;
  } arrays[WIRE_READER_DEPTH];
} WireReader;

void wire_reader_init (WireReader *reader, const WireMessage *message);
bool wire_reader_byte (WireReader *reader, uint8_t *ret_value);       /* y */
bool wire_reader_string (WireReader *reader, const char **ret_value); /* s, o or g */
bool wire_reader_uint32 (WireReader *reader, uint32_t *ret_value);    /* u */
bool wire_reader_boolean (WireReader *reader, bool *ret_value);       /* b */
/* Enters an array of structures or of simple values; `*ret_end` is the offset where it ends: loop
 * while reader->offset < end, calling wire_reader_element() before each element, then
 * wire_reader_leave(), which also skips elements that were not read. At most WIRE_READER_DEPTH
 * arrays inside each other. */
bool wire_reader_array (WireReader *reader, size_t *ret_end);
void wire_reader_element (WireReader *reader);
void wire_reader_leave (WireReader *reader);
/* Enters a structure or dictionary entry. There is no leaving it: once its last member is read,
 * what follows it stands next. */
bool wire_reader_struct (WireReader *reader);

/* Writes a body in the machine's own byte order. What is written is the caller's duty: valid UTF-8,
 * paths and signatures. Past LIMIT_MESSAGE_SIZE (or LIMIT_SIGNATURE_LENGTH) the writer remembers
 * the overflow: wire_writer_failed() says so, and there is no data. */
typedef struct WireWriter WireWriter;

WireWriter *wire_writer_new (void);
void wire_writer_free (WireWriter *writer);
void wire_writer_byte (WireWriter *writer, uint8_t value);          /* y */
void wire_writer_string (WireWriter *writer, const char *value);    /* s or o */
void wire_writer_signature (WireWriter *writer, const char *value); /* g */
void wire_writer_uint32 (WireWriter *writer, uint32_t value);       /* u */
void wire_writer_boolean (WireWriter *writer, bool value);          /* b */
/* An array whose elements are aligned to `alignment`; returns a mark for wire_writer_end_array().
 */
size_t wire_writer_begin_array (WireWriter *writer, size_t alignment);
void wire_writer_end_array (WireWriter *writer, size_t mark);
void wire_writer_begin_struct (WireWriter *writer); /* also a dictionary entry */
/* What was written, the writer's; 0 bytes where it failed. */
const uint8_t *wire_writer_data (const WireWriter *writer, size_t *ret_size);
bool wire_writer_failed (const WireWriter *writer);

/* The byte order that writers use: 'l' or 'B'. */
uint8_t wire_native_byte_order (void);
