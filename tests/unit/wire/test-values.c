/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bodies against their signatures. */
#include "message.h"

#include <glib.h>
#include <string.h>

#include "limit.h"
#include "script.h"

static const struct
{
  const char *signature;
  const char *body;
  uint32_t n_descriptors;
  WireVerdict verdict;
} bodies[] = {
  /* Nothing, and too much or too little of it. */
  { "", "", 0, WIRE_OK },
  { "", "y0", 0, WIRE_BAD_BODY },
  { "y", "", 0, WIRE_BAD_BODY },
  { "y", "y7", 0, WIRE_OK },
  { "y", "y7 y7", 0, WIRE_BAD_BODY },
  { "y", "y7 y0", 0, WIRE_BAD_BODY },
  { "yy", "y7", 0, WIRE_BAD_BODY },

  /* Fixed sizes and their alignment. */
  { "nqiuxtd", "q1 q2 p4 u3 u4 p8 t5 t6 t7", 0, WIRE_OK },
  { "nqiuxtd", "q1 q2 p4 u3 u4 p8 t5 t6 u7", 0, WIRE_BAD_BODY },
  { "yq", "y1 p2 q1", 0, WIRE_OK },
  { "yq", "y1 y1 q1", 0, WIRE_BAD_PADDING },
  { "yu", "y1 p4 u1", 0, WIRE_OK },
  { "yu", "y1 y0 y0 y9 u1", 0, WIRE_BAD_PADDING },
  { "yt", "y1 p8 t1", 0, WIRE_OK },
  { "yt", "y1 p4 u1 t1", 0, WIRE_BAD_PADDING },
  { "yt", "y1 p4", 0, WIRE_BAD_BODY },
  { "yt", "y1 p8", 0, WIRE_BAD_BODY },
  { "yt", "y1 y0", 0, WIRE_BAD_BODY },
  { "d", "t0xffffffffffffffff", 0, WIRE_OK },

  /* Booleans. */
  { "b", "u0", 0, WIRE_OK },
  { "b", "u1", 0, WIRE_OK },
  { "b", "u2", 0, WIRE_BAD_BODY },
  { "b", "u0x01000000", 0, WIRE_BAD_BODY },
  { "ab", "u8 u0 u1", 0, WIRE_OK },
  { "ab", "u8 u1 u2", 0, WIRE_BAD_BODY },
  { "ab", "u6 u1 q1", 0, WIRE_BAD_BODY },
  { "v", "g'b' p4 u2", 0, WIRE_BAD_BODY },

  /* Descriptors: by index, anywhere. */
  { "h", "u0", 1, WIRE_OK },
  { "h", "u0", 0, WIRE_BAD_DESCRIPTOR },
  { "h", "u1", 1, WIRE_BAD_DESCRIPTOR },
  { "h", "u0xffffffff", 16, WIRE_BAD_DESCRIPTOR },
  { "hh", "u1 u0", 2, WIRE_OK },
  { "hh", "u1 u2", 2, WIRE_BAD_DESCRIPTOR },
  { "ah", "u8 u0 u1", 2, WIRE_OK },
  { "ah", "u8 u0 u2", 2, WIRE_BAD_DESCRIPTOR },
  { "ah", "u0", 0, WIRE_OK },
  { "(sh)", "s'a' p4 u1", 1, WIRE_BAD_DESCRIPTOR },
  { "v", "g'h' p4 u0", 1, WIRE_OK },
  { "v", "g'h' p4 u1", 1, WIRE_BAD_DESCRIPTOR },
  { "v", "g'v' g'ah' p4 u4 u1", 1, WIRE_BAD_DESCRIPTOR },
  { "a{sv}", "u16 p8 s'a' g'h' p4 u1", 1, WIRE_BAD_DESCRIPTOR },

  /* Strings. */
  { "s", "s''", 0, WIRE_OK },
  { "s", "s'text'", 0, WIRE_OK },
  { "s", "s'\xc3\xa4'", 0, WIRE_OK },
  { "s", "s'\xc3'", 0, WIRE_BAD_BODY },
  { "s", "s'\xed\xa0\x80'", 0, WIRE_BAD_BODY },
  { "s", "u4 'te' y0 't' y0", 0, WIRE_BAD_BODY },
  { "s", "u4 'text'", 0, WIRE_BAD_BODY },
  { "s", "u4 'text' y1", 0, WIRE_BAD_BODY },
  { "s", "u5 'text' y0", 0, WIRE_BAD_BODY },
  { "s", "u3 'text' y0", 0, WIRE_BAD_BODY },
  { "s", "u0xffffffff 'text' y0", 0, WIRE_BAD_BODY },
  { "s", "u0xfffffffb 'text' y0", 0, WIRE_BAD_BODY },
  { "s", "u0", 0, WIRE_BAD_BODY },
  { "s", "q0 y0", 0, WIRE_BAD_BODY },
  { "ss", "s'a' p4 s'b'", 0, WIRE_OK },
  { "ss", "s'a' y0 y1 s'b'", 0, WIRE_BAD_PADDING },

  /* Object paths. */
  { "o", "s'/'", 0, WIRE_OK },
  { "o", "s'/a/b_1'", 0, WIRE_OK },
  { "o", "s''", 0, WIRE_BAD_BODY },
  { "o", "s'/a/'", 0, WIRE_BAD_BODY },
  { "o", "s'/a-b'", 0, WIRE_BAD_BODY },
  { "o", "u3 '/a' y0 y0", 0, WIRE_BAD_BODY },

  /* Signatures. */
  { "g", "g''", 0, WIRE_OK },
  { "g", "g'a{sv}(ii)'", 0, WIRE_OK },
  { "g", "g'a'", 0, WIRE_BAD_SIGNATURE },
  { "g", "g'z'", 0, WIRE_BAD_SIGNATURE },
  { "g", "y1 's'", 0, WIRE_BAD_BODY },
  { "g", "y1 's' y1", 0, WIRE_BAD_BODY },
  { "g", "y2 's' y0", 0, WIRE_BAD_BODY },
  { "g", "", 0, WIRE_BAD_BODY },

  /* Arrays. */
  { "ay", "u0", 0, WIRE_OK },
  { "ay", "u3 'abc'", 0, WIRE_OK },
  { "ay", "u4 'abc'", 0, WIRE_BAD_BODY },
  { "ay", "u2 'abc'", 0, WIRE_BAD_BODY },
  { "ay", "u0xffffffff 'abc'", 0, WIRE_BAD_BODY },
  { "ay", "q0", 0, WIRE_BAD_BODY },
  { "aq", "u4 q1 q2", 0, WIRE_OK },
  { "aq", "u3 q1 y2", 0, WIRE_BAD_BODY },
  { "au", "u8 u1 u2", 0, WIRE_OK },
  { "au", "u7 u1 q2 y3", 0, WIRE_BAD_BODY },
  { "at", "u8 p8 t1", 0, WIRE_OK },
  { "at", "u8 u1 t1", 0, WIRE_BAD_PADDING },
  { "at", "u0 p8", 0, WIRE_OK },
  { "at", "u0", 0, WIRE_BAD_BODY }, /* padding also where there is no element */
  { "at", "u0 u1", 0, WIRE_BAD_PADDING },
  { "at", "u4 p8 u1", 0, WIRE_BAD_BODY },
  { "as", "u0", 0, WIRE_OK },
  { "as", "u6 s'a'", 0, WIRE_OK },
  { "as", "u14 s'a' p4 s'b'", 0, WIRE_OK },
  { "as", "u8 s'a' p4", 0, WIRE_BAD_BODY },
  { "as", "u5 s'a'", 0, WIRE_BAD_BODY },
  { "as", "u7 s'a'", 0, WIRE_BAD_BODY },
  { "asu", "u6 s'a' p4 u1", 0, WIRE_OK },
  { "asu", "u0 u1", 0, WIRE_OK },
  { "aas", "u0", 0, WIRE_OK },
  { "aas", "u4 u0", 0, WIRE_OK },
  { "aas", "u18 u0 u10 s'a' p4 u0", 0, WIRE_BAD_BODY },
  { "aas", "u16 u6 s'a' p4 u0", 0, WIRE_OK },
  { "aas", "u4 u6 s'a'", 0, WIRE_BAD_BODY }, /* the inner array passes the outer one's end */
  { "aay", "u11 u3 'abc' y0 u0", 0, WIRE_BAD_BODY },
  { "aay", "u12 u3 'abc' y0 u0", 0, WIRE_OK },
  { "a(yy)", "u10 p8 y1 y2 p8 y3 y4", 0, WIRE_OK },
  { "a(yy)", "u10 p8 y1 y2 y9 p8 y3 y4", 0, WIRE_BAD_PADDING },
  { "a(yy)", "u9 p8 y1 y2 p8 y3", 0, WIRE_BAD_BODY },
  { "a(yy)", "u16 p8 y1 y2 p8 y3 y4 p8", 0, WIRE_BAD_BODY },
  { "a(yy)s", "u0 p8 s'a'", 0, WIRE_OK },
  { "a(sa(ss))u", "u0 p8 u1", 0, WIRE_OK },
  { "av", "u8 g'y' y1 g'y' y2", 0, WIRE_OK },

  /* Structures. */
  { "(y)", "y1", 0, WIRE_OK },
  { "y(y)", "y1 p8 y1", 0, WIRE_OK },
  { "y(y)", "y1 y1 y1", 0, WIRE_BAD_BODY },
  { "y(y)", "y1 p4 u1 y1", 0, WIRE_BAD_PADDING },
  { "(y)y", "y1 y1", 0, WIRE_OK },
  { "((y)(y))y", "y1 p8 y1 y1", 0, WIRE_OK },
  { "(ss)", "s'a' p4", 0, WIRE_BAD_BODY },

  /* Dictionaries. */
  { "a{ss}", "u14 p8 s'a' p4 s'b'", 0, WIRE_OK },
  { "a{ss}", "u14 u1 s'a' p4 s'b'", 0, WIRE_BAD_PADDING },
  { "a{ss}", "u6 p8 s'a'", 0, WIRE_BAD_BODY },
  { "a{sv}", "u16 p8 s'a' g's' p4 u0 y0", 0, WIRE_BAD_BODY },
  { "a{sv}", "u17 p8 s'a' g's' p4 s''", 0, WIRE_OK },
  { "a{sv}", "u21 p8 s'key' g's' p4 s'ab'", 0, WIRE_BAD_BODY },
  { "a{sv}", "u23 p8 s'key' g's' p4 s'ab'", 0, WIRE_BAD_BODY },
  { "a{sv}", "u19 p8 s'key' g's' p4 s'ab'", 0, WIRE_OK },

  /* Variants. */
  { "v", "g'y' y1", 0, WIRE_OK },
  { "v", "g's' p4 s'a'", 0, WIRE_OK },
  { "v", "g's' y1 s'a'", 0, WIRE_BAD_PADDING },
  { "v", "g'(yy)' p8 y1 y2", 0, WIRE_OK },
  { "vv", "g'y' y1 g'v' g'y' y2", 0, WIRE_OK },
  { "v", "g''", 0, WIRE_BAD_SIGNATURE },
  { "v", "g'yy' y1 y2", 0, WIRE_BAD_SIGNATURE },
  { "v", "g'a' y1", 0, WIRE_BAD_SIGNATURE },
  { "v", "g'{ss}' p8 s'a' p4 s'b'", 0, WIRE_BAD_SIGNATURE },
  { "v", "y1 'y' y1 y1", 0, WIRE_BAD_BODY },
  { "v", "g'y'", 0, WIRE_BAD_BODY },
  { "v", "y255 'y'", 0, WIRE_BAD_BODY },
  { "v", "", 0, WIRE_BAD_BODY },
  { "(v)s", "g'y' y1 s'a'", 0, WIRE_OK },

  /* Signatures that are none. */
  { "a", "u0", 0, WIRE_BAD_SIGNATURE },
  { "{ss}", "u0", 0, WIRE_BAD_SIGNATURE },
  { "z", "u0", 0, WIRE_BAD_SIGNATURE },
};

