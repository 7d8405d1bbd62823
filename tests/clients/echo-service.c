/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service for tests of clients, on sd-bus: it echoes, fails as it is told, answers late, sends
 * large messages and signals. Runs in a guest, and says “ready” when it owns its name. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "echo.h"

#define LARGEST (64u << 20)
#define NOTES 16

typedef struct
{
  sd_event *event;
  char *value; /* the property */
  char *notes[NOTES];
  size_t n_notes;
} Service;

/* Echoes any signature, which no table of methods could say. */
static int
on_any (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  sd_bus_message *reply = NULL;
  int r;

  if (!sd_bus_message_is_method_call (call, ECHO_INTERFACE, "Echo"))
    return 0;

  r = sd_bus_message_new_method_return (call, &reply);
  if (r >= 0)
    r = sd_bus_message_copy (reply, call, 1);
  if (r >= 0)
    r = sd_bus_send (NULL, reply, NULL);
  sd_bus_message_unref (reply);
  return r < 0 ? r : 1;
}

/* Fail (s name, s text): an error with that name, that text, and a detail behind it. */
static int
on_fail (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  sd_bus_error wanted = SD_BUS_ERROR_NULL;
  sd_bus_message *reply = NULL;
  const char *name, *text;
  int r = sd_bus_message_read (call, "ss", &name, &text);

  if (r < 0)
    return r;
  if (!sd_bus_interface_name_is_valid (name))
    return sd_bus_error_setf (error, SD_BUS_ERROR_INVALID_ARGS, "“%s” is no name of an error.",
                              name);

  sd_bus_error_set (&wanted, name, text);
  r = sd_bus_message_new_method_error (call, &reply, &wanted);
  if (r >= 0)
    r = sd_bus_message_append (reply, "a{sv}", 1, "depth", "u", UINT32_C (7));
  if (r >= 0)
    r = sd_bus_send (NULL, reply, NULL);
  sd_bus_message_unref (reply);
  sd_bus_error_free (&wanted);
  return r < 0 ? r : 1;
}

/* sd-bus gives out the arrays of foreign byte order an element at a time only. */
static int
read_swapped (sd_bus_message *call, uint8_t **ret_data, size_t *ret_size)
{
  size_t size = 0, capacity = 1u << 20;
  uint8_t *data = malloc (capacity);
  int r = sd_bus_message_enter_container (call, 'a', "y");

  while (r > 0 && data != NULL)
    {
      if (size == capacity)
        data = realloc (data, capacity *= 2);
      if (data != NULL)
        r = sd_bus_message_read_basic (call, 'y', &data[size]);
      size += r > 0;
    }
  if (r < 0 || data == NULL)
    {
      free (data);
      return r < 0 ? r : -ENOMEM;
    }

  *ret_data = data;
  *ret_size = size;
  return 0;
}

/* Sum (ay data) -> (t size, u sum) */
static int
on_sum (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  uint8_t *swapped = NULL;
  const void *data;
  size_t size;
  uint32_t sum;
  int r = sd_bus_message_read_array (call, 'y', &data, &size);

  if (r == -EOPNOTSUPP)
    {
      r = read_swapped (call, &swapped, &size);
      data = swapped;
    }
  if (r < 0)
    return r;
  sum = echo_sum (data, size);
  free (swapped);
  return sd_bus_reply_method_return (call, "tu", (uint64_t) size, sum);
}

/* Large (t size) -> (ay data) */
static int
on_large (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  sd_bus_message *reply = NULL;
  uint64_t size;
  void *data;
  int r = sd_bus_message_read (call, "t", &size);

  if (r < 0)
    return r;
  if (size > LARGEST)
    return sd_bus_error_set (error, SD_BUS_ERROR_LIMITS_EXCEEDED, "That is more than there is.");

  r = sd_bus_message_new_method_return (call, &reply);
  if (r >= 0)
    r = sd_bus_message_append_array_space (reply, 'y', size, &data);
  if (r >= 0)
    {
      echo_fill (data, size);
      r = sd_bus_send (NULL, reply, NULL);
    }
  sd_bus_message_unref (reply);
  return r < 0 ? r : 1;
}

static int
on_later (sd_event_source *source, uint64_t time, void *user_data)
{
  sd_bus_message *call = user_data;

  sd_bus_reply_method_return (call, "s", "late");
  sd_bus_message_unref (call);
  return 0;
}

