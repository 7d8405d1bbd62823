/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that come while the main loop is busy: so many wait, and the others are told at once. */
#include "flood-guard.h"

#include "limit.h"

#define INTERFACE "org.tombolo.Host1.Manager"

static const char *const xml = "<node><interface name='org.tombolo.Host1.Manager'><method "
                               "name='FindMachine'><arg type='s' direction='in'/>"
                               "</method></interface></node>";

typedef struct
{
  GTestDBus *daemon;
  GDBusConnection *ours;
  GDBusConnection *caller;
  GDBusNodeInfo *node;
  FloodGuard *guard;
  guint handled;
  gint refused; /* counted in GDBus' thread */
  gint answered;
} Fixture;

static void
on_call (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
         const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
         gpointer user_data)
{
  ((Fixture *) user_data)->handled++;
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static const GDBusInterfaceVTable vtable = { .method_call = on_call };

static GDBusMessage *
on_answer (GDBusConnection *bus, GDBusMessage *message, gboolean incoming, gpointer user_data)
{
  Fixture *fixture = user_data;

  if (!incoming)
    return message;
  if (g_dbus_message_get_message_type (message) == G_DBUS_MESSAGE_TYPE_METHOD_RETURN)
    g_atomic_int_inc (&fixture->answered);
  else if (g_strcmp0 (g_dbus_message_get_error_name (message), "org.tombolo.Error.LimitsExceeded")
           == 0)
    g_atomic_int_inc (&fixture->refused);
  return message;
}

static GDBusConnection *
connect_to (GTestDBus *daemon)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *bus =
      g_dbus_connection_new_for_address_sync (g_test_dbus_get_bus_address (daemon),
                                              G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                  | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                              NULL, NULL, &error);

  g_assert_no_error (error);
  return bus;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->daemon = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (fixture->daemon);
  fixture->ours = connect_to (fixture->daemon);
  fixture->caller = connect_to (fixture->daemon);
  fixture->node = g_dbus_node_info_new_for_xml (xml, NULL);
  fixture->guard = flood_guard_new (fixture->ours);
  g_assert_cmpuint (g_dbus_connection_register_object (fixture->ours, "/a",
                                                       fixture->node->interfaces[0], &vtable,
                                                       fixture, NULL, NULL),
                    >, 0);
  g_dbus_connection_add_filter (fixture->caller, on_answer, fixture, NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  flood_guard_free (fixture->guard);
  g_dbus_connection_close_sync (fixture->caller, NULL, NULL);
  g_dbus_connection_close_sync (fixture->ours, NULL, NULL);
  g_object_unref (fixture->caller);
  g_object_unref (fixture->ours);
  g_dbus_node_info_unref (fixture->node);
  g_test_dbus_down (fixture->daemon);
  g_object_unref (fixture->daemon);
}

static void
send_call (Fixture *fixture, const char *text, gboolean wants_reply)
{
  g_autoptr (GDBusMessage) call = g_dbus_message_new_method_call (
      g_dbus_connection_get_unique_name (fixture->ours), "/a", INTERFACE, "FindMachine");

  g_dbus_message_set_body (call, g_variant_new ("(s)", text));
  if (!wants_reply)
    g_dbus_message_set_flags (call, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  g_assert_true (g_dbus_connection_send_message (fixture->caller, call,
                                                 G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL));
}

/* Without the main loop, which is the point. */
static void
wait_for (gint *count, gint wanted)
{
  for (guint i = 0; g_atomic_int_get (count) < wanted && i < 1000; i++)
    g_usleep (10 * 1000);
  g_assert_cmpint (g_atomic_int_get (count), ==, wanted);
}

static void
run_loop (Fixture *fixture, guint handled)
{
  while (fixture->handled < handled)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (fixture->handled, ==, handled);
}

/* The bus itself bounds calls that want answers, to as many; of the others it knows no bound. */
static void
test_backlog (Fixture *fixture, gconstpointer data)
{
  /* Twice: what was handled makes room. */
  for (gint round = 1; round <= 2; round++)
    {
      for (guint i = 0; i < LIMIT_CALLS_SENDER + 100; i++)
        send_call (fixture, "", FALSE);
      for (guint i = 0; i < 5; i++)
        send_call (fixture, "", TRUE);
      wait_for (&fixture->refused, round * 5);
      run_loop (fixture, (guint) round * LIMIT_CALLS_SENDER);
    }

  send_call (fixture, "", TRUE);
  run_loop (fixture, 2 * LIMIT_CALLS_SENDER + 1);
  wait_for (&fixture->answered, 1);
}

static void
test_size (Fixture *fixture, gconstpointer data)
{
  g_autofree char *large = g_strnfill (LIMIT_CALL_SIZE, 'x');
  g_autofree char *half = g_strnfill (LIMIT_CALL_SIZE / 2, 'x');
  guint room = LIMIT_CALLS_SIZE / (LIMIT_CALL_SIZE / 2) - 1; /* each is a little more */

  send_call (fixture, large, TRUE);
  wait_for (&fixture->refused, 1);
  for (guint i = 0; i < room; i++)
    send_call (fixture, half, FALSE);
  for (guint i = 0; i < 3; i++)
    send_call (fixture, half, TRUE);
  wait_for (&fixture->refused, 4);
  run_loop (fixture, room);
}

/* GDBus would answer, whether anybody wants to know or not. */
static void
test_pointless (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDBusMessage) call =
      g_dbus_message_new_method_call (g_dbus_connection_get_unique_name (fixture->ours), "/a",
                                      "org.freedesktop.DBus.Properties", "GetAll");

  g_dbus_message_set_body (call, g_variant_new ("(s)", INTERFACE));
  g_dbus_message_set_flags (call, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  for (guint i = 0; i < LIMIT_CALLS_SENDER + 1; i++)
    {
      g_autoptr (GDBusMessage) copy = g_dbus_message_copy (call, NULL);

      g_assert_true (g_dbus_connection_send_message (fixture->caller, copy,
                                                     G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL));
    }
  send_call (fixture, "", TRUE);
  run_loop (fixture, 1);
  wait_for (&fixture->answered, 1);
}

#define ADD(name, function)                                                                        \
  g_test_add ("/host/flood-guard/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("backlog", test_backlog);
  ADD ("size", test_size);
  ADD ("pointless", test_pointless);
  return g_test_run ();
}
