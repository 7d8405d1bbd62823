/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words in busctl's syntax become a body, and what is wrong is refused. */
#include <string.h>

#include "arguments.h"
#include "failure.h"
#include "format.h"

/* `words` have blanks between them; `expected` is GVariant's text of the body. */
static const struct
{
  const char *signature;
  const char *words;
  const char *expected;
} good[] = {
  { NULL, "", "()" },
  { "", "", "()" },
  { "s", "hello", "('hello',)" },
  { "s", "-5", "('-5',)" },
  { "ss", "a b", "('a', 'b')" },
  { "o", "/org/x", "(objectpath '/org/x',)" },
  { "g", "a{sv}", "(signature 'a{sv}',)" },
  { "b", "yes", "(true,)" },
  { "b", "Off", "(false,)" },
  { "y", "255", "(byte 0xff,)" },
  { "y", "0x10", "(byte 0x10,)" },
  { "n", "-32768", "(int16 -32768,)" },
  { "q", "65535", "(uint16 65535,)" },
  { "i", "-2147483648", "(-2147483648,)" },
  { "u", "4294967295", "(uint32 4294967295,)" },
  { "x", "-9223372036854775808", "(int64 -9223372036854775808,)" },
  { "t", "18446744073709551615", "(uint64 18446744073709551615,)" },
  { "d", "1.5", "(1.5,)" },
  { "d", "-1e3", "(-1000.0,)" },
  { "as", "0", "(@as [],)" },
  { "as", "2 a b", "(['a', 'b'],)" },
  { "ay", "3 1 2 3", "([byte 0x01, 0x02, 0x03],)" },
  { "aai", "2 1 7 2 8 9", "([[7], [8, 9]],)" },
  { "a{sv}", "0", "(@a{sv} {},)" },
  { "a{sv}", "2 k s v n u 4", "({'k': <'v'>, 'n': <uint32 4>},)" },
  { "v", "s x", "(<'x'>,)" },
  { "v", "as 2 x y", "(<['x', 'y']>,)" },
  { "v", "v i 3", "(<<3>>,)" },
  { "(si)", "x 3", "(('x', 3),)" },
  { "a(ss)", "2 a b c d", "([('a', 'b'), ('c', 'd')],)" },
  { "ssbbasbs", "a b true no 1 x off y", "('a', 'b', true, false, ['x'], false, 'y')" },
  { "a{ua{sv}}", "1 5 1 k b true", "({uint32 5: {'k': <true>}},)" },
};

static const struct
{
  const char *signature;
  const char *words;
} bad[] = {
  { NULL, "extra" },
  { "", "extra" },
  { "s", "" },
  { "s", "a b" },
  { "ss", "a" },
  { "o", "org/x" },
  { "g", "a{" },
  { "b", "maybe" },
  { "y", "256" },
  { "y", "-1" },
  { "n", "32768" },
  { "n", "-32769" },
  { "q", "65536" },
  { "i", "2147483648" },
  { "i", "1x" },
  { "u", "4294967296" },
  { "x", "9223372036854775808" },
  { "t", "18446744073709551616" },
  { "d", "one" },
  { "d", "1.5x" },
  { "d", "1e999" },
  { "as", "x" },
  { "as", "-1" },
  { "as", "2 a" },
  { "as", "1 a b" },
  { "as", "4294967295 a" },
  { "as", "99999999999999999999" },
  { "a{sv}", "1 k" },
  { "a{sv}", "1 k s" },
  { "v", "ss a b" },
  { "v", "" },
  { "v", "h 0" },
  { "(si)", "x" },
  { "h", "0" },
  { "ah", "0" },
  { "ms", "x" },
  { "{sv}", "x" },
  { "a{vs}", "0" },
  { "a{s}", "0" },
  { "a{sss}", "0" },
  { "a", "0" },
  { "()", "" },
  { "(s", "x" },
  { "s)", "x" },
  { "z", "x" },
};

static const char *const *
split (const char *words, char ***ret_words)
{
  *ret_words = *words != '\0' ? g_strsplit (words, " ", -1) : g_new0 (char *, 1);
  return (const char *const *) *ret_words;
}

static void
test_good (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_auto (GStrv) words = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) body = NULL;
      g_autoptr (GVariant) expected = NULL;

      body = arguments_to_body (good[i].signature, split (good[i].words, &words), &error);
      g_assert_no_error (error);
      g_variant_ref_sink (body);
      expected = g_variant_parse (NULL, good[i].expected, NULL, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpvariant (body, expected);
    }
}

static void
test_bad (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_auto (GStrv) words = NULL;
      g_autoptr (GError) error = NULL;
      GVariant *body = arguments_to_body (bad[i].signature, split (bad[i].words, &words), &error);

      if (body != NULL)
        g_test_message ("signature %s took “%s”", bad[i].signature, bad[i].words);
      g_assert_null (body);
      g_assert_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE);
    }
}

static void
test_invalid_utf8 (void)
{
  const char *const words[] = { "\xff", NULL };
  g_autoptr (GError) error = NULL;

  g_assert_null (arguments_to_body ("s", words, &error));
  g_assert_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

static void
test_depth (void)
{
  g_autofree char *arrays = g_strnfill (ARGUMENTS_MAX_DEPTH, 'a');
  g_autofree char *deep = g_strconcat (arrays, "s", NULL);
  g_autofree char *deeper = g_strconcat (arrays, "as", NULL);
  g_autofree char *long_one = g_strnfill (256, 's');
  g_autoptr (GPtrArray) words = g_ptr_array_new ();

  g_assert_true (arguments_check_signature (deep, NULL));
  g_assert_false (arguments_check_signature (deeper, NULL));
  g_assert_false (arguments_check_signature (long_one, NULL));

  /* Variants in variants end, too. */
  for (guint i = 0; i < 1000; i++)
    g_ptr_array_add (words, (gpointer) "v");
  g_ptr_array_add (words, NULL);
  g_assert_null (arguments_to_body ("v", (const char *const *) words->pdata, NULL));
}

/* What is printed can be typed again. */
static void
test_round_trip (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GVariant) body = g_variant_parse (NULL, good[i].expected, NULL, NULL, NULL);
      g_autoptr (GVariant) again = NULL;
      g_autofree char *text = format_body (body);
      g_auto (GStrv) words = NULL;
      g_autoptr (GError) error = NULL;

      if (*text == '\0')
        continue;
      g_assert_true (g_shell_parse_argv (text, NULL, &words, &error));
      again = arguments_to_body (words[0], (const char *const *) words + 1, &error);
      g_assert_no_error (error);
      g_variant_ref_sink (again);
      g_assert_cmpvariant (body, again);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/arguments/good", test_good);
  g_test_add_func ("/client/arguments/bad", test_bad);
  g_test_add_func ("/client/arguments/invalid-utf8", test_invalid_utf8);
  g_test_add_func ("/client/arguments/depth", test_depth);
  g_test_add_func ("/client/arguments/round-trip", test_round_trip);
  return g_test_run ();
}
