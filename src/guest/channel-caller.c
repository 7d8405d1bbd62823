/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom on the host a channel serves. */
#include "channel-caller.h"

#include <string.h>

#include "body.h"
#include "limit.h"

static const uint32_t no_groups = 0;

void
channel_caller_init (ChannelCaller *caller)
{
  *caller = (ChannelCaller){ .identity = { .uid = (uint32_t) -1 } };
}

void
channel_caller_clear (ChannelCaller *caller)
{
  g_clear_pointer (&caller->groups, g_array_unref);
  g_clear_pointer (&caller->machine, g_free);
  channel_caller_init (caller);
}

static GArray *
read_groups (WireReader *reader)
{
  g_autoptr (GArray) groups = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  uint32_t group;
  size_t end;

  if (!wire_reader_array (reader, &end))
    return NULL;

  while (reader->offset < end)
    {
      wire_reader_element (reader);
      if (groups->len == LIMIT_CALLER_GROUPS || !wire_reader_uint32 (reader, &group))
        return NULL;
      g_array_append_val (groups, group);
    }

  wire_reader_leave (reader);
  return g_steal_pointer (&groups);
}

bool
channel_caller_take (ChannelCaller *caller, const WireMessage *call)
{
  g_autoptr (GArray) groups = NULL;
  const char *machine;
  WireReader reader;
  bool groups_known;
  uint32_t uid;

  wire_reader_init (&reader, call);
  if (strcmp (call->header.member, "SetCaller") != 0
      || strcmp (call->header.signature, "ubaus") != 0 || !wire_reader_uint32 (&reader, &uid)
      || !wire_reader_boolean (&reader, &groups_known) || (groups = read_groups (&reader)) == NULL
      || !wire_reader_string (&reader, &machine))
    return false;

  channel_caller_clear (caller);
  caller->machine = machine[0] != '\0' ? g_strdup (machine) : NULL;
  caller->groups = groups_known ? g_steal_pointer (&groups) : NULL;
  caller->identity.uid = uid;
  caller->identity.machine = caller->machine;
  if (caller->groups != NULL)
    {
      caller->identity.n_groups = caller->groups->len;
      caller->identity.groups =
          caller->groups->len > 0 ? (void *) caller->groups->data : &no_groups;
    }
  return true;
}
