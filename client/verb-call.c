/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl call */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>

#include "arguments.h"
#include "call-target.h"
#include "format.h"
#include "host.h"
#include "polkit-agent.h"
#include "progress.h"
#include "verb.h"

#define CALL_TIME (25 * G_USEC_PER_SEC)
#define ASK_TIME (120 * G_USEC_PER_SEC) /* what somebody has to authenticate, on top */

enum
{
  WORD_NAME,
  WORD_SERVICE,
  WORD_PATH,
  WORD_INTERFACE,
  WORD_METHOD,
  WORD_SIGNATURE,
};

static const Option call_options[] = {
  VERB_TIMEOUT_OPTION (N_ ("Give up when no reply has come after TIME (25s)")),
  { OPTION_NO_AUTO_START, 0, "no-auto-start", ARGUMENT_NONE, NULL,
    N_ ("Do not start a service that is not running") },
  { OPTION_SESSION, 0, "session", ARGUMENT_NONE, NULL,
    N_ ("SERVICE is on the session bus of the guest's configured user") },
  { OPTION_END },
};

typedef struct
{
  GDBusMessage *reply;
  GError *error;
  gboolean done;
} Wait;

static gboolean
check_word (gboolean good, const char *word, const char *wanted, GError **error)
{
  g_autofree char *shown = NULL;

  if (good)
    return TRUE;

  shown = terminal_text (word);
  g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE, _ ("“%s” is not %s."), shown, wanted);
  return FALSE;
}

static gboolean
is_bus_name (const char *word)
{
  return g_dbus_is_name (word) && !g_dbus_is_unique_name (word);
}

static gboolean
check_words (const Options *options, GError **error)
{
  const char *service = options_get_word (options, WORD_SERVICE);
  const char *path = options_get_word (options, WORD_PATH);
  const char *interface = options_get_word (options, WORD_INTERFACE);
  const char *method = options_get_word (options, WORD_METHOD);

  return check_word (is_bus_name (service), service, _ ("a well-known bus name"), error)
         && check_word (g_variant_is_object_path (path), path, _ ("an object path"), error)
         && check_word (g_dbus_is_interface_name (interface), interface, _ ("an interface name"),
                        error)
         && check_word (g_dbus_is_member_name (method), method, _ ("a method's name"), error);
}

static GDBusMessage *
make_message (const Options *options, const char *destination, GVariant *body)
{
  GDBusMessage *message = g_dbus_message_new_method_call (
      destination, options_get_word (options, WORD_PATH),
      options_get_word (options, WORD_INTERFACE), options_get_word (options, WORD_METHOD));
  GDBusMessageFlags flags = G_DBUS_MESSAGE_FLAGS_NONE;

  if (options->ask_password)
    flags |= G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION;
  if (!options->auto_start)
    flags |= G_DBUS_MESSAGE_FLAGS_NO_AUTO_START;
  g_dbus_message_set_flags (message, flags);
  g_dbus_message_set_body (message, body);
  return message;
}

static void
on_reply (GObject *source, GAsyncResult *result, gpointer data)
{
  Wait *wait = data;

  wait->reply = g_dbus_connection_send_message_with_reply_finish (G_DBUS_CONNECTION (source),
                                                                  result, &wait->error);
  wait->done = TRUE;
}

static int
timeout_msec (const Options *options, gboolean asks)
{
  if (options->timeout >= 0)
    return (int) MAX (options->timeout / 1000, 1);

  return (int) ((CALL_TIME + (asks ? ASK_TIME : 0)) / 1000);
}

static GVariant *
send_and_wait (GDBusConnection *bus, const Options *options, const char *destination,
               GVariant *body, GError **error)
{
  gboolean asks = options->ask_password && polkit_agent_open ();
  g_autofree char *text =
      g_strdup_printf (_ ("Calling %s…"), options_get_word (options, WORD_METHOD));
  g_autoptr (Progress) progress = progress_new (text);
  g_autoptr (GDBusMessage) message = make_message (options, destination, body);
  g_autoptr (GDBusMessage) reply = NULL;
  int timeout = timeout_msec (options, asks);
  Wait wait = { 0 };
  GVariant *result;

  progress_hold (progress, asks);
  g_dbus_connection_send_message_with_reply (bus, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, timeout,
                                             NULL, NULL, on_reply, &wait);
  while (!wait.done)
    g_main_context_iteration (NULL, TRUE);

  reply = wait.reply;
  if (g_error_matches (wait.error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    {
      g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_TIMED_OUT,
                   _ ("No reply came within %.4g s: --timeout= waits longer."), timeout / 1000.0);
      g_clear_error (&wait.error);
      return NULL;
    }
  if (reply == NULL)
    {
      g_propagate_error (error, wait.error);
      return NULL;
    }
  if (g_dbus_message_to_gerror (reply, error))
    return NULL;

  result = g_dbus_message_get_body (reply);
  return result != NULL ? g_variant_ref (result) : g_variant_ref_sink (g_variant_new ("()"));
}

static void
print_reply (GVariant *body, const Options *options)
{
  g_autofree char *text = NULL;

  if (options->json != JSON_OFF)
    {
      json_print_body (body, options->json);
      return;
    }

  text = format_body (body);
  if (*text != '\0')
    puts (text);
}

/* An alias other than the usual one is asked for only when nobody answers to the usual one. */
static GVariant *
call (const Options *options, GError **error)
{
  const char *const *words = (const char *const *) options->words->pdata;
  const char *machine = words[WORD_NAME];
  const char *service = words[WORD_SERVICE];
  const char *signature = options_get_word (options, WORD_SIGNATURE);
  GuestBus guest_bus = options->session ? GUEST_BUS_SESSION : GUEST_BUS_SYSTEM;
  g_autofree char *target = NULL;
  g_autofree char *other = NULL;
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (GError) problem = NULL;

  if (!check_words (options, error)
      || (target = call_target_default (machine, guest_bus, service, error)) == NULL
      || (body = arguments_to_body (
              signature, words + (signature != NULL ? WORD_SIGNATURE + 1 : WORD_SIGNATURE), error))
             == NULL
      || (bus = host_connect (error)) == NULL)
    return NULL;

  g_variant_ref_sink (body);
  reply = send_and_wait (bus, options, target, body, &problem);
  if (reply == NULL && call_target_is_absent (problem))
    {
      other = call_target_look_up (bus, machine, guest_bus, service, target, &problem);
      if (other != NULL)
        {
          g_clear_error (&problem);
          reply = send_and_wait (bus, options, other, body, &problem);
        }
    }

  if (reply == NULL)
    g_propagate_error (error, g_steal_pointer (&problem));
  return g_steal_pointer (&reply);
}

static ClientExit
run (const Options *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call (options, &error);

  if (reply == NULL)
    return failure_report (error, NULL);

  print_reply (reply, options);
  return CLIENT_EXIT_DONE;
}

const Verb verb_call = {
  "call",
  N_ ("NAME SERVICE PATH INTERFACE METHOD [SIGNATURE ARGUMENT…]"),
  N_ ("Call a method of a service in a guest"),
  N_ ("SERVICE is a bus name that the guest exports. Arguments and the reply are written as busctl "
      "writes them: one word for each simple value, the length before the elements of an array or "
      "dictionary, the signature before the value of a variant. polkit decides about each call."),
  WORD_METHOD + 1,
  G_MAXUINT,
  .verbatim = WORD_SIGNATURE + 1,
  .options = call_options,
  .run = run,
};
