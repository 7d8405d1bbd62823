/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does what a client can do, and prints what came of it as one JSON object. */
#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEBIBYTE (UINT64_C (1) << 20)

const Emission client_emissions[N_EMISSIONS] = {
  { ECHO_PATH, "org.tombolo.Test1.Reef", 2 },
  { ECHO_PATH "/Deep", "other", 3 },
  { "/org/tombolo/Else", "org.tombolo.Test12", 1 },
};

void
result_set (char *ret_result, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  vsnprintf (ret_result, RESULT_SIZE, format, arguments);
  va_end (arguments);
}

void
result_add (char *result, const char *format, ...)
{
  size_t size = strlen (result);
  va_list arguments;

  va_start (arguments, format);
  vsnprintf (result + size, RESULT_SIZE - size, format, arguments);
  va_end (arguments);
}

char *
signal_rule_to_string (const SignalRule *rule, const char *sender)
{
  const struct
  {
    const char *key;
    const char *value;
  } parts[] = {
    { "sender", sender },       { "interface", ECHO_INTERFACE },
    { "path", rule->path },     { "path_namespace", rule->path_namespace },
    { "arg0", rule->arg0 },     { "arg0namespace", rule->arg0_namespace },
    { "member", rule->member },
  };
  char text[RESULT_SIZE] = "type='signal'";

  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    if (parts[i].value != NULL)
      result_add (text, ",%s='%s'", parts[i].key, parts[i].value);
  return strdup (text);
}

static void
print_string (const char *text)
{
  putchar ('"');
  for (; *text != '\0'; text++)
    if (*text == '"' || *text == '\\')
      printf ("\\%c", *text);
    else if ((unsigned char) *text < ' ')
      printf ("\\u%04x", (unsigned) *text);
    else
      putchar (*text);
  putchar ('"');
}

static void
print_result (const char *name, char *result)
{
  static bool more;

  fputs (more ? ",\n" : "\n", stdout);
  more = true;
  print_string (name);
  fputs (": ", stdout);
  print_string (result);
  result[0] = '\0';
}

static void
do_echoes_and_errors (Client *client, char *result)
{
  client_echo_basic (client, result);
  print_result ("echo basic", result);
  client_echo_containers (client, result);
  print_result ("echo containers", result);
  client_echo_empty (client, result);
  print_result ("echo empty", result);

  client_error_detail (client, result);
  print_result ("error with detail", result);
  client_error (client, ECHO_PATH, ECHO_INTERFACE, "Sink", result);
  print_result ("error of the method", result);
  client_error (client, "/org/tombolo/Nowhere", ECHO_INTERFACE, "TakeNotes", result);
  print_result ("error of the object", result);
  client_error (client, ECHO_PATH, "org.tombolo.Test1.Nothing", "TakeNotes", result);
  print_result ("error of the interface", result);
  client_error (client, ECHO_PATH, ECHO_INTERFACE, "Note", result);
  print_result ("error of the arguments", result);
}

static void
do_large_messages (Client *client, char *result)
{
  static const unsigned sizes[] = { 1, 15, 17 };

  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    {
      char name[32];

      client_send (client, sizes[i] * MEBIBYTE, result);
      snprintf (name, sizeof name, "send %u MiB", sizes[i]);
      print_result (name, result);
      client_receive (client, sizes[i] * MEBIBYTE, result);
      snprintf (name, sizeof name, "receive %u MiB", sizes[i]);
      print_result (name, result);
    }
}

/* The reply that comes too late comes while the next call waits, and is nobody's. */
static void
do_waits (Client *client, char *result)
{
  static const char *const notes[] = { "first", "second", "third", NULL };

  client_note (client, notes, result);
  print_result ("no reply", result);
  client_wait (client, 400, 100, result);
  print_result ("time-out", result);
  client_wait (client, 600, LONG_MS, result);
  print_result ("late reply", result);
}

static void
do_properties (Client *client, char *result)
{
  static const char *const values[] = { "high water", "low water", NULL };

  client_get_kind (client, result);
  print_result ("property", result);
  client_get (client, "Depth", result);
  print_result ("unknown property", result);
  client_set (client, "Kind", "shoal", result);
  print_result ("read-only property", result);
  client_set_values (client, values, result);
  print_result ("changed property", result);
}

static void
do_signals (Client *client, char *result)
{
  static const struct
  {
    const char *name;
    SignalRule rule;
  } rules[] = {
    { "signals of a path", { .path = ECHO_PATH } },
    { "signals below a path", { .path_namespace = ECHO_PATH } },
    { "signals with an argument", { .arg0 = "other" } },
    { "signals of a namespace", { .arg0_namespace = "org.tombolo.Test1" } },
    { "signals of a member", { .member = "Tick" } },
    { "signals of no member", { .member = "Tock" } },
  };

  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
    {
      client_count_signals (client, &rules[i].rule, result);
      print_result (rules[i].name, result);
    }
}

int
main (int argc, char **argv)
{
  char result[RESULT_SIZE] = "";
  Client *client;

  if (argc != 3)
    {
      fprintf (stderr,
               "Usage: %s ADDRESS DESTINATION\n"
               "Does what a client can do to the echo service that owns DESTINATION.\n",
               argv[0]);
      return 2;
    }

  client = client_new (argv[1], argv[2]);
  putchar ('{');
  do_echoes_and_errors (client, result);
  do_large_messages (client, result);
  do_waits (client, result);
  do_properties (client, result);
  do_signals (client, result);
  puts ("\n}");
  client_free (client);
  return fflush (stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
