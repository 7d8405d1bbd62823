/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines in, times out. */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_LINE 128

uint64_t
bench_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

void
bench_print_time (uint64_t nanoseconds)
{
  printf ("%" PRIu64 "\n", nanoseconds);
}

int
bench_latency (uint64_t count, int (*once) (void *user_data), void *user_data)
{
  uint64_t *times;
  int r = 0;

  if (count == 0 || count > BENCH_MAX_COUNT)
    return -EINVAL;
  times = calloc (count, sizeof *times);
  if (times == NULL)
    return -ENOMEM;

  for (uint64_t i = 0; i < count && r >= 0; i++)
    {
      uint64_t begun = bench_now ();

      r = once (user_data);
      times[i] = bench_now () - begun;
    }

  for (uint64_t i = 0; i < count && r >= 0; i++)
    printf ("%s%" PRIu64, i > 0 ? " " : "", times[i]);
  if (r >= 0)
    putchar ('\n');
  free (times);
  return r;
}

/* Splits a line; the command that it names, or NULL. */
static const BenchCommand *
parse (const BenchCommand *commands, char *line, uint64_t *arguments)
{
  char *rest = NULL, *word = strtok_r (line, " \n", &rest);
  unsigned n = 0;

  for (char *text; word != NULL && (text = strtok_r (NULL, " \n", &rest)) != NULL; n++)
    {
      if (n == BENCH_MAX_ARGUMENTS)
        return NULL;
      arguments[n] = strtoull (text, NULL, 10);
    }

  for (; word != NULL && commands->word != NULL; commands++)
    if (strcmp (commands->word, word) == 0 && commands->n_arguments == n)
      return commands;

  return NULL;
}

int
bench_serve (const BenchCommand *commands, void *user_data)
{
  char line[MAX_LINE];

  while (fgets (line, sizeof line, stdin) != NULL)
    {
      uint64_t arguments[BENCH_MAX_ARGUMENTS];
      const BenchCommand *command = parse (commands, line, arguments);

      if (command == NULL)
        {
          fprintf (stderr, "A line is no command: %s\n", line);
          return EXIT_FAILURE;
        }
      if (command->run (user_data, arguments) < 0)
        puts ("failed");
      fflush (stdout);
    }

  return EXIT_SUCCESS;
}
