/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages: their measure, their header, and the verdict on the whole. */
#include "message.h"

#include "bytes.h"
#include "fields.h"
#include "limit.h"
#include "syntax.h"
#include "values.h"

#define FIELD_BIT(field) (1u << (field))

/* What a library's own messages about its connection bear; nothing on a bus may. libdbus refuses
 * all that starts so, “…Locale” too, and disconnects the sender. */
#define LOCAL_PATH "/org/freedesktop/DBus/Local"
#define LOCAL_INTERFACE "org.freedesktop.DBus.Local"

static const unsigned required_fields[] = {
  [WIRE_METHOD_CALL] = FIELD_BIT (FIELD_PATH) | FIELD_BIT (FIELD_MEMBER),
  [WIRE_METHOD_RETURN] = FIELD_BIT (FIELD_REPLY_SERIAL),
  [WIRE_ERROR] = FIELD_BIT (FIELD_ERROR_NAME) | FIELD_BIT (FIELD_REPLY_SERIAL),
  [WIRE_SIGNAL] = FIELD_BIT (FIELD_PATH) | FIELD_BIT (FIELD_INTERFACE) | FIELD_BIT (FIELD_MEMBER),
};

const char *
wire_verdict_to_string (WireVerdict verdict)
{
  switch (verdict)
    {
    case WIRE_OK:
      return "the message is good";
    case WIRE_INCOMPLETE:
      return "the message is incomplete";
    case WIRE_BAD_BYTE_ORDER:
      return "the byte order is neither little nor big endian";
    case WIRE_BAD_VERSION:
      return "the protocol version is not 1";
    case WIRE_BAD_TYPE:
      return "the message type is unknown";
    case WIRE_BAD_SERIAL:
      return "the serial is 0";
    case WIRE_TOO_LARGE:
      return "the message or its header is too large";
    case WIRE_BAD_HEADER:
      return "the header's array of fields is malformed";
    case WIRE_BAD_FIELD:
      return "a header field has a wrong type or value, or stands twice";
    case WIRE_MISSING_FIELD:
      return "a header field that this type of message needs is missing";
    case WIRE_BAD_PADDING:
      return "padding is not zero";
    case WIRE_BAD_SIGNATURE:
      return "a signature is invalid";
    case WIRE_BAD_BODY:
      return "the body is not what its signature says";
    case WIRE_TOO_DEEP:
      return "containers are nested too deeply";
    case WIRE_BAD_DESCRIPTOR:
      return "an index points past the file descriptors that came along";
    case WIRE_TOO_MANY_DESCRIPTORS:
      return "it brings more than 16 file descriptors";
    }

  return "the verdict is unknown";
}

/* The specification's sizes, which the daemons may let through. */
#define SPECIFIED_ARRAY_SIZE ((size_t) 64 * 1024 * 1024)
#define SPECIFIED_MESSAGE_SIZE ((size_t) 128 * 1024 * 1024)

/* Where the fields end, and where the body begins after them. */
typedef struct
{
  bool swap;
  size_t fields_end;
  size_t body_start;
  size_t size;
} Measure;

/* What the sizes in the prefix say; WIRE_TOO_LARGE where they pass even the specification's. */
static WireVerdict
frame (const uint8_t *prefix, Measure *ret)
{
  uint32_t body_size, fields_size;

  if (prefix[0] != WIRE_LITTLE_ENDIAN && prefix[0] != WIRE_BIG_ENDIAN)
    return WIRE_BAD_BYTE_ORDER;
  if (prefix[3] != 1)
    return WIRE_BAD_VERSION;

  ret->swap = prefix[0] != WIRE_NATIVE_ENDIAN;
  body_size = bytes_get_uint32 (prefix + 4, ret->swap);
  fields_size = bytes_get_uint32 (prefix + 12, ret->swap);

  /* Each part alone first, so that no sum can wrap. */
  if (fields_size > SPECIFIED_ARRAY_SIZE || body_size > SPECIFIED_MESSAGE_SIZE)
    return WIRE_TOO_LARGE;
  ret->fields_end = WIRE_PREFIX_SIZE + fields_size;
  ret->body_start = bytes_align (ret->fields_end, 8);
  ret->size = ret->body_start + body_size;

  return ret->size > SPECIFIED_MESSAGE_SIZE ? WIRE_TOO_LARGE : WIRE_OK;
}

