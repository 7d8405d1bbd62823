/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus messages as bytes (D-Bus Specification, “Message Protocol”). A message is parsed where it
 * lies: nothing is allocated or copied, and what a WireMessage points to lives as long as the
 * bytes. Verdicts are positive and are the peer's fault; 0 is good. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many bytes as tell a message's size. */
#define WIRE_PREFIX_SIZE 16

typedef enum
{
  WIRE_METHOD_CALL = 1,
  WIRE_METHOD_RETURN = 2,
  WIRE_ERROR = 3,
  WIRE_SIGNAL = 4,
} WireType;

typedef enum
{
  WIRE_NO_REPLY_EXPECTED = 1 << 0,
  WIRE_NO_AUTO_START = 1 << 1,
  WIRE_ALLOW_INTERACTIVE_AUTHORIZATION = 1 << 2,
} WireFlags;

typedef enum
{
  WIRE_OK = 0,
  WIRE_INCOMPLETE,     /* fewer bytes than the message has */
  WIRE_BAD_BYTE_ORDER, /* neither `l` nor `B` */
  WIRE_BAD_VERSION,
  WIRE_BAD_TYPE,
  WIRE_BAD_SERIAL,
  WIRE_TOO_LARGE,  /* LIMIT_MESSAGE_SIZE, LIMIT_HEADER_SIZE */
  WIRE_BAD_HEADER, /* the array of header fields does not parse */
  WIRE_BAD_FIELD,  /* a known field of a wrong type, twice, or with a bad value */
  WIRE_MISSING_FIELD,
  WIRE_BAD_PADDING,
  WIRE_BAD_SIGNATURE,
  WIRE_BAD_BODY, /* the body is not what its signature says */
  WIRE_TOO_DEEP,
  WIRE_BAD_DESCRIPTOR,       /* an index into descriptors that are not there */
  WIRE_TOO_MANY_DESCRIPTORS, /* LIMIT_MESSAGE_DESCRIPTORS; not wire_message_parse()'s */
} WireVerdict;

/* The known fields of a header. Strings end in a zero, point into the message and are NULL where
 * the field is absent. */
typedef struct
{
  uint8_t byte_order; /* 'l' or 'B' */
  uint8_t type;       /* WireType */
  uint8_t flags;      /* WireFlags; unknown bits are cleared */
  uint32_t serial;
  uint32_t reply_serial; /* 0 where absent */
  uint32_t n_descriptors;
  const char *path;
  const char *interface;
  const char *member;
  const char *error_name;
  const char *destination;
  const char *sender;
  const char *signature; /* never NULL in a parsed message: "" where absent */
} WireHeader;

typedef struct
{
  WireHeader header;
  const uint8_t *body;
  size_t body_size;
  size_t size; /* of the whole message */
} WireMessage;

/* The verdict's sentence for a log, a constant without a final stop. */
const char *wire_verdict_to_string (WireVerdict verdict);

/* The whole size of the message that starts with these WIRE_PREFIX_SIZE bytes. Checks byte order,
 * type, version and the caps, so that nothing need be allocated for a message that is refused. */
WireVerdict wire_message_measure (const uint8_t *prefix, size_t *ret_size);

/* Where a message that wire_message_measure() or wire_message_parse() refuses ends, so that a
 * reader can go on behind it: up to the specification's own sizes. `*ret_header_size` counts the
 * padding in front of the body. Anything but WIRE_OK: nobody can tell where the next message
 * begins. */
WireVerdict wire_message_frame (const uint8_t *prefix, size_t *ret_header_size, size_t *ret_size);

/* Parses and checks only the header of a message whose body is of no interest, for an answer to it.
 * `size` is that of the header, of at most LIMIT_HEADER_SIZE. */
WireVerdict wire_header_parse (const uint8_t *data, size_t size, WireHeader *ret_header);

/* Parses and checks a whole message: every header field, the body against its signature in one
 * pass, padding, UTF-8, object paths, names, booleans, depth, descriptor indices. What passes here,
 * libdbus takes too.
 * `*ret_message` is untouched unless WIRE_OK is returned. */
WireVerdict wire_message_parse (const uint8_t *data, size_t size, WireMessage *ret_message);

/* Checks the body only. */
WireVerdict wire_body_check (uint8_t byte_order, const char *signature, const uint8_t *body,
                             size_t size, uint32_t n_descriptors);

/* Writes a header for a body of `body_size` bytes, padded to 8, from the known fields alone, into
 * `buffer`. The fields must be valid; error name and reply serial are left out of what is no reply.
 * Returns its size, or 0 where `buffer_size` does not suffice (LIMIT_HEADER_SIZE always
 * does for a parsed header with other names in it, if it is itself within the limit). */
size_t wire_header_write (const WireHeader *header, size_t body_size, uint8_t *buffer,
                          size_t buffer_size);

/* The specification's syntax of names. A unique name has two elements or more, as daemons make
 * them. An error's name has an interface's syntax. */
bool wire_bus_name_is_valid (const char *name);
bool wire_bus_name_is_unique (const char *name);
bool wire_interface_is_valid (const char *name);
bool wire_member_is_valid (const char *name);
bool wire_path_is_valid (const char *path);
