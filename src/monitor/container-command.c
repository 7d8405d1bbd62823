/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command of monitor `container`: systemd-nspawn, from 252 on, as the main process of a unit
 * of tombolo's. */
#include "monitor-command.h"

#include <string.h>

#include "error.h"

#define HOSTNAME_LENGTH 64 /* systemd-nspawn's limit */

/* The container's host name. A machine name is one, but for its “:”, its length, and dots and
 * hyphens in places that host names do not allow; what cannot be told apart otherwise is told by
 * the hash that names the machine's interface. */
static char *
hostname_from_machine (const MonitorContainerContext *context)
{
  g_autofree char *hostname = g_strdelimit (g_strdup (context->name), ":", '-');
  gsize length = strlen (hostname);

  if (length <= HOSTNAME_LENGTH && g_ascii_isalnum (hostname[length - 1])
      && strstr (hostname, "..") == NULL && strstr (hostname, ".-") == NULL
      && strstr (hostname, "-.") == NULL)
    return g_steal_pointer (&hostname);

  return g_strconcat ("machine-", context->interface, NULL);
}

static void
add_isolation (MonitorCommand *command, const MachineSettings *settings)
{
  if (settings->private_users)
    {
      monitor_command_add (command, "--private-users=pick");
      monitor_command_add (command, "--private-users-ownership=map");
    }
  else
    monitor_command_add (command, "--private-users=no");

  if (settings->ephemeral)
    monitor_command_add (command, "--volatile=overlay");

  /* Nothing of the host leaks in, and nothing is written into the guest's files. */
  monitor_command_add (command, "--settings=no");
  monitor_command_add (command, "--resolv-conf=off");
  monitor_command_add (command, "--timezone=off");
  monitor_command_add (command, "--link-journal=no");
}

MonitorCommand *
monitor_container_command (const MachineSettings *settings, const MonitorContainerContext *context,
                           GError **error)
{
  g_autoptr (MonitorCommand) command = monitor_command_new (MONITOR_CONTAINER_PROGRAM);
  g_autofree char *hostname = hostname_from_machine (context);

  if (settings->monitor != MONITOR_CONTAINER)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_SETTINGS,
                   "Machine “%s” is not one of monitor container.", context->name);
      return NULL;
    }

  monitor_command_add (command, "--quiet");
  monitor_command_add (command, "--keep-unit");
  monitor_command_add (command, "--register=no");
  monitor_command_add_format (command, "--directory=%s", settings->root);
  monitor_command_add_format (command, "--machine=%s", hostname);
  monitor_command_add_format (command, "--network-interface=%s", context->interface);
  add_isolation (command, settings);
  if (settings->agent)
    monitor_command_add_format (command,
                                "--load-credential=" MONITOR_IDENTITY_CREDENTIAL
                                ":%s/" MONITOR_IDENTITY_CREDENTIAL,
                                context->credentials_directory);
  monitor_command_add (command, "--console=read-only");
  monitor_command_add (command, "--kill-signal=SIGRTMIN+3");
  monitor_command_add (command, "--notify-ready=yes");
  monitor_command_add (command, "--boot");

  return g_steal_pointer (&command);
}
