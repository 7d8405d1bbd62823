/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tombolo.Host1.Machine: the bus face of a machine. */
#pragma once

#include "bridges.h"
#include "caller.h"
#include "tombolo-host1.h"

#define MACHINE_DBUS_TYPE (machine_dbus_get_type ())
G_DECLARE_FINAL_TYPE (MachineDBus, machine_dbus, TOMBOLO, MACHINE_DBUS, TomboloMachineSkeleton)

/* A skeleton that follows `machine` and acts on it, to be exported. */
MachineDBus *machine_dbus_new (Machine *machine, const CallerAuthority *authority,
                               Bridges *bridges);

/* The machine is deleted: calls that still wait for polkit are refused. */
void machine_dbus_close (MachineDBus *face);
