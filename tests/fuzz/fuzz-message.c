/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A peer's bytes as a message: parsed; what is good is read, written anew and parsed again. */
#include <string.h>

#include "body.h"
#include "fuzz.h"
#include "limit.h"
#include "message.h"

/* Every text of a header lies in the message, with its end. */
static void
require_inside (const char *text, const uint8_t *data, size_t size)
{
  if (text != NULL && *text != '\0')
    fuzz_require ((const uint8_t *) text >= data
                  && (const uint8_t *) text + strlen (text) < data + size);
}

static void
require_equal (const char *a, const char *b)
{
  fuzz_require ((a == NULL) == (b == NULL) && (a == NULL || strcmp (a, b) == 0));
}

static void
read_body (const WireMessage *message)
{
  WireReader reader;
  bool read = true;

  wire_reader_init (&reader, message);
  while (read)
    {
      const char *text;
      uint32_t number;
      bool boolean;
      size_t end;

      if (wire_reader_array (&reader, &end))
        {
          /* The first element, then out of it. */
          wire_reader_element (&reader);
          if (!wire_reader_struct (&reader) && !wire_reader_string (&reader, &text))
            wire_reader_leave (&reader);
          continue;
        }

      read = wire_reader_string (&reader, &text) || wire_reader_uint32 (&reader, &number)
             || wire_reader_boolean (&reader, &boolean) || wire_reader_struct (&reader);
      fuzz_require (reader.offset <= reader.size);
    }
}

static void
write_again (const WireMessage *message)
{
  size_t capacity = LIMIT_HEADER_SIZE + message->body_size, size;
  uint8_t *buffer = malloc (capacity);
  WireMessage again;

  size = wire_header_write (&message->header, message->body_size, buffer, LIMIT_HEADER_SIZE);
  fuzz_require (size >= WIRE_PREFIX_SIZE && size % 8 == 0);
  if (message->body_size > 0)
    memcpy (buffer + size, message->body, message->body_size);

  fuzz_require (wire_message_parse (buffer, size + message->body_size, &again) == WIRE_OK);
  fuzz_require (again.body_size == message->body_size && again.body == buffer + size);
  fuzz_require (again.header.byte_order == message->header.byte_order);
  fuzz_require (again.header.type == message->header.type);
  fuzz_require (again.header.flags == message->header.flags);
  fuzz_require (again.header.serial == message->header.serial);
  fuzz_require (again.header.n_descriptors == message->header.n_descriptors);
  require_equal (again.header.path, message->header.path);
  require_equal (again.header.interface, message->header.interface);
  require_equal (again.header.member, message->header.member);
  require_equal (again.header.destination, message->header.destination);
  require_equal (again.header.sender, message->header.sender);
  require_equal (again.header.signature, message->header.signature);
  free (buffer);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  WireMessage message;
  size_t measured;

  if (wire_message_parse (data, size, &message) != WIRE_OK)
    return 0;

  fuzz_require (wire_message_measure (data, &measured) == WIRE_OK && measured == message.size);
  fuzz_require (message.size <= size && message.body + message.body_size == data + message.size);
  require_inside (message.header.path, data, message.size);
  require_inside (message.header.interface, data, message.size);
  require_inside (message.header.member, data, message.size);
  require_inside (message.header.error_name, data, message.size);
  require_inside (message.header.destination, data, message.size);
  require_inside (message.header.sender, data, message.size);
  require_inside (message.header.signature, data, message.size);
  fuzz_require (wire_body_check (message.header.byte_order, message.header.signature, message.body,
                                 message.body_size, message.header.n_descriptors)
                == WIRE_OK);

  read_body (&message);
  write_again (&message);
  return 0;
}
