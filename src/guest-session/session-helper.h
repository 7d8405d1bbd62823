/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The helper's work: waits for the agent, and hands it connections to the session bus. It does
 * nothing else, and so it does it with calls that wait. */
#pragma once

#include <glib.h>

/* Serves agents that listen in `directory`, one after the other, with connections to the bus at
 * `bus_address` (as session_bus_parse_address() takes it). Returns where an agent does not want us:
 * TRUE; or where the helper cannot go on: FALSE with `error` set. */
gboolean session_helper_run (const char *directory, const char *bus_address,
                             const char *runtime_directory, GError **error);
