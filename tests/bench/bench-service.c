/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service that is measured: echoes bytes, sends signals, gives out the end of a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#include "bench-echo.h"

#define PIECE (64 * 1024)

static int
on_echo (sd_bus_message *call, void *user_data, sd_bus_error *ret_error)
{
  sd_bus_message *reply = NULL;
  const void *data;
  size_t size;
  int r;

  if ((r = sd_bus_message_read_array (call, 'y', &data, &size)) >= 0
      && (r = sd_bus_message_new_method_return (call, &reply)) >= 0
      && (r = sd_bus_message_append_array (reply, 'y', data, size)) >= 0)
    r = sd_bus_send (NULL, reply, NULL);

  sd_bus_message_unref (reply);
  return r;
}

/* The signals first, so that the reply's caller has heard them all. */
static int
on_emit (sd_bus_message *call, void *user_data, sd_bus_error *ret_error)
{
  sd_bus *bus = sd_bus_message_get_bus (call);
  uint32_t count;
  int r = sd_bus_message_read (call, "u", &count);

  for (uint32_t i = 0; r >= 0 && i < count; i++)
    r = sd_bus_emit_signal (bus, ECHO_PATH, ECHO_INTERFACE, "Tick", "u", i);

  return r < 0 ? r : sd_bus_reply_method_return (call, NULL);
}

typedef struct
{
  int fd;
  uint64_t size;
} Source;

static void *
write_source (void *user_data)
{
  static const char zeros[PIECE];
  Source *source = user_data;

  while (source->size > 0)
    {
      size_t wanted = source->size < PIECE ? (size_t) source->size : PIECE;
      ssize_t n = write (source->fd, zeros, wanted);

      if (n < 0)
        break;
      source->size -= (uint64_t) n;
    }

  close (source->fd);
  free (source);
  return NULL;
}

/* The read end of a pipe out of which `size` bytes come. */
static int
on_open_source (sd_bus_message *call, void *user_data, sd_bus_error *ret_error)
{
  Source *source = calloc (1, sizeof *source);
  pthread_t thread;
  int ends[2], r;

  if (source == NULL)
    return -ENOMEM;
  r = sd_bus_message_read (call, "t", &source->size);
  if (r >= 0 && pipe2 (ends, O_CLOEXEC) < 0)
    r = -errno;
  if (r < 0)
    {
      free (source);
      return r;
    }

  source->fd = ends[1];
  r = -pthread_create (&thread, NULL, write_source, source);
  if (r < 0)
    {
      close (ends[1]);
      free (source);
    }
  else
    {
      pthread_detach (thread);
      r = sd_bus_reply_method_return (call, "h", ends[0]);
    }
  close (ends[0]);
  return r;
}

/* EchoAsked is the same for the service; machine files have another rule for it. */
static const sd_bus_vtable vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD ("Echo", "ay", "ay", on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("EchoAsked", "ay", "ay", on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Emit", "u", "", on_emit, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("OpenSource", "t", "h", on_open_source, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_SIGNAL ("Tick", "u", 0),
  SD_BUS_VTABLE_END,
};

int
main (void)
{
  sd_bus *bus = NULL;
  int r;

  signal (SIGPIPE, SIG_IGN);
  if ((r = sd_bus_open_system (&bus)) >= 0
      && (r = sd_bus_add_fallback_vtable (bus, NULL, ECHO_PATH, ECHO_INTERFACE, vtable, NULL, NULL))
             >= 0
      && (r = sd_bus_request_name (bus, ECHO_NAME, 0)) >= 0)
    sd_notify (0, "READY=1");

  while (r >= 0)
    {
      r = sd_bus_process (bus, NULL);
      if (r == 0)
        r = sd_bus_wait (bus, UINT64_MAX);
    }

  fprintf (stderr, "The service ends: %s\n", strerror (-r));
  sd_bus_flush_close_unref (bus);
  return EXIT_FAILURE;
}
