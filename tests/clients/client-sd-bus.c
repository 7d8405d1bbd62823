/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The echo service's client on sd-bus. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-bus.h>

#include "client.h"

struct Client
{
  sd_bus *bus;
  const char *destination;
};

static void
die (const char *what, int r)
{
  fprintf (stderr, "%s: %s\n", what, strerror (-r));
  exit (EXIT_FAILURE);
}

Client *
client_new (const char *address, const char *destination)
{
  Client *client = calloc (1, sizeof *client);
  int r = client == NULL ? -ENOMEM : sd_bus_new (&client->bus);

  if (r >= 0)
    r = sd_bus_set_address (client->bus, address);
  if (r >= 0)
    r = sd_bus_set_bus_client (client->bus, 1);
  if (r >= 0)
    r = sd_bus_start (client->bus);
  if (r < 0)
    die ("Cannot connect to the bus", r);
  client->destination = destination;
  return client;
}

void
client_free (Client *client)
{
  sd_bus_flush_close_unref (client->bus);
  free (client);
}

/* --- Calls --- */

static sd_bus_message *
new_call (Client *client, const char *path, const char *interface, const char *member)
{
  sd_bus_message *call;
  int r = sd_bus_message_new_method_call (client->bus, &call, client->destination, path, interface,
                                          member);

  if (r < 0)
    die ("Cannot make a call", r);
  return call;
}

/* Sends the call and frees it. Where there is no answer, NULL, and the result says why. */
static sd_bus_message *
finish_call (Client *client, sd_bus_message *call, unsigned milliseconds, char *ret_result)
{
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus_message *reply = NULL;

  if (sd_bus_call (client->bus, call, UINT64_C (1000) * milliseconds, &error, &reply) < 0)
    result_set (ret_result, "%s: %s", error.name, error.message);
  sd_bus_error_free (&error);
  sd_bus_message_unref (call);
  return reply;
}

/* --- Echo --- */

static char *
dump (sd_bus_message *message)
{
  char *text = NULL;
  size_t size;
  FILE *file = open_memstream (&text, &size);

  sd_bus_message_dump (message, file, 0);
  fclose (file);
  return text;
}

static void
echo (Client *client, sd_bus_message *call, char *ret_result)
{
  sd_bus_message *reply = finish_call (client, sd_bus_message_ref (call), LONG_MS, ret_result);
  char *sent, *received;

  if (reply != NULL)
    {
      sent = dump (call);
      received = dump (reply);
      result_set (ret_result, "%s %s", strcmp (sent, received) == 0 ? "same" : "different",
                  sd_bus_message_get_signature (reply, 1));
      free (sent);
      free (received);
      sd_bus_message_unref (reply);
    }
  sd_bus_message_unref (call);
}

void
client_echo_basic (Client *client, char *ret_result)
{
  sd_bus_message *call = new_call (client, ECHO_PATH, ECHO_INTERFACE, "Echo");

  sd_bus_message_append (call, "ybnqiuxtdsog", 255, 1, INT16_MIN, UINT16_MAX, INT32_MIN, UINT32_MAX,
                         INT64_MIN, UINT64_MAX, -0.1, "Ebb – flood – 🌊", "/a/b_1", "a{sv}(ii)");
  echo (client, call, ret_result);
}

void
client_echo_containers (Client *client, char *ret_result)
{
  sd_bus_message *call = new_call (client, ECHO_PATH, ECHO_INTERFACE, "Echo");

  sd_bus_message_append (call, "a{sv}ayaas(s(iv))avauat", 3, "one", "u", UINT32_C (1), "nested",
                         "v", "s", "deep", "list", "as", 2, "a", "b", 3, 0, 1, 2, 2, 1, "x", 0, "",
                         INT32_C (-1), "d", 1.5, 2, "y", 7, "(ss)", "p", "q", 0, 0);
  echo (client, call, ret_result);
}

void
client_echo_empty (Client *client, char *ret_result)
{
  echo (client, new_call (client, ECHO_PATH, ECHO_INTERFACE, "Echo"), ret_result);
}

/* --- Errors --- */

