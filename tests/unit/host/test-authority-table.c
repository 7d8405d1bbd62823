/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every method of the API has its row, and no row is for a method that does not exist. */
#include "authority-table.h"

#include <gio/gio.h>

static const char *const interfaces[] = { "Manager", "Machine", "Bridge" };

static GDBusInterfaceInfo *
load (const char *name)
{
  g_autofree char *path =
      g_strdup_printf (INTROSPECTION_DIRECTORY "/org.tombolo.Host1.%s.xml", name);
  g_autoptr (GDBusNodeInfo) node = NULL;
  g_autofree char *xml = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &xml, NULL, &error);
  g_assert_no_error (error);
  node = g_dbus_node_info_new_for_xml (xml, &error);
  g_assert_no_error (error);
  return g_dbus_interface_info_ref (node->interfaces[0]);
}

static void
test_methods (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (interfaces); i++)
    {
      GDBusInterfaceInfo *interface = load (interfaces[i]);

      for (GDBusMethodInfo **method = interface->methods; method != NULL && *method != NULL;
           method++)
        {
          const AuthorityRow *row = authority_table_find (interface->name, (*method)->name);

          g_test_message ("%s.%s", interface->name, (*method)->name);
          g_assert_cmpint (row->access, !=, ACCESS_DENIED);
          g_assert_cmpint (row->action != NULL, ==, row->access == ACCESS_ACTION);
          g_assert_cmpint (row->verb != NULL, ==, row->access == ACCESS_ACTION);
        }
      g_dbus_interface_info_unref (interface);
    }
}

/* No property may be written: that would be an act without a row. */
static void
test_properties (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (interfaces); i++)
    {
      GDBusInterfaceInfo *interface = load (interfaces[i]);

      for (GDBusPropertyInfo **property = interface->properties;
           property != NULL && *property != NULL; property++)
        g_assert_cmpint ((*property)->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE, ==, 0);
      g_dbus_interface_info_unref (interface);
    }
}

static const struct
{
  const char *interface, *method;
  Access access;
  const char *action;
} rows[] = {
  { "org.tombolo.Host1.Manager", "CreateMachine", ACCESS_ACTION,
    "org.tombolo.Host1.create-machines" },
  { "org.tombolo.Host1.Manager", "DeleteMachine", ACCESS_ACTION,
    "org.tombolo.Host1.create-machines" },
  { "org.tombolo.Host1.Manager", "Reload", ACCESS_ACTION, "org.tombolo.Host1.manage-machines" },
  { "org.tombolo.Host1.Manager", "FindMachine", ACCESS_OPEN, NULL },
  { "org.tombolo.Host1.Machine", "Kill", ACCESS_ACTION, "org.tombolo.Host1.manage-machines" },
  { "org.tombolo.Host1.Machine", "TestCall", ACCESS_ACTION, "org.tombolo.Host1.manage-machines" },
  { "org.tombolo.Host1.Machine", "OpenBus", ACCESS_OPEN, NULL },
  { "org.tombolo.Host1.Machine", "OpenShell", ACCESS_ACTION, "org.tombolo.Host1.open-shell" },
  { "org.tombolo.Host1.Bridge", "Report", ACCESS_BRIDGE, NULL },
  { "org.tombolo.Host1.Manager", "Kill", ACCESS_DENIED, NULL },
  { "org.tombolo.Host1.Machine", "start", ACCESS_DENIED, NULL },
  { "org.tombolo.Host1.Machine", "", ACCESS_DENIED, NULL },
  { "", "Start", ACCESS_DENIED, NULL },
  { NULL, NULL, ACCESS_DENIED, NULL },
};

static void
test_rows (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const AuthorityRow *row = authority_table_find (rows[i].interface, rows[i].method);

      g_assert_cmpint (row->access, ==, rows[i].access);
      g_assert_cmpstr (row->action, ==, rows[i].action);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/authority-table/methods", test_methods);
  g_test_add_func ("/host/authority-table/properties", test_properties);
  g_test_add_func ("/host/authority-table/rows", test_rows);
  return g_test_run ();
}
