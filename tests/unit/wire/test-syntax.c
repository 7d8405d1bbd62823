/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names, paths, signatures and UTF-8. */
#include "syntax.h"

#include <glib.h>
#include <string.h>

#include "limit.h"
#include "message.h"

static const struct
{
  const char *text;
  bool bus_name, unique, interface, member, path;
} names[] = {
  /* text                     bus    unique interf member path */
  { "", false, false, false, false, false },
  { ".", false, false, false, false, false },
  { ":", false, false, false, false, false },
  { ":1", false, false, false, false, false },
  { ":1.42", true, true, false, false, false },
  { ":1.42.7", true, true, false, false, false },
  { ":a-b.c_d", true, true, false, false, false },
  { ":1.", false, false, false, false, false },
  { ":.1", false, false, false, false, false },
  { ":1..2", false, false, false, false, false },
  { ":1.:2", false, false, false, false, false },
  { "a", false, false, false, true, false },
  { "_", false, false, false, true, false },
  { "Get2", false, false, false, true, false },
  { "2Get", false, false, false, false, false },
  { "Get-All", false, false, false, false, false },
  { "org.freedesktop.DBus", true, false, true, false, false },
  { "org.freedesktop", true, false, true, false, false },
  { "org.free-desktop", true, false, false, false, false },
  { "-org.-x", true, false, false, false, false },
  { "_7.a", true, false, true, false, false },
  { "org.7zip", false, false, false, false, false },
  { "7zip.org", false, false, false, false, false },
  { ".org.x", false, false, false, false, false },
  { "org.x.", false, false, false, false, false },
  { "org..x", false, false, false, false, false },
  { "org.x y", false, false, false, false, false },
  { "org.\xc3\xa4", false, false, false, false, false },
  { "/", false, false, false, false, true },
  { "/a", false, false, false, false, true },
  { "/7/_/Z", false, false, false, false, true },
  { "/a/", false, false, false, false, false },
  { "//", false, false, false, false, false },
  { "/a//b", false, false, false, false, false },
  { "/a-b", false, false, false, false, false },
  { "/a.b", false, false, false, false, false },
  { "/\xc3\xa4", false, false, false, false, false },
  { "a/b", false, false, false, false, false },
};

static void
test_names (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_test_message ("“%s”", names[i].text);
      g_assert_cmpint (wire_bus_name_is_valid (names[i].text), ==, names[i].bus_name);
      g_assert_cmpint (wire_bus_name_is_unique (names[i].text), ==, names[i].unique);
      g_assert_cmpint (wire_interface_is_valid (names[i].text), ==, names[i].interface);
      g_assert_cmpint (wire_member_is_valid (names[i].text), ==, names[i].member);
      g_assert_cmpint (wire_path_is_valid (names[i].text), ==, names[i].path);
    }
}

/* A name of `length` bytes that starts with `start`. */
static char *
long_name (const char *start, gsize length)
{
  char *name = g_malloc (length + 1);

  memset (name, 'a', length);
  memcpy (name, start, strlen (start));
  name[length] = '\0';
  return name;
}

static void
test_lengths (void)
{
  for (gsize length = LIMIT_NAME_LENGTH - 1; length <= LIMIT_NAME_LENGTH + 2; length++)
    {
      g_autofree char *name = long_name ("a.b", length);
      g_autofree char *unique = long_name (":1.b", length);
      g_autofree char *member = long_name ("b", length);
      g_autofree char *path = long_name ("/b", length);
      bool good = length <= LIMIT_NAME_LENGTH;

      g_assert_cmpint (wire_bus_name_is_valid (name), ==, good);
      g_assert_cmpint (wire_bus_name_is_valid (unique), ==, good);
      g_assert_cmpint (wire_interface_is_valid (name), ==, good);
      g_assert_cmpint (wire_member_is_valid (member), ==, good);
      g_assert_true (wire_path_is_valid (path));
    }
}