void
client_error (Client *client, const char *path, const char *interface, const char *member,
              char *ret_result)
{
  sd_bus_message *reply =
      finish_call (client, new_call (client, path, interface, member), LONG_MS, ret_result);

  if (reply != NULL)
    result_set (ret_result, "no error");
  sd_bus_message_unref (reply);
}

static int
take_error (sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  const sd_bus_error *sent = sd_bus_message_get_error (reply);
  const char *text, *key;
  uint32_t depth;

  if (sent == NULL || sd_bus_message_read (reply, "sa{sv}", &text, 1, &key, "u", &depth) < 0)
    result_set (user_data, "the detail is lost");
  else
    result_set (user_data, "%s: %s, %s %" PRIu32, sent->name, sent->message, key, depth);
  return 1;
}

/* Asynchronously, for sd_bus_call() throws the detail away. */
void
client_error_detail (Client *client, char *ret_result)
{
  sd_bus_message *call = new_call (client, ECHO_PATH, ECHO_INTERFACE, "Fail");
  sd_bus_slot *slot = NULL;
  int r;

  sd_bus_message_append (call, "ss", ERROR_NAME, ERROR_TEXT);
  r = sd_bus_call_async (client->bus, &slot, call, take_error, ret_result, 0);
  while (r >= 0 && ret_result[0] == '\0')
    {
      r = sd_bus_process (client->bus, NULL);
      if (r == 0)
        r = sd_bus_wait (client->bus, UINT64_C (1000) * LONG_MS);
    }
  if (r < 0)
    die ("Fail was not answered", r);
  sd_bus_slot_unref (slot);
  sd_bus_message_unref (call);
}

/* --- Large messages --- */

void
client_send (Client *client, uint64_t size, char *ret_result)
{
  sd_bus_message *call = new_call (client, ECHO_PATH, ECHO_INTERFACE, "Sum"), *reply;
  uint64_t counted;
  uint32_t sum;
  void *data;
  int r = sd_bus_message_append_array_space (call, 'y', size, &data);

  if (r < 0)
    die ("Cannot make a large message", r);
  echo_fill (data, size);
  reply = finish_call (client, call, LONG_MS, ret_result);
  if (reply != NULL && sd_bus_message_read (reply, "tu", &counted, &sum) >= 0)
    result_set (ret_result, "%" PRIu64 " %08" PRIx32, counted, sum);
  sd_bus_message_unref (reply);
}

void
client_receive (Client *client, uint64_t size, char *ret_result)
{
  sd_bus_message *call = new_call (client, ECHO_PATH, ECHO_INTERFACE, "Large"), *reply;
  const void *data;
  size_t received;

  sd_bus_message_append (call, "t", size);
  reply = finish_call (client, call, LONG_MS, ret_result);
  if (reply != NULL && sd_bus_message_read_array (reply, 'y', &data, &received) >= 0)
    result_set (ret_result, "%zu %08" PRIx32, received, echo_sum (data, received));
  sd_bus_message_unref (reply);
}

/* --- Calls without a reply, and with a late one --- */

void
client_note (Client *client, const char *const *notes, char *ret_result)
{
  sd_bus_message *call, *reply;
  const char *note;

  for (; *notes != NULL; notes++)
    {
      call = new_call (client, ECHO_PATH, ECHO_INTERFACE, "Note");
      sd_bus_message_append (call, "s", *notes);
      sd_bus_message_set_expect_reply (call, 0);
      sd_bus_send (client->bus, call, NULL);
      sd_bus_message_unref (call);
    }

  call = new_call (client, ECHO_PATH, ECHO_INTERFACE, "TakeNotes");
  reply = finish_call (client, call, LONG_MS, ret_result);
  if (reply == NULL)
    return;
  sd_bus_message_enter_container (reply, 'a', "s");
  while (sd_bus_message_read (reply, "s", &note) > 0)
    result_add (ret_result, "%s ", note);
  sd_bus_message_unref (reply);
}

