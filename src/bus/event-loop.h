/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event loop of the programs that move messages: one thread, ended by SIGTERM or SIGINT,
 * watched by systemd where the unit asks for it. */
#pragma once

#include <systemd/sd-event.h>

/* Negative: -errno. */
int event_loop_new (sd_event **ret_event);
