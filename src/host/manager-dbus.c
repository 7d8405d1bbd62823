/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tombolo.Host1.Manager and the registry of objects beside it. */
#include "manager-dbus.h"

#include "caller.h"
#include "config.h"
#include "error.h"
#include "machine-dbus.h"
#include "tombolo-host1.h"

struct ManagerDBus
{
  Manager *manager;
  const CallerAuthority *authority;
  Bridges *bridges;
  TomboloManager *skeleton;
  GDBusObjectManagerServer *objects;
  GHashTable *faces; /* Machine -> MachineDBus */
};

/* --- CreateMachine and DeleteMachine --- */

/* What can be told without looking at any machine: who may not learn more does not. */
static gboolean
check_arguments (const char *name, GVariant *options, GError **error)
{
  return machine_name_validate (name, error) && caller_read_options (options, NULL, error);
}

static void
create (GDBusMethodInvocation *invocation, gpointer object)
{
  g_autoptr (GVariant) settings = NULL;
  g_autofree char *path = NULL;
  GError *error = NULL;
  const char *name;

  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(&s@a{sa{sv}}@a{sv})",
                 &name, &settings, NULL);
  if (!manager_create (TOMBOLO_MODEL_MANAGER (object), name, settings, &error))
    {
      caller_fail (invocation, error);
      return;
    }

  path = machine_name_to_path (name);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(o)", path));
}

static gboolean
on_create (TomboloManager *skeleton, GDBusMethodInvocation *invocation, const char *name,
           GVariant *settings, GVariant *options, gpointer user_data)
{
  ManagerDBus *face = user_data;
  GError *error = NULL;

  if (!check_arguments (name, options, &error))
    caller_fail (invocation, error);
  else
    caller_authorize (face->authority, invocation, name, G_OBJECT (face->manager), create);

  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void delete (GDBusMethodInvocation *invocation, gpointer object)
{
  GError *error = NULL;
  const char *name;

  g_variant_get_child (g_dbus_method_invocation_get_parameters (invocation), 0, "&s", &name);
  if (manager_delete (TOMBOLO_MODEL_MANAGER (object), name, &error))
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    caller_fail (invocation, error);
}

static gboolean
on_delete (TomboloManager *skeleton, GDBusMethodInvocation *invocation, const char *name,
           GVariant *options, gpointer user_data)
{
  ManagerDBus *face = user_data;
  GError *error = NULL;

  if (!check_arguments (name, options, &error))
    caller_fail (invocation, error);
  else
    caller_authorize (face->authority, invocation, name, G_OBJECT (face->manager), delete);

  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* --- FindMachine --- */

static void
find (GDBusMethodInvocation *invocation, gpointer object)
{
  g_autofree char *path = NULL;
  GError *error = NULL;
  const char *name;

  g_variant_get_child (g_dbus_method_invocation_get_parameters (invocation), 0, "&s", &name);
  if (manager_find (TOMBOLO_MODEL_MANAGER (object), name, &error) == NULL)
    {
      caller_fail (invocation, error);
      return;
    }

  path = machine_name_to_path (name);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(o)", path));
}

static gboolean
on_find (TomboloManager *skeleton, GDBusMethodInvocation *invocation, const char *name,
         gpointer user_data)
{
  ManagerDBus *face = user_data;

  caller_authorize (face->authority, invocation, NULL, G_OBJECT (face->manager), find);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* --- Reload --- */

static void
reload (GDBusMethodInvocation *invocation, gpointer object)
{
  manager_reload (TOMBOLO_MODEL_MANAGER (object));
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static gboolean
on_reload (TomboloManager *skeleton, GDBusMethodInvocation *invocation, gpointer user_data)
{
  ManagerDBus *face = user_data;

  caller_authorize (face->authority, invocation, NULL, G_OBJECT (face->manager), reload);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* --- the registry --- */

static void
export_machine (ManagerDBus *face, Machine *machine)
{
  g_autofree char *path = machine_name_to_path (machine_get_name (machine));
  g_autoptr (GDBusObjectSkeleton) object = g_dbus_object_skeleton_new (path);
  MachineDBus *machine_face = machine_dbus_new (machine, face->authority, face->bridges);

  g_hash_table_insert (face->faces, machine, machine_face);
  g_dbus_object_skeleton_add_interface (object, G_DBUS_INTERFACE_SKELETON (machine_face));
  g_dbus_object_manager_server_export (face->objects, object);
}

static void
on_added (Manager *manager, Machine *machine, gpointer user_data)
{
  export_machine (user_data, machine);
}

static void
on_removed (Manager *manager, Machine *machine, gpointer user_data)
{
  ManagerDBus *face = user_data;
  g_autofree char *path = machine_name_to_path (machine_get_name (machine));

  machine_dbus_close (g_hash_table_lookup (face->faces, machine));
  g_dbus_object_manager_server_unexport (face->objects, path);
  g_hash_table_remove (face->faces, machine);
}

ManagerDBus *
manager_dbus_new (Manager *manager, GDBusConnection *bus, const CallerAuthority *authority,
                  Bridges *bridges, GError **error)
{
  g_autoptr (ManagerDBus) face = g_new0 (ManagerDBus, 1);
  g_autoptr (GList) machines = manager_list (manager);

  face->manager = g_object_ref (manager);
  face->authority = authority;
  face->bridges = bridges;
  face->objects = g_dbus_object_manager_server_new (TOMBOLO_ROOT_PATH);
  face->faces = g_hash_table_new_full (NULL, NULL, NULL, g_object_unref);
  face->skeleton = tombolo_manager_skeleton_new ();
  tombolo_manager_set_version (face->skeleton, TOMBOLO_VERSION);
  g_signal_connect (face->skeleton, "handle-create-machine", G_CALLBACK (on_create), face);
  g_signal_connect (face->skeleton, "handle-delete-machine", G_CALLBACK (on_delete), face);
  g_signal_connect (face->skeleton, "handle-find-machine", G_CALLBACK (on_find), face);
  g_signal_connect (face->skeleton, "handle-reload", G_CALLBACK (on_reload), face);

  for (GList *l = machines; l != NULL; l = l->next)
    export_machine (face, l->data);
  g_signal_connect (manager, "machine-added", G_CALLBACK (on_added), face);
  g_signal_connect (manager, "machine-removed", G_CALLBACK (on_removed), face);

  g_dbus_object_manager_server_set_connection (face->objects, bus);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (face->skeleton), bus,
                                         TOMBOLO_ROOT_PATH, error))
    return NULL;

  return g_steal_pointer (&face);
}

void
manager_dbus_free (ManagerDBus *face)
{
  g_signal_handlers_disconnect_by_data (face->manager, face);
  g_signal_handlers_disconnect_by_data (face->skeleton, face);
  g_dbus_object_manager_server_set_connection (face->objects, NULL);
  if (g_dbus_interface_skeleton_get_connection (G_DBUS_INTERFACE_SKELETON (face->skeleton)) != NULL)
    g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (face->skeleton));
  g_object_unref (face->skeleton);
  g_object_unref (face->objects);
  g_hash_table_unref (face->faces);
  g_object_unref (face->manager);
  g_free (face);
}