static WireVerdict
check_script (const char *signature, const char *script, uint8_t byte_order, uint32_t n_descriptors)
{
  g_autoptr (GByteArray) bytes = script_run (script, byte_order);
  /* A copy of the exact size, so that sanitizers see a read past the end. */
  g_autofree uint8_t *exact = g_memdup2 (bytes->data, bytes->len);

  return wire_body_check (byte_order, signature, exact, bytes->len, n_descriptors);
}

static void
test_table (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    for (guint order = 0; order < G_N_ELEMENTS (script_byte_orders); order++)
      {
        WireVerdict verdict = check_script (bodies[i].signature, bodies[i].body,
                                            script_byte_orders[order], bodies[i].n_descriptors);

        if (verdict != bodies[i].verdict)
          g_error ("%c “%s” %s: %s, not %s", script_byte_orders[order], bodies[i].signature,
                   bodies[i].body, wire_verdict_to_string (verdict),
                   wire_verdict_to_string (bodies[i].verdict));
      }
}

/* No good body has a beginning that is good too, and none is good with a byte more. */
static void
test_cut_and_extended (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    {
      g_autoptr (GByteArray) bytes = script_run (bodies[i].body, 'l');

      if (bodies[i].verdict != WIRE_OK)
        continue;

      for (guint size = 0; size < bytes->len; size++)
        {
          g_autofree uint8_t *cut = g_memdup2 (bytes->data, size);

          g_assert_cmpint (
              wire_body_check ('l', bodies[i].signature, cut, size, bodies[i].n_descriptors), !=,
              WIRE_OK);
        }

      g_byte_array_append (bytes, (const guint8 *) "", 1);
      g_assert_cmpint (wire_body_check ('l', bodies[i].signature, bytes->data, bytes->len,
                                        bodies[i].n_descriptors),
                       ==, WIRE_BAD_BODY);
    }
}

