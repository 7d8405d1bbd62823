/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The walk over marshalled values: one pass, a stack of fixed size, nothing allocated. */
#include "values.h"

#include "bytes.h"
#include "limit.h"
#include "syntax.h"

typedef enum
{
  CONTAINER_ARRAY,
  CONTAINER_STRUCT, /* dictionary entries are the same in all but their signature */
  CONTAINER_VARIANT,
} ContainerKind;

typedef struct
{
  ContainerKind kind;
  const char *signature; /* array: its element's type; variant: what follows the variant */
  size_t end;            /* array: the end of what is around it */
} Container;

typedef struct
{
  WireValues values; /* `end` is that of the innermost array */
  size_t offset;
  const char *signature; /* what is left of it */
  size_t depth;
  Container stack[LIMIT_BODY_DEPTH];
} Walk;

WireVerdict
values_align (const WireValues *values, size_t *offset, size_t alignment)
{
  size_t aligned = bytes_align (*offset, alignment);

  if (aligned > values->end)
    return WIRE_BAD_BODY;
  for (size_t i = *offset; i < aligned; i++)
    if (values->data[i] != 0)
      return WIRE_BAD_PADDING;

  *offset = aligned;
  return WIRE_OK;
}

/* The text of `length` bytes and its zero at `start`. */
static bool
get_text (const WireValues *values, size_t start, size_t length, size_t *offset,
          const char **ret_text, size_t *ret_length)
{
  if (values->end - start <= length || values->data[start + length] != 0)
    return false;

  *offset = start + length + 1;
  *ret_text = (const char *) values->data + start;
  *ret_length = length;
  return true;
}

bool
values_get_string (const WireValues *values, size_t *offset, const char **ret_text,
                   size_t *ret_length)
{
  if (values->end - *offset < 4)
    return false;

  return get_text (values, *offset + 4, bytes_get_uint32 (values->data + *offset, values->swap),
                   offset, ret_text, ret_length);
}

bool
values_get_signature (const WireValues *values, size_t *offset, const char **ret_text,
                      size_t *ret_length)
{
  if (values->end - *offset < 1)
    return false;

  return get_text (values, *offset + 1, values->data[*offset], offset, ret_text, ret_length);
}

static WireVerdict
push (Walk *walk, ContainerKind kind, const char *signature)
{
  Container *container;

  if (walk->depth == LIMIT_BODY_DEPTH)
    return WIRE_TOO_DEEP;

  container = &walk->stack[walk->depth++];
  container->kind = kind;
  container->signature = signature;
  container->end = walk->values.end;
  return WIRE_OK;
}

/* `n` values of the fixed-size `type` at the offset; room for them was checked. */
static WireVerdict
check_fixed (Walk *walk, char type, size_t n)
{
  const uint8_t *p = walk->values.data + walk->offset;

  if (type == 'b')
    {
      for (size_t i = 0; i < n; i++)
        if (bytes_get_uint32 (p + 4 * i, walk->values.swap) > 1)
          return WIRE_BAD_BODY;
    }
  else if (type == 'h')
    {
      for (size_t i = 0; i < n; i++)
        if (bytes_get_uint32 (p + 4 * i, walk->values.swap) >= walk->values.n_descriptors)
          return WIRE_BAD_DESCRIPTOR;
    }

  walk->offset += n * syntax_alignment (type);
  return WIRE_OK;
}

static WireVerdict
check_text (Walk *walk, char type)
{
  const char *text;
  size_t length;

  if (type == 'g')
    {
      if (!values_get_signature (&walk->values, &walk->offset, &text, &length))
        return WIRE_BAD_BODY;
      return syntax_signature (text, length, false) ? WIRE_OK : WIRE_BAD_SIGNATURE;
    }

  if (!values_get_string (&walk->values, &walk->offset, &text, &length))
    return WIRE_BAD_BODY;
  if (type == 'o' ? !syntax_path (text, length) : !syntax_utf8 (text, length))
    return WIRE_BAD_BODY;

  return WIRE_OK;
}

static WireVerdict
enter_variant (Walk *walk)
{
  const char *text;
  size_t length;
  WireVerdict verdict;

  if (!values_get_signature (&walk->values, &walk->offset, &text, &length))
    return WIRE_BAD_BODY;
  if (!syntax_signature (text, length, true))
    return WIRE_BAD_SIGNATURE;

  verdict = push (walk, CONTAINER_VARIANT, walk->signature);
  walk->signature = text;
  return verdict;
}

