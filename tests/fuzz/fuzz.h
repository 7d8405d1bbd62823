/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What fuzz targets share. A target is one function; libFuzzer calls it with what it thinks up,
 * replay.c with the files of the corpus. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
/* Called once before; a target may have none. */
int LLVMFuzzerInitialize (int *argc, char ***argv) __attribute__ ((weak));

/* A promise that the code under test broke: ends the run in a way that fuzzers notice. */
#define fuzz_require(condition)                                                                    \
  do                                                                                               \
    if (!(condition))                                                                              \
      {                                                                                            \
        fprintf (stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                 \
        abort ();                                                                                  \
      }                                                                                            \
  while (0)
