/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the echo service and the clients that test with it share. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ECHO_NAME "org.tombolo.Test1.Echo"
#define ECHO_PATH "/org/tombolo/Test1/Echo"
#define ECHO_INTERFACE "org.tombolo.Test1.Echo"

/* What large messages hold. */
static inline void
echo_fill (uint8_t *data, size_t size)
{
  for (size_t i = 0; i < size; i++)
    data[i] = (uint8_t) (i % 251);
}

/* CRC-32, as zlib has it. */
static inline uint32_t
echo_sum (const uint8_t *data, size_t size)
{
  uint32_t table[16], sum = UINT32_MAX;

  for (uint32_t i = 0; i < 16; i++)
    {
      table[i] = i;
      for (int bit = 0; bit < 4; bit++)
        table[i] = (table[i] >> 1) ^ ((table[i] & 1) != 0 ? 0xEDB88320 : 0);
    }
  for (size_t i = 0; i < size; i++)
    {
      sum ^= data[i];
      sum = (sum >> 4) ^ table[sum & 15];
      sum = (sum >> 4) ^ table[sum & 15];
    }
  return ~sum;
}
