/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* polkit's bus interface with a rule of its own: `test-polkit DIRECTORY`. By the member that is
 * called: Refused no, Challenge only after authentication, Slow after 300 ms, Hello unless
 * DIRECTORY/deny-hello is there, everything else yes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define INTERACTIVE 1u

static char deny_hello[4096];

static int
on_slow (sd_event_source *source, uint64_t time, void *user_data)
{
  sd_bus_message *call = user_data;

  sd_bus_reply_method_return (call, "(bba{ss})", 1, 0, 0);
  sd_bus_message_unref (call);
  sd_event_source_unref (source);
  return 0;
}

static int
decide (sd_bus_message *call, const char *member, uint32_t flags)
{
  int allowed = 1, challenge = 0;

  if (strcmp (member, "Slow") == 0 || strcmp (member, "Slower") == 0)
    {
      sd_event_source *source;
      int r = sd_event_add_time_relative (sd_bus_get_event (sd_bus_message_get_bus (call)), &source,
                                          CLOCK_MONOTONIC, member[4] == '\0' ? 300000 : 3000000, 0,
                                          on_slow, sd_bus_message_ref (call));

      return r < 0 ? r : 1;
    }

  if (strcmp (member, "Refused") == 0
      || (strcmp (member, "Hello") == 0 && access (deny_hello, F_OK) == 0))
    allowed = 0;
  if (strcmp (member, "Challenge") == 0 && (flags & INTERACTIVE) == 0)
    {
      allowed = 0;
      challenge = 1;
    }

  return sd_bus_reply_method_return (call, "(bba{ss})", allowed, challenge, 0);
}

static int
on_check (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  const char *action, *key, *value, *member = "";
  uint32_t flags;
  int r = sd_bus_message_skip (call, "(sa{sv})");

  if (r >= 0)
    r = sd_bus_message_read (call, "s", &action);
  if (r >= 0)
    r = sd_bus_message_enter_container (call, 'a', "{ss}");
  while (r >= 0 && (r = sd_bus_message_read (call, "{ss}", &key, &value)) > 0)
    if (strcmp (key, "member") == 0)
      member = value;
  if (r >= 0)
    r = sd_bus_message_exit_container (call);
  if (r >= 0)
    r = sd_bus_message_read (call, "u", &flags);
  if (r < 0 || strcmp (action, "org.tombolo.Host1.call-guest") != 0)
    return sd_bus_reply_method_return (call, "(bba{ss})", 0, 0, 0);

  return decide (call, member, flags);
}

static int
on_cancel (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  return sd_bus_reply_method_return (call, NULL);
}

static const sd_bus_vtable vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD ("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", on_check,
                 SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("CancelCheckAuthorization", "s", "", on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_SIGNAL ("Changed", "", 0),
  SD_BUS_VTABLE_END,
};

int
main (int argc, char **argv)
{
  sd_event *event = NULL;
  sd_bus *bus = NULL;

  if (argc != 2)
    return EXIT_FAILURE;
  snprintf (deny_hello, sizeof deny_hello, "%s/deny-hello", argv[1]);

  if (sd_event_new (&event) < 0 || sd_bus_open_system (&bus) < 0
      || sd_bus_attach_event (bus, event, 0) < 0
      || sd_bus_add_object_vtable (bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                   "org.freedesktop.PolicyKit1.Authority", vtable, NULL)
             < 0
      || sd_bus_request_name (bus, "org.freedesktop.PolicyKit1", 0) < 0)
    return EXIT_FAILURE;

  return sd_event_loop (event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
