/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service for tests that watches its callers, on sd-bus: locks that end with who took them, an
 * agent that is called back as BlueZ's is, ticks for who subscribed, and property changes between
 * large replies. Runs in a guest, or on any bus; every caller may do everything. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#define WATCH_NAME "org.tombolo.Test1.Watch"
#define WATCH_PATH "/org/tombolo/Test1/Watch"
#define WATCH_INTERFACE "org.tombolo.Test1.Watch"
#define AGENT_INTERFACE "org.bluez.Agent1"

#define TICK_USEC (20 * 1000)
#define MOST 64 /* locks, and subscribers */
#define LARGEST (8u << 20)

typedef struct
{
  char *owner; /* its unique name */
  char *why;
} Lock;

typedef struct
{
  sd_bus *bus;
  sd_event *event;
  Lock locks[MOST];
  size_t n_locks;
  char *subscribers[MOST];
  size_t n_subscribers;
  char *agent_owner;
  char *agent_path;
  uint32_t n_ticks;
  uint32_t level; /* the property */
} Service;

/* --- Those who leave --- */

static void
drop_locks (Service *service, const char *owner, const char *why)
{
  for (size_t i = service->n_locks; i > 0; i--)
    {
      Lock *lock = &service->locks[i - 1];

      if (strcmp (lock->owner, owner) != 0 || (why != NULL && strcmp (lock->why, why) != 0))
        continue;
      free (lock->owner);
      free (lock->why);
      *lock = service->locks[--service->n_locks];
    }
}

static void
drop_subscriber (Service *service, const char *owner)
{
  for (size_t i = service->n_subscribers; i > 0; i--)
    if (strcmp (service->subscribers[i - 1], owner) == 0)
      {
        free (service->subscribers[i - 1]);
        service->subscribers[i - 1] = service->subscribers[--service->n_subscribers];
      }
}

static void
drop_agent (Service *service)
{
  free (service->agent_owner);
  free (service->agent_path);
  service->agent_owner = service->agent_path = NULL;
}

static int
on_owner_changed (sd_bus_message *signal, void *user_data, sd_bus_error *error)
{
  Service *service = user_data;
  const char *name, *old_owner, *new_owner;

  if (sd_bus_message_read (signal, "sss", &name, &old_owner, &new_owner) < 0
      || new_owner[0] != '\0')
    return 0;

  drop_locks (service, name, NULL);
  drop_subscriber (service, name);
  if (service->agent_owner != NULL && strcmp (service->agent_owner, name) == 0)
    drop_agent (service);
  return 0;
}

/* --- Locks --- */

static int
on_lock (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  Service *service = user_data;
  const char *why;
  int r = sd_bus_message_read (call, "s", &why);

  if (r < 0)
    return r;
  if (service->n_locks == MOST)
    return sd_bus_error_set (error, SD_BUS_ERROR_LIMITS_EXCEEDED, "There are too many locks.");

  service->locks[service->n_locks++] =
      (Lock){ .owner = strdup (sd_bus_message_get_sender (call)), .why = strdup (why) };
  return sd_bus_reply_method_return (call, NULL);
}

static int
on_unlock (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  const char *why;
  int r = sd_bus_message_read (call, "s", &why);

  if (r < 0)
    return r;
  drop_locks (user_data, sd_bus_message_get_sender (call), why);
  return sd_bus_reply_method_return (call, NULL);
}

/* What is held, and by how many: reasons, subscribers, agents. */
static int
on_watched (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
  Service *service = user_data;
  int r = sd_bus_message_new_method_return (call, &reply);

  if (r >= 0)
    r = sd_bus_message_open_container (reply, 'a', "s");
  for (size_t i = 0; r >= 0 && i < service->n_locks; i++)
    r = sd_bus_message_append (reply, "s", service->locks[i].why);
  if (r >= 0)
    r = sd_bus_message_close_container (reply);
  if (r >= 0)
    r = sd_bus_message_append (reply, "ub", (uint32_t) service->n_subscribers,
                               service->agent_owner != NULL);
  return r < 0 ? r : sd_bus_send (NULL, reply, NULL);
}

/* --- Ticks --- */

static int
on_tick (sd_event_source *source, uint64_t now, void *user_data)
{
  Service *service = user_data;

  service->n_ticks++;
  for (size_t i = 0; i < service->n_subscribers; i++)
    {
      __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *signal = NULL;

      if (sd_bus_message_new_signal (service->bus, &signal, WATCH_PATH, WATCH_INTERFACE, "Tick") < 0
          || sd_bus_message_append (signal, "u", service->n_ticks) < 0
          || sd_bus_send_to (service->bus, signal, service->subscribers[i], NULL) < 0)
        return -EIO;
    }

  if (service->n_subscribers == 0)
    return sd_event_source_set_enabled (source, SD_EVENT_OFF);
  sd_event_source_set_time_relative (source, TICK_USEC);
  return sd_event_source_set_enabled (source, SD_EVENT_ONESHOT);
}

static int
on_subscribe (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  Service *service = user_data;
  static sd_event_source *source;
  int r = 0;

  if (service->n_subscribers == MOST)
    return sd_bus_error_set (error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                             "There are too many subscribers.");

  drop_subscriber (service, sd_bus_message_get_sender (call));
  service->subscribers[service->n_subscribers++] = strdup (sd_bus_message_get_sender (call));
  if (source == NULL)
    r = sd_event_add_time_relative (service->event, &source, CLOCK_MONOTONIC, TICK_USEC, 0, on_tick,
                                    service);
  else
    {
      sd_event_source_set_time_relative (source, TICK_USEC);
      r = sd_event_source_set_enabled (source, SD_EVENT_ONESHOT);
    }
  return r < 0 ? r : sd_bus_reply_method_return (call, NULL);
}

