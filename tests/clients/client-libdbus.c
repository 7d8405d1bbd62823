/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The echo service's client on libdbus. */
#include <dbus/dbus.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

struct Client
{
  DBusConnection *bus;
  const char *destination;
  unsigned count; /* signals that passed on_signal() */
  const SignalRule *rule;
  char *changes; /* result of client_set_values(), while it runs */
};

static DBusHandlerResult on_signal (DBusConnection *bus, DBusMessage *message, void *user_data);

Client *
client_new (const char *address, const char *destination)
{
  DBusError error = DBUS_ERROR_INIT;
  Client *client = calloc (1, sizeof *client);

  client->bus = dbus_connection_open_private (address, &error);
  if (client->bus == NULL || !dbus_bus_register (client->bus, &error))
    {
      fprintf (stderr, "Cannot connect to the bus: %s\n", error.message);
      exit (EXIT_FAILURE);
    }
  dbus_connection_set_exit_on_disconnect (client->bus, FALSE);
  dbus_connection_add_filter (client->bus, on_signal, client, NULL);
  client->destination = destination;
  return client;
}

void
client_free (Client *client)
{
  dbus_connection_close (client->bus);
  dbus_connection_unref (client->bus);
  free (client);
}

/* --- Calls --- */

static DBusMessage *
new_call (Client *client, const char *member)
{
  return dbus_message_new_method_call (client->destination, ECHO_PATH, ECHO_INTERFACE, member);
}

/* Sends the call and frees it. Where there is no answer, NULL, and the result says why. */
static DBusMessage *
finish_call (Client *client, DBusMessage *call, int milliseconds, char *result)
{
  DBusError error = DBUS_ERROR_INIT;
  DBusMessage *reply =
      dbus_connection_send_with_reply_and_block (client->bus, call, milliseconds, &error);

  if (reply == NULL)
    result_add (result, "%s: %s", error.name, error.message);
  dbus_error_free (&error);
  dbus_message_unref (call);
  return reply;
}

static void
drop (DBusMessage *reply)
{
  if (reply != NULL)
    dbus_message_unref (reply);
}

/* --- Echo --- */

/* Whether two messages have the same body, byte by byte. */
static bool
have_same_body (DBusMessage *a, DBusMessage *b)
{
  char *bytes[2];
  int sizes[2];
  uint32_t bodies[2];
  bool same;

  dbus_message_marshal (a, &bytes[0], &sizes[0]);
  dbus_message_marshal (b, &bytes[1], &sizes[1]);
  for (int i = 0; i < 2; i++)
    memcpy (&bodies[i], bytes[i] + 4, sizeof bodies[i]);
  same =
      bytes[0][0] == bytes[1][0] && bodies[0] == bodies[1]
      && memcmp (bytes[0] + sizes[0] - bodies[0], bytes[1] + sizes[1] - bodies[1], bodies[0]) == 0;
  dbus_free (bytes[0]);
  dbus_free (bytes[1]);
  return same;
}

static void
echo (Client *client, DBusMessage *call, char *ret_result)
{
  DBusMessage *reply = finish_call (client, dbus_message_ref (call), LONG_MS, ret_result);

  if (reply != NULL)
    result_set (ret_result, "%s %s", have_same_body (call, reply) ? "same" : "different",
                dbus_message_get_signature (reply));
  drop (reply);
  dbus_message_unref (call);
}

void
client_echo_basic (Client *client, char *ret_result)
{
  DBusMessage *call = new_call (client, "Echo");
  uint8_t y = 255;
  dbus_bool_t b = TRUE;
  int16_t n = INT16_MIN;
  uint16_t q = UINT16_MAX;
  int32_t i = INT32_MIN;
  uint32_t u = UINT32_MAX;
  int64_t x = INT64_MIN;
  uint64_t t = UINT64_MAX;
  double d = -0.1;
  const char *s = "Ebb – flood – 🌊", *o = "/a/b_1", *g = "a{sv}(ii)";

  dbus_message_append_args (call, DBUS_TYPE_BYTE, &y, DBUS_TYPE_BOOLEAN, &b, DBUS_TYPE_INT16, &n,
                            DBUS_TYPE_UINT16, &q, DBUS_TYPE_INT32, &i, DBUS_TYPE_UINT32, &u,
                            DBUS_TYPE_INT64, &x, DBUS_TYPE_UINT64, &t, DBUS_TYPE_DOUBLE, &d,
                            DBUS_TYPE_STRING, &s, DBUS_TYPE_OBJECT_PATH, &o, DBUS_TYPE_SIGNATURE,
                            &g, DBUS_TYPE_INVALID);
  echo (client, call, ret_result);
}

