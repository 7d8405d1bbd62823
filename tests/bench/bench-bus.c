/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An sd-bus client of the service that is measured, or of one method of any other. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "bench-echo.h"
#include "bench.h"

static const char usage[] =
    "Usage: tombolo-bench-bus [--address=ADDRESS] DESTINATION\n"
    "Measures the echo service at DESTINATION on the system bus, or on the bus at ADDRESS. Lines "
    "on\n"
    "standard input say what is measured:\n"
    "  latency SIZE COUNT      COUNT echoes of SIZE bytes, one after the other\n"
    "  asked SIZE COUNT        the same of EchoAsked, on one path\n"
    "  fresh SIZE COUNT        the same, each on a path of its own\n"
    "  rate SIZE FLIGHT COUNT  COUNT echoes, FLIGHT of them under way at a time\n"
    "  signals COUNT           COUNT signals, sent in one go\n"
    "  stream SIZE             SIZE bytes through a pipe\n"
    "  visits COUNT            COUNT connections that make one call each\n";

typedef struct
{
  const char *address;
  const char *destination;
  sd_bus *bus;
  uint8_t *data;

  /* Of a latency. */
  const char *member;
  uint64_t size;
  bool own_paths;
  unsigned n_paths;

  /* Of a rate. */
  uint64_t to_send;
  uint64_t to_come;
  int failure;

  uint64_t n_ticks;
} Client;

static int
tell (int r, const sd_bus_error *error)
{
  if (r < 0)
    fprintf (stderr, "A call failed: %s: %s\n", error->name ? error->name : strerror (-r),
             error->message ? error->message : "");
  return r;
}

/* Connects and waits for Hello: who is silent for long is not let in. */
static int
open_bus (const char *address, sd_bus **ret_bus)
{
  const char *name;
  sd_bus *bus = NULL;
  int r;

  if (address == NULL)
    r = sd_bus_open_system (&bus);
  else if ((r = sd_bus_new (&bus)) >= 0 && (r = sd_bus_set_address (bus, address)) >= 0
           && (r = sd_bus_set_bus_client (bus, 1)) >= 0 && (r = sd_bus_negotiate_fds (bus, 1)) >= 0)
    r = sd_bus_start (bus);
  if (r >= 0)
    r = sd_bus_get_unique_name (bus, &name);
  if (r < 0)
    {
      sd_bus_unref (bus);
      return r;
    }

  *ret_bus = bus;
  return 0;
}

static int
new_call (Client *client, const char *path, sd_bus_message **ret_call)
{
  int r = sd_bus_message_new_method_call (client->bus, ret_call, client->destination, path,
                                          ECHO_INTERFACE, client->member);

  return r < 0 ? r : sd_bus_message_append_array (*ret_call, 'y', client->data, client->size);
}

static int
check_reply (const Client *client, sd_bus_message *reply)
{
  const void *data;
  size_t size;
  int r = sd_bus_message_read_array (reply, 'y', &data, &size);

  return r < 0 ? r : size == client->size ? 0 : -EBADMSG;
}

static int
call_once (void *user_data)
{
  Client *client = user_data;
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus_message *call = NULL, *reply = NULL;
  char path[64] = ECHO_PATH;
  int r;

  if (client->own_paths)
    snprintf (path, sizeof path, ECHO_PATH "/%u", client->n_paths++);
  if ((r = new_call (client, path, &call)) >= 0
      && (r = tell (sd_bus_call (client->bus, call, 0, &error, &reply), &error)) >= 0)
    r = check_reply (client, reply);

  sd_bus_message_unref (call);
  sd_bus_message_unref (reply);
  sd_bus_error_free (&error);
  return r;
}

static int
measure_latency (Client *client, const char *member, bool own_paths, const uint64_t *arguments)
{
  if (arguments[0] > BENCH_MAX_SIZE)
    return -EINVAL;

  client->member = member;
  client->own_paths = own_paths;
  client->size = arguments[0];
  return bench_latency (arguments[1], call_once, client);
}

static int
run_latency (void *user_data, const uint64_t *arguments)
{
  return measure_latency (user_data, "Echo", false, arguments);
}

static int
run_asked (void *user_data, const uint64_t *arguments)
{
  return measure_latency (user_data, "EchoAsked", false, arguments);
}

static int
run_fresh (void *user_data, const uint64_t *arguments)
{
  return measure_latency (user_data, "EchoAsked", true, arguments);
}

/* --- Many at a time --- */

static int on_reply (sd_bus_message *reply, void *user_data, sd_bus_error *ret_error);

static int
send_one (Client *client)
{
  sd_bus_message *call = NULL;
  int r = new_call (client, ECHO_PATH, &call);

  if (r >= 0)
    r = sd_bus_call_async (client->bus, NULL, call, on_reply, client, 0);
  sd_bus_message_unref (call);
  client->to_send--;
  return r;
}

static int
on_reply (sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
  Client *client = user_data;
  int r = sd_bus_message_is_method_error (reply, NULL)
              ? tell (-sd_bus_message_get_errno (reply), sd_bus_message_get_error (reply))
              : check_reply (client, reply);

  client->to_come--;
  if (r >= 0 && client->to_send > 0)
    r = send_one (client);
  if (r < 0)
    client->failure = r;
  return 0;
}