static void
test_byte_order (void)
{
  g_assert_cmpint (wire_body_check ('x', "", NULL, 0, 0), ==, WIRE_BAD_BYTE_ORDER);
  g_assert_cmpint (wire_body_check (0, "", NULL, 0, 0), ==, WIRE_BAD_BYTE_ORDER);
  g_assert_cmpint (wire_body_check ('l', "", NULL, 0, 0), ==, WIRE_OK);
}

/* `n` variants in each other around a byte. */
static WireVerdict
check_variants (guint n)
{
  g_autoptr (GString) script = g_string_new (NULL);

  for (guint i = 1; i < n; i++)
    g_string_append (script, "g'v' ");
  g_string_append (script, "g'y' y1");

  return check_script ("v", script->str, 'l', 0);
}

/* A structure of `n` in each other in a variant in `n` more, around a byte. */
static WireVerdict
check_structures (guint n)
{
  g_autofree char *open = g_strnfill (n, '('), *close = g_strnfill (n, ')');
  g_autofree char *signature = g_strconcat (open, "v", close, NULL);
  g_autofree char *script = g_strdup_printf ("g'%sy%s' p8 y1", open, close);

  return check_script (signature, script, 'l', 0);
}

/* `n` arrays in each other, each with one element, in a variant with a byte array. */
static WireVerdict
check_arrays (guint n)
{
  g_autofree char *arrays = g_strnfill (n, 'a');
  g_autofree char *signature = g_strconcat (arrays, "v", NULL);
  g_autoptr (GString) script = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    g_string_append_printf (script, "u%u ", 4 * (n - i - 1) + 4 + 4 + 1);
  g_string_append (script, "g'ay' p4 u1 y7");

  return check_script (signature, script->str, 'l', 0);
}

