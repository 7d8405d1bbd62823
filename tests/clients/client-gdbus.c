/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The echo service's client on GDBus. */
#include <gio/gio.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

struct Client
{
  GDBusConnection *bus;
  const char *destination;
};

Client *
client_new (const char *address, const char *destination)
{
  g_autoptr (GError) error = NULL;
  Client *client = g_new0 (Client, 1);

  client->bus =
      g_dbus_connection_new_for_address_sync (address,
                                              G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                  | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                              NULL, NULL, &error);
  if (client->bus == NULL)
    {
      g_printerr ("Cannot connect to the bus: %s\n", error->message);
      exit (EXIT_FAILURE);
    }
  client->destination = destination;
  return client;
}

void
client_free (Client *client)
{
  g_dbus_connection_close_sync (client->bus, NULL, NULL);
  g_object_unref (client->bus);
  g_free (client);
}

/* --- Calls --- */

static void
set_error (char *result, const GError *error)
{
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  g_autoptr (GError) bare = g_error_copy (error);

  g_dbus_error_strip_remote_error (bare);
  result_add (result, "%s: %s", name != NULL ? name : g_quark_to_string (error->domain),
              bare->message);
}

/* Where there is no answer, NULL, and the result says why. */
static GVariant *
call (Client *client, const char *path, const char *interface, const char *member,
      GVariant *arguments, int milliseconds, char *result)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = g_dbus_connection_call_sync (client->bus, client->destination, path, interface,
                                                 member, arguments, NULL, G_DBUS_CALL_FLAGS_NONE,
                                                 milliseconds, NULL, &error);

  if (reply == NULL)
    set_error (result, error);
  return reply;
}

static GVariant *
call_echo (Client *client, const char *member, GVariant *arguments, char *result)
{
  return call (client, ECHO_PATH, ECHO_INTERFACE, member, arguments, LONG_MS, result);
}

static GDBusMessage *
new_message (Client *client, const char *member, GVariant *arguments)
{
  GDBusMessage *message =
      g_dbus_message_new_method_call (client->destination, ECHO_PATH, ECHO_INTERFACE, member);

  g_dbus_message_set_body (message, arguments);
  return message;
}

/* --- Echo --- */

static void
echo (Client *client, const char *text, char *ret_result)
{
  g_autoptr (GVariant) sent = g_variant_ref_sink (g_variant_new_parsed (text));
  g_autoptr (GVariant) received = call_echo (client, "Echo", sent, ret_result);
  const char *type;

  if (received == NULL)
    return;
  type = g_variant_get_type_string (received); /* in parentheses */
  result_set (ret_result, "%s %.*s", g_variant_equal (sent, received) ? "same" : "different",
              (int) strlen (type) - 2, type + 1);
}

void
client_echo_basic (Client *client, char *ret_result)
{
  echo (client,
        "(byte 255, true, int16 -32768, uint16 65535, -2147483648, uint32 4294967295, "
        "int64 -9223372036854775808, uint64 18446744073709551615, -0.1, 'Ebb – flood – 🌊', "
        "objectpath '/a/b_1', signature 'a{sv}(ii)')",
        ret_result);
}

void
client_echo_containers (Client *client, char *ret_result)
{
  echo (client,
        "({'one': <uint32 1>, 'nested': <<'deep'>>, 'list': <['a', 'b']>}, [byte 0, 1, 2], "
        "[['x'], @as []], ('', (-1, <1.5>)), [<byte 7>, <('p', 'q')>], @au [], @at [])",
        ret_result);
}

void
client_echo_empty (Client *client, char *ret_result)
{
  echo (client, "()", ret_result);
}

/* --- Errors --- */

void
client_error (Client *client, const char *path, const char *interface, const char *member,
              char *ret_result)
{
  g_autoptr (GVariant) reply = call (client, path, interface, member, NULL, LONG_MS, ret_result);

  if (reply != NULL)
    result_set (ret_result, "no error");
}

