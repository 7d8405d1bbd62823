/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A container's limits. The unit's own group is systemd's to configure, so they stand one below;
 * systemd-nspawn makes its groups in there. */
#include "control-group.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"
#include "log.h"

#define HIERARCHY "/sys/fs/cgroup"
#define GROUP "machine"
#define CPU_PERIOD_USEC 100000

static gboolean
fail_errno (GError **error, const char *path)
{
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_UNIT_FAILED,
               "Cannot limit the container by “%s”: %s; does its unit have Delegate=yes?", path,
               g_strerror (errno));
  return FALSE;
}

static gboolean
write_attribute (const char *directory, const char *attribute, const char *value, GError **error)
{
  g_autofree char *path = g_build_filename (directory, attribute, NULL);
  auto_fd fd = open (path, O_WRONLY | O_CLOEXEC);

  if (fd < 0 || write (fd, value, strlen (value)) < 0)
    return fail_errno (error, path);
  return TRUE;
}

/* The directory of this process' group; its line in the file begins with “0::”. */
static char *
own_group (GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents ("/proc/self/cgroup", &text, NULL, error))
    return NULL;

  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], "0::/"))
      return g_build_filename (HIERARCHY, lines[i] + strlen ("0::"), NULL);

  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_UNIT_FAILED,
               "Cannot tell the container's control group from /proc/self/cgroup.");
  return NULL;
}

/* Whether the host offers `controller`; a host with the old hierarchies keeps some or all there. */
static gboolean
is_offered (const char *unit_group, const char *controller, const char *key)
{
  g_autofree char *path = g_build_filename (unit_group, "cgroup.controllers", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) controllers = NULL;

  if (g_file_get_contents (path, &text, NULL, NULL))
    {
      controllers = g_strsplit (g_strstrip (text), " ", -1);
      if (g_strv_contains ((const char *const *) controllers, controller))
        return TRUE;
    }

  log_warning (NULL,
               "This host has no unified control groups for it: %s= does not limit the container.",
               key);
  return FALSE;
}

gboolean
control_group_limit (uint64_t memory, uint32_t cpus, GError **error)
{
  g_autofree char *unit_group = NULL;
  g_autofree char *group = NULL;
  g_autofree char *memory_value = g_strdup_printf ("%" G_GUINT64_FORMAT, memory);
  g_autofree char *cpu_value = g_strdup_printf ("%" G_GUINT64_FORMAT " %d",
                                                (guint64) cpus * CPU_PERIOD_USEC, CPU_PERIOD_USEC);
  gboolean limit_memory, limit_cpus;

  if (memory == 0 && cpus == 0)
    return TRUE;

  unit_group = own_group (error);
  if (unit_group == NULL)
    return FALSE;

  limit_memory = memory != 0 && is_offered (unit_group, "memory", "Memory");
  limit_cpus = cpus != 0 && is_offered (unit_group, "cpu", "CPUs");
  if (!limit_memory && !limit_cpus)
    return TRUE;

  group = g_build_filename (unit_group, GROUP, NULL);
  if (mkdir (group, 0755) < 0 && errno != EEXIST)
    return fail_errno (error, group);

  /* A group that hands controllers down may hold no process: first move, then enable. */
  return write_attribute (group, "cgroup.procs", "0", error)
         && (!limit_memory
             || (write_attribute (unit_group, "cgroup.subtree_control", "+memory", error)
                 && write_attribute (group, "memory.max", memory_value, error)))
         && (!limit_cpus
             || (write_attribute (unit_group, "cgroup.subtree_control", "+cpu", error)
                 && write_attribute (group, "cpu.max", cpu_value, error)));
}
