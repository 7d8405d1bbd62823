/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus values as JSON. Written straight from GVariant, for no other tree of values holds all that
 * D-Bus has: 64-bit numbers are exact, and what JSON lacks (NaN, infinities) is null. */
#pragma once

#include <glib.h>

typedef enum
{
  JSON_OFF,
  JSON_SHORT,  /* one line */
  JSON_PRETTY, /* indented */
} JsonMode;

typedef enum
{
  JSON_PLAIN, /* a variant is its content */
  JSON_TYPED, /* a variant is {"type": SIGNATURE, "data": CONTENT}, as busctl has it */
} JsonStyle;

/* "off", "short" or "pretty". */
gboolean json_mode_from_string (const char *text, JsonMode *ret_mode);

/* Dictionaries with text as keys are objects, others arrays of [key, value]; structures are
 * arrays. ASCII escapes keep control characters off the terminal. Free with g_free(). */
char *json_from_variant (GVariant *value, JsonMode mode, JsonStyle style);

/* Writes the above and a line end to standard output. */
void json_print (GVariant *value, JsonMode mode, JsonStyle style);

/* A body (a tuple) as busctl writes a reply: {"type": SIGNATURE, "data": [VALUE…]}, and a line
 * end. */
void json_print_body (GVariant *body, JsonMode mode);
char *json_from_body (GVariant *body, JsonMode mode);
