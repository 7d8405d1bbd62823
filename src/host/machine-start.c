/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A start, step by step: files, link, identity, unit, monitor. Whatever fails, machine_end()
 * removes what the earlier steps made. */
#include "machine-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bridge-credential.h"
#include "descriptor.h"
#include "error.h"
#include "identity.h"
#include "launch-client.h"
#include "limit.h"
#include "log.h"
#include "machine-images.h"
#include "monitor.h"

/* What a start holds beside the machine; the task's data. */
typedef struct
{
  MachineImages *images;
  int tap;
  int qmp_listener;
} Start;

static void
start_free (gpointer data)
{
  Start *start = data;

  g_clear_pointer (&start->images, machine_images_free);
  fd_clear (&start->tap);
  fd_clear (&start->qmp_listener);
  g_free (start);
}

/* The one way out of a start that went wrong; takes `error` and the task. Whoever asked for the
 * start waits, with that error, until all is undone. */
static void
start_fail (GTask *task, GError *error)
{
  Machine *machine = g_task_get_source_object (task);
  g_autofree char *reason = NULL;

  machine->starting = FALSE;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
      || g_error_matches (error, TOMBOLO_ERROR, TOMBOLO_ERROR_CANCELLED))
    {
      gboolean ours = machine->start_problem != NULL;

      g_clear_error (&error);
      error = g_error_new_literal (
          TOMBOLO_ERROR, ours ? TOMBOLO_ERROR_MONITOR_FAILED : TOMBOLO_ERROR_CANCELLED,
          ours ? machine->start_problem : "Another request stopped the machine while it started.");
    }

  reason = g_strdup (machine->stop_asked ? "" : error->message);
  g_task_set_task_data (task, error, (GDestroyNotify) g_error_free);
  g_queue_push_tail (&machine->waiters, task);
  machine->kill_asked = TRUE;
  machine_end (machine, machine->stop_asked ? MACHINE_STOPPED : MACHINE_FAILED, reason);
}

static void
start_fail_with (GTask *task, int code, const char *message)
{
  start_fail (task, g_error_new_literal (TOMBOLO_ERROR, code, message));
}

/* --- the last step: it runs --- */

static void
on_described (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Machine *machine = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (UnitStatus) status = units_query_finish (TOMBOLO_UNITS (source), result, &error);
  g_autoptr (GError) save_error = NULL;

  if (status == NULL)
    {
      start_fail (g_steal_pointer (&task), error);
      return;
    }
  if (unit_status_is_over (status))
    {
      g_autofree char *failure = unit_status_describe_failure (status);
      g_autofree char *message = g_strdup_printf (
          "The monitor ended as soon as it was started, with %s; “journalctl -u %s” tells more.",
          failure != NULL ? failure : "success", machine->unit);

      start_fail_with (g_steal_pointer (&task), TOMBOLO_ERROR_MONITOR_FAILED, message);
      return;
    }

  g_free (machine->run->invocation);
  machine->run->invocation = g_strdup (status->invocation);
  machine->run->started = (guint64) g_get_real_time ();
  if (!runtime_state_save (machine->host->state_directory, machine->name, machine->run,
                           &save_error))
    log_warning (machine->name,
                 "A restart of tombolod will know less of machine %s than it should: %s",
                 machine->name, save_error->message);

  machine->starting = FALSE;
  machine_set_state (machine, MACHINE_RUNNING, "");
  machine_start_bridge (machine);
  g_task_return_boolean (task, TRUE);
}

static void
describe_unit (GTask *task)
{
  Machine *machine = g_task_get_source_object (task);

  units_query_async (machine->host->units, machine->unit, machine->cancellable, on_described, task);
}

/* --- the monitor --- */

static void
on_container_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;

  if (units_job_finish (TOMBOLO_UNITS (source), result, &error))
    describe_unit (task);
  else
    start_fail (task, error);
}

static void
start_container (GTask *task)
{
  Machine *machine = g_task_get_source_object (task);

  units_job_async (machine->host->units, UNIT_START, machine->unit, machine->cancellable,
                   on_container_started, task);
}

static void
on_qmp_open (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Machine *machine = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (Qmp) qmp = qmp_open_finish (result, &error);

  if (qmp == NULL)
    {
      start_fail (task, error);
      return;
    }

  machine_set_qmp (machine, qmp);
  describe_unit (task);
}

static void
on_launched (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Machine *machine = g_task_get_source_object (task);
  Start *start = g_task_get_task_data (task);
  g_autofree char *path = machine_get_qmp_path (machine);
  GError *error = NULL;

  if (!launch_send_finish (result, &error))
    {
      start_fail (task, error);
      return;
    }

  /* From here on the descriptors are the monitor's alone: the TAP vanishes with it, and a monitor
   * that dies breaks its control connection. */
  g_clear_pointer (&start->images, machine_images_free);
  fd_clear (&start->tap);
  fd_clear (&start->qmp_listener);
  qmp_open_async (path, machine->cancellable, on_qmp_open, task);
}

