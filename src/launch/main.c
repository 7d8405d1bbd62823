/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolo-launch: becomes a machine's monitor. Started by systemd only. */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "config.h"
#include "container.h"
#include "descriptor.h"
#include "log.h"
#include "launch-command.h"
#include "limit.h"

#define MACHINE_DIRECTORY TOMBOLO_SYSCONFDIR "/tombolo/machines"

static int
fail (const char *machine, const GError *error)
{
  g_autofree char *message = log_text (error->message, LIMIT_LOG_LINE);

  log_error (machine, "%s", message);
  return 1;
}

static int
run_container (const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MachineSettings) settings =
      container_read_settings (MACHINE_DIRECTORY, name, 0, &error);

  if (settings != NULL)
    container_exec (name, settings, &error);
  return fail (name, error);
}

static int
run_machine (void)
{
  static const char *const monitors[] = { MONITOR_QEMU_PROGRAM, NULL };
  const struct passwd *user = getpwnam ("tombolo");
  g_autoptr (LaunchCommand) command = NULL;
  g_autoptr (GError) error = NULL;
  auto_fd connection = -1;
  auto_fd listener = -1;

  if (sd_listen_fds (1) != 1)
    {
      log_error (NULL, "tombolo-launch is started by systemd, with a machine's own socket.");
      return 1;
    }
  listener = SD_LISTEN_FDS_START;
  if (user == NULL)
    {
      log_error (NULL, "There is no user “tombolo”; run systemd-sysusers.");
      return 1;
    }

  connection = launch_accept (listener, user->pw_uid, &error);
  if (connection < 0)
    return fail (NULL, error);
  fd_clear (&listener);

  command = launch_command_receive (connection, monitors, &error);
  if (command != NULL)
    launch_command_exec (command, &connection, &error);

  /* tombolod tells the caller; where it is gone, the log has it all the same. */
  if (send (connection, error->message, strlen (error->message), MSG_NOSIGNAL) < 0)
    log_debug (NULL, "Cannot tell tombolod: %m.");
  return fail (NULL, error);
}

int
main (int argc, char **argv)
{
  log_open ("tombolo-launch", LOG_LEVEL_INFO);

  if (argc == 2 && g_str_equal (argv[1], "--version"))
    {
      puts ("tombolo-launch " TOMBOLO_VERSION);
      return 0;
    }
  if (argc == 3 && g_str_equal (argv[1], "container"))
    return run_container (argv[2]);
  if (argc == 1)
    return run_machine ();

  fputs ("Usage: tombolo-launch [container NAME]\n", stderr);
  return 2;
}
