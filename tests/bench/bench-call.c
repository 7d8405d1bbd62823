/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Measures one method call over and over, one after the other, as a plain sd-bus client sees it. */
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <systemd/sd-bus.h>

#define WARM_UP_CALLS 50
#define MAX_CALLS 10000000

static const char usage[] =
    "Usage: tombolo-bench-call [--address=ADDRESS] COUNT DESTINATION PATH INTERFACE MEMBER\n"
    "Calls MEMBER, which takes no arguments, COUNT times on the system bus (or the bus at "
    "ADDRESS)\n"
    "and prints the median, the 99th percentile and the longest time of a call as JSON.\n";

typedef struct
{
  const char *destination;
  const char *path;
  const char *interface;
  const char *member;
} Target;

static uint64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static int
compare (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

  return (x > y) - (x < y);
}

static int
open_bus (const char *address, sd_bus **ret_bus)
{
  sd_bus *bus = NULL;
  int r;

  if (address == NULL)
    return sd_bus_open_system (ret_bus);

  r = sd_bus_new (&bus);
  if (r >= 0)
    r = sd_bus_set_address (bus, address);
  if (r >= 0)
    r = sd_bus_set_bus_client (bus, 1);
  if (r >= 0)
    r = sd_bus_start (bus);
  if (r < 0)
    {
      sd_bus_unref (bus);
      return r;
    }
  *ret_bus = bus;
  return 0;
}

static int
call_once (sd_bus *bus, const Target *target)
{
  sd_bus_error error = SD_BUS_ERROR_NULL;
  int r;

  r = sd_bus_call_method (bus, target->destination, target->path, target->interface, target->member,
                          &error, NULL, "");
  if (r < 0)
    fprintf (stderr, "The call failed: %s: %s\n", error.name ? error.name : strerror (-r),
             error.message ? error.message : "");
  sd_bus_error_free (&error);
  return r;
}

static int
measure (sd_bus *bus, const Target *target, uint64_t *times, size_t count)
{
  int r;

  for (size_t i = 0; i < WARM_UP_CALLS; i++)
    if ((r = call_once (bus, target)) < 0)
      return r;

  for (size_t i = 0; i < count; i++)
    {
      uint64_t begun = now_ns ();

      if ((r = call_once (bus, target)) < 0)
        return r;
      times[i] = now_ns () - begun;
    }
  return 0;
}

int
main (int argc, char **argv)
{
  static const struct option options[] = {
    { "address", required_argument, NULL, 'a' },
    { "help", no_argument, NULL, 'h' },
    {},
  };
  const char *address = NULL;
  uint64_t *times = NULL;
  sd_bus *bus = NULL;
  long count;
  int option, r;

  while ((option = getopt_long (argc, argv, "a:h", options, NULL)) >= 0)
    switch (option)
      {
      case 'a':
        address = optarg;
        break;
      case 'h':
        fputs (usage, stdout);
        return EXIT_SUCCESS;
      default:
        fputs (usage, stderr);
        return 2;
      }
  count = argc - optind == 5 ? strtol (argv[optind], NULL, 10) : 0;
  if (count < 1 || count > MAX_CALLS)
    {
      fputs (usage, stderr);
      return 2;
    }

  r = open_bus (address, &bus);
  if (r < 0)
    fprintf (stderr, "Cannot connect to the bus: %s\n", strerror (-r));
  else if ((times = calloc ((size_t) count, sizeof *times)) == NULL)
    r = -ENOMEM;
  else
    {
      const Target target = { argv[optind + 1], argv[optind + 2], argv[optind + 3],
                              argv[optind + 4] };

      r = measure (bus, &target, times, (size_t) count);
    }
  if (r >= 0)
    {
      size_t size = (size_t) count;

      qsort (times, size, sizeof *times, compare);
      printf ("{\"calls\": %zu, \"median_us\": %.1f, \"p99_us\": %.1f, \"longest_us\": %.1f}\n",
              size, (double) times[size / 2] / 1000, (double) times[size * 99 / 100] / 1000,
              (double) times[size - 1] / 1000);
    }

  free (times);
  sd_bus_flush_close_unref (bus);
  return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
