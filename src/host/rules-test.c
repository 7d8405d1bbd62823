/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine's file says about a call that somebody asks about. */
#include "rules-test.h"

#include <string.h>

#include "account.h"
#include "bridge-credential.h"
#include "call-test.h"
#include "error.h"
#include "limit.h"
#include "log.h"
#include "machine-store.h"

typedef struct
{
  char *path;
  gboolean created;
  char *running;
  GuestBus bus;
  GVariant *call;
} Question;

/* Who is said to call. */
typedef struct
{
  CallRuleCaller caller;
  GArray *groups;
} Subject;

static void
question_free (gpointer data)
{
  Question *question = data;

  g_free (question->path);
  g_free (question->running);
  g_variant_unref (question->call);
  g_free (question);
}

static gboolean
no_caller (GError **error, const char *word, const char *problem)
{
  g_autofree char *safe = log_text (word, LIMIT_NAME_LENGTH);

  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT, "Caller “%s” %s.", safe,
               problem);
  return FALSE;
}

/* A number needs no account: programs may run as users that have none. */
static gboolean
read_user (const char *name, Subject *subject, GError **error)
{
  guint64 number;

  if (g_ascii_string_to_unsigned (name, 10, 0, UINT32_MAX - 1, &number, NULL))
    subject->caller.uid = (uint32_t) number;
  else if (!account_find_user (name, &subject->caller.uid))
    return no_caller (error, name, "is not a user of this host; give a name, or a number");

  subject->groups = account_get_groups (subject->caller.uid);
  if (subject->groups != NULL)
    {
      subject->caller.groups = (const uint32_t *) (void *) subject->groups->data;
      subject->caller.n_groups = subject->groups->len;
    }
  return TRUE;
}

static gboolean
read_subject (const char *text, Subject *subject, GError **error)
{
  if (g_str_has_prefix (text, "user:"))
    return read_user (text + strlen ("user:"), subject, error);
  if (!g_str_has_prefix (text, "machine:"))
    return no_caller (error, text, "is neither user:NAME nor machine:NAME");

  subject->caller.uid = (uint32_t) -1;
  subject->caller.machine = text + strlen ("machine:");
  return machine_name_validate (subject->caller.machine, error);
}

static bool
look_up (CallRuleFrom from, const char *name, uint32_t *ret_id)
{
  return from == CALL_RULE_FROM_USER ? account_find_user (name, ret_id)
                                     : account_find_group (name, ret_id);
}

static MachineEntry *
load (const Question *question, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (question->path);
  g_autofree char *file = g_path_get_basename (question->path);
  g_autoptr (MachineEntry) entry = machine_entry_load (directory, file, question->created);

  if (entry->settings == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&entry->error));
      return NULL;
    }
  return g_steal_pointer (&entry);
}

/* The rules in order; the first that fits decides. */
static GVariant *
explain (const GPtrArray *rules, const CallTest *test, const CallRuleCaller *caller,
         gboolean current)
{
  GVariantBuilder list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(uss)"));
  CallRuleVerdict verdict = CALL_RULE_ASK;
  guint line = 0;

  for (guint i = 0; i < rules->len; i++)
    {
      CallRule *rule = rules->pdata[i];
      CallRuleFit fit;

      call_rule_resolve (rule, look_up);
      fit = call_test_explain (test, rule, caller);
      if (fit == CALL_RULE_FITS && line == 0)
        {
          verdict = call_rule_get_verdict (rule);
          line = call_rule_get_line (rule);
        }
      g_variant_builder_add (&list, "(uss)", call_rule_get_line (rule), call_rule_get_text (rule),
                             call_rule_fit_to_string (fit));
    }

  return g_variant_new ("(sua(uss)b)", call_rule_verdict_to_string (verdict), line, &list, current);
}

static GVariant *
answer (const Question *question, GError **error)
{
  const char *caller, *name, *path, *interface, *member, *problem;
  g_autofree const char **arguments = NULL;
  g_autoptr (MachineEntry) entry = NULL;
  g_autoptr (CallTest) test = NULL;
  Subject subject = { 0 };
  GVariant *result = NULL;

  g_variant_get (question->call, "(&s&s&o&s&s^a&s)", &caller, &name, &path, &interface, &member,
                 &arguments);
  test = call_test_new (name, path, interface, member, arguments, &problem);
  if (test == NULL)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT, "Nobody can call so: %s.",
                   problem);
      return NULL;
    }

  entry = load (question, error);
  if (entry != NULL && read_subject (caller, &subject, error))
    result =
        explain (entry->settings->rules[question->bus], test, &subject.caller,
                 question->running == NULL
                     || bridge_credential_has_rules (question->running, entry->settings->rules));
  g_clear_pointer (&subject.groups, g_array_unref);
  return result;
}

static void
run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  GVariant *result = answer (data, &error);

  if (result != NULL)
    g_task_return_pointer (task, g_variant_ref_sink (result), (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, error);
}

void
rules_test_async (const char *path, gboolean created, const char *running, GuestBus bus,
                  GVariant *call, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  Question *question = g_new0 (Question, 1);

  question->path = g_strdup (path);
  question->created = created;
  question->running = g_strdup (running);
  question->bus = bus;
  question->call = g_variant_ref_sink (call);
  g_task_set_task_data (task, question, question_free);
  g_task_run_in_thread (task, run);
}

GVariant *
rules_test_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
