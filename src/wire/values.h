/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one walk over marshalled values: bodies, header fields that nobody knows, arguments that a
 * match rule asks for. Internal to src/wire. */
#pragma once

#include "message.h"

typedef struct
{
  const uint8_t *data; /* offsets and alignment count from here */
  size_t end;
  bool swap;
  uint32_t n_descriptors;
} WireValues;

/* Checks the values of the complete types from `signature` up to `signature_end` that lie at
 * `*offset`, and moves it past them. The signature must be valid. Padding before the first value
 * belongs to it. `*offset` is undefined where the verdict is not WIRE_OK. */
WireVerdict values_check (const WireValues *values, const char *signature,
                          const char *signature_end, size_t *offset);

/* The string, path or signature at `*offset`: its bytes and length, checked to lie inside and to
 * end in a zero, not for its syntax. */
bool values_get_string (const WireValues *values, size_t *offset, const char **ret_text,
                        size_t *ret_length);
bool values_get_signature (const WireValues *values, size_t *offset, const char **ret_text,
                           size_t *ret_length);

/* Moves `*offset` to its next multiple of `alignment`; WIRE_BAD_BODY where that is past the end,
 * WIRE_BAD_PADDING where the bytes between are not zero. */
WireVerdict values_align (const WireValues *values, size_t *offset, size_t alignment);