static int
run_rate (void *user_data, const uint64_t *arguments)
{
  Client *client = user_data;
  uint64_t begun = bench_now ();
  int r = 0;

  if (arguments[0] > BENCH_MAX_SIZE)
    return -EINVAL;
  client->member = "Echo";
  client->size = arguments[0];
  client->to_send = client->to_come = arguments[2];

  for (uint64_t i = 0; r >= 0 && i < arguments[1] && client->to_send > 0; i++)
    r = send_one (client);
  while (r >= 0 && client->failure >= 0 && client->to_come > 0)
    {
      r = sd_bus_process (client->bus, NULL);
      if (r == 0)
        r = sd_bus_wait (client->bus, UINT64_MAX);
    }
  if (r < 0 || client->failure < 0)
    return -EIO;

  bench_print_time (bench_now () - begun);
  return 0;
}

/* --- Signals, streams, visits --- */

static int
on_tick (sd_bus_message *signal, void *user_data, sd_bus_error *ret_error)
{
  ((Client *) user_data)->n_ticks++;
  return 0;
}

static int
run_signals (void *user_data, const uint64_t *arguments)
{
  Client *client = user_data;
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus_slot *slot = NULL;
  uint64_t begun;
  int r =
      sd_bus_match_signal (client->bus, &slot, NULL, NULL, ECHO_INTERFACE, "Tick", on_tick, client);

  client->n_ticks = 0;
  begun = bench_now ();
  if (r >= 0)
    r = tell (sd_bus_call_method (client->bus, client->destination, ECHO_PATH, ECHO_INTERFACE,
                                  "Emit", &error, NULL, "u", (uint32_t) arguments[0]),
              &error);
  while (r >= 0 && client->n_ticks < arguments[0])
    {
      r = sd_bus_process (client->bus, NULL);
      if (r == 0)
        r = sd_bus_wait (client->bus, UINT64_MAX);
    }
  if (r >= 0)
    bench_print_time (bench_now () - begun);

  sd_bus_slot_unref (slot);
  sd_bus_error_free (&error);
  return r;
}

/* Reads to the end; negative where that is not after `size` bytes. */
static int
drain (int fd, uint64_t size)
{
  static char piece[64 * 1024];
  ssize_t n;

  while ((n = read (fd, piece, sizeof piece)) > 0)
    size -= (uint64_t) n;

  return n < 0 ? -errno : size == 0 ? 0 : -EPIPE;
}

static int
run_stream (void *user_data, const uint64_t *arguments)
{
  Client *client = user_data;
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus_message *reply = NULL;
  uint64_t begun = bench_now ();
  int fd, r;

  if ((r = tell (sd_bus_call_method (client->bus, client->destination, ECHO_PATH, ECHO_INTERFACE,
                                     "OpenSource", &error, &reply, "t", arguments[0]),
                 &error))
          >= 0
      && (r = sd_bus_message_read (reply, "h", &fd)) >= 0 && (r = drain (fd, arguments[0])) >= 0)
    bench_print_time (bench_now () - begun);

  sd_bus_message_unref (reply);
  sd_bus_error_free (&error);
  return r;
}

static int
visit (void *user_data)
{
  Client *client = user_data;
  sd_bus *kept = client->bus;
  int r = open_bus (client->address, &client->bus);

  if (r >= 0)
    {
      r = call_once (client);
      sd_bus_flush_close_unref (client->bus);
    }
  client->bus = kept;
  return r;
}

static int
run_visits (void *user_data, const uint64_t *arguments)
{
  Client *client = user_data;

  client->member = "Echo";
  client->own_paths = false;
  client->size = 16;
  return bench_latency (arguments[0], visit, client);
}

static const BenchCommand commands[] = {
  { "latency", 2, run_latency }, { "asked", 2, run_asked },
  { "fresh", 2, run_fresh },     { "rate", 3, run_rate },
  { "signals", 1, run_signals }, { "stream", 1, run_stream },
  { "visits", 1, run_visits },   { NULL, 0, NULL },
};

static bool
parse_options (int argc, char **argv, Client *client)
{
  static const struct option options[] = {
    { "address", required_argument, NULL, 'a' },
    { "help", no_argument, NULL, 'h' },
    {},
  };
  int option;

  while ((option = getopt_long (argc, argv, "a:h", options, NULL)) >= 0)
    switch (option)
      {
      case 'a':
        client->address = optarg;
        break;
      case 'h':
        fputs (usage, stdout);
        exit (EXIT_SUCCESS);
      default:
        return false;
      }

  client->destination = argv[optind];
  return argc - optind == 1;
}

int
main (int argc, char **argv)
{
  Client client = { 0 };
  int r;

  if (!parse_options (argc, argv, &client))
    {
      fputs (usage, stderr);
      return 2;
    }

  client.data = calloc (1, BENCH_MAX_SIZE);
  r = client.data == NULL ? -ENOMEM : open_bus (client.address, &client.bus);
  if (r < 0)
    fprintf (stderr, "Cannot connect to the bus: %s\n", strerror (-r));
  else
    r = -bench_serve (commands, &client);

  free (client.data);
  sd_bus_flush_close_unref (client.bus);
  return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
