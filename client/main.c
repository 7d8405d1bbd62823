/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl: start-up. */
#include "config.h"

#include <glib/gi18n.h>
#include <locale.h>

#include "program.h"

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, TOMBOLO_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);

  return program_run ((const char *const *) argv);
}
