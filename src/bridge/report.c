/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells tombolod the tunnel's state and the aliases. */
#include "report.h"

#include <errno.h>
#include <string.h>

#include "alias.h"
#include "backoff.h"
#include "imports.h"
#include "limit.h"
#include "tunnel-manager.h"

/* Of the tunnel's waits: a report that is refused is sent again after 250 ms … 10 s. */
#define AGAIN_FACTOR 5

struct Report
{
  Bridge *bridge;
  sd_event_source *later;
  sd_bus_slot *watch;
  sd_bus_slot *call;
  sd_bus_slot *imports_call;
  sd_event_source *again; /* waits to send it once more */
  TunnelBackoff backoff;
  RateLimit failures;
};

static int
append_exports (sd_bus_message *message, const Bridge *bridge, GuestBus guest_bus, bool up)
{
  int r = sd_bus_message_open_container (message, 'a', "{ss}");

  for (guint i = 0; r >= 0 && up && i < bridge->aliases->len; i++)
    {
      const Alias *alias = bridge->aliases->pdata[i];

      if (alias_get_guest_bus (alias) == guest_bus && alias_is_owned (alias))
        r = sd_bus_message_append (message, "{ss}", alias_get_exported (alias),
                                   alias_get_name (alias));
    }

  return r < 0 ? r : sd_bus_message_close_container (message);
}

/* A sentence of what keeps the alias from being owned; NULL: nothing does. Free with g_free(). */
static char *
find_problem (const Bridge *bridge, const Alias *alias)
{
  const char *name = alias_get_name (alias);

  switch (alias_get_refusal (alias))
    {
    case OWNED_NAME_NOT_REFUSED:
      return NULL;
    case OWNED_NAME_FORBIDDEN:
      return g_strdup_printf ("The bus' policy does not let the bridge own %s: “tomboloctl alias "
                              "policy %s” prints the file that it needs.",
                              name, bridge->machine);
    case OWNED_NAME_TAKEN:
      return g_strdup_printf ("Somebody else owns %s on the host's bus.", name);
    case OWNED_NAME_FAILED:
      return g_strdup_printf ("The host's bus does not give the bridge %s; its journal says why.",
                              name);
    }

  return NULL;
}

static int
append_problems (sd_bus_message *message, const Bridge *bridge, bool up)
{
  int r = sd_bus_message_open_container (message, 'a', "s");

  for (guint i = 0; r >= 0 && up && i < bridge->aliases->len; i++)
    {
      g_autofree char *problem = find_problem (bridge, bridge->aliases->pdata[i]);

      if (problem != NULL)
        r = sd_bus_message_append (message, "s", problem);
    }

  return r < 0 ? r : sd_bus_message_close_container (message);
}

static int
on_again (sd_event_source *source, uint64_t time, void *user_data)
{
  Report *report = user_data;

  report->again = sd_event_source_disable_unref (report->again);
  sd_event_source_set_enabled (report->later, SD_EVENT_ONESHOT);
  return 0;
}

static void
send_again (Report *report)
{
  if (report->again == NULL
      && sd_event_add_time_relative (report->bridge->event, &report->again, CLOCK_MONOTONIC,
                                     AGAIN_FACTOR * tunnel_backoff_next (&report->backoff), 0,
                                     on_again, report)
             < 0)
    sd_event_exit (report->bridge->event, -ENOMEM);
}

/* A tombolod that is away learns it when it is back; one that refuses it, a while later. */
static int
on_reported (sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
  Report *report = user_data;
  const sd_bus_error *error = sd_bus_message_get_error (reply);

  if (error != NULL)
    {
      g_autofree char *text =
          log_text (error->message != NULL ? error->message : error->name, LIMIT_NAME_LENGTH);

      log_debug (report->bridge->machine, "tombolod did not take the report: %s", text);
      if (!sd_bus_error_has_name (error, SD_BUS_ERROR_NAME_HAS_NO_OWNER)
          && !sd_bus_error_has_name (error, SD_BUS_ERROR_SERVICE_UNKNOWN))
        send_again (report);
    }
  else
    report->backoff = (TunnelBackoff){ 0 };
  return 0;
}

