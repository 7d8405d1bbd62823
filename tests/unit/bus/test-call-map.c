/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls under another serial: found once, by route and serial; bounded; forgotten with their
 * callers. */
#include "call-map.h"

#include "limit.h"

static int first, second; /* two routes */

static void
test_take (void)
{
  CallMap map = { 0 };
  g_auto (MappedCall) call = { 0 };

  call_map_add (&map, 7, 1000, &first, ":1.1");
  call_map_add (&map, 8, 1000, &second, ":1.2");
  g_assert_true (call_map_has_original (&map, 7));
  g_assert_false (call_map_has_original (&map, 1000));
  g_assert_true (call_map_has_serial (&map, 1000));
  g_assert_false (call_map_has_serial (&map, 7));
  g_assert_cmpuint (call_map_count (&map, &first), ==, 1);

  g_assert_false (call_map_take (&map, &first, 1001, &call));
  g_assert_true (call_map_take (&map, &first, 1000, &call));
  g_assert_cmpuint (call.original, ==, 7);
  g_assert_cmpstr (call.caller, ==, ":1.1");
  mapped_call_clear (&call);

  /* Once. */
  g_assert_false (call_map_take (&map, &first, 1000, &call));
  g_assert_false (call_map_take_of_route (&map, &first, &call));
  g_assert_true (call_map_take_of_route (&map, &second, &call));
  g_assert_cmpuint (call.original, ==, 8);
  g_assert_null (map.calls);
}

static void
test_full (void)
{
  g_auto (MappedCall) call = { 0 };
  CallMap map = { 0 };

  for (unsigned i = 0; i < LIMIT_CALLBACKS_CHANNEL; i++)
    {
      g_assert_false (call_map_is_full (&map));
      call_map_add (&map, i, i, i % 2 == 0 ? &first : &second, ":1.1");
    }
  g_assert_true (call_map_is_full (&map));
  g_assert_cmpuint (call_map_count (&map, &first), ==, LIMIT_CALLBACKS_CHANNEL / 2);
  g_assert_true (call_map_take (&map, &second, 1, &call));
  g_assert_false (call_map_is_full (&map));
  call_map_clear (&map);
  g_assert_cmpuint (map.n_calls, ==, 0);
}

static void
test_orphans (void)
{
  const char *const names[] = { "a.b", "c.d" };
  OwnerTable owners;
  CallMap map = { 0 };
  MappedCall call;

  owner_table_init (&owners, names, 2);
  owner_entry_set (owner_table_find (&owners, "a.b"), ":1.1");
  owner_entry_set (owner_table_find (&owners, "c.d"), ":1.1");
  call_map_add (&map, 1, 1, NULL, ":1.1");
  g_assert_false (call_map_take_orphan (&map, &owners, &call));

  /* One name is enough. */
  owner_entry_set (owner_table_find (&owners, "a.b"), ":1.2");
  g_assert_false (call_map_take_orphan (&map, &owners, &call));
  owner_entry_set (owner_table_find (&owners, "c.d"), NULL);
  call_map_add (&map, 2, 2, NULL, ":1.2");
  g_assert_true (call_map_take_orphan (&map, &owners, &call));
  g_assert_cmpuint (call.original, ==, 1);
  mapped_call_clear (&call);
  g_assert_false (call_map_take_orphan (&map, &owners, &call));

  call_map_clear (&map);
  owner_table_clear (&owners);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/call-map/take", test_take);
  g_test_add_func ("/call-map/full", test_full);
  g_test_add_func ("/call-map/orphans", test_orphans);
  return g_test_run ();
}
