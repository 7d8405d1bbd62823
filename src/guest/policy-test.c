/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest's own rules say about a call, for an administrator. */
#include "policy-test.h"

#include <string.h>

#include "call-test.h"
#include "error.h"
#include "limit.h"
#include "log.h"
#include "name.h"

enum
{
  WORD_CALLER,
  WORD_NAME,
  WORD_PATH,
  WORD_INTERFACE,
  WORD_METHOD,
  WORD_ARGUMENT,
};

/* Who is said to call. */
typedef struct
{
  CallRuleCaller caller;
  GArray *groups;
} Subject;

static gboolean
no_caller (const char *text, GError **error)
{
  g_autofree char *safe = log_text (text, LIMIT_NAME_LENGTH);

  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
               "“%s” is not a caller; write user:NUMBER, user:NUMBER,GROUP… or machine:NAME.",
               safe);
  return FALSE;
}

/* The host's users and groups have numbers here, and no names. */
static gboolean
read_user (const char *text, Subject *subject, GError **error)
{
  g_auto (GStrv) words = g_strsplit (text + strlen ("user:"), ",", -1);
  guint64 number;

  subject->groups = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  for (guint i = 0; i == 0 || words[i] != NULL; i++)
    {
      uint32_t id;

      if (words[i] == NULL
          || !g_ascii_string_to_unsigned (words[i], 10, 0, UINT32_MAX - 1, &number, NULL))
        return no_caller (text, error);
      id = (uint32_t) number;
      if (i == 0)
        subject->caller.uid = id;
      else
        g_array_append_val (subject->groups, id);
    }

  /* Where none were given, nobody can tell: what asks for them counts as in a call whose groups the
   * host does not know. */
  subject->caller.n_groups = subject->groups->len;
  subject->caller.groups =
      subject->groups->len > 0 ? (const uint32_t *) (void *) subject->groups->data : NULL;
  return TRUE;
}

static gboolean
read_subject (const char *text, Subject *subject, GError **error)
{
  if (g_str_has_prefix (text, "user:"))
    return read_user (text, subject, error);
  if (!g_str_has_prefix (text, "machine:"))
    return no_caller (text, error);

  subject->caller.uid = (uint32_t) -1;
  subject->caller.machine = text + strlen ("machine:");
  return machine_name_validate (subject->caller.machine, error);
}

static CallTest *
read_call (const char *const *words, GError **error)
{
  const char *problem;
  CallTest *test;

  if (g_strv_length ((char **) words) < WORD_ARGUMENT)
    {
      g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT,
                   "A call is CALLER NAME PATH INTERFACE METHOD [ARGUMENT…].");
      return NULL;
    }

  test = call_test_new (words[WORD_NAME], words[WORD_PATH], words[WORD_INTERFACE],
                        words[WORD_METHOD], words + WORD_ARGUMENT, &problem);
  if (test == NULL)
    g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_ARGUMENT, "Nobody can call so: %s.",
                 problem);
  return test;
}

static gboolean
is_exported (const GuestBusPolicy *policy, const char *name)
{
  return g_strv_contains ((const char *const *) policy->names, name);
}

/* Returns the rule that decides, or NULL. */
static const CallRule *
append_rules (const GuestBusPolicy *policy, const CallTest *test, const CallRuleCaller *caller,
              GString *output)
{
  const GPtrArray *rules = policy->rules;
  const CallRule *decides = NULL;

  for (guint i = 0; i < rules->len; i++)
    {
      const CallRule *rule = rules->pdata[i];
      CallRuleFit fit = call_test_explain (test, rule, caller);
      g_autofree char *text = log_text (call_rule_get_text (rule), LIMIT_CALL_RULE_LENGTH);

      if (fit == CALL_RULE_FITS && decides == NULL)
        {
          decides = rule;
          g_string_append_printf (output, "→ %4u: %s\n", call_rule_get_line (rule), text);
        }
      else if (fit == CALL_RULE_FITS)
        g_string_append_printf (output, "  %4u: %s (fits, but comes too late)\n",
                                call_rule_get_line (rule), text);
      else
        g_string_append_printf (output, "  %4u: %s (another %s)\n", call_rule_get_line (rule), text,
                                call_rule_fit_to_string (fit));
    }

  return decides;
}

int
policy_test (const GuestPolicy *policy, GuestBus bus, const char *file, const char *const *words,
             GString *output, GError **error)
{
  const GuestBusPolicy *part = &policy->buses[bus];
  g_autoptr (CallTest) test = read_call (words, error);
  Subject subject = { 0 };
  const CallRule *rule = NULL;
  int verdict = -1;

  if (test != NULL && read_subject (words[WORD_CALLER], &subject, error))
    {
      rule = append_rules (part, test, &subject.caller, output);
      verdict = rule != NULL ? (int) call_rule_get_verdict (rule) : CALL_RULE_DENY;
      if (!is_exported (part, words[WORD_NAME]))
        {
          verdict = CALL_RULE_DENY;
          g_string_append_printf (output, "deny: %s does not export %s of the %s bus.\n", file,
                                  words[WORD_NAME], guest_bus_to_string (bus));
        }
      else if (rule != NULL)
        g_string_append_printf (output, "%s: line %u of %s decides.\n",
                                call_rule_verdict_to_string (verdict), call_rule_get_line (rule),
                                file);
      else
        g_string_append_printf (output, "deny: no rule of %s fits.\n", file);
    }

  g_clear_pointer (&subject.groups, g_array_unref);
  return verdict;
}