static void
test_namespaces (void)
{
  g_assert_true (syntax_bus_namespace ("org", 3));
  g_assert_true (syntax_bus_namespace ("org.x", 5));
  g_assert_false (syntax_bus_namespace ("", 0));
  g_assert_false (syntax_bus_namespace (":1.2", 4));
  g_assert_false (syntax_bus_namespace ("org.", 4));
}

static void
test_zero_inside (void)
{
  g_assert_false (syntax_bus_name ("a.b\0c", 5));
  g_assert_false (syntax_interface ("a.b\0c", 5));
  g_assert_false (syntax_member ("a\0b", 3));
  g_assert_false (syntax_path ("/a\0b", 4));
  g_assert_false (syntax_signature ("s\0s", 3, false));
  g_assert_false (syntax_utf8 ("a\0b", 3));
}

#define A8 "aaaaaaaa"
#define A32 A8 A8 A8 A8
#define OPEN8 "(((((((("
#define OPEN32 OPEN8 OPEN8 OPEN8 OPEN8
#define CLOSE8 "))))))))"
#define CLOSE32 CLOSE8 CLOSE8 CLOSE8 CLOSE8

static const struct
{
  const char *text;
  bool valid, single;
} signatures[] = {
  { "", true, false },
  { "s", true, true },
  { "ss", true, false },
  { "ybnqiuxtdsogvh", true, false },
  { "v", true, true },
  { "as", true, true },
  { "aas", true, true },
  { "a", false, false },
  { "sa", false, false },
  { "aa", false, false },
  { "(a)", false, false },
  { "(s)", true, true },
  { "(s)(s)", true, false },
  { "((s)u)", true, true },
  { "a(sa(uu))", true, true },
  { "()", false, false },
  { "(", false, false },
  { ")", false, false },
  { "(s", false, false },
  { "s)", false, false },
  { "(s}", false, false },
  { "a{sv}", true, true },
  { "a{sv}s", true, false },
  { "a{sa{sv}}", true, true },
  { "aa{sv}", true, true },
  { "{sv}", false, false },
  { "({sv})", false, false },
  { "a({sv})", false, false },
  { "a{}", false, false },
  { "a{s}", false, false },
  { "a{svs}", false, false },
  { "a{sv)", false, false },
  { "a{vs}", false, false },
  { "a{ass}", false, false },
  { "a{(s)s}", false, false },
  { "a{a{ss}s}", false, false },
  { "a{ga{ou}}", true, true },
  { "a{s{ss}}", false, false },
  { "z", false, false },
  { "e", false, false },
  { "r", false, false },
  { "m", false, false },
  { "*", false, false },
  { "\x80", false, false },
  { " s", false, false },
  { A32 "s", true, true },
  { A32 "as", false, false },
  { A32 "s" A32 "s", true, false },
  { A8 A8 "(" A8 A8 "s)", true, true },
  { A8 A8 "(" A8 A8 "as)", false, false },
  { A8 A8 "(" A8 A8 "s" A8 A8 "s)", true, true },
  { OPEN32 "s" CLOSE32, true, true },
  { "(" OPEN32 "s" CLOSE32 ")", false, false },
  { A32 OPEN32 "s" CLOSE32, true, true },
};

static void
test_signatures (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (signatures); i++)
    {
      const char *text = signatures[i].text;
      g_autofree char *shown = g_strescape (text, NULL);

      g_test_message ("“%s”", shown);
      g_assert_cmpint (syntax_signature (text, strlen (text), false), ==, signatures[i].valid);
      g_assert_cmpint (syntax_signature (text, strlen (text), true), ==, signatures[i].single);
      if (signatures[i].single)
        g_assert_true (syntax_skip_type (text) == text + strlen (text));
    }

  for (gsize length = 254; length <= 257; length++)
    {
      g_autofree char *text = g_strnfill (length, 'y');

      g_assert_cmpint (syntax_signature (text, length, false), ==,
                       length <= LIMIT_SIGNATURE_LENGTH);
    }
}

static void
test_skip_type (void)
{
  g_assert_cmpstr (syntax_skip_type ("su"), ==, "u");
  g_assert_cmpstr (syntax_skip_type ("aasu"), ==, "u");
  g_assert_cmpstr (syntax_skip_type ("a{s(uu)}v"), ==, "v");
  g_assert_cmpstr (syntax_skip_type ("((s)(s))(s)"), ==, "(s)");
}

