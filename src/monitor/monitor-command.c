/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the monitors build their commands. */
#include "monitor-command.h"

#include <stdarg.h>

MonitorCommand *
monitor_command_new (const char *program)
{
  MonitorCommand *command = g_new0 (MonitorCommand, 1);

  command->argv = g_ptr_array_new_null_terminated (32, g_free, TRUE);
  command->descriptors = g_array_new (FALSE, FALSE, sizeof (MonitorDescriptor));
  monitor_command_add (command, program);
  return command;
}

void
monitor_command_free (MonitorCommand *command)
{
  g_ptr_array_unref (command->argv);
  g_array_unref (command->descriptors);
  g_free (command);
}

void
monitor_command_add (MonitorCommand *command, const char *argument)
{
  g_ptr_array_add (command->argv, g_strdup (argument));
}

void
monitor_command_add_format (MonitorCommand *command, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (command->argv, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

int
monitor_command_add_descriptor (MonitorCommand *command, MonitorDescriptorKind kind, guint index)
{
  MonitorDescriptor descriptor = { .kind = kind, .index = index };

  g_array_append_val (command->descriptors, descriptor);
  return MONITOR_FIRST_DESCRIPTOR + (int) command->descriptors->len - 1;
}
