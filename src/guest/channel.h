/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One tombolo-bus/1 channel: a filtered connection to the guest's bus for one caller on the host.
 */
#pragma once

#include "agent.h"
#include "stream.h"

typedef struct GuestChannel GuestChannel;

/* Takes `stream`. `closed` is called once, when the channel has to be freed. */
GuestChannel *guest_channel_new (Agent *agent, Stream *stream,
                                 void (*closed) (GuestChannel *channel, Agent *agent));
void guest_channel_free (GuestChannel *channel);

/* Which bus it is for; the system bus until it was opened. */
GuestBus guest_channel_get_bus (const GuestChannel *channel);
