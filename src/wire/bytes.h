/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loads and stores at any alignment, in either byte order. */
#pragma once

#include <byteswap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WIRE_LITTLE_ENDIAN 'l'
#define WIRE_BIG_ENDIAN 'B'
#define WIRE_NATIVE_ENDIAN                                                                         \
  (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? WIRE_LITTLE_ENDIAN : WIRE_BIG_ENDIAN)

static inline uint32_t
bytes_get_uint32 (const uint8_t *bytes, bool swap)
{
  uint32_t value;

  memcpy (&value, bytes, sizeof value);
  return swap ? bswap_32 (value) : value;
}

static inline void
bytes_put_uint32 (uint8_t *bytes, uint32_t value, bool swap)
{
  if (swap)
    value = bswap_32 (value);
  memcpy (bytes, &value, sizeof value);
}

/* `offset` rounded up to a multiple of `alignment`, a power of two. */
static inline size_t
bytes_align (size_t offset, size_t alignment)
{
  return (offset + alignment - 1) & ~(alignment - 1);
}
