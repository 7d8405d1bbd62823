/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The syntax of texts inside messages: UTF-8, names, paths, signatures. All take a length, since
 * none may be trusted to end in a zero, and all refuse a zero inside. Internal to src/wire. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool syntax_utf8 (const char *text, size_t length);
bool syntax_bus_name (const char *text, size_t length);
/* As a bus name, but of one element or more: what arg0namespace takes. */
bool syntax_bus_namespace (const char *text, size_t length);
bool syntax_interface (const char *text, size_t length); /* also an error's name */
bool syntax_member (const char *text, size_t length);
bool syntax_path (const char *text, size_t length);

/* Any number of complete types, or exactly one where `single`. */
bool syntax_signature (const char *text, size_t length, bool single);

/* Past the one complete type that a valid signature starts with. */
const char *syntax_skip_type (const char *signature);

/* The alignment of a type, by the first character of its signature. */
static inline size_t
syntax_alignment (char type)
{
  switch (type)
    {
    case 'n':
    case 'q':
      return 2;
    case 'b':
    case 'i':
    case 'u':
    case 'h':
    case 's':
    case 'o':
    case 'a':
      return 4;
    case 'x':
    case 't':
    case 'd':
    case '(':
    case '{':
      return 8;
    default:
      return 1; /* y, g, v */
    }
}

/* Whether a value of the type always takes the same number of bytes, its alignment. */
static inline bool
syntax_is_fixed (char type)
{
  switch (type)
    {
    case 'y':
    case 'b':
    case 'n':
    case 'q':
    case 'i':
    case 'u':
    case 'x':
    case 't':
    case 'd':
    case 'h':
      return true;
    default:
      return false;
    }
}