/* As a message, for a GError has no room for the detail. */
void
client_error_detail (Client *client, char *ret_result)
{
  g_autoptr (GDBusMessage) message =
      new_message (client, "Fail", g_variant_new ("(ss)", ERROR_NAME, ERROR_TEXT));
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusMessage) reply = g_dbus_connection_send_message_with_reply_sync (
      client->bus, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, LONG_MS, NULL, NULL, &error);
  g_autoptr (GVariant) detail = NULL;
  const char *text;
  guint32 depth;

  if (reply == NULL)
    {
      set_error (ret_result, error);
      return;
    }
  g_variant_get (g_dbus_message_get_body (reply), "(&s@a{sv})", &text, &detail);
  if (!g_variant_lookup (detail, "depth", "u", &depth))
    result_set (ret_result, "the detail is lost");
  else
    result_set (ret_result, "%s: %s, depth %" PRIu32, g_dbus_message_get_error_name (reply), text,
                depth);
}

/* --- Large messages --- */

void
client_send (Client *client, uint64_t size, char *ret_result)
{
  uint8_t *data = g_malloc (size);
  g_autoptr (GVariant) reply = NULL;
  guint64 counted;
  guint32 sum;

  echo_fill (data, size);
  reply =
      call_echo (client, "Sum",
                 g_variant_new ("(@ay)", g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data,
                                                                  size, TRUE, g_free, data)),
                 ret_result);
  if (reply == NULL)
    return;
  g_variant_get (reply, "(tu)", &counted, &sum);
  result_set (ret_result, "%" PRIu64 " %08" PRIx32, counted, sum);
}

void
client_receive (Client *client, uint64_t size, char *ret_result)
{
  g_autoptr (GVariant) reply = call_echo (client, "Large", g_variant_new ("(t)", size), ret_result);
  g_autoptr (GVariant) array = NULL;
  const uint8_t *data;
  gsize received;

  if (reply == NULL)
    return;
  array = g_variant_get_child_value (reply, 0);
  data = g_variant_get_fixed_array (array, &received, 1);
  result_set (ret_result, "%zu %08" PRIx32, received, echo_sum (data, received));
}

/* --- Calls without a reply, and with a late one --- */

void
client_note (Client *client, const char *const *notes, char *ret_result)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariantIter) iter = NULL;
  const char *note;

  for (; *notes != NULL; notes++)
    {
      g_autoptr (GDBusMessage) message =
          new_message (client, "Note", g_variant_new ("(s)", *notes));

      g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
      g_dbus_connection_send_message (client->bus, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL,
                                      NULL);
    }

  reply = call_echo (client, "TakeNotes", NULL, ret_result);
  if (reply == NULL)
    return;
  g_variant_get (reply, "(as)", &iter);
  while (g_variant_iter_next (iter, "&s", &note))
    result_add (ret_result, "%s ", note);
}

void
client_wait (Client *client, unsigned slow_ms, unsigned patience_ms, char *ret_result)
{
  g_autoptr (GVariant) reply = call (client, ECHO_PATH, ECHO_INTERFACE, "Slow",
                                     g_variant_new ("(u)", slow_ms), (int) patience_ms, ret_result);
  const char *text;

  if (reply == NULL)
    return;
  g_variant_get (reply, "(&s)", &text);
  result_set (ret_result, "%s", text);
}

/* --- Properties --- */

static GVariant *
get_property (Client *client, const char *name, char *result)
{
  g_autoptr (GVariant) reply = call (client, ECHO_PATH, "org.freedesktop.DBus.Properties", "Get",
                                     g_variant_new ("(ss)", ECHO_INTERFACE, name), LONG_MS, result);
  GVariant *value = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(v)", &value);
  return value;
}

void
client_get_kind (Client *client, char *ret_result)
{
  g_autoptr (GVariant) value = get_property (client, "Kind", ret_result);
  const char *text;
  guint32 number;

  if (value == NULL)
    return;
  g_variant_get (value, "(&su)", &text, &number);
  result_set (ret_result, "%s %" PRIu32, text, number);
}

