/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom on the host a channel serves, as the bridge tells it:
 *
 *   org.tombolo.Agent1.Channel.SetCaller (u uid, b groups_known, au groups, s machine or "")
 */
#pragma once

#include <glib.h>

#include "call-rule.h"

typedef struct
{
  CallRuleCaller identity; /* points into what follows */
  GArray *groups;          /* uint32_t; NULL: not known */
  char *machine;
} ChannelCaller;

/* Nobody yet: only rules without “from=” fit. */
void channel_caller_init (ChannelCaller *caller);
void channel_caller_clear (ChannelCaller *caller);

/* Takes a call of SetCaller; false, and nothing changed, where it is none. */
bool channel_caller_take (ChannelCaller *caller, const WireMessage *call);
