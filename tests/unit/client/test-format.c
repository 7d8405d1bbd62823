/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bodies as busctl prints them. */
#include "format.h"

static const struct
{
  const char *body; /* GVariant's text */
  const char *expected;
} cases[] = {
  { "()", "" },
  { "('x',)", "s \"x\"" },
  { "('a', 'b')", "ss \"a\" \"b\"" },
  { "('q\"\\\\ \\n\\t',)", "s \"q\\\"\\\\ \\n\\t\"" },
  { "(true, false)", "bb true false" },
  { "(byte 0x07,)", "y 7" },
  { "(int16 -1, uint16 2)", "nq -1 2" },
  { "(-3, uint32 4)", "iu -3 4" },
  { "(int64 -5, uint64 18446744073709551615)", "xt -5 18446744073709551615" },
  { "(1.5,)", "d 1.5" },
  { "(objectpath '/a',)", "o \"/a\"" },
  { "(signature 'as',)", "g \"as\"" },
  { "(@as [],)", "as 0" },
  { "(['a', 'b'],)", "as 2 \"a\" \"b\"" },
  { "([[1], [2, 3]],)", "aai 2 1 1 2 2 3" },
  { "(<'x'>,)", "v s \"x\"" },
  { "(<['x']>,)", "v as 1 \"x\"" },
  { "(<<uint32 5>>,)", "v v u 5" },
  { "({'k': <'v'>},)", "a{sv} 1 \"k\" s \"v\"" },
  { "(('a', 1), 2)", "(si)i \"a\" 1 2" },
  { "([('a', 'b')],)", "a(ss) 1 \"a\" \"b\"" },
  { "('Grüße',)", "s \"Grüße\"" },
  /* Nothing that a terminal would act on. */
  { "('\\u001b[2J',)", "s \"\\033[2J\"" },
  { "('\\u009b2J',)", "s \"\\302\\2332J\"" },
  { "('\\u202eabc',)", "s \"\\342\\200\\256abc\"" },
  { "('\\u007f',)", "s \"\\177\"" },
};

static void
test_cases (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) body = g_variant_parse (NULL, cases[i].body, NULL, NULL, &error);
      g_autofree char *text = NULL;

      g_assert_no_error (error);
      text = format_body (body);
      g_assert_cmpstr (text, ==, cases[i].expected);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/format/cases", test_cases);
  return g_test_run ();
}