/* Arrays of fixed-size elements and empty ones are done at once; others are entered. */
static WireVerdict
enter_array (Walk *walk)
{
  char element = *walk->signature;
  size_t alignment = syntax_alignment (element), size;
  WireVerdict verdict;

  if (walk->values.end - walk->offset < 4)
    return WIRE_BAD_BODY;
  size = bytes_get_uint32 (walk->values.data + walk->offset, walk->values.swap);
  walk->offset += 4;

  verdict = values_align (&walk->values, &walk->offset, alignment);
  if (verdict != WIRE_OK)
    return verdict;
  if (size > walk->values.end - walk->offset)
    return WIRE_BAD_BODY;

  if (syntax_is_fixed (element))
    {
      if (size % alignment != 0)
        return WIRE_BAD_BODY;
      walk->signature++;
      return check_fixed (walk, element, size / alignment);
    }

  if (size == 0)
    {
      walk->signature = syntax_skip_type (walk->signature);
      return WIRE_OK;
    }

  verdict = push (walk, CONTAINER_ARRAY, walk->signature);
  walk->values.end = walk->offset + size;
  return verdict;
}

/* One value, or the way into a container. */
static WireVerdict
check_value (Walk *walk, char type)
{
  size_t alignment = syntax_alignment (type);
  WireVerdict verdict = values_align (&walk->values, &walk->offset, alignment);

  if (verdict != WIRE_OK)
    return verdict;

  switch (type)
    {
    case 's':
    case 'o':
    case 'g':
      return check_text (walk, type);
    case 'v':
      return enter_variant (walk);
    case 'a':
      return enter_array (walk);
    case '(':
    case '{':
      return push (walk, CONTAINER_STRUCT, NULL);
    default:
      if (walk->values.end - walk->offset < alignment)
        return WIRE_BAD_BODY;
      return check_fixed (walk, type, 1);
    }
}

/* After a complete value: leaves what it completes, and starts an array's next element. */
static void
leave_containers (Walk *walk)
{
  while (walk->depth > 0)
    {
      const Container *container = &walk->stack[walk->depth - 1];

      switch (container->kind)
        {
        case CONTAINER_ARRAY:
          if (walk->offset < walk->values.end)
            {
              walk->signature = container->signature;
              return;
            }
          walk->values.end = container->end;
          break;

        case CONTAINER_STRUCT:
          if (*walk->signature != ')' && *walk->signature != '}')
            return;
          walk->signature++;
          break;

        case CONTAINER_VARIANT:
          walk->signature = container->signature;
          break;
        }

      walk->depth--;
    }
}

WireVerdict
values_check (const WireValues *values, const char *signature, const char *signature_end,
              size_t *offset)
{
  Walk walk;

  walk.values = *values;
  walk.offset = *offset;
  walk.signature = signature;
  walk.depth = 0;

  while (walk.depth > 0 || walk.signature != signature_end)
    {
      size_t depth = walk.depth;
      WireVerdict verdict = check_value (&walk, *walk.signature++);

      if (verdict != WIRE_OK)
        return verdict;
      if (walk.depth == depth)
        leave_containers (&walk);
    }

  *offset = walk.offset;
  return WIRE_OK;
}

WireVerdict
wire_body_check (uint8_t byte_order, const char *signature, const uint8_t *body, size_t size,
                 uint32_t n_descriptors)
{
  const WireValues values = { .data = body,
                              .end = size,
                              .swap = byte_order != WIRE_NATIVE_ENDIAN,
                              .n_descriptors = n_descriptors };
  size_t length = strnlen (signature, LIMIT_SIGNATURE_LENGTH + 1), offset = 0;
  WireVerdict verdict;

  if (byte_order != WIRE_LITTLE_ENDIAN && byte_order != WIRE_BIG_ENDIAN)
    return WIRE_BAD_BYTE_ORDER;
  if (!syntax_signature (signature, length, false))
    return WIRE_BAD_SIGNATURE;

  verdict = values_check (&values, signature, signature + length, &offset);
  if (verdict != WIRE_OK)
    return verdict;

  return offset == size ? WIRE_OK : WIRE_BAD_BODY;
}
