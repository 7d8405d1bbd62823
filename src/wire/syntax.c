/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UTF-8, names, paths and signatures. */
#include "syntax.h"

#include <stdint.h>
#include <string.h>

#include "limit.h"
#include "message.h"

enum
{
  INITIAL = 1 << 0, /* may start an element of an interface name */
  ELEMENT = 1 << 1, /* may stand in one, and in a path */
  BUS_INITIAL = 1 << 2,
  BUS_ELEMENT = 1 << 3,
};

#define LETTER (INITIAL | ELEMENT | BUS_INITIAL | BUS_ELEMENT)
#define DIGIT (ELEMENT | BUS_ELEMENT)
#define HYPHEN (BUS_INITIAL | BUS_ELEMENT)

static const uint8_t character_classes[256] = {
  ['A' ... 'Z'] = LETTER, ['a' ... 'z'] = LETTER, ['_'] = LETTER,
  ['0' ... '9'] = DIGIT,  ['-'] = HYPHEN,
};

/* One character that is not ASCII: returns its length, or 0 where there is none. Too long forms,
 * surrogates and what lies past U+10FFFF are excluded by the range of the second byte. */
static size_t
utf8_character (const uint8_t *p, size_t left)
{
  uint8_t low = 0x80, high = 0xbf;
  size_t length;

  if (p[0] >= 0xc2 && p[0] <= 0xdf)
    length = 2;
  else if ((p[0] & 0xf0) == 0xe0)
    length = 3;
  else if (p[0] >= 0xf0 && p[0] <= 0xf4)
    length = 4;
  else
    return 0;

  if (left < length)
    return 0;

  if (p[0] == 0xe0)
    low = 0xa0;
  else if (p[0] == 0xed)
    high = 0x9f;
  else if (p[0] == 0xf0)
    low = 0x90;
  else if (p[0] == 0xf4)
    high = 0x8f;

  if (p[1] < low || p[1] > high)
    return 0;
  for (size_t i = 2; i < length; i++)
    if ((p[i] & 0xc0) != 0x80)
      return 0;

  return length;
}

bool
syntax_utf8 (const char *text, size_t length)
{
  const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
  const uint8_t *p = (const uint8_t *) text;
  const uint8_t *end = p + length;

  while (p < end)
    {
      uint64_t word;
      size_t n;

      /* Eight bytes at a time as long as all are ASCII: a byte of 128 or more has its high bit set,
       * a zero gets it by the subtraction. */
      while (end - p >= (ptrdiff_t) sizeof word)
        {
          memcpy (&word, p, sizeof word);
          if (((word | (word - ones)) & highs) != 0)
            break;
          p += sizeof word;
        }

      while (p < end && *p - 1u < 0x7f)
        p++;
      if (p == end)
        break;

      n = utf8_character (p, (size_t) (end - p));
      if (n == 0)
        return false;
      p += n;
    }

  return true;
}

/* Elements joined by dots; returns their number, or 0 where the syntax is broken. */
static size_t
count_elements (const char *text, size_t length, uint8_t initial, uint8_t element)
{
  size_t elements = 1;
  bool starts = true;

  if (length > LIMIT_NAME_LENGTH)
    return 0;

  for (size_t i = 0; i < length; i++)
    {
      uint8_t c = (uint8_t) text[i];

      if ((character_classes[c] & (starts ? initial : element)) != 0)
        starts = false;
      else if (c == '.' && !starts)
        {
          elements++;
          starts = true;
        }
      else
        return 0;
    }

  return starts ? 0 : elements;
}

bool
syntax_bus_name (const char *text, size_t length)
{
  if (length > 0 && text[0] == ':')
    return length <= LIMIT_NAME_LENGTH
           && count_elements (text + 1, length - 1, BUS_ELEMENT, BUS_ELEMENT) >= 2;

  return count_elements (text, length, BUS_INITIAL, BUS_ELEMENT) >= 2;
}

