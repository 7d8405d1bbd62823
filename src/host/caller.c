/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who calls, and whether polkit lets it. */
#include "caller.h"

#include "authority-table.h"
#include "bus-process.h"
#include "error.h"
#include "limit.h"
#include "log.h"

typedef struct
{
  const CallerAuthority *authority;
  const AuthorityRow *row;
  GDBusMethodInvocation *invocation;
  GObject *object;
  CallerAllowed allowed;
  char *machine; /* the detail; NULL: none */
  uid_t uid;     /* of the caller */
  bool in_guest; /* it is a program there, and nobody can be asked */
} Question;

void
caller_fail (GDBusMethodInvocation *invocation, GError *error)
{
  if (error->domain != TOMBOLO_ERROR && error->domain != G_DBUS_ERROR)
    {
      GError *named = g_error_new_literal (TOMBOLO_ERROR, TOMBOLO_ERROR_FAILED, error->message);

      g_error_free (error);
      error = named;
    }
  g_dbus_method_invocation_take_error (invocation, error);
}

static void
refuse (GDBusMethodInvocation *invocation, AuthorityVerdict verdict)
{
  const char *method = g_dbus_method_invocation_get_method_name (invocation);

  if (verdict == AUTHORITY_CHALLENGE)
    g_dbus_method_invocation_return_error (
        invocation, TOMBOLO_ERROR, TOMBOLO_ERROR_INTERACTION,
        "%s() needs somebody to authenticate, which was not possible here.", method);
  else if (verdict == AUTHORITY_LIMIT)
    g_dbus_method_invocation_return_error (
        invocation, TOMBOLO_ERROR, TOMBOLO_ERROR_LIMITS_EXCEEDED,
        "Too many requests wait for polkit's answer; try again when one of them is done.");
  else
    g_dbus_method_invocation_return_error (invocation, TOMBOLO_ERROR, TOMBOLO_ERROR_ACCESS_DENIED,
                                           "You are not allowed to call %s() here.", method);
}

static void
answer_question (Question *question, AuthorityVerdict verdict)
{
  if (verdict == AUTHORITY_ALLOWED)
    question->allowed (question->invocation, question->object);
  else
    refuse (question->invocation, verdict);

  g_object_unref (question->object);
  g_free (question->machine);
  g_free (question);
}

static void
on_verdict (AuthorityVerdict verdict, void *user_data)
{
  Question *question = user_data;

  answer_question (question, question->in_guest && verdict == AUTHORITY_CHALLENGE ? AUTHORITY_DENIED
                                                                                  : verdict);
}

/* What the row says is a detail, too; safe to show, for polkit's agents do. */
static char *
get_argument (GDBusMethodInvocation *invocation, const AuthorityRow *row)
{
  const char *argument;

  if (row->detail == NULL)
    return NULL;

  g_variant_get_child (g_dbus_method_invocation_get_parameters (invocation), 0, "&s", &argument);
  return log_text (argument, LIMIT_NAME_LENGTH);
}

/* `caller_machine` NULL: the host's own. */
static void
ask_polkit (Question *question, const char *caller_machine)
{
  GDBusMessage *message = g_dbus_method_invocation_get_message (question->invocation);
  const AuthorityRow *row = question->row;
  g_autofree char *argument = get_argument (question->invocation, row);
  const char *details[9] = { "verb", row->verb };
  gsize n = 2;
  AuthorityRequest request = {
    .subject.bus_name = g_dbus_method_invocation_get_sender (question->invocation),
    .subject.uid = question->uid,
    .subject.pidfd = -1,
    .action = row->action,
    .details = details,
    .interactive =
        (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION)
        != 0,
  };
  AuthorityCheck *check;
  AuthorityVerdict verdict;
  int r;

  if (question->machine != NULL)
    {
      details[n++] = "machine";
      details[n++] = question->machine;
    }
  if (argument != NULL)
    {
      details[n++] = row->detail;
      details[n++] = argument;
    }
  if (caller_machine != NULL)
    {
      details[n++] = "caller-machine";
      details[n++] = caller_machine;
      request.interactive = false;
      question->in_guest = true;
    }

  r = authority_check (question->authority->authority, &request, on_verdict, question, &verdict,
                       &check);
  if (r < 0)
    log_warning (NULL, "Cannot ask polkit: %s", g_strerror (-r));
  if (r != 0)
    answer_question (question, r > 0 ? verdict : AUTHORITY_DENIED);
}

static void
on_machine (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Question *question = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *machine = bus_process_find_machine_finish (result, &error);

  if (machine != NULL)
    {
      ask_polkit (question, machine);
      return;
    }

  log_warning (NULL, "A caller that has a bridge's user is refused: %s", error->message);
  answer_question (question, AUTHORITY_DENIED);
}

static void
on_uid (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Question *question = user_data;
  const CallerAuthority *authority = question->authority;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  guint32 uid;

  /* It has left. */
  if (reply == NULL)
    {
      answer_question (question, AUTHORITY_DENIED);
      return;
    }

  g_variant_get (reply, "(u)", &uid);
  question->uid = uid;
  if (uid == authority->bridge_uid)
    bus_process_find_machine_async (authority->bus, authority->units,
                                    g_dbus_method_invocation_get_sender (question->invocation),
                                    on_machine, question);
  else
    ask_polkit (question, NULL);
}

void
caller_authorize (const CallerAuthority *authority, GDBusMethodInvocation *invocation,
                  const char *machine, GObject *object, CallerAllowed allowed)
{
  const AuthorityRow *row =
      authority_table_find (g_dbus_method_invocation_get_interface_name (invocation),
                            g_dbus_method_invocation_get_method_name (invocation));
  Question *question;

  if (row->access != ACCESS_ACTION && row->access != ACCESS_OPEN)
    {
      refuse (invocation, AUTHORITY_DENIED);
      return;
    }

  question = g_new0 (Question, 1);
  question->authority = authority;
  question->row = row;
  question->invocation = invocation;
  question->object = g_object_ref (object);
  question->allowed = allowed;
  question->machine = machine != NULL ? log_text (machine, LIMIT_MACHINE_NAME_LENGTH) : NULL;
  if (row->access == ACCESS_OPEN)
    answer_question (question, AUTHORITY_ALLOWED);
  else
    g_dbus_connection_call (authority->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                            "org.freedesktop.DBus", "GetConnectionUnixUser",
                            g_variant_new ("(s)", g_dbus_method_invocation_get_sender (invocation)),
                            G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_uid,
                            question);
}

gboolean
caller_read_options (GVariant *options, guint64 *ret_timeout, GError **error)
{
  GVariantIter iter;
  GVariant *value;
  const char *key;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) owned = value;
      guint64 timeout;

      if (ret_timeout == NULL || !g_str_equal (key, "timeout"))
        {
          g_autofree char *safe = log_text (key, LIMIT_NAME_LENGTH);

          g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                       "Option “%s” is unknown to this method.", safe);
          return FALSE;
        }
      if (!g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
        {
          g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                       "Option “timeout” is of type “%s”; it must be “t”, microseconds.",
                       g_variant_get_type_string (value));
          return FALSE;
        }

      timeout = g_variant_get_uint64 (value);
      if (timeout > LIMIT_STOP_TIME_USEC)
        {
          g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                       "Option “timeout” is more than %d minutes.",
                       (int) (LIMIT_STOP_TIME_USEC / G_USEC_PER_SEC / 60));
          return FALSE;
        }
      *ret_timeout = timeout;
    }

  return TRUE;
}
