/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What systemd's properties say of a unit, and how its end is told. */
#include "unit-status.h"

static const struct
{
  const char *properties;
  gboolean over;
  const char *failure; /* NULL: it ended well, or has not ended */
} cases[] = {
  { "{'ActiveState': <'active'>, 'SubState': <'running'>, 'MainPID': <uint32 5>}", FALSE, NULL },
  { "{'ActiveState': <'activating'>, 'SubState': <'auto-restart'>, 'ExecMainStatus': <133>, "
    "'ExecMainCode': <1>}",
    FALSE, NULL },
  { "{'ActiveState': <'deactivating'>}", FALSE, NULL },
  { "{'ActiveState': <'inactive'>, 'Result': <'success'>, 'ExecMainCode': <1>, "
    "'ExecMainStatus': <0>}",
    TRUE, NULL },
  { "{'ActiveState': <'inactive'>}", TRUE, NULL },
  { "{'ActiveState': <'failed'>, 'Result': <'exit-code'>, 'ExecMainCode': <1>, "
    "'ExecMainStatus': <3>}",
    TRUE, "exit code 3" },
  { "{'ActiveState': <'failed'>, 'Result': <'signal'>, 'ExecMainCode': <2>, 'ExecMainStatus': "
    "<9>}",
    TRUE, "signal 9 (Killed)" },
  { "{'ActiveState': <'failed'>, 'Result': <'core-dump'>, 'ExecMainCode': <3>, "
    "'ExecMainStatus': <11>}",
    TRUE, "signal 11 (Segmentation fault)" },
  { "{'ActiveState': <'failed'>, 'Result': <'timeout'>}", TRUE, "systemd's result “timeout”" },
  { "{'ActiveState': <'failed'>}", TRUE, "systemd's result “failed”" },
};

static void
test_end (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GVariant) properties = g_variant_new_parsed (cases[i].properties);
      g_autoptr (UnitStatus) status = unit_status_new (properties);
      g_autofree char *failure = NULL;

      g_test_message ("%s", cases[i].properties);
      g_assert_cmpint (unit_status_is_over (status), ==, cases[i].over);
      if (!cases[i].over)
        continue;
      failure = unit_status_describe_failure (status);
      g_assert_cmpstr (failure, ==, cases[i].failure);
    }
}

static void
test_properties (void)
{
  g_autoptr (GVariant) properties = g_variant_new_parsed (
      "{'ActiveState': <'active'>, 'FreezerState': <'frozen'>, 'MainPID': <uint32 42>, "
      "'InvocationID': <[byte 0x01, 0x00, 0xff]>, 'Result': <5>}");
  g_autoptr (UnitStatus) status = unit_status_new (properties);

  g_assert_cmpstr (status->freezer_state, ==, "frozen");
  g_assert_cmpuint (status->main_pid, ==, 42);
  g_assert_cmpstr (status->invocation, ==, "0100ff");
  g_assert_cmpstr (status->result, ==, "");
  g_assert_cmpstr (status->sub_state, ==, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/unit-status/end", test_end);
  g_test_add_func ("/host/unit-status/properties", test_properties);
  return g_test_run ();
}