static void
test_depth (void)
{
  g_assert_cmpint (check_variants (1), ==, WIRE_OK);
  g_assert_cmpint (check_variants (LIMIT_BODY_DEPTH), ==, WIRE_OK);
  g_assert_cmpint (check_variants (LIMIT_BODY_DEPTH + 1), ==, WIRE_TOO_DEEP);
  g_assert_cmpint (check_variants (LIMIT_BODY_DEPTH + 1000), ==, WIRE_TOO_DEEP);

  g_assert_cmpint (check_structures (29), ==, WIRE_OK);
  g_assert_cmpint (check_structures (30), ==, WIRE_TOO_DEEP);
  g_assert_cmpint (check_structures (LIMIT_SIGNATURE_DEPTH + 1), ==, WIRE_BAD_SIGNATURE);

  g_assert_cmpint (check_arrays (1), ==, WIRE_OK);
  g_assert_cmpint (check_arrays (LIMIT_SIGNATURE_DEPTH), ==, WIRE_OK);
  g_assert_cmpint (check_arrays (LIMIT_SIGNATURE_DEPTH + 1), ==, WIRE_BAD_SIGNATURE);
}

/* The worst bodies for the walk are done in one pass: much signature, few bytes. */
static void
test_large (void)
{
  const gsize size = 1024 * 1024;
  g_autofree uint8_t *body = g_malloc0 (size);
  const uint32_t length = (uint32_t) size - 4;

  memcpy (body, &length, sizeof length);
  g_assert_cmpint (
      wire_body_check (G_BYTE_ORDER == G_LITTLE_ENDIAN ? 'l' : 'B', "aau", body, size, 0), ==,
      WIRE_OK);
  g_assert_cmpint (
      wire_body_check (G_BYTE_ORDER == G_LITTLE_ENDIAN ? 'l' : 'B', "ay", body, size, 0), ==,
      WIRE_OK);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/wire/values/table", test_table);
  g_test_add_func ("/wire/values/cut-and-extended", test_cut_and_extended);
  g_test_add_func ("/wire/values/byte-order", test_byte_order);
  g_test_add_func ("/wire/values/depth", test_depth);
  g_test_add_func ("/wire/values/large", test_large);

  return g_test_run ();
}