void
client_get (Client *client, const char *name, char *ret_result)
{
  g_autoptr (GVariant) value = get_property (client, name, ret_result);

  if (value != NULL)
    result_add (ret_result, "%s", g_variant_get_string (value, NULL));
}

void
client_set (Client *client, const char *name, const char *value, char *ret_result)
{
  g_autoptr (GVariant) reply =
      call (client, ECHO_PATH, "org.freedesktop.DBus.Properties", "Set",
            g_variant_new ("(ssv)", ECHO_INTERFACE, name, g_variant_new_string (value)), LONG_MS,
            ret_result);
}

static void
process_all (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
on_changed (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
            const char *member, GVariant *arguments, gpointer user_data)
{
  g_autoptr (GVariantIter) changed = NULL;
  g_autoptr (GVariant) value = NULL;
  const char *key;

  g_variant_get (arguments, "(&sa{sv}as)", NULL, &changed, NULL);
  while (g_variant_iter_loop (changed, "{&sv}", &key, &value))
    result_add (user_data, "%s: %s; ", key, g_variant_get_string (value, NULL));
}

void
client_set_values (Client *client, const char *const *values, char *ret_result)
{
  guint subscription = g_dbus_connection_signal_subscribe (
      client->bus, client->destination, "org.freedesktop.DBus.Properties", "PropertiesChanged",
      ECHO_PATH, ECHO_INTERFACE, G_DBUS_SIGNAL_FLAGS_NONE, on_changed, ret_result, NULL);

  for (; *values != NULL; values++)
    client_set (client, "Value", *values, ret_result);
  process_all ();
  client_get (client, "Value", ret_result);
  g_dbus_connection_signal_unsubscribe (client->bus, subscription);
}

/* --- Signals --- */

typedef struct
{
  const char *path_namespace;
  unsigned count;
} Counter;

static void
on_tick (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
         const char *member, GVariant *arguments, gpointer user_data)
{
  Counter *counter = user_data;
  const char *space = counter->path_namespace;

  if (space == NULL
      || (g_str_has_prefix (path, space)
          && (path[strlen (space)] == '/' || path[strlen (space)] == '\0')))
    counter->count++;
}

/* GDBus makes no rules with path_namespace, so that a client makes them itself. */
static void
call_driver (Client *client, const char *member, const char *text, char *result)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      client->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", member,
      g_variant_new ("(s)", text), NULL, G_DBUS_CALL_FLAGS_NONE, LONG_MS, NULL, &error);

  if (reply == NULL)
    set_error (result, error);
}

void
client_count_signals (Client *client, const SignalRule *rule, char *ret_result)
{
  Counter counter = { .path_namespace = rule->path_namespace };
  char *text = signal_rule_to_string (rule, client->destination);
  GDBusSignalFlags flags = rule->path_namespace != NULL   ? G_DBUS_SIGNAL_FLAGS_NO_MATCH_RULE
                           : rule->arg0_namespace != NULL ? G_DBUS_SIGNAL_FLAGS_MATCH_ARG0_NAMESPACE
                                                          : G_DBUS_SIGNAL_FLAGS_NONE;
  guint subscription = g_dbus_connection_signal_subscribe (
      client->bus, client->destination, ECHO_INTERFACE, rule->member, rule->path,
      rule->arg0 != NULL ? rule->arg0 : rule->arg0_namespace, flags, on_tick, &counter, NULL);

  if (rule->path_namespace != NULL)
    call_driver (client, "AddMatch", text, ret_result);
  for (size_t i = 0; i < N_EMISSIONS; i++)
    {
      const Emission *emission = &client_emissions[i];
      g_autoptr (GVariant) reply = call_echo (
          client, "Emit", g_variant_new ("(osu)", emission->path, emission->first, emission->count),
          ret_result);
    }
  process_all ();
  if (rule->path_namespace != NULL)
    call_driver (client, "RemoveMatch", text, ret_result);
  g_dbus_connection_signal_unsubscribe (client->bus, subscription);
  result_add (ret_result, "%u", counter.count);
  free (text);
}
