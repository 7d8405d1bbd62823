/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An sd_event loop inside a GLib main loop: sd_event's own descriptor tells when it has work. */
#include "event-source.h"

typedef struct
{
  GSource source;
  sd_event *event;
  GPollFD poll_fd;
} EventSource;

static gboolean
event_source_prepare (GSource *source, int *timeout)
{
  *timeout = -1;
  return sd_event_prepare (((EventSource *) source)->event) > 0;
}

static gboolean
event_source_check (GSource *source)
{
  EventSource *self = (EventSource *) source;

  if (sd_event_get_state (self->event) == SD_EVENT_ARMED)
    return sd_event_wait (self->event, 0) > 0;

  return sd_event_get_state (self->event) == SD_EVENT_PENDING;
}

static gboolean
event_source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  EventSource *self = (EventSource *) source;

  if (sd_event_get_state (self->event) == SD_EVENT_PENDING)
    {
      if (sd_event_dispatch (self->event) > 0)
        return G_SOURCE_CONTINUE;
      if (callback != NULL)
        callback (user_data);
      return G_SOURCE_REMOVE;
    }

  return G_SOURCE_CONTINUE;
}

static void
event_source_finalize (GSource *source)
{
  sd_event_unref (((EventSource *) source)->event);
}

static GSourceFuncs event_source_functions = {
  event_source_prepare,
  event_source_check,
  event_source_dispatch,
  event_source_finalize,
};

GSource *
event_source_new (sd_event *event)
{
  EventSource *self = (EventSource *) g_source_new (&event_source_functions, sizeof *self);

  self->event = sd_event_ref (event);
  self->poll_fd.fd = sd_event_get_fd (event);
  self->poll_fd.events = G_IO_IN | G_IO_HUP | G_IO_ERR;
  g_source_add_poll (&self->source, &self->poll_fd);
  g_source_set_static_name (&self->source, "sd-event");
  return &self->source;
}
