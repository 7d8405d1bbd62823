/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the monitors build their commands: arguments, and descriptors by number. */
#pragma once

#include "monitor.h"

MonitorCommand *monitor_command_new (const char *program);

void monitor_command_add (MonitorCommand *command, const char *argument);
void monitor_command_add_format (MonitorCommand *command, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/* Notes that the command needs a descriptor of `kind`; returns its number. */
int monitor_command_add_descriptor (MonitorCommand *command, MonitorDescriptorKind kind,
                                    guint index);
