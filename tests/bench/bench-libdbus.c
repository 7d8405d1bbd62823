/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A libdbus client of the service that is measured. libdbus authenticates line by line, which older
 * versions of xdg-dbus-proxy need: they cannot take sd-bus, which sends all lines at once. */
#include <dbus/dbus.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench-echo.h"
#include "bench.h"

#define TIMEOUT_MSEC 25000

typedef struct
{
  DBusConnection *bus;
  const uint8_t *data;
  int size;
} Client;

static int
call_once (void *user_data)
{
  Client *client = user_data;
  DBusMessage *call = dbus_message_new_method_call (ECHO_NAME, ECHO_PATH, ECHO_INTERFACE, "Echo");
  DBusMessage *reply = NULL;
  DBusError error = DBUS_ERROR_INIT;
  const uint8_t *data;
  int size = -1;

  if (call != NULL
      && dbus_message_append_args (call, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &client->data,
                                   client->size, DBUS_TYPE_INVALID))
    reply = dbus_connection_send_with_reply_and_block (client->bus, call, TIMEOUT_MSEC, &error);
  if (reply != NULL)
    dbus_message_get_args (reply, &error, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &data, &size,
                           DBUS_TYPE_INVALID);
  if (dbus_error_is_set (&error))
    fprintf (stderr, "A call failed: %s: %s\n", error.name, error.message);

  dbus_error_free (&error);
  if (call != NULL)
    dbus_message_unref (call);
  if (reply != NULL)
    dbus_message_unref (reply);
  return size == client->size ? 0 : -EIO;
}

static int
run_latency (void *user_data, const uint64_t *arguments)
{
  Client *client = user_data;

  if (arguments[0] > BENCH_MAX_SIZE)
    return -EINVAL;
  client->size = (int) arguments[0];
  return bench_latency (arguments[1], call_once, client);
}

static const BenchCommand commands[] = {
  { "latency", 2, run_latency },
  { NULL, 0, NULL },
};

int
main (int argc, char **argv)
{
  DBusError error = DBUS_ERROR_INIT;
  Client client = { 0 };

  if (argc != 2)
    {
      fputs ("Usage: tombolo-bench-libdbus ADDRESS\n"
             "Measures the echo service on the bus at ADDRESS; see tombolo-bench-bus.\n",
             stderr);
      return 2;
    }

  client.data = calloc (1, BENCH_MAX_SIZE);
  client.bus = dbus_connection_open_private (argv[1], &error);
  if (client.data == NULL || client.bus == NULL || !dbus_bus_register (client.bus, &error))
    {
      fprintf (stderr, "Cannot connect to the bus: %s\n", error.message);
      return EXIT_FAILURE;
    }

  return bench_serve (commands, &client);
}