/* The bridge does not start tombolod: that would undo its stop. */
static int
new_call (Report *report, const char *member, sd_bus_message **ret_message)
{
  int r = sd_bus_message_new_method_call (report->bridge->bus, ret_message, TOMBOLO_BUS_NAME,
                                          TOMBOLO_ROOT_PATH, "org.tombolo.Host1.Bridge", member);

  return r < 0 ? r : sd_bus_message_set_auto_start (*ret_message, 0);
}

static int
send_imports (Report *report)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *message = NULL;
  Bridge *bridge = report->bridge;
  int r = new_call (report, "ReportImports", &message);

  if (r >= 0)
    r = sd_bus_message_append (message, "s", bridge->machine);
  if (r >= 0)
    r = imports_append (bridge->imports, message);
  if (r < 0)
    return r;

  report->imports_call = sd_bus_slot_unref (report->imports_call);
  return sd_bus_call_async (bridge->bus, &report->imports_call, message, on_reported, report, 0);
}

static int
send_report (Report *report)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *message = NULL;
  Bridge *bridge = report->bridge;
  bool up = tunnel_manager_is_up (bridge->tunnel);
  int r = new_call (report, "Report", &message);

  if (r >= 0)
    r = sd_bus_message_append (message, "sss", bridge->machine, up ? "connected" : "connecting",
                               tunnel_manager_get_reason (bridge->tunnel));
  for (GuestBus guest_bus = 0; r >= 0 && guest_bus < N_GUEST_BUSES; guest_bus++)
    r = append_exports (message, bridge, guest_bus, up);
  if (r >= 0)
    r = append_problems (message, bridge, up);
  if (r < 0)
    return r;

  /* An older report's answer does not matter any more. */
  report->call = sd_bus_slot_unref (report->call);
  r = sd_bus_call_async (bridge->bus, &report->call, message, on_reported, report, 0);
  if (r >= 0 && up && imports_get_n_entries (bridge->imports) > 0)
    r = send_imports (report);
  return r;
}

static int
on_later (sd_event_source *source, void *user_data)
{
  Report *report = user_data;
  int r;

  report->again = sd_event_source_disable_unref (report->again);
  r = send_report (report);
  if (r < 0)
    {
      if (rate_limit_pass (&report->failures))
        log_warning (report->bridge->machine, "Cannot report to tombolod: %s", g_strerror (-r));
      send_again (report);
    }
  return 0;
}

void
report_changed (Report *report)
{
  if (report != NULL)
    sd_event_source_set_enabled (report->later, SD_EVENT_ONESHOT);
}

static int
on_owner_changed (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  const char *name, *old_owner, *new_owner;

  if (bridge_is_from_bus (message)
      && sd_bus_message_read (message, "sss", &name, &old_owner, &new_owner) >= 0
      && strcmp (name, TOMBOLO_BUS_NAME) == 0 && new_owner[0] != '\0')
    report_changed (user_data);
  return 0;
}

Report *
report_new (Bridge *bridge)
{
  Report *report = g_new0 (Report, 1);

  report->bridge = bridge;
  if (sd_event_add_defer (bridge->event, &report->later, on_later, report) < 0
      || sd_bus_add_match_async (bridge->bus, &report->watch,
                                 "type='signal',sender='" BUS_DRIVER_NAME "',path='" BUS_DRIVER_PATH
                                 "',interface='" BUS_DRIVER_INTERFACE
                                 "',member='NameOwnerChanged',arg0='" TOMBOLO_BUS_NAME "'",
                                 on_owner_changed, NULL, report)
             < 0)
    {
      report_free (report);
      return NULL;
    }

  return report;
}

void
report_free (Report *report)
{
  if (report == NULL)
    return;

  sd_event_source_disable_unref (report->later);
  sd_event_source_disable_unref (report->again);
  sd_bus_slot_unref (report->watch);
  sd_bus_slot_unref (report->call);
  sd_bus_slot_unref (report->imports_call);
  g_free (report);
}
