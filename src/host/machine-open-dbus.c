/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tombolo.Host1.Machine: the methods that hand out descriptors. */
#include "machine-dbus-private.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <sys/socket.h>

#include "caller.h"
#include "descriptor.h"
#include "error.h"
#include "limit.h"
#include "log.h"

/* --- OpenBus --- */

gboolean
machine_dbus_read_bus (GVariant *options, GuestBus *ret_bus, GError **error)
{
  GVariantIter iter;
  GVariant *value;
  const char *key;

  *ret_bus = GUEST_BUS_SYSTEM;
  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) owned = value;

      if (!g_str_equal (key, "bus"))
        {
          g_autofree char *safe = log_text (key, LIMIT_NAME_LENGTH);

          g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                       "Option “%s” is unknown to this method.", safe);
          return FALSE;
        }
      if (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
          || !guest_bus_from_string (g_variant_get_string (value, NULL), ret_bus))
        {
          g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                       "Option “bus” is “system” or “session”.");
          return FALSE;
        }
    }

  return TRUE;
}

/* The caller's end of the socket, while the bridge is asked to take the other. */
typedef struct
{
  GDBusMethodInvocation *invocation;
  int fd;
} Opening;

static void
on_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Opening *opening = user_data;
  g_autoptr (GUnixFDList) list = NULL;
  GError *error = NULL;

  /* The list closes it. */
  list = g_unix_fd_list_new_from_array (&opening->fd, 1);
  if (bridges_open_bus_finish (result, &error))
    g_dbus_method_invocation_return_value_with_unix_fd_list (opening->invocation,
                                                             g_variant_new ("(h)", 0), list);
  else
    caller_fail (opening->invocation, error);
}

static void
open_bus (GDBusMethodInvocation *invocation, gpointer object)
{
  MachineDBus *face = TOMBOLO_MACHINE_DBUS (object);
  GVariant *parameters = g_dbus_method_invocation_get_parameters (invocation);
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 0);
  GError *error = NULL;
  Opening *opening;
  GuestBus bus;
  int fds[2];

  if (!machine_dbus_read_bus (options, &bus, &error))
    {
      caller_fail (invocation, error);
      return;
    }
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
    {
      g_dbus_method_invocation_return_error (invocation, TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED,
                                             "No socket can be made: %s.", g_strerror (errno));
      return;
    }

  opening = g_new0 (Opening, 1);
  opening->invocation = invocation;
  opening->fd = fds[0];
  bridges_open_bus_async (face->bridges, face->machine,
                          g_dbus_method_invocation_get_sender (invocation), bus, fds[1], on_opened,
                          opening);
}

gboolean
machine_dbus_open_bus (TomboloMachine *skeleton, GDBusMethodInvocation *invocation,
                       GUnixFDList *descriptors, GVariant *options)
{
  MachineDBus *face = TOMBOLO_MACHINE_DBUS (skeleton);
  GError *error = NULL;
  GuestBus bus;

  if (!machine_dbus_read_bus (options, &bus, &error))
    caller_fail (invocation, error);
  else
    caller_authorize (face->authority, invocation, machine_get_name (face->machine),
                      G_OBJECT (face), open_bus);

  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* --- OpenShell --- */

typedef struct
{
  const char *term;
  guint32 rows, columns;
} ShellOptions;

static gboolean
read_shell_option (const char *key, GVariant *value, ShellOptions *options)
{
  const struct
  {
    const char *key;
    guint32 *number;
  } numbers[] = { { "rows", &options->rows }, { "columns", &options->columns } };

  if (g_str_equal (key, "term") && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    {
      options->term = g_variant_get_string (value, NULL);
      return TRUE;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (g_str_equal (key, numbers[i].key) && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
      {
        *numbers[i].number = g_variant_get_uint32 (value);
        return TRUE;
      }

  return FALSE;
}

/* `options` lives as long as what is read of it. */
static gboolean
read_shell_options (GVariant *options, ShellOptions *ret, GError **error)
{
  *ret = (ShellOptions){ .term = "dumb" };
  for (gsize i = 0; i < g_variant_n_children (options); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (options, i);
      g_autoptr (GVariant) boxed = g_variant_get_child_value (entry, 1);
      g_autoptr (GVariant) value = g_variant_get_variant (boxed);
      const char *key;

      g_variant_get_child (entry, 0, "&s", &key);
      if (!read_shell_option (key, value, ret))
        {
          g_autofree char *safe = log_text (key, LIMIT_NAME_LENGTH);

          g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                       "Option “%s” is unknown to this method, or of another type: there are term "
                       "(s), rows (u) and columns (u).",
                       safe);
          return FALSE;
        }
    }

  return TRUE;
}

static void
on_shell (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  g_autoptr (GUnixFDList) list = bridges_open_shell_finish (result, &error);

  if (list != NULL)
    g_dbus_method_invocation_return_value_with_unix_fd_list (invocation,
                                                             g_variant_new ("(hh)", 0, 1), list);
  else
    caller_fail (invocation, error);
}

static void
open_shell (GDBusMethodInvocation *invocation, gpointer object)
{
  MachineDBus *face = TOMBOLO_MACHINE_DBUS (object);
  g_autoptr (GVariant) options = NULL;
  g_autofree const char **command = NULL;
  ShellOptions read;
  GError *error = NULL;
  const char *user;

  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(&s^a&s@a{sv})", &user,
                 &command, &options);
  if (!read_shell_options (options, &read, &error))
    {
      caller_fail (invocation, error);
      return;
    }

  bridges_open_shell_async (
      face->bridges, face->machine,
      g_variant_new ("(s^assuu)", user, command, read.term, read.rows, read.columns), on_shell,
      invocation);
}

gboolean
machine_dbus_open_shell (TomboloMachine *skeleton, GDBusMethodInvocation *invocation,
                         GUnixFDList *descriptors, const char *user, const char *const *command,
                         GVariant *options)
{
  MachineDBus *face = TOMBOLO_MACHINE_DBUS (skeleton);
  GError *error = NULL;
  ShellOptions read;

  if (!read_shell_options (options, &read, &error))
    caller_fail (invocation, error);
  else
    caller_authorize (face->authority, invocation, machine_get_name (face->machine),
                      G_OBJECT (face), open_shell);

  return G_DBUS_METHOD_INVOCATION_HANDLED;
}