static WireVerdict
measure (const uint8_t *prefix, Measure *ret)
{
  WireVerdict verdict = frame (prefix, ret);

  if (verdict != WIRE_OK)
    return verdict;
  if (prefix[1] < WIRE_METHOD_CALL || prefix[1] > WIRE_SIGNAL)
    return WIRE_BAD_TYPE;

  return ret->fields_end > LIMIT_HEADER_SIZE || ret->size > LIMIT_MESSAGE_SIZE ? WIRE_TOO_LARGE
                                                                               : WIRE_OK;
}

WireVerdict
wire_message_frame (const uint8_t *prefix, size_t *ret_header_size, size_t *ret_size)
{
  Measure found;
  WireVerdict verdict = frame (prefix, &found);

  if (verdict != WIRE_OK)
    return verdict;

  *ret_header_size = found.body_start;
  *ret_size = found.size;
  return WIRE_OK;
}

WireVerdict
wire_message_measure (const uint8_t *prefix, size_t *ret_size)
{
  Measure found;
  WireVerdict verdict = measure (prefix, &found);

  if (verdict == WIRE_OK)
    *ret_size = found.size;
  return verdict;
}

static bool
starts_with (const char *text, size_t length, const char *prefix)
{
  return length >= strlen (prefix) && memcmp (text, prefix, strlen (prefix)) == 0;
}

/* Stores a field of text, where its value is good. */
static WireVerdict
store_text (WireHeader *header, uint8_t field, const char *text, size_t length)
{
  switch (field)
    {
    case FIELD_PATH:
      header->path = text;
      return syntax_path (text, length) && !starts_with (text, length, LOCAL_PATH) ? WIRE_OK
                                                                                   : WIRE_BAD_FIELD;
    case FIELD_INTERFACE:
      header->interface = text;
      return syntax_interface (text, length) && !starts_with (text, length, LOCAL_INTERFACE)
                 ? WIRE_OK
                 : WIRE_BAD_FIELD;
    case FIELD_MEMBER:
      header->member = text;
      return syntax_member (text, length) ? WIRE_OK : WIRE_BAD_FIELD;
    case FIELD_ERROR_NAME:
      header->error_name = text;
      return syntax_interface (text, length) ? WIRE_OK : WIRE_BAD_FIELD;
    case FIELD_DESTINATION:
      header->destination = text;
      return syntax_bus_name (text, length) ? WIRE_OK : WIRE_BAD_FIELD;
    case FIELD_SENDER:
      header->sender = text;
      return syntax_bus_name (text, length) ? WIRE_OK : WIRE_BAD_FIELD;
    case FIELD_SIGNATURE:
      header->signature = text;
      return syntax_signature (text, length, false) ? WIRE_OK : WIRE_BAD_SIGNATURE;
    default: /* FIELD_CONTAINER_INSTANCE */
      return syntax_path (text, length) ? WIRE_OK : WIRE_BAD_FIELD;
    }
}

/* A field that we know; `*offset` stands after its code. */
static WireVerdict
parse_known_field (const WireValues *values, uint8_t field, WireHeader *header, size_t *offset)
{
  const uint8_t *p = values->data + *offset;
  char type = field_types[field];
  const char *text;
  size_t length;

  /* The variant's signature: one character. After it, and the code, a 4-byte value is aligned. */
  if (values->end - *offset < 3)
    return WIRE_BAD_HEADER;
  if (p[0] != 1 || p[1] != (uint8_t) type || p[2] != 0)
    return WIRE_BAD_FIELD;
  *offset += 3;

  if (type == 'u')
    {
      uint32_t value;

      if (values->end - *offset < 4)
        return WIRE_BAD_HEADER;
      value = bytes_get_uint32 (p + 3, values->swap);
      *offset += 4;

      if (field == FIELD_UNIX_FDS)
        header->n_descriptors = value;
      else if (value == 0)
        return WIRE_BAD_FIELD;
      else
        header->reply_serial = value;
      return WIRE_OK;
    }

  if (type == 'g' ? !values_get_signature (values, offset, &text, &length)
                  : !values_get_string (values, offset, &text, &length))
    return WIRE_BAD_HEADER;

  return store_text (header, field, text, length);
}

