/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target once over every file of the folders and files it is given. Options of
 * libFuzzer's are passed over, so that both are called alike. */
#include <glib.h>

#include <string.h>

#include "fuzz.h"

static guint n_files;

static gboolean
replay_file (const char *path, GError **error)
{
  g_autofree char *contents = NULL;
  g_autofree uint8_t *exact = NULL;
  gsize size;

  if (!g_file_get_contents (path, &contents, &size, error))
    return FALSE;

  /* Without the zero that GLib adds, so that sanitizers see a read past the end. */
  exact = g_memdup2 (contents, size);
  LLVMFuzzerTestOneInput (exact, size);
  n_files++;
  return TRUE;
}

static gboolean
replay_folder (const char *path, GError **error)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, error);
  const char *name;

  if (folder == NULL)
    return FALSE;

  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      if (!replay_file (file, error))
        return FALSE;
    }

  return TRUE;
}

int
main (int argc, char **argv)
{
  if (LLVMFuzzerInitialize != NULL)
    LLVMFuzzerInitialize (&argc, &argv);

  for (int i = 1; i < argc; i++)
    {
      g_autoptr (GError) error = NULL;

      if (argv[i][0] == '-')
        continue;
      if (!(g_file_test (argv[i], G_FILE_TEST_IS_DIR) ? replay_folder (argv[i], &error)
                                                      : replay_file (argv[i], &error)))
        {
          fprintf (stderr, "Cannot replay “%s”: %s\n", argv[i], error->message);
          return EXIT_FAILURE;
        }
    }

  /* A corpus that is gone must not pass for one that is good. */
  printf ("%u files replayed\n", n_files);
  return n_files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