/* Slow (u milliseconds) -> (s) */
static int
on_slow (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  Service *service = user_data;
  uint32_t milliseconds;
  int r = sd_bus_message_read (call, "u", &milliseconds);

  if (r >= 0)
    r = sd_event_add_time_relative (service->event, NULL, CLOCK_MONOTONIC,
                                    UINT64_C (1000) * milliseconds, 1000, on_later, call);
  if (r < 0)
    return r;
  sd_bus_message_ref (call);
  return 1;
}

/* Note (s text): remembered, also of a caller who wants no reply. */
static int
on_note (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  Service *service = user_data;
  const char *text;
  int r = sd_bus_message_read (call, "s", &text);

  if (r < 0)
    return r;
  if (service->n_notes == NOTES)
    return sd_bus_error_set (error, SD_BUS_ERROR_LIMITS_EXCEEDED, "Take the notes first.");
  service->notes[service->n_notes++] = strdup (text);
  return sd_bus_reply_method_return (call, NULL);
}

/* TakeNotes () -> (as) */
static int
on_take_notes (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  Service *service = user_data;
  sd_bus_message *reply = NULL;
  int r = sd_bus_message_new_method_return (call, &reply);

  if (r >= 0)
    r = sd_bus_message_open_container (reply, 'a', "s");
  for (size_t i = 0; i < service->n_notes; i++)
    {
      if (r >= 0)
        r = sd_bus_message_append (reply, "s", service->notes[i]);
      free (service->notes[i]);
    }
  service->n_notes = 0;
  if (r >= 0)
    r = sd_bus_message_close_container (reply);
  if (r >= 0)
    r = sd_bus_send (NULL, reply, NULL);
  sd_bus_message_unref (reply);
  return r < 0 ? r : 1;
}

/* Emit (o path, s first, u count): signals Tick (s first, u number). */
static int
on_emit (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  const char *path, *first;
  uint32_t count;
  int r = sd_bus_message_read (call, "osu", &path, &first, &count);

  for (uint32_t i = 0; r >= 0 && i < count; i++)
    r = sd_bus_emit_signal (sd_bus_message_get_bus (call), path, ECHO_INTERFACE, "Tick", "su",
                            first, i);
  return r < 0 ? r : sd_bus_reply_method_return (call, NULL);
}

static int
get_kind (sd_bus *bus, const char *path, const char *interface, const char *property,
          sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  return sd_bus_message_append (reply, "(su)", "sandbank", UINT32_C (42));
}

static int
set_value (sd_bus *bus, const char *path, const char *interface, const char *property,
           sd_bus_message *value, void *user_data, sd_bus_error *error)
{
  char **place = user_data;
  const char *text;
  int r = sd_bus_message_read (value, "s", &text);

  if (r < 0)
    return r;
  free (*place);
  *place = strdup (text);
  return sd_bus_emit_properties_changed (bus, path, interface, property, NULL);
}

static const sd_bus_vtable table[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD ("Fail", "ss", "", on_fail, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Sum", "ay", "tu", on_sum, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Large", "t", "ay", on_large, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Slow", "u", "s", on_slow, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Note", "s", "", on_note, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("TakeNotes", "", "as", on_take_notes, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Emit", "osu", "", on_emit, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_PROPERTY ("Kind", "(su)", get_kind, 0, SD_BUS_VTABLE_PROPERTY_CONST),
  SD_BUS_WRITABLE_PROPERTY ("Value", "s", NULL, set_value, offsetof (Service, value),
                            SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
  SD_BUS_SIGNAL ("Tick", "su", 0),
  SD_BUS_VTABLE_END,
};

int
main (void)
{
  Service service = { .value = strdup ("low water") };
  sd_bus *bus = NULL;
  int r = sd_event_default (&service.event);

  if (r >= 0)
    r = sd_bus_open_system (&bus);
  if (r >= 0)
    r = sd_bus_add_object (bus, NULL, ECHO_PATH, on_any, &service);
  if (r >= 0)
    r = sd_bus_add_object_vtable (bus, NULL, ECHO_PATH, ECHO_INTERFACE, table, &service);
  if (r >= 0)
    r = sd_bus_request_name (bus, ECHO_NAME, 0);
  if (r >= 0)
    r = sd_bus_attach_event (bus, service.event, 0);
  if (r >= 0)
    {
      sd_notify (0, "READY=1");
      r = sd_event_loop (service.event);
    }

  fprintf (stderr, "%s ended: %s\n", ECHO_NAME, strerror (-r));
  return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
