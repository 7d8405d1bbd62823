/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolo-pty: start-up. Bridge and agent run it; it is of no use to anybody else. */
#include <stdio.h>
#include <stdlib.h>

#include "pty-program.h"

int
main (int argc, char **argv)
{
  if (argc != 2)
    {
      fprintf (stderr, "tombolo-pty: tombolo's bridge and agent run this program\n");
      return EXIT_FAILURE;
    }

  return pty_program_run (argv[1]);
}