static gboolean
kvm_works (HostContext *host)
{
  g_autofree char *text = NULL;

  return g_file_get_contents (host->accelerator_file, &text, NULL, NULL)
         && g_str_equal (g_strstrip (text), "kvm");
}

/* The descriptors in the order in which the command names them; they stay the start's. */
static gboolean
collect_descriptors (const Start *start, const MonitorCommand *command, int identity, GArray *fds,
                     GError **error)
{
  for (guint i = 0; i < command->descriptors->len; i++)
    {
      const MonitorDescriptor *wanted = &g_array_index (command->descriptors, MonitorDescriptor, i);
      int fd = -1;

      switch (wanted->kind)
        {
        case MONITOR_DESCRIPTOR_TAP:
          fd = start->tap;
          break;
        case MONITOR_DESCRIPTOR_QMP:
          fd = start->qmp_listener;
          break;
        case MONITOR_DESCRIPTOR_IDENTITY:
          fd = identity;
          break;
        case MONITOR_DESCRIPTOR_KERNEL:
          fd = start->images->kernel;
          break;
        case MONITOR_DESCRIPTOR_INITRD:
          fd = start->images->initrd;
          break;
        case MONITOR_DESCRIPTOR_DISK:
          if (wanted->index < start->images->disks->len)
            fd = g_array_index (start->images->disks, int, wanted->index);
          break;
        }

      if (fd < 0)
        {
          g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                       "The monitor's command names descriptor %u, which was not opened.", i);
          return FALSE;
        }
      g_array_append_val (fds, fd);
    }

  return TRUE;
}

static void
launch_qemu (GTask *task)
{
  Machine *machine = g_task_get_source_object (task);
  const MachineSettings *settings = machine->entry != NULL ? machine->entry->settings : NULL;
  MonitorQemuContext context = { .name = machine->name, .kvm = kvm_works (machine->host) };
  g_autofree char *path = g_build_filename (machine->host->launch_directory, machine->name, NULL);
  g_autoptr (MonitorCommand) command = NULL;
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  const char *identity_text = machine->run->guest_identity;
  auto_fd identity = -1;
  GError *error = NULL;

  if (settings == NULL)
    {
      start_fail_with (task, TOMBOLO_ERROR_NO_SUCH_MACHINE,
                       "The machine's file vanished while it started.");
      return;
    }

  memcpy (context.mac, machine->run->mac, MAC_SIZE);
  command = monitor_qemu_command (settings, &context, &error);
  if (command != NULL)
    identity = fd_new_sealed ("tombolo-identity", identity_text, strlen (identity_text), &error);
  if (identity < 0
      || !collect_descriptors (g_task_get_task_data (task), command, identity, fds, &error))
    {
      start_fail (task, error);
      return;
    }

  launch_send_async (path, command->argv, fds, machine->cancellable, on_launched, task);
}

static void
on_socket_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;

  if (units_job_finish (TOMBOLO_UNITS (source), result, &error))
    launch_qemu (task);
  else
    start_fail (task, error);
}

/* QEMU only accepts on it: who may connect is the directory's and the file's mode. */
static int
listen_for_qmp (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  auto_fd fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  unlink (path);
  if (fd < 0
      || g_strlcpy (address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path
      || bind (fd, (struct sockaddr *) &address, sizeof address) < 0 || chmod (path, 0600) < 0
      || listen (fd, 4) < 0)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_MONITOR_FAILED,
                   "Cannot make QEMU's control socket %s: %s.", path, g_strerror (errno));
      return -1;
    }

  return fd_steal (&fd);
}

static void
start_qemu (GTask *task)
{
  Machine *machine = g_task_get_source_object (task);
  Start *start = g_task_get_task_data (task);
  g_autofree char *path = machine_get_qmp_path (machine);
  g_autofree char *socket_unit = machine_name_to_unit (machine->name, MACHINE_UNIT_QEMU_SOCKET);
  GError *error = NULL;

  start->qmp_listener = listen_for_qmp (path, &error);
  if (start->qmp_listener < 0)
    {
      start_fail (task, error);
      return;
    }

  units_job_async (machine->host->units, UNIT_START, socket_unit, machine->cancellable,
                   on_socket_started, task);
}

static void
begin_unit (GTask *task)
{
  Machine *machine = g_task_get_source_object (task);

  if (machine->monitor == MONITOR_QEMU)
    start_qemu (task);
  else
    start_container (task);
}

/* systemd takes the start of a unit that runs for done, and an old guest is not this start's. */
static void
on_unit_looked_at (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Machine *machine = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (UnitStatus) status = units_query_finish (TOMBOLO_UNITS (source), result, &error);

  machine->unit_asked = TRUE;
  if (status == NULL)
    start_fail (task, error);
  else if (unit_status_is_over (status))
    begin_unit (task);
  else
    start_fail_with (task, TOMBOLO_ERROR_UNIT_FAILED,
                     "Its unit was still running, without tombolod's doing, and is stopped now; "
                     "start the machine again.");
}

