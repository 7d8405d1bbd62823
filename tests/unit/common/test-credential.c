/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Credentials, read from a folder as systemd makes it. */
#include "credential.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define LIMIT 16

static const struct
{
  const char *name;
  const char *contents; /* NULL: there is no such file */
  gssize size;          /* -1 where it cannot be loaded */
  int code;
} credentials[] = {
  { "empty", "", 0, 0 },
  { "short", "text\n", 5, 0 },
  { "full", "0123456789abcdef", LIMIT, 0 },
  { "past", "0123456789abcdefg", -1, G_IO_ERROR_FAILED },
  { "far-past", "0123456789abcdef0123456789abcdef", -1, G_IO_ERROR_FAILED },
  { "missing", NULL, -1, G_IO_ERROR_NOT_FOUND },
};

static void
test_load (void)
{
  g_autofree char *folder = g_dir_make_tmp ("credential-XXXXXX", NULL);

  g_setenv ("CREDENTIALS_DIRECTORY", folder, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (credentials); i++)
    {
      g_autofree char *path = g_build_filename (folder, credentials[i].name, NULL);
      g_autoptr (GError) error = NULL;
      gsize size = 99;
      char *text;

      if (credentials[i].contents != NULL)
        g_assert_true (g_file_set_contents (path, credentials[i].contents, -1, NULL));

      text = credential_load (credentials[i].name, LIMIT, &size, &error);
      g_assert_cmpint (text != NULL, ==, credentials[i].size >= 0);
      if (text != NULL)
        {
          g_assert_no_error (error);
          g_assert_cmpint (size, ==, credentials[i].size);
          g_assert_cmpstr (text, ==, credentials[i].contents);
          credential_free (text, size);
        }
      else
        {
          g_assert_error (error, G_IO_ERROR, credentials[i].code);
          g_assert_nonnull (strstr (error->message, credentials[i].name));
          g_assert_cmpint (size, ==, 99);
        }
      g_unlink (path);
    }

  g_rmdir (folder);
  credential_free (NULL, 0);
}

static void
test_no_folder (void)
{
  g_autoptr (GError) error = NULL;
  gsize size;

  g_unsetenv ("CREDENTIALS_DIRECTORY");
  g_assert_null (credential_load ("any", LIMIT, &size, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/common/credential/load", test_load);
  g_test_add_func ("/common/credential/no-folder", test_no_folder);

  return g_test_run ();
}