static const struct
{
  const char *text;
  bool valid;
} texts[] = {
  { "", true },
  { "plain", true },
  { "\x01\x1f\x7f", true },
  { "eight ch", true },
  { "more than eight characters", true },
  { "\xc2\x80", true },
  { "\xdf\xbf", true },
  { "\xe0\xa0\x80", true },
  { "\xed\x9f\xbf", true },
  { "\xee\x80\x80", true },
  { "\xef\xbf\xbf", true }, /* U+FFFF: no character, yet allowed since Unicode's corrigendum 9 */
  { "\xf0\x90\x80\x80", true },
  { "\xf4\x8f\xbf\xbf", true },
  { "na\xc3\xafve caf\xc3\xa9", true },
  { "\x80", false },
  { "\xbf", false },
  { "\xc0\x80", false }, /* a zero in two bytes */
  { "\xc1\xbf", false },
  { "\xc2", false },
  { "\xc2\x20", false },
  { "\xc2\xc2", false },
  { "\xe0\x9f\xbf", false }, /* too long a form */
  { "\xe1\x80", false },
  { "\xe1\x80\xc0", false },
  { "\xed\xa0\x80", false }, /* surrogates */
  { "\xed\xbf\xbf", false },
  { "\xf0\x8f\xbf\xbf", false },
  { "\xf1\x80\x80", false },
  { "\xf1\x80\x80\xff", false },
  { "\xf4\x90\x80\x80", false }, /* past U+10FFFF */
  { "\xf5\x80\x80\x80", false },
  { "\xff", false },
  { "\xfe", false },
};

/* Each text alone, then at every place among ASCII, so that words and bytes are both walked. */
static void
test_utf8 (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    for (gsize before = 0; before <= 17; before++)
      for (gsize after = 0; after <= 9; after++)
        {
          g_autofree char *left = g_strnfill (before, 'x'), *right = g_strnfill (after, 'y');
          g_autofree char *text = g_strconcat (left, texts[i].text, right, NULL);

          g_assert_cmpint (syntax_utf8 (text, strlen (text)), ==, texts[i].valid);
        }
}

/* Every two-byte text, and every three-byte text of a few interesting bytes, against GLib. */
static void
test_utf8_exhaustive (void)
{
  static const guint8 interesting[] = { 0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                        0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef,
                                        0xf0, 0xf1, 0xf4, 0xf5, 0xff, 0x00 };
  char text[4];

  for (guint value = 0; value < 0x10000; value++)
    {
      text[0] = (char) (value >> 8);
      text[1] = (char) value;
      g_assert_cmpint (syntax_utf8 (text, 2), ==, g_utf8_validate_len (text, 2, NULL));
    }

  for (guint i = 0; i < G_N_ELEMENTS (interesting); i++)
    for (guint j = 0; j < G_N_ELEMENTS (interesting); j++)
      for (guint k = 0; k < G_N_ELEMENTS (interesting); k++)
        for (guint l = 0; l < G_N_ELEMENTS (interesting); l++)
          {
            text[0] = (char) interesting[i];
            text[1] = (char) interesting[j];
            text[2] = (char) interesting[k];
            text[3] = (char) interesting[l];
            g_assert_cmpint (syntax_utf8 (text, 4), ==, g_utf8_validate_len (text, 4, NULL));
          }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/wire/syntax/names", test_names);
  g_test_add_func ("/wire/syntax/lengths", test_lengths);
  g_test_add_func ("/wire/syntax/namespaces", test_namespaces);
  g_test_add_func ("/wire/syntax/zero-inside", test_zero_inside);
  g_test_add_func ("/wire/syntax/signatures", test_signatures);
  g_test_add_func ("/wire/syntax/skip-type", test_skip_type);
  g_test_add_func ("/wire/syntax/utf8", test_utf8);
  g_test_add_func ("/wire/syntax/utf8-exhaustive", test_utf8_exhaustive);

  return g_test_run ();
}
