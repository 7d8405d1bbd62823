/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of org.tombolo.Host1.Machine share among themselves: machine-dbus.c holds it,
 * machine-open-dbus.c has the methods that hand out descriptors. */
#pragma once

#include "machine-dbus.h"

struct _MachineDBus
{
  TomboloMachineSkeleton parent;
  Machine *machine;
  const CallerAuthority *authority;
  Bridges *bridges;
  gboolean closed;
};

/* machine-open-dbus.c: of a method's options, `bus`: “system”, also where nothing is said, or
 * “session”. No other is known. */
gboolean machine_dbus_read_bus (GVariant *options, GuestBus *ret_bus, GError **error);

/* The handler of OpenBus(). */
gboolean machine_dbus_open_bus (TomboloMachine *skeleton, GDBusMethodInvocation *invocation,
                                GUnixFDList *descriptors, GVariant *options);
/* The same of OpenShell(). */
gboolean machine_dbus_open_shell (TomboloMachine *skeleton, GDBusMethodInvocation *invocation,
                                  GUnixFDList *descriptors, const char *user,
                                  const char *const *command, GVariant *options);