void
client_wait (Client *client, unsigned slow_ms, unsigned patience_ms, char *ret_result)
{
  sd_bus_message *call = new_call (client, ECHO_PATH, ECHO_INTERFACE, "Slow"), *reply;
  const char *text;

  sd_bus_message_append (call, "u", (uint32_t) slow_ms);
  reply = finish_call (client, call, patience_ms, ret_result);
  if (reply != NULL && sd_bus_message_read (reply, "s", &text) >= 0)
    result_set (ret_result, "%s", text);
  sd_bus_message_unref (reply);
}

/* --- Properties --- */

void
client_get_kind (Client *client, char *ret_result)
{
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus_message *reply = NULL;
  const char *text;
  uint32_t number;

  if (sd_bus_get_property (client->bus, client->destination, ECHO_PATH, ECHO_INTERFACE, "Kind",
                           &error, &reply, "(su)")
      < 0)
    result_set (ret_result, "%s: %s", error.name, error.message);
  else if (sd_bus_message_read (reply, "(su)", &text, &number) >= 0)
    result_set (ret_result, "%s %" PRIu32, text, number);
  sd_bus_error_free (&error);
  sd_bus_message_unref (reply);
}

void
client_get (Client *client, const char *name, char *ret_result)
{
  sd_bus_error error = SD_BUS_ERROR_NULL;
  char *text = NULL;

  if (sd_bus_get_property_string (client->bus, client->destination, ECHO_PATH, ECHO_INTERFACE, name,
                                  &error, &text)
      < 0)
    result_add (ret_result, "%s: %s", error.name, error.message);
  else
    result_add (ret_result, "%s", text);
  sd_bus_error_free (&error);
  free (text);
}

void
client_set (Client *client, const char *name, const char *value, char *ret_result)
{
  sd_bus_error error = SD_BUS_ERROR_NULL;

  if (sd_bus_set_property (client->bus, client->destination, ECHO_PATH, ECHO_INTERFACE, name,
                           &error, "s", value)
      < 0)
    result_add (ret_result, "%s: %s", error.name, error.message);
  sd_bus_error_free (&error);
}

static void
process_all (Client *client)
{
  while (sd_bus_process (client->bus, NULL) > 0)
    ;
}

static int
on_changed (sd_bus_message *signal, void *user_data, sd_bus_error *error)
{
  const char *interface, *key, *value;

  if (sd_bus_message_read (signal, "sa{sv}as", &interface, 1, &key, "s", &value, 0) < 0)
    result_add (user_data, "the signal is wrong; ");
  else
    result_add (user_data, "%s: %s; ", key, value);
  return 0;
}

void
client_set_values (Client *client, const char *const *values, char *ret_result)
{
  sd_bus_slot *slot = NULL;

  sd_bus_match_signal (client->bus, &slot, client->destination, ECHO_PATH,
                       "org.freedesktop.DBus.Properties", "PropertiesChanged", on_changed,
                       ret_result);
  for (; *values != NULL; values++)
    client_set (client, "Value", *values, ret_result);
  process_all (client);
  client_get (client, "Value", ret_result);
  sd_bus_slot_unref (slot);
}

/* --- Signals --- */

static int
on_tick (sd_bus_message *signal, void *user_data, sd_bus_error *error)
{
  unsigned *count = user_data;

  (*count)++;
  return 0;
}

void
client_count_signals (Client *client, const SignalRule *rule, char *ret_result)
{
  char *text = signal_rule_to_string (rule, client->destination);
  sd_bus_slot *slot = NULL;
  unsigned count = 0;
  int r = sd_bus_add_match (client->bus, &slot, text, on_tick, &count);

  if (r < 0)
    die ("The match rule was refused", r);

  for (size_t i = 0; i < N_EMISSIONS; i++)
    {
      sd_bus_message *call = new_call (client, ECHO_PATH, ECHO_INTERFACE, "Emit");

      sd_bus_message_append (call, "osu", client_emissions[i].path, client_emissions[i].first,
                             client_emissions[i].count);
      sd_bus_message_unref (finish_call (client, call, LONG_MS, ret_result));
    }
  process_all (client);
  sd_bus_slot_unref (slot);
  result_add (ret_result, "%u", count);
  free (text);
}
