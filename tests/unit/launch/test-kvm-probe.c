/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The probe ends soon, whatever the device is, and its verdict is written over the last one. */
#include <glib.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "error.h"
#include "kvm-probe.h"

static void
test_no_device (void)
{
  static const char *const devices[] = { "/nonexistent", "/dev/null", "/proc/self/status" };

  for (guint i = 0; i < G_N_ELEMENTS (devices); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (kvm_probe (devices[i], &error));
      g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NOT_SUPPORTED);
    }
}

static void
test_device (void)
{
  gint64 begin = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  if (access ("/dev/kvm", R_OK | W_OK) < 0)
    {
      g_test_skip ("/dev/kvm cannot be opened here");
      return;
    }

  if (!kvm_probe ("/dev/kvm", &error))
    g_test_message ("KVM does not work here: %s", error->message);
  g_assert_cmpint (g_get_monotonic_time () - begin, <, 5 * G_USEC_PER_SEC);
}

static void
test_write (void)
{
  g_autofree char *directory = g_dir_make_tmp ("tombolo-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "kvm", NULL);
  g_autofree char *link = g_build_filename (directory, "link", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (kvm_probe_write (path, "kvm", &error));
  g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED);
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (path, "something longer", -1, NULL));
  g_assert_true (kvm_probe_write (path, "tcg", &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "tcg");

  g_assert_no_errno (symlink (path, link));
  g_assert_false (kvm_probe_write (link, "kvm", NULL));

  g_remove (link);
  g_remove (path);
  g_rmdir (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/kvm-probe/no-device", test_no_device);
  g_test_add_func ("/kvm-probe/device", test_device);
  g_test_add_func ("/kvm-probe/write", test_write);

  return g_test_run ();
}