static void
on_reset (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Machine *machine = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;

  if (!units_call_finish (TOMBOLO_UNITS (source), result, &error)
      && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      start_fail (task, g_steal_pointer (&error));
      return;
    }

  units_query_async (machine->host->units, machine->unit, machine->cancellable, on_unit_looked_at,
                     task);
}

/* --- link and identity --- */

static gboolean
make_link (Machine *machine, Start *start, RuntimeState *run, GError **error)
{
  HostContext *host = machine->host;
  char peer[INTERFACE_NAME_SIZE];

  if (host->links == NULL)
    {
      if (error != NULL)
        *error = g_error_copy (host->links_error);
      return FALSE;
    }

  machine_name_to_interface (machine->name, FALSE, run->interface);
  machine_name_to_interface (machine->name, TRUE, peer);
  machine_get_mac (machine, run->mac);
  if (machine->monitor == MONITOR_CONTAINER)
    return links_make_veth (host->links, run->interface, peer, run->mac, error);

  start->tap = links_make_tap (host->links, run->interface, error);
  return start->tap >= 0;
}

static char *
copy_identity (const Identity *identity)
{
  gsize size;
  char *text = identity_to_text (identity, &size);
  char *copy = g_strdup (text);

  identity_text_free (text);
  return copy;
}

static gboolean
issue_identity (Machine *machine, RuntimeState *run, GError **error)
{
  HostContext *host = machine->host;
  g_autoptr (Identity) guest = NULL;
  g_autoptr (Identity) bridge = NULL;
  g_autoptr (GError) local_error = NULL;

  if (host->ca != NULL)
    certificate_authority_issue (host->ca, machine->name, run->mac, &guest, &bridge, &local_error);
  if (guest == NULL)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_IDENTITY_FAILED,
                   "No identity for machine %s: %s", machine->name,
                   host->ca == NULL ? host->ca_error->message : local_error->message);
      return FALSE;
    }

  run->guest_identity = copy_identity (guest);
  run->bridge_identity = copy_identity (bridge);
  return TRUE;
}

static void
prepare_run (GTask *task)
{
  Machine *machine = g_task_get_source_object (task);
  const MachineSettings *settings = machine->entry != NULL ? machine->entry->settings : NULL;
  RuntimeState *run = g_new0 (RuntimeState, 1);
  GError *error = NULL;

  machine->run = run;
  run->invocation = g_strdup ("");
  run->monitor = machine->monitor;
  if (settings == NULL)
    {
      start_fail_with (task, TOMBOLO_ERROR_NO_SUCH_MACHINE,
                       "The machine's file vanished while it started.");
      return;
    }

  run->agent = settings->agent;
  if (!make_link (machine, g_task_get_task_data (task), run, &error)
      || !issue_identity (machine, run, &error))
    {
      start_fail (task, error);
      return;
    }

  /* Before anything runs: a machine that a later tombolod could not take over is not started. */
  run->bridge_credential = bridge_credential_format (machine->name, run->mac, settings);
  if (!runtime_state_save (machine->host->state_directory, machine->name, run, &error))
    {
      g_prefix_error (&error, "Cannot keep the machine's state: ");
      start_fail (task, error);
      return;
    }

  machine_changed (machine);
  /* An old failure of the unit is not to be taken for one of this start. */
  units_reset_failed_async (machine->host->units, machine->unit, machine->cancellable, on_reset,
                            task);
}

/* --- the first step --- */

static void
on_images_open (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;

  start->images = machine_images_open_finish (result, &error);
  if (start->images != NULL)
    prepare_run (task);
  else
    start_fail (task, error);
}

static gboolean
check_start (Machine *machine, GError **error)
{
  gboolean rests = machine->state == MACHINE_STOPPED || machine->state == MACHINE_FAILED;
  const GError *problem = rests ? machine_check_files (machine) : NULL;

  if (problem != NULL)
    g_propagate_error (error, g_error_copy (problem));
  else if (!rests)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_STATE,
                 "Machine %s is %s; only a stopped or failed one can be started.", machine->name,
                 machine_state_to_string (machine->state));
  else if (machine->entry == NULL)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_NO_SUCH_MACHINE,
                 "Machine %s has no file any more.", machine->name);
  else
    return TRUE;

  return FALSE;
}

void
machine_start_async (Machine *machine, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (machine, NULL, callback, user_data);
  Start *start = g_new0 (Start, 1);
  const MachineSettings *settings;
  GError *error = NULL;

  start->tap = start->qmp_listener = -1;
  g_task_set_task_data (task, start, start_free);
  if (!check_start (machine, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  settings = machine->entry->settings;
  machine_begin_run (machine, settings->monitor);
  machine->starting = TRUE;
  machine_set_state (machine, MACHINE_STARTING, "");
  if (settings->monitor == MONITOR_QEMU)
    machine_images_open_async (settings, machine->entry->path, machine->entry->created,
                               machine->cancellable, on_images_open, g_steal_pointer (&task));
  else
    prepare_run (g_steal_pointer (&task));
}