static void
append (DBusMessageIter *to, int type, const void *value)
{
  if (!dbus_message_iter_append_basic (to, type, value))
    abort ();
}

static void
append_string (DBusMessageIter *to, const char *value)
{
  append (to, DBUS_TYPE_STRING, &value);
}

static void
append_strings (DBusMessageIter *to, const char *const *values)
{
  DBusMessageIter array;

  dbus_message_iter_open_container (to, DBUS_TYPE_ARRAY, "s", &array);
  for (; *values != NULL; values++)
    append_string (&array, *values);
  dbus_message_iter_close_container (to, &array);
}

static void
append_variant (DBusMessageIter *to, const char *signature, const void *value)
{
  DBusMessageIter variant;

  dbus_message_iter_open_container (to, DBUS_TYPE_VARIANT, signature, &variant);
  append (&variant, signature[0], value);
  dbus_message_iter_close_container (to, &variant);
}

static void
append_dictionary (DBusMessageIter *to)
{
  static const char *const list[] = { "a", "b", NULL };
  DBusMessageIter dictionary, entry, variant;
  uint32_t one = 1;
  const char *deep = "deep";

  dbus_message_iter_open_container (to, DBUS_TYPE_ARRAY, "{sv}", &dictionary);

  dbus_message_iter_open_container (&dictionary, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
  append_string (&entry, "one");
  append_variant (&entry, "u", &one);
  dbus_message_iter_close_container (&dictionary, &entry);

  dbus_message_iter_open_container (&dictionary, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
  append_string (&entry, "nested");
  dbus_message_iter_open_container (&entry, DBUS_TYPE_VARIANT, "v", &variant);
  append_variant (&variant, "s", &deep);
  dbus_message_iter_close_container (&entry, &variant);
  dbus_message_iter_close_container (&dictionary, &entry);

  dbus_message_iter_open_container (&dictionary, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
  append_string (&entry, "list");
  dbus_message_iter_open_container (&entry, DBUS_TYPE_VARIANT, "as", &variant);
  append_strings (&variant, list);
  dbus_message_iter_close_container (&entry, &variant);
  dbus_message_iter_close_container (&dictionary, &entry);

  dbus_message_iter_close_container (to, &dictionary);
}

static void
append_arrays (DBusMessageIter *to)
{
  static const char *const x[] = { "x", NULL }, *const none[] = { NULL };
  static const uint8_t numbers[] = { 0, 1, 2 }, *bytes = numbers;
  DBusMessageIter array;

  dbus_message_iter_open_container (to, DBUS_TYPE_ARRAY, "y", &array);
  dbus_message_iter_append_fixed_array (&array, DBUS_TYPE_BYTE, &bytes, 3);
  dbus_message_iter_close_container (to, &array);

  dbus_message_iter_open_container (to, DBUS_TYPE_ARRAY, "as", &array);
  append_strings (&array, x);
  append_strings (&array, none);
  dbus_message_iter_close_container (to, &array);
}

static void
append_structures (DBusMessageIter *to)
{
  DBusMessageIter outer, inner, array, variant;
  uint8_t seven = 7;
  int32_t i = -1;
  double d = 1.5;

  dbus_message_iter_open_container (to, DBUS_TYPE_STRUCT, NULL, &outer);
  append_string (&outer, "");
  dbus_message_iter_open_container (&outer, DBUS_TYPE_STRUCT, NULL, &inner);
  append (&inner, DBUS_TYPE_INT32, &i);
  append_variant (&inner, "d", &d);
  dbus_message_iter_close_container (&outer, &inner);
  dbus_message_iter_close_container (to, &outer);

  dbus_message_iter_open_container (to, DBUS_TYPE_ARRAY, "v", &array);
  append_variant (&array, "y", &seven);
  dbus_message_iter_open_container (&array, DBUS_TYPE_VARIANT, "(ss)", &variant);
  dbus_message_iter_open_container (&variant, DBUS_TYPE_STRUCT, NULL, &inner);
  append_string (&inner, "p");
  append_string (&inner, "q");
  dbus_message_iter_close_container (&variant, &inner);
  dbus_message_iter_close_container (&array, &variant);
  dbus_message_iter_close_container (to, &array);
}

void
client_echo_containers (Client *client, char *ret_result)
{
  DBusMessage *call = new_call (client, "Echo");
  DBusMessageIter body, array;

  dbus_message_iter_init_append (call, &body);
  append_dictionary (&body);
  append_arrays (&body);
  append_structures (&body);
  dbus_message_iter_open_container (&body, DBUS_TYPE_ARRAY, "u", &array);
  dbus_message_iter_close_container (&body, &array);
  dbus_message_iter_open_container (&body, DBUS_TYPE_ARRAY, "t", &array);
  dbus_message_iter_close_container (&body, &array);
  echo (client, call, ret_result);
}

void
client_echo_empty (Client *client, char *ret_result)
{
  echo (client, new_call (client, "Echo"), ret_result);
}

/* --- Errors --- */

void
client_error (Client *client, const char *path, const char *interface, const char *member,
              char *ret_result)
{
  DBusMessage *reply = finish_call (
      client, dbus_message_new_method_call (client->destination, path, interface, member), LONG_MS,
      ret_result);

  if (reply != NULL)
    result_set (ret_result, "no error");
  drop (reply);
}

/* As a pending call, for a DBusError has no room for the detail. */
void
client_error_detail (Client *client, char *ret_result)
{
  const char *name = ERROR_NAME, *text = ERROR_TEXT, *key;
  DBusMessage *call = new_call (client, "Fail"), *reply;
  DBusPendingCall *pending = NULL;
  DBusMessageIter body, dictionary, entry, variant;
  uint32_t depth;

  dbus_message_append_args (call, DBUS_TYPE_STRING, &name, DBUS_TYPE_STRING, &text,
                            DBUS_TYPE_INVALID);
  dbus_connection_send_with_reply (client->bus, call, &pending, LONG_MS);
  dbus_message_unref (call);
  dbus_pending_call_block (pending);
  reply = dbus_pending_call_steal_reply (pending);
  dbus_pending_call_unref (pending);

  if (strcmp (dbus_message_get_signature (reply), "sa{sv}") != 0)
    result_set (ret_result, "the detail is lost");
  else
    {
      dbus_message_iter_init (reply, &body);
      dbus_message_iter_get_basic (&body, &text);
      dbus_message_iter_next (&body);
      dbus_message_iter_recurse (&body, &dictionary);
      dbus_message_iter_recurse (&dictionary, &entry);
      dbus_message_iter_get_basic (&entry, &key);
      dbus_message_iter_next (&entry);
      dbus_message_iter_recurse (&entry, &variant);
      dbus_message_iter_get_basic (&variant, &depth);
      result_set (ret_result, "%s: %s, %s %" PRIu32, dbus_message_get_error_name (reply), text, key,
                  depth);
    }
  dbus_message_unref (reply);
}

/* --- Large messages --- */

void
client_send (Client *client, uint64_t size, char *ret_result)
{
  DBusMessage *call = new_call (client, "Sum"), *reply;
  uint8_t *data = malloc (size);
  uint64_t counted;
  uint32_t sum;

  echo_fill (data, size);
  dbus_message_append_args (call, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &data, (int) size,
                            DBUS_TYPE_INVALID);
  free (data);
  reply = finish_call (client, call, LONG_MS, ret_result);
  if (reply != NULL
      && dbus_message_get_args (reply, NULL, DBUS_TYPE_UINT64, &counted, DBUS_TYPE_UINT32, &sum,
                                DBUS_TYPE_INVALID))
    result_set (ret_result, "%" PRIu64 " %08" PRIx32, counted, sum);
  drop (reply);
}

void
client_receive (Client *client, uint64_t size, char *ret_result)
{
  DBusMessage *call = new_call (client, "Large"), *reply;
  const uint8_t *data;
  int received;

  dbus_message_append_args (call, DBUS_TYPE_UINT64, &size, DBUS_TYPE_INVALID);
  reply = finish_call (client, call, LONG_MS, ret_result);
  if (reply != NULL
      && dbus_message_get_args (reply, NULL, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &data, &received,
                                DBUS_TYPE_INVALID))
    result_set (ret_result, "%d %08" PRIx32, received, echo_sum (data, (size_t) received));
  drop (reply);
}

/* --- Calls without a reply, and with a late one --- */

void
client_note (Client *client, const char *const *notes, char *ret_result)
{
  DBusMessage *reply;
  char **noted;
  int n_noted;

  for (; *notes != NULL; notes++)
    {
      DBusMessage *call = new_call (client, "Note");

      dbus_message_append_args (call, DBUS_TYPE_STRING, notes, DBUS_TYPE_INVALID);
      dbus_message_set_no_reply (call, TRUE);
      dbus_connection_send (client->bus, call, NULL);
      dbus_message_unref (call);
    }

  reply = finish_call (client, new_call (client, "TakeNotes"), LONG_MS, ret_result);
  if (reply != NULL
      && dbus_message_get_args (reply, NULL, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING, &noted, &n_noted,
                                DBUS_TYPE_INVALID))
    {
      for (int i = 0; i < n_noted; i++)
        result_add (ret_result, "%s ", noted[i]);
      dbus_free_string_array (noted);
    }
  drop (reply);
}

void
client_wait (Client *client, unsigned slow_ms, unsigned patience_ms, char *ret_result)
{
  DBusMessage *call = new_call (client, "Slow"), *reply;
  uint32_t milliseconds = slow_ms;
  const char *text;

  dbus_message_append_args (call, DBUS_TYPE_UINT32, &milliseconds, DBUS_TYPE_INVALID);
  reply = finish_call (client, call, (int) patience_ms, ret_result);
  if (reply != NULL
      && dbus_message_get_args (reply, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID))
    result_set (ret_result, "%s", text);
  drop (reply);
}

/* --- Properties --- */

/* A call about one property; `value` is NULL to get it. */
static DBusMessage *
call_property (Client *client, const char *name, const char *value, char *result)
{
  DBusMessage *call = dbus_message_new_method_call (
      client->destination, ECHO_PATH, DBUS_INTERFACE_PROPERTIES, value == NULL ? "Get" : "Set");
  DBusMessageIter body;

  dbus_message_iter_init_append (call, &body);
  append_string (&body, ECHO_INTERFACE);
  append_string (&body, name);
  if (value != NULL)
    append_variant (&body, "s", &value);
  return finish_call (client, call, LONG_MS, result);
}

void
client_get_kind (Client *client, char *ret_result)
{
  DBusMessage *reply = call_property (client, "Kind", NULL, ret_result);
  DBusMessageIter body, variant, structure;
  const char *text;
  uint32_t number;

  if (reply == NULL)
    return;
  dbus_message_iter_init (reply, &body);
  dbus_message_iter_recurse (&body, &variant);
  dbus_message_iter_recurse (&variant, &structure);
  dbus_message_iter_get_basic (&structure, &text);
  dbus_message_iter_next (&structure);
  dbus_message_iter_get_basic (&structure, &number);
  result_set (ret_result, "%s %" PRIu32, text, number);
  dbus_message_unref (reply);
}

void
client_get (Client *client, const char *name, char *ret_result)
{
  DBusMessage *reply = call_property (client, name, NULL, ret_result);
  DBusMessageIter body, variant;
  const char *text;

  if (reply == NULL)
    return;
  dbus_message_iter_init (reply, &body);
  dbus_message_iter_recurse (&body, &variant);
  dbus_message_iter_get_basic (&variant, &text);
  result_add (ret_result, "%s", text);
  dbus_message_unref (reply);
}

void
client_set (Client *client, const char *name, const char *value, char *ret_result)
{
  drop (call_property (client, name, value, ret_result));
}

static void
process_all (Client *client)
{
  while (dbus_connection_dispatch (client->bus) == DBUS_DISPATCH_DATA_REMAINS)
    ;
}

static void
change_match (Client *client, bool add, const char *rule)
{
  DBusError error = DBUS_ERROR_INIT;

  if (add)
    dbus_bus_add_match (client->bus, rule, &error);
  else
    dbus_bus_remove_match (client->bus, rule, &error);
  if (dbus_error_is_set (&error))
    {
      fprintf (stderr, "%s: %s\n", rule, error.message);
      exit (EXIT_FAILURE);
    }
}

void
client_set_values (Client *client, const char *const *values, char *ret_result)
{
  char rule[512];

  snprintf (rule, sizeof rule,
            "type='signal',sender='%s',path='" ECHO_PATH "',interface='" DBUS_INTERFACE_PROPERTIES
            "'",
            client->destination);
  change_match (client, true, rule);
  client->changes = ret_result;
  for (; *values != NULL; values++)
    client_set (client, "Value", *values, ret_result);
  process_all (client);
  client->changes = NULL;
  client_get (client, "Value", ret_result);
  change_match (client, false, rule);
}

static void
take_change (Client *client, DBusMessage *signal)
{
  DBusMessageIter body, dictionary, entry, variant;
  const char *key, *value;

  dbus_message_iter_init (signal, &body);
  dbus_message_iter_next (&body);
  dbus_message_iter_recurse (&body, &dictionary);
  dbus_message_iter_recurse (&dictionary, &entry);
  dbus_message_iter_get_basic (&entry, &key);
  dbus_message_iter_next (&entry);
  dbus_message_iter_recurse (&entry, &variant);
  dbus_message_iter_get_basic (&variant, &value);
  result_add (client->changes, "%s: %s; ", key, value);
}

/* --- Signals --- */

/* What comes may be for another of the client's rules: with libdbus each client looks itself. */
static bool
is_wanted (const SignalRule *rule, DBusMessage *signal)
{
  const char *path = dbus_message_get_path (signal), *first = "";
  const char *space = rule->path_namespace, *names = rule->arg0_namespace;

  dbus_message_get_args (signal, NULL, DBUS_TYPE_STRING, &first, DBUS_TYPE_INVALID);
  return (rule->member == NULL || dbus_message_has_member (signal, rule->member))
         && (rule->path == NULL || strcmp (path, rule->path) == 0)
         && (rule->arg0 == NULL || strcmp (first, rule->arg0) == 0)
         && (space == NULL
             || (strncmp (path, space, strlen (space)) == 0
                 && strchr ("/", path[strlen (space)]) != NULL))
         && (names == NULL
             || (strncmp (first, names, strlen (names)) == 0
                 && strchr (".", first[strlen (names)]) != NULL));
}

static DBusHandlerResult
on_signal (DBusConnection *bus, DBusMessage *message, void *user_data)
{
  Client *client = user_data;

  if (client->changes != NULL
      && dbus_message_is_signal (message, DBUS_INTERFACE_PROPERTIES, "PropertiesChanged"))
    take_change (client, message);
  else if (client->rule != NULL && dbus_message_has_interface (message, ECHO_INTERFACE)
           && is_wanted (client->rule, message))
    client->count++;
  return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
}

void
client_count_signals (Client *client, const SignalRule *rule, char *ret_result)
{
  char *text = signal_rule_to_string (rule, client->destination);

  change_match (client, true, text);
  client->rule = rule;
  client->count = 0;
  for (size_t i = 0; i < N_EMISSIONS; i++)
    {
      const Emission *emission = &client_emissions[i];
      DBusMessage *call = new_call (client, "Emit");

      dbus_message_append_args (call, DBUS_TYPE_OBJECT_PATH, &emission->path, DBUS_TYPE_STRING,
                                &emission->first, DBUS_TYPE_UINT32, &emission->count,
                                DBUS_TYPE_INVALID);
      drop (finish_call (client, call, LONG_MS, ret_result));
    }
  process_all (client);
  client->rule = NULL;
  change_match (client, false, text);
  result_add (ret_result, "%u", client->count);
  free (text);
}