/* --- The agent --- */

static int
on_register (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  Service *service = user_data;
  const char *path, *capability;
  int r = sd_bus_message_read (call, "os", &path, &capability);

  if (r < 0)
    return r;
  if (service->agent_owner != NULL)
    return sd_bus_error_set (error, "org.bluez.Error.AlreadyExists", "Already Exists");

  service->agent_owner = strdup (sd_bus_message_get_sender (call));
  service->agent_path = strdup (path);
  return sd_bus_reply_method_return (call, NULL);
}

static int
on_unregister (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  Service *service = user_data;

  if (service->agent_owner == NULL
      || strcmp (service->agent_owner, sd_bus_message_get_sender (call)) != 0)
    return sd_bus_error_set (error, "org.bluez.Error.DoesNotExist", "Does Not Exist");

  drop_agent (service);
  return sd_bus_reply_method_return (call, NULL);
}

/* The agent's word: what it answered, or the name of its error. */
static int
on_agent_answer (sd_bus_message *answer, void *user_data, sd_bus_error *error)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *call = user_data;
  const sd_bus_error *problem = sd_bus_message_get_error (answer);
  const char *pin = "";

  if (problem == NULL && sd_bus_message_read (answer, "s", &pin) < 0)
    pin = "no string";
  return sd_bus_reply_method_return (call, "ss", pin, problem != NULL ? problem->name : "");
}

/* Asks the agent for a device's code, and returns what it says. */
static int
on_pair (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  Service *service = user_data;
  const char *device;
  int r = sd_bus_message_read (call, "o", &device);

  if (r < 0)
    return r;
  if (service->agent_owner == NULL)
    return sd_bus_error_set (error, "org.bluez.Error.AuthenticationFailed", "There is no agent");

  r = sd_bus_call_method_async (service->bus, NULL, service->agent_owner, service->agent_path,
                                AGENT_INTERFACE, "RequestPinCode", on_agent_answer,
                                sd_bus_message_ref (call), "o", device);
  return r < 0 ? r : 1;
}

/* Tells the agent that its word is not needed any more; wants no answer. */
static int
on_cancel (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *cancel = NULL;
  Service *service = user_data;
  int r;

  if (service->agent_owner == NULL)
    return sd_bus_error_set (error, "org.bluez.Error.DoesNotExist", "Does Not Exist");

  r = sd_bus_message_new_method_call (service->bus, &cancel, service->agent_owner,
                                      service->agent_path, AGENT_INTERFACE, "Cancel");
  if (r >= 0)
    r = sd_bus_message_set_expect_reply (cancel, 0);
  if (r >= 0)
    r = sd_bus_send (service->bus, cancel, NULL);
  return r < 0 ? r : sd_bus_reply_method_return (call, NULL);
}

/* --- Changes between large replies --- */

static int
on_step (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
  Service *service = user_data;
  uint32_t size;
  void *bytes;
  int r = sd_bus_message_read (call, "u", &size);

  if (r < 0)
    return r;
  if (size > LARGEST)
    return sd_bus_error_set (error, SD_BUS_ERROR_LIMITS_EXCEEDED, "That is too large.");

  service->level++;
  r = sd_bus_emit_properties_changed (service->bus, WATCH_PATH, WATCH_INTERFACE, "Level", NULL);
  if (r >= 0)
    r = sd_bus_message_new_method_return (call, &reply);
  if (r >= 0)
    r = sd_bus_message_append (reply, "u", service->level);
  if (r >= 0)
    r = sd_bus_message_append_array_space (reply, 'y', size, &bytes);
  if (r < 0)
    return r;

  memset (bytes, (int) (service->level & 0xff), size);
  return sd_bus_send (NULL, reply, NULL);
}

static const sd_bus_vtable vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD ("Lock", "s", "", on_lock, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Unlock", "s", "", on_unlock, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Watched", "", "asub", on_watched, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Subscribe", "", "", on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("RegisterAgent", "os", "", on_register, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("UnregisterAgent", "", "", on_unregister, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Pair", "o", "ss", on_pair, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Cancel", "", "", on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Step", "u", "uay", on_step, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_SIGNAL ("Tick", "u", 0),
  SD_BUS_PROPERTY ("Level", "u", NULL, offsetof (Service, level),
                   SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
  SD_BUS_VTABLE_END,
};

int
main (void)
{
  Service service = { 0 };
  int r = sd_event_default (&service.event);

  if (r >= 0)
    r = sd_bus_open_system (&service.bus);
  if (r >= 0)
    r = sd_bus_attach_event (service.bus, service.event, 0);
  if (r >= 0)
    r = sd_bus_add_object_vtable (service.bus, NULL, WATCH_PATH, WATCH_INTERFACE, vtable, &service);
  if (r >= 0)
    r = sd_bus_match_signal (service.bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                             "org.freedesktop.DBus", "NameOwnerChanged", on_owner_changed,
                             &service);
  if (r >= 0)
    r = sd_bus_request_name (service.bus, WATCH_NAME, 0);
  if (r < 0)
    {
      fprintf (stderr, "watch-service: %s\n", strerror (-r));
      return EXIT_FAILURE;
    }

  sd_notify (0, "READY=1");
  return sd_event_loop (service.event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
