/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus values as JSON. */
#include "json.h"

static const struct
{
  const char *value; /* GVariant's text */
  const char *plain;
  const char *typed;
} cases[] = {
  { "'x'", "\"x\"", "\"x\"" },
  { "true", "true", "true" },
  { "uint64 18446744073709551615", "18446744073709551615", "18446744073709551615" },
  { "int64 -9223372036854775808", "-9223372036854775808", "-9223372036854775808" },
  { "0.5", "0.5", "0.5" },
  { "@as []", "[]", "[]" },
  { "@a{sv} {}", "{}", "{}" },
  { "[1, 2]", "[1,2]", "[1,2]" },
  { "('a', 1)", "[\"a\",1]", "[\"a\",1]" },
  { "<'x'>", "\"x\"", "{\"type\":\"s\",\"data\":\"x\"}" },
  { "{'k': <uint32 1>}", "{\"k\":1}", "{\"k\":{\"type\":\"u\",\"data\":1}}" },
  { "{1: 'a', 2: 'b'}", "[[1,\"a\"],[2,\"b\"]]", "[[1,\"a\"],[2,\"b\"]]" },
  { "{objectpath '/a': 'x'}", "{\"/a\":\"x\"}", "{\"/a\":\"x\"}" },
  { "'q\"\\\\\\n\\t/'", "\"q\\\"\\\\\\n\\t/\"", "\"q\\\"\\\\\\n\\t/\"" },
  { "'\\u001b\\u009b\\u202e'", "\"\\u001b\\u009b\\u202e\"", "\"\\u001b\\u009b\\u202e\"" },
  { "'\\U000e0001'", "\"\\udb40\\udc01\"", "\"\\udb40\\udc01\"" },
  { "'Grüße'", "\"Grüße\"", "\"Grüße\"" },
};

static void
test_short (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) value = g_variant_parse (NULL, cases[i].value, NULL, NULL, &error);
      g_autofree char *plain = NULL;
      g_autofree char *typed = NULL;

      g_assert_no_error (error);
      plain = json_from_variant (value, JSON_SHORT, JSON_PLAIN);
      typed = json_from_variant (value, JSON_SHORT, JSON_TYPED);
      g_assert_cmpstr (plain, ==, cases[i].plain);
      g_assert_cmpstr (typed, ==, cases[i].typed);
    }
}

static void
test_pretty (void)
{
  g_autoptr (GVariant) value =
      g_variant_parse (NULL, "{'a': <[1, 2]>, 'b': <@as []>}", NULL, NULL, NULL);
  g_autofree char *text = json_from_variant (value, JSON_PRETTY, JSON_PLAIN);

  g_assert_cmpstr (text, ==, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}");
}

static void
test_body (void)
{
  g_autoptr (GVariant) body = g_variant_parse (NULL, "('x', <true>)", NULL, NULL, NULL);
  g_autofree char *text = json_from_body (body, JSON_SHORT);

  g_assert_cmpstr (text, ==, "{\"type\":\"sv\",\"data\":[\"x\",{\"type\":\"b\",\"data\":true}]}");
}

static void
test_not_a_number (void)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_double (G_MAXDOUBLE * 2));
  g_autofree char *text = json_from_variant (value, JSON_SHORT, JSON_PLAIN);

  g_assert_cmpstr (text, ==, "null");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/json/short", test_short);
  g_test_add_func ("/client/json/pretty", test_pretty);
  g_test_add_func ("/client/json/body", test_body);
  g_test_add_func ("/client/json/not-a-number", test_not_a_number);
  return g_test_run ();
}
