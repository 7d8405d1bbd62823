/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Follows polkit's owner, so that only polkit's own signals count. */
#include "polkit-watch.h"

#include "log.h"

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

struct PolkitWatch
{
  void (*changed) (void *user_data);
  void *user_data;
  sd_bus_slot *changed_slot;
  sd_bus_slot *owner_slot;
  sd_bus_slot *question_slot;
  char *owner; /* polkit's unique name; NULL: none, or not known yet */
  bool broken; /* a match could not be installed: changes would go unseen */
};

bool
polkit_watch_is_from_bus (sd_bus_message *message)
{
  return g_strcmp0 (sd_bus_message_get_sender (message), BUS_NAME) == 0;
}

bool
polkit_watch_is_reliable (const PolkitWatch *watch)
{
  return watch->owner != NULL && !watch->broken;
}

static int
on_changed (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  PolkitWatch *watch = user_data;

  if (watch->owner != NULL && g_strcmp0 (sd_bus_message_get_sender (message), watch->owner) == 0)
    watch->changed (watch->user_data);
  return 0;
}

static void
set_owner (PolkitWatch *watch, const char *owner)
{
  g_free (watch->owner);
  watch->owner = *owner != '\0' ? g_strdup (owner) : NULL;
}

static int
on_owner_changed (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  PolkitWatch *watch = user_data;
  const char *name, *old_owner, *new_owner;

  if (!polkit_watch_is_from_bus (message)
      || sd_bus_message_read (message, "sss", &name, &old_owner, &new_owner) < 0
      || !g_str_equal (name, POLKIT_NAME))
    return 0;

  set_owner (watch, new_owner);
  watch->changed (watch->user_data);
  return 0;
}

/* Where nobody owns the name, polkit is started by the first question. */
static int
on_owner (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  const char *owner;

  if (!sd_bus_message_is_method_error (message, NULL)
      && sd_bus_message_read (message, "s", &owner) > 0)
    set_owner (user_data, owner);
  return 0;
}

static int
on_match_installed (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  PolkitWatch *watch = user_data;

  if (!sd_bus_message_is_method_error (message, NULL))
    return 0;

  watch->broken = true;
  watch->changed (watch->user_data);
  log_error (NULL,
             "The bus refused a match rule for polkit's signals, so that no answer is kept: %s",
             sd_bus_message_get_error (message)->message);
  return 0;
}

PolkitWatch *
polkit_watch_new (sd_bus *bus, void (*changed) (void *user_data), void *user_data)
{
  PolkitWatch *watch = g_new0 (PolkitWatch, 1);

  watch->changed = changed;
  watch->user_data = user_data;

  /* The owner is asked for after it is watched: no change of it goes unseen. */
  if (sd_bus_match_signal_async (bus, &watch->changed_slot, POLKIT_NAME, POLKIT_PATH,
                                 POLKIT_INTERFACE, "Changed", on_changed, on_match_installed, watch)
          < 0
      || sd_bus_add_match_async (bus, &watch->owner_slot,
                                 "type='signal',sender='" BUS_NAME "',path='" BUS_PATH
                                 "',interface='" BUS_NAME "',member='NameOwnerChanged',"
                                 "arg0='" POLKIT_NAME "'",
                                 on_owner_changed, on_match_installed, watch)
             < 0
      || sd_bus_call_method_async (bus, &watch->question_slot, BUS_NAME, BUS_PATH, BUS_NAME,
                                   "GetNameOwner", on_owner, watch, "s", POLKIT_NAME)
             < 0)
    {
      watch->broken = true;
      log_error (NULL, "Cannot watch polkit on the bus, so that no answer is kept");
    }

  return watch;
}

void
polkit_watch_free (PolkitWatch *watch)
{
  sd_bus_slot_unref (watch->changed_slot);
  sd_bus_slot_unref (watch->owner_slot);
  sd_bus_slot_unref (watch->question_slot);
  g_free (watch->owner);
  g_free (watch);
}
