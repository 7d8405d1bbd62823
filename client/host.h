/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolod, as a client of its D-Bus API sees it. */
#pragma once

#include <gio/gio.h>

#include "options.h"
#include "terminal.h"
#include "tombolo-host1.h"

/* No answer is waited for by the clock: tombolod answers when the thing is done, and the bus says
 * when tombolod is gone. */
#define HOST_NO_TIMEOUT G_MAXINT

/* The system bus, as DBUS_SYSTEM_BUS_ADDRESS or the default has it. */
GDBusConnection *host_connect (GError **error);

/* The registry: every machine, with its properties. */
GDBusObjectManager *host_open_registry (GDBusConnection *bus, GError **error);

/* The registry's machines, sorted by name: TomboloMachine. */
GPtrArray *host_list_machines (GDBusObjectManager *registry);

/* The machine of this name, with its properties. */
TomboloMachine *host_find_machine (GDBusConnection *bus, const char *name, GError **error);

/* Calls a method of org.tombolo.Host1.Manager and waits, with `text` as progress. Interaction is
 * as the options have it. `arguments` may be floating. */
GVariant *host_call_manager (GDBusConnection *bus, const Options *options, const char *method,
                             GVariant *arguments, const char *text, GError **error);

/* Turns errors that tell of no tombolod into CLIENT_EXIT_NO_DAEMON with what to do. */
void host_explain_error (GError **error);

/* Properties (a{sv}) as JSON has them: “StateReason” is “state_reason”, and the invocation id is
 * hexadecimal text. A floating reference. */
GVariant *host_properties_to_json (GVariant *properties);

/* All properties of a machine, so. A floating reference. */
GVariant *host_machine_to_json (TomboloMachine *machine);

/* Writes the machines (TomboloMachine) as an array of such objects. */
void host_print_json (GPtrArray *machines, JsonMode mode);

/* The colours of the states of machines and agents. */
Color host_state_color (const char *state);
