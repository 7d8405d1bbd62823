/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Test of the waits between attempts. */
#include "backoff.h"

static void
test_backoff (void)
{
  static const uint64_t milliseconds[] = { 50, 100, 200, 400, 800, 1600, 2000, 2000 };
  TunnelBackoff backoff = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (milliseconds); i++)
    g_assert_cmpuint (tunnel_backoff_next (&backoff), ==, milliseconds[i] * 1000);

  backoff = (TunnelBackoff){ 0 };
  g_assert_cmpuint (tunnel_backoff_next (&backoff), ==, 50 * 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backoff", test_backoff);
  return g_test_run ();
}
