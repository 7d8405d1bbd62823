/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors and their D-Bus names. */
#include "error.h"

static const struct
{
  TomboloError code;
  const char *name;
} errors[] = {
  { TOMBOLO_ERROR_FAILED, "org.tombolo.Error.Failed" },
  { TOMBOLO_ERROR_INVALID_ARGUMENT, "org.tombolo.Error.InvalidArgument" },
  { TOMBOLO_ERROR_INVALID_NAME, "org.tombolo.Error.InvalidName" },
  { TOMBOLO_ERROR_INVALID_SETTINGS, "org.tombolo.Error.InvalidSettings" },
  { TOMBOLO_ERROR_INVALID_STATE, "org.tombolo.Error.InvalidState" },
  { TOMBOLO_ERROR_NO_SUCH_MACHINE, "org.tombolo.Error.NoSuchMachine" },
  { TOMBOLO_ERROR_MACHINE_EXISTS, "org.tombolo.Error.MachineExists" },
  { TOMBOLO_ERROR_NOT_SUPPORTED, "org.tombolo.Error.NotSupported" },
  { TOMBOLO_ERROR_LIMITS_EXCEEDED, "org.tombolo.Error.LimitsExceeded" },
  { TOMBOLO_ERROR_TIMED_OUT, "org.tombolo.Error.TimedOut" },
  { TOMBOLO_ERROR_CANCELLED, "org.tombolo.Error.Cancelled" },
  { TOMBOLO_ERROR_DISCONNECTED, "org.tombolo.Error.Disconnected" },
  { TOMBOLO_ERROR_NOT_EXPORTED, "org.tombolo.Error.NotExported" },
  { TOMBOLO_ERROR_MONITOR_FAILED, "org.tombolo.Error.MonitorFailed" },
  { TOMBOLO_ERROR_LINK_FAILED, "org.tombolo.Error.LinkFailed" },
  { TOMBOLO_ERROR_UNIT_FAILED, "org.tombolo.Error.UnitFailed" },
  { TOMBOLO_ERROR_IDENTITY_FAILED, "org.tombolo.Error.IdentityFailed" },
  { TOMBOLO_ERROR_ACCESS_DENIED, "org.freedesktop.DBus.Error.AccessDenied" },
  { TOMBOLO_ERROR_INTERACTION, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" },
};

/* Every code has its name, by our table and through GDBus, there and back. */
static void
test_names (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (errors); i++)
    {
      g_autoptr (GError) error = g_error_new_literal (TOMBOLO_ERROR, (int) errors[i].code, "text");
      g_autofree char *encoded = g_dbus_error_encode_gerror (error);
      g_autoptr (GError) decoded = g_dbus_error_new_for_dbus_error (errors[i].name, "text");

      g_assert_cmpint (errors[i].code, ==, i);
      g_assert_cmpstr (tombolo_error_name (errors[i].code), ==, errors[i].name);
      g_assert_cmpstr (encoded, ==, errors[i].name);
      g_assert_error (decoded, TOMBOLO_ERROR, (int) errors[i].code);
    }

  g_assert_cmpint (G_N_ELEMENTS (errors), ==, TOMBOLO_ERROR_INTERACTION + 1);
  g_assert_cmpstr (tombolo_error_name ((TomboloError) 999), ==, "org.tombolo.Error.Failed");
}

/* GDBus' own table may have been filled before ours. */
static void
test_names_after_gdbus (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (GError) other =
          g_dbus_error_new_for_dbus_error ("org.freedesktop.DBus.Error.AccessDenied", "text");

      g_assert_error (other, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
      test_names ();
      return;
    }

  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr_unmatched ("*WARNING*");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/common/error/names", test_names);
  g_test_add_func ("/common/error/names-after-gdbus", test_names_after_gdbus);

  return g_test_run ();
}