bool
syntax_bus_namespace (const char *text, size_t length)
{
  return count_elements (text, length, BUS_INITIAL, BUS_ELEMENT) >= 1;
}

bool
syntax_interface (const char *text, size_t length)
{
  return count_elements (text, length, INITIAL, ELEMENT) >= 2;
}

bool
syntax_member (const char *text, size_t length)
{
  return count_elements (text, length, INITIAL, ELEMENT) == 1;
}

bool
syntax_path (const char *text, size_t length)
{
  bool slash = true;

  if (length == 0 || text[0] != '/')
    return false;
  if (length == 1)
    return true;

  for (size_t i = 1; i < length; i++)
    if ((character_classes[(uint8_t) text[i]] & ELEMENT) != 0)
      slash = false;
    else if (text[i] == '/' && !slash)
      slash = true;
    else
      return false;

  return !slash;
}

bool
syntax_signature (const char *text, size_t length, bool single)
{
  struct
  {
    char close;
    uint8_t members;
    uint8_t arrays; /* that lie around the members */
  } stack[LIMIT_SIGNATURE_DEPTH];
  size_t depth = 0, types = 0;
  unsigned arrays = 0;
  bool element = false; /* an array waits for its element's type */

  if (length > LIMIT_SIGNATURE_LENGTH)
    return false;

  for (size_t i = 0; i < length; i++)
    {
      char type = text[i];
      bool key = depth > 0 && stack[depth - 1].close == '}' && stack[depth - 1].members == 0;

      if (type == 'a' || type == '(' || type == '{' || type == 'v')
        if (key) /* of a dictionary: basic types only */
          return false;

      if (type == 'a')
        {
          if (arrays == LIMIT_SIGNATURE_DEPTH)
            return false;
          arrays++;
          element = true;
          continue;
        }

      if (type == '(' || type == '{')
        {
          if (depth == LIMIT_SIGNATURE_DEPTH || (type == '{' && !element))
            return false;
          stack[depth].close = type == '(' ? ')' : '}';
          stack[depth].members = 0;
          stack[depth].arrays = (uint8_t) arrays;
          depth++;
          element = false;
          continue;
        }

      if (type == ')' || type == '}')
        {
          if (depth == 0 || stack[depth - 1].close != type || element)
            return false;
          if (type == ')' ? stack[depth - 1].members == 0 : stack[depth - 1].members != 2)
            return false;
          depth--;
        }
      else if (type != 'v' && type != 's' && type != 'o' && type != 'g' && !syntax_is_fixed (type))
        return false;

      /* One more complete type. */
      element = false;
      arrays = depth > 0 ? stack[depth - 1].arrays : 0;
      if (depth > 0)
        stack[depth - 1].members++;
      else
        types++;
    }

  return depth == 0 && !element && (!single || types == 1);
}

const char *
syntax_skip_type (const char *signature)
{
  size_t depth = 0;

  while (*signature == 'a')
    signature++;

  do
    {
      if (*signature == '(' || *signature == '{')
        depth++;
      else if (*signature == ')' || *signature == '}')
        depth--;
      signature++;
    }
  while (depth > 0);

  return signature;
}

bool
wire_bus_name_is_valid (const char *name)
{
  return syntax_bus_name (name, strnlen (name, LIMIT_NAME_LENGTH + 1));
}

bool
wire_bus_name_is_unique (const char *name)
{
  return name[0] == ':' && wire_bus_name_is_valid (name);
}

bool
wire_interface_is_valid (const char *name)
{
  return syntax_interface (name, strnlen (name, LIMIT_NAME_LENGTH + 1));
}

bool
wire_member_is_valid (const char *name)
{
  return syntax_member (name, strnlen (name, LIMIT_NAME_LENGTH + 1));
}

bool
wire_path_is_valid (const char *path)
{
  return syntax_path (path, strlen (path));
}
