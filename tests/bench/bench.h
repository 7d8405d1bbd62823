/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the measuring programs share. Each keeps one connection and obeys lines on its standard
 * input, so that a tool can let several of them take turns: a word, then numbers. Each line is
 * answered by one line of times in nanoseconds, or by “failed”, with the reason on standard error.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

#define BENCH_MAX_ARGUMENTS 3
#define BENCH_MAX_COUNT 10000000
#define BENCH_MAX_SIZE (1024 * 1024)

  typedef struct
  {
    const char *word;
    unsigned n_arguments;
    /* Prints its answer. Negative: it failed, and said so. */
    int (*run) (void *user_data, const uint64_t *arguments);
  } BenchCommand;

  /* Obeys until the end of the input; `commands` end with an empty one. An exit status. */
  int bench_serve (const BenchCommand *commands, void *user_data);

  uint64_t bench_now (void);

  /* Calls `once` `count` times and prints how long each call took. */
  int bench_latency (uint64_t count, int (*once) (void *user_data), void *user_data);

  void bench_print_time (uint64_t nanoseconds);

#ifdef __cplusplus
}
#endif
