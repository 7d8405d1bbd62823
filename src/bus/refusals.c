/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts what was refused. */
#include "refusals.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-daemon.h>

/* systemd hears of changes no more often, whoever causes them. */
#define STATUS_USEC (1 * G_USEC_PER_SEC)

struct Refusals
{
  sd_event *event;
  sd_event_source *timer;
  const char *state;
  guint64 counts[N_REFUSALS];
};

static const char *const nouns[N_REFUSALS] = { "handshakes", "messages", "calls", "clients" };

static void
show (const Refusals *refusals)
{
  g_autoptr (GString) text = g_string_new ("STATUS=");
  const char *separator = "; refused: ";

  g_string_append (text, refusals->state);
  for (int i = 0; i < N_REFUSALS; i++)
    if (refusals->counts[i] > 0)
      {
        g_string_append_printf (text, "%s%" G_GUINT64_FORMAT " %s", separator, refusals->counts[i],
                                nouns[i]);
        separator = ", ";
      }

  g_string_append_c (text, '.');
  sd_notify (0, text->str);
}

static int
on_timer (sd_event_source *source, uint64_t time, void *user_data)
{
  Refusals *refusals = user_data;

  refusals->timer = sd_event_source_disable_unref (refusals->timer);
  show (refusals);
  return 0;
}

static void
show_later (Refusals *refusals)
{
  if (refusals->timer == NULL
      && sd_event_add_time_relative (refusals->event, &refusals->timer, CLOCK_MONOTONIC,
                                     STATUS_USEC, 0, on_timer, refusals)
             < 0)
    sd_event_exit (refusals->event, -ENOMEM);
}

Refusals *
refusals_new (sd_event *event, const char *state)
{
  Refusals *refusals = g_new0 (Refusals, 1);

  refusals->event = sd_event_ref (event);
  refusals->state = state;
  show_later (refusals);
  return refusals;
}

void
refusals_free (Refusals *refusals)
{
  if (refusals == NULL)
    return;

  sd_event_source_disable_unref (refusals->timer);
  sd_event_unref (refusals->event);
  g_free (refusals);
}

void
refusals_set_state (Refusals *refusals, const char *state)
{
  refusals->state = state;
  show_later (refusals);
}

void
refusals_count (Refusals *refusals, RefusalKind kind)
{
  refusals->counts[kind]++;
  show_later (refusals);
}
