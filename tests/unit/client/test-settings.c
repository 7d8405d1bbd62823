/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Machine files on their way to CreateMachine(). */
#include <string.h>

#include "failure.h"
#include "limit.h"
#include "settings.h"

static const struct
{
  const char *text;
  const char *expected; /* GVariant's text, or the beginning of the error */
} cases[] = {
  { "", "@a{sa{sv}} {}" },
  { "# a comment\n\n; another\n[Machine]\n", "{'Machine': {}}" },
  { "[Machine]\nMonitor=qemu\n", "{'Machine': {'Monitor': <'qemu'>}}" },
  { "[Machine]\r\n Monitor = qemu \r\n", "{'Machine': {'Monitor': <'qemu'>}}" },
  { "[Qemu]\nDisk=/a:raw\nDisk=/b:raw\nCommandLine=a=b c\n",
    "{'Qemu': {'Disk': <['/a:raw', '/b:raw']>, 'CommandLine': <'a=b c'>}}" },
  { "[A]\nx=1\n[B]\nx=2\n", "{'A': {'x': <'1'>}, 'B': {'x': <'2'>}}" },
  { "[A]\nx=\n", "{'A': {'x': <''>}}" },
  { "x=1\n", "f:1: " },
  { "[A]\nx\n", "f:2: " },
  { "[A]\n=1\n", "f:2: " },
  { "[A\n", "f:1: " },
  { "[]\n", "f:1: " },
  { "[A]\nx=\xff\n", "f:1: " },
};

static void
test_cases (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Settings) settings = settings_new ();
      g_autoptr (GError) error = NULL;
      g_autofree char *shown = NULL;

      if (settings_add_text (settings, cases[i].text, strlen (cases[i].text), "f", &error))
        {
          g_autoptr (GVariant) value = g_variant_ref_sink (settings_to_variant (settings));

          shown = g_variant_print (value, g_variant_n_children (value) == 0);
          g_assert_cmpstr (shown, ==, cases[i].expected);
        }
      else
        {
          g_assert_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE);
          g_assert_true (g_str_has_prefix (error->message, cases[i].expected));
        }
    }
}

static void
test_size (void)
{
  g_autofree char *text = g_strnfill (LIMIT_MACHINE_FILE_SIZE + 1, '\n');
  g_autoptr (Settings) settings = settings_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (settings_add_text (settings, text, LIMIT_MACHINE_FILE_SIZE, "f", NULL));
  g_assert_false (settings_add_text (settings, text, LIMIT_MACHINE_FILE_SIZE + 1, "f", &error));
  g_assert_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/settings/cases", test_cases);
  g_test_add_func ("/client/settings/size", test_size);
  return g_test_run ();
}