/* A field of a later version of the protocol: it must be well-formed, and is forgotten. */
static WireVerdict
skip_unknown_field (const WireValues *values, size_t *offset)
{
  const char *signature;
  size_t length;
  WireVerdict verdict;

  if (!values_get_signature (values, offset, &signature, &length))
    return WIRE_BAD_HEADER;
  if (!syntax_signature (signature, length, true))
    return WIRE_BAD_SIGNATURE;

  verdict = values_check (values, signature, signature + length, offset);
  return verdict == WIRE_BAD_BODY ? WIRE_BAD_HEADER : verdict;
}

static WireVerdict
parse_fields (const WireValues *values, WireHeader *header)
{
  size_t offset = WIRE_PREFIX_SIZE;
  unsigned seen = 0;

  while (offset < values->end)
    {
      uint8_t field;
      WireVerdict verdict = values_align (values, &offset, 8);

      if (verdict == WIRE_BAD_PADDING)
        return verdict;
      if (verdict != WIRE_OK || offset == values->end)
        return WIRE_BAD_HEADER;

      field = values->data[offset++];
      if (field == 0)
        return WIRE_BAD_HEADER;

      if (field < sizeof field_types)
        {
          if ((seen & FIELD_BIT (field)) != 0)
            return WIRE_BAD_FIELD;
          seen |= FIELD_BIT (field);
          verdict = parse_known_field (values, field, header, &offset);
        }
      else
        verdict = skip_unknown_field (values, &offset);

      if (verdict != WIRE_OK)
        return verdict;
    }

  return (seen & required_fields[header->type]) == required_fields[header->type]
             ? WIRE_OK
             : WIRE_MISSING_FIELD;
}

static WireVerdict
check_body (const WireMessage *message, bool swap)
{
  const WireValues values = { .data = message->body,
                              .end = message->body_size,
                              .swap = swap,
                              .n_descriptors = message->header.n_descriptors };
  const char *signature = message->header.signature;
  size_t offset = 0;
  WireVerdict verdict;

  verdict = values_check (&values, signature, signature + strlen (signature), &offset);
  if (verdict != WIRE_OK)
    return verdict;

  return offset == message->body_size ? WIRE_OK : WIRE_BAD_BODY;
}

/* What `found` measured, without the body. */
static WireVerdict
parse_header (const uint8_t *data, const Measure *found, WireHeader *header)
{
  const WireValues values = { .data = data, .end = found->fields_end, .swap = found->swap };
  WireVerdict verdict;

  header->byte_order = data[0];
  header->type = data[1];
  header->flags = data[2] & KNOWN_FLAGS;
  header->serial = bytes_get_uint32 (data + 8, found->swap);
  if (header->serial == 0)
    return WIRE_BAD_SERIAL;

  verdict = parse_fields (&values, header);
  if (verdict != WIRE_OK)
    return verdict;

  for (size_t i = found->fields_end; i < found->body_start; i++)
    if (data[i] != 0)
      return WIRE_BAD_PADDING;

  return WIRE_OK;
}

WireVerdict
wire_header_parse (const uint8_t *data, size_t size, WireHeader *ret_header)
{
  WireHeader header = { .signature = "" };
  Measure found;
  WireVerdict verdict;

  if (size < WIRE_PREFIX_SIZE)
    return WIRE_INCOMPLETE;
  verdict = frame (data, &found);
  if (verdict != WIRE_OK)
    return verdict;
  if (data[1] < WIRE_METHOD_CALL || data[1] > WIRE_SIGNAL)
    return WIRE_BAD_TYPE;
  if (found.body_start > LIMIT_HEADER_SIZE)
    return WIRE_TOO_LARGE;
  if (size < found.body_start)
    return WIRE_INCOMPLETE;

  verdict = parse_header (data, &found, &header);
  if (verdict == WIRE_OK)
    *ret_header = header;
  return verdict;
}

WireVerdict
wire_message_parse (const uint8_t *data, size_t size, WireMessage *ret_message)
{
  WireMessage message = { .header = { .signature = "" } };
  Measure found;
  WireVerdict verdict;

  if (size < WIRE_PREFIX_SIZE)
    return WIRE_INCOMPLETE;
  verdict = measure (data, &found);
  if (verdict != WIRE_OK)
    return verdict;
  if (size < found.size)
    return WIRE_INCOMPLETE;

  verdict = parse_header (data, &found, &message.header);
  if (verdict != WIRE_OK)
    return verdict;

  message.body = data + found.body_start;
  message.body_size = found.size - found.body_start;
  message.size = found.size;
  verdict = check_body (&message, found.swap);
  if (verdict != WIRE_OK)
    return verdict;

  *ret_message = message;
  return WIRE_OK;
}
