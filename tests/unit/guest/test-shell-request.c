/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the agent asks tombolo-guest-shell: there and back, and what is refused. */
#include "shell-request.h"

#include <string.h>

#include "limit.h"

static const struct
{
  const char *bytes; /* “|” is a zero */
  gboolean valid;
  const char *line; /* the command for a shell; NULL: a log-in shell */
} cases[] = {
  { "root|xterm|24|80|", TRUE, NULL },
  { "root|xterm|0|0|ls|-l|", TRUE, "'ls' '-l'" },
  { "root|xterm|24|80|a b|it's|$(x)||", TRUE, "'a b' 'it'\\''s' '$(x)' ''" },
  { "root|xterm|24|80", FALSE, NULL },
  { "root|xterm|24|", FALSE, NULL },
  { "", FALSE, NULL },
  { "|xterm|24|80|", FALSE, NULL },
  { "-u|xterm|24|80|", FALSE, NULL },
  { "ro ot|xterm|24|80|", FALSE, NULL },
  { "root||24|80|", FALSE, NULL },
  { "root|x\nterm|24|80|", FALSE, NULL },
  { "root|xterm|-1|80|", FALSE, NULL },
  { "root|xterm|24|65536|", FALSE, NULL },
  { "root|xterm|24|80|\xff|", FALSE, NULL },
};

static void
test_table (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *bytes = g_strdup (cases[i].bytes);
      gsize size = strlen (cases[i].bytes);
      g_autoptr (ShellRequest) request = NULL;
      g_autoptr (GError) error = NULL;

      for (gsize j = 0; j < size; j++)
        bytes[j] = cases[i].bytes[j] == '|' ? '\0' : cases[i].bytes[j];
      request = shell_request_read ((const uint8_t *) bytes, size, &error);
      g_test_message ("%u: %s", i, error != NULL ? error->message : "good");
      g_assert_cmpint (request != NULL, ==, cases[i].valid);
      g_assert_cmpint (error == NULL, ==, cases[i].valid);
      if (request != NULL)
        {
          g_autoptr (GByteArray) again = shell_request_write (request);
          g_autofree char *line = shell_request_to_line (request);

          g_assert_cmpmem (again->data, again->len, bytes, size);
          g_assert_cmpstr (line, ==, cases[i].line);
        }
    }
}

static void
test_limits (void)
{
  for (guint n = LIMIT_SHELL_WORDS; n <= LIMIT_SHELL_WORDS + 1; n++)
    {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();
      g_autoptr (ShellRequest) request = NULL;

      g_byte_array_append (bytes,
                           (const guint8 *) "root\0x\0"
                                            "1\0"
                                            "1",
                           11);
      for (guint i = 0; i < n; i++)
        g_byte_array_append (bytes, (const guint8 *) "a", 2);
      request = shell_request_read (bytes->data, bytes->len, NULL);
      g_assert_cmpint (request != NULL, ==, n == LIMIT_SHELL_WORDS);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guest/shell-request/table", test_table);
  g_test_add_func ("/guest/shell-request/limits", test_limits);
  return g_test_run ();
}
