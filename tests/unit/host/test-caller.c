/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of methods: the known ones, and nothing else. */
#include "caller.h"

#include "error.h"

static const struct
{
  const char *options;
  gboolean has_timeout;
  gboolean good;
  guint64 timeout;
} cases[] = {
  { "@a{sv} {}", FALSE, TRUE, 7 },
  { "@a{sv} {}", TRUE, TRUE, 7 },
  { "{'timeout': <uint64 5>}", TRUE, TRUE, 5 },
  { "{'timeout': <uint64 600000000>}", TRUE, TRUE, 600000000 },
  { "{'timeout': <uint64 600000001>}", TRUE, FALSE, 7 },
  { "{'timeout': <uint64 18446744073709551615>}", TRUE, FALSE, 7 },
  { "{'timeout': <5>}", TRUE, FALSE, 7 },
  { "{'timeout': <'5'>}", TRUE, FALSE, 7 },
  { "{'timeout': <uint64 5>}", FALSE, FALSE, 7 },
  { "{'force': <true>}", TRUE, FALSE, 7 },
  { "{'': <true>}", TRUE, FALSE, 7 },
};

static void
test_options (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GVariant) options = g_variant_new_parsed (cases[i].options);
      g_autoptr (GError) error = NULL;
      guint64 timeout = 7;
      gboolean good = caller_read_options (options, cases[i].has_timeout ? &timeout : NULL, &error);

      g_test_message ("%s", cases[i].options);
      g_assert_cmpint (good, ==, cases[i].good);
      g_assert_cmpuint (timeout, ==, cases[i].timeout);
      if (!good)
        g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/caller/options", test_options);
  return g_test_run ();
}
