/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes written as text, so that tables of messages can be read. A script is words with spaces
 * between, in a byte order that is given beside it:
 *
 *   yN qN uN tN   an integer of 8, 16, 32 or 64 bits, decimal or 0x…
 *   pN            zeros up to the next multiple of N
 *   'text'        the characters alone (no quotes in them)
 *   s'text'       a D-Bus string or path: length, characters, zero
 *   g'text'       a D-Bus signature
 */
#pragma once

#include <glib.h>

#include <stdint.h>

#include "message.h"

extern const uint8_t script_byte_orders[2];

GByteArray *script_run (const char *script, uint8_t byte_order);

/* A message with these header fields, which PATH() and so on below write, and this body. */
GByteArray *script_message (uint8_t byte_order, uint8_t type, uint8_t flags, uint32_t serial,
                            const char *fields, const char *body);

#define PATH(value) " p8 y1 g'o' s'" value "'"
#define INTERFACE(value) " p8 y2 g's' s'" value "'"
#define MEMBER(value) " p8 y3 g's' s'" value "'"
#define ERROR_NAME(value) " p8 y4 g's' s'" value "'"
#define REPLY_SERIAL(value) " p8 y5 g'u' u" #value
#define DESTINATION(value) " p8 y6 g's' s'" value "'"
#define SENDER(value) " p8 y7 g's' s'" value "'"
#define SIGNATURE(value) " p8 y8 g'g' g'" value "'"
#define UNIX_FDS(value) " p8 y9 g'u' u" #value
