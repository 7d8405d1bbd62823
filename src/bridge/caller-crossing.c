/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors that cross between one caller and the guest, with whatever message. */
#include "caller-private.h"

uint32_t
caller_announce (Caller *caller, FdList *fds, size_t n_streams, GError **error)
{
  Bridge *bridge = caller->bridge;
  g_autoptr (Crossing) crossing = crossing_new (bridge->event, fds, error);
  uint32_t serial;

  if (crossing == NULL)
    return 0;
  if (crossing->n_streams != n_streams)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                   "The descriptors changed while they waited.");
      return 0;
    }

  serial = channel_announce (caller->channel, crossing);
  if (serial == 0)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                 "Machine “%s” does not take messages as fast as they are sent; try again later.",
                 bridge->machine);
  else
    streams_add (bridge->streams, caller->channel, caller->quota, crossing, serial);
  return serial;
}

const char *
caller_open_descriptors (Caller *caller, FdList *ret_fds)
{
  Crossing *crossing = channel_get_crossing (caller->channel);
  g_autoptr (GError) error = NULL;
  const char *excess;

  if (crossing == NULL)
    return NULL;
  excess = stream_quota_reserve (caller->quota, crossing->n_streams);
  if (excess != NULL)
    return excess;

  if (!crossing_open (crossing, caller->bridge->event, ret_fds, &error))
    {
      stream_quota_release (caller->quota, crossing->n_streams);
      return "the host has no resources for them; try again later.";
    }

  streams_add (caller->bridge->streams, caller->channel, caller->quota, crossing, 0);
  return NULL;
}
