/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Call rules: their text, and the calls that fit. */
#include "call-rule.h"

#include <string.h>

#include "limit.h"
#include "script.h"

static const struct
{
  const char *text;
  bool valid;
} rules[] = {
  { "allow a.b", true },
  { "deny a.b", true },
  { "ask a.b", true },
  { "  allow\ta.b  ", true },
  { "", false },
  { "allow", false },
  { "Allow a.b", false },
  { "permit a.b", false },
  { "a.b allow", false },

  { "allow *", true },
  { "allow a.*", true },
  { "allow a.b.*", true },
  { "allow a", false },
  { "allow .*", false },
  { "allow a.b*", false },
  { "allow a.*.b", false },
  { "allow :1.5", false },
  { "allow a..b", false },

  { "allow a.b=*", true },
  { "allow a.b=a.b", true },
  { "allow a.b=a.b.*", true },
  { "allow a.b=a.*", false },
  { "allow a.b=a.b.C", true },
  { "allow a.b=", false },
  { "allow a.b=C", false },
  { "allow a.b=.*", false },
  { "allow a.b=a.b=c", false },

  { "allow a.b@/", true },
  { "allow a.b@/a/b", true },
  { "allow a.b@/*", true },
  { "allow a.b@/a/*", true },
  { "allow a.b=a.b.C@/a/*", true },
  { "allow a.b@", false },
  { "allow a.b@a", false },
  { "allow a.b@/a/", false },
  { "allow a.b@/a*", false },
  { "allow a.b@//*", false },
  { "allow a.b@*", false },
  { "allow a.b@/a=a.b.C", false },

  { "allow a.b arg0=x", true },
  { "allow a.b arg0=", true },
  { "allow a.b arg7='two words' arg0=x", true },
  { "allow a.b arg8=x", false },
  { "allow a.b arg00=x", false },
  { "allow a.b arg=x", false },
  { "allow a.b arg0", false },
  { "allow a.b arg0=x arg0=x", false },
  { "allow a.b arg0='x", false },
  { "allow a.b arg0=x\ny", false },
  { "allow a.b arg0=\xff", false },

  { "allow a.b from=user:me", true },
  { "allow a.b from=user:1000", true },
  { "allow a.b from=group:we", true },
  { "allow a.b from=machine:team:web", true },
  { "allow a.b from=machine:Web", false },
  { "allow a.b from=user:", false },
  { "allow a.b from=me", false },
  { "allow a.b from=user:me from=user:you", false },
  { "allow a.b to=user:me", false },
  { "allow a.b c.d", false },
  { "allow a.b ''", false },
};

static void
test_syntax (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      const char *problem = NULL;
      CallRule *rule = call_rule_new (rules[i].text, &problem);

      g_test_message ("%s: %s", rules[i].text, problem != NULL ? problem : "valid");
      g_assert_cmpint (rule != NULL, ==, rules[i].valid);
      g_assert_cmpint (problem == NULL, ==, rules[i].valid);
      if (rule != NULL)
        g_assert_cmpstr (call_rule_get_text (rule), ==, rules[i].text);
      call_rule_free (rule);
    }
}

static void
test_length (void)
{
  for (guint extra = 0; extra < 2; extra++)
    {
      g_autofree char *value = g_strnfill (LIMIT_CALL_RULE_LENGTH - 15 + extra, 'x');
      g_autofree char *text = g_strdup_printf ("allow a.b arg0=%s", value);
      const char *problem = NULL;
      CallRule *rule = call_rule_new (text, &problem);

      g_assert_cmpint (rule != NULL, ==, extra == 0);
      call_rule_free (rule);
    }
}

/* The call that the rules below are asked about: Set ("a.b", "Name", "x y"), a number, a text, by
 * user me (1000) of groups 7 and we (8). */
#define FIELDS                                                                                     \
  PATH ("/a/b") INTERFACE ("a.b.Clock") MEMBER ("Set") DESTINATION ("a.b") SIGNATURE ("sssus")
#define BODY "s'a.b' p4 s'Name' p4 s'x y' p4 u7 s'behind'"

static const struct
{
  const char *rule;
  bool fits;
} fits[] = {
  { "allow a.b", true },
  { "allow *", true },
  { "allow a.*", true },
  { "allow a.b.*", false },
  { "allow a.b.c", false },
  { "allow b.*", false },

  { "allow a.b=*", true },
  { "allow a.b=a.b.Clock", true },
  { "allow a.b=a.b.Clock.*", true },
  { "allow a.b=a.b.Clock.Set", true },
  { "allow a.b=a.b.Clock.Get", false },
  { "allow a.b=a.b.Clock.Set.*", false },
  { "allow a.b=a.b", false },
  { "allow a.b=a.b.*", false },
  { "allow a.b=b.Clock.Set", false },
  { "allow a.b=a.b.Cloc", false },

  { "allow a.b@/a/b", true },
  { "allow a.b@/*", true },
  { "allow a.b@/a/*", true },
  { "allow a.b@/a/b/*", true },
  { "allow a.b@/", false },
  { "allow a.b@/a", false },
  { "allow a.b@/a/b/c", false },
  { "allow a.b@/a/b/c/*", false },
  { "allow a.b=a.b.Clock.Set@/a/*", true },
  { "allow a.b=a.b.Clock.Get@/a/*", false },

  { "allow a.b arg0=a.b", true },
  { "allow a.b arg1=Name", true },
  { "allow a.b arg0=a.b arg1=Name arg2='x y'", true },
  { "allow a.b arg2=x' 'y", true },
  { "allow a.b arg0=a.b arg1=name", false },
  { "allow a.b arg0=", false },
  { "allow a.b arg3=7", false },
  { "allow a.b arg4=behind", false }, /* not all before it are texts */
  { "allow a.b arg5=x", false },

  { "allow a.b from=user:me", true },
  { "allow a.b from=user:1000", true },
  { "allow a.b from=user:you", false },
  { "allow a.b from=group:7", true },
  { "allow a.b from=group:we", true },
  { "allow a.b from=group:9", false },
  { "allow a.b from=group:they", false },
  { "deny a.b from=group:they", false },
  /* Of somebody unknown nobody can say that it is not the caller. */
  { "allow a.b from=user:stranger", false },
  { "deny a.b from=user:stranger", true },
  { "ask a.b from=group:strangers", true },
  { "allow a.b from=machine:me", false },
  { "deny a.b from=machine:me", false },
};

static bool
look_up (CallRuleFrom from, const char *name, uint32_t *ret_id)
{
  static const struct
  {
    CallRuleFrom from;
    const char *name;
    uint32_t id;
  } known[] = {
    { CALL_RULE_FROM_USER, "me", 1000 },
    { CALL_RULE_FROM_USER, "you", 1001 },
    { CALL_RULE_FROM_GROUP, "we", 8 },
    { CALL_RULE_FROM_GROUP, "they", 9 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (known[i].from == from && g_str_equal (known[i].name, name))
      {
        *ret_id = known[i].id;
        return true;
      }

  return false;
}

static bool
rule_fits (const char *text, const char *fields, const char *body, uint8_t byte_order,
           const CallRuleCaller *caller)
{
  g_autoptr (GByteArray) bytes = script_message (byte_order, WIRE_METHOD_CALL, 0, 1, fields, body);
  const char *problem = NULL;
  CallRule *rule = call_rule_new (text, &problem);
  WireMessage message;
  bool result;

  g_test_message ("%s", text);
  g_assert_nonnull (rule);
  call_rule_resolve (rule, look_up);
  g_assert_cmpint (wire_message_parse (bytes->data, bytes->len, &message), ==, WIRE_OK);
  result = call_rule_fits (rule, "a.b", &message, caller);
  call_rule_free (rule);
  return result;
}

static const uint32_t groups[] = { 7, 8 };
static const CallRuleCaller me = { .uid = 1000, .groups = groups, .n_groups = 2 };

static void
test_fits (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (fits); i++)
    for (guint order = 0; order < G_N_ELEMENTS (script_byte_orders); order++)
      g_assert_cmpint (rule_fits (fits[i].rule, FIELDS, BODY, script_byte_orders[order], &me), ==,
                       fits[i].fits);
}

/* A call without an interface: whatever it may reach is denied, and none of it allowed. */
static const struct
{
  const char *rule;
  bool fits;
} without_interface[] = {
  { "allow a.b", true },
  { "allow a.b=*", true },
  { "allow a.b@/a/b", true },
  { "allow a.b=a.b.Clock", false },
  { "allow a.b=a.b.Clock.Set", false },
  { "deny a.b=a.b.Clock", true },
  { "deny a.b=a.b.Clock.*", true },
  { "deny a.b=a.b.Clock.Set", true },
  { "ask a.b=a.b.Clock.Set", true },
  { "deny a.b=a.b.Clock.Set@/c", false },
};

static void
test_without_interface (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (without_interface); i++)
    g_assert_cmpint (
        rule_fits (without_interface[i].rule, PATH ("/a/b") MEMBER ("Set"), "", 'l', &me), ==,
        without_interface[i].fits);
}

/* Callers of whom less is known, and one in another machine. */
static const CallRuleCaller numbered = { .uid = 1000 };
static const CallRuleCaller elsewhere = { .uid = (uint32_t) -1, .machine = "team:web" };

static const struct
{
  const CallRuleCaller *caller;
  const char *rule;
  bool fits;
} callers[] = {
  { &numbered, "allow a.b from=user:1000", true },
  { &numbered, "allow a.b from=user:me", true },
  { &numbered, "deny a.b from=user:you", false },
  { &numbered, "allow a.b from=group:we", false },
  { &numbered, "ask a.b from=group:we", true },
  { &numbered, "deny a.b from=machine:web", false },
  { &elsewhere, "allow a.b", true },
  { &elsewhere, "allow a.b from=machine:team:web", true },
  { &elsewhere, "allow a.b from=machine:team", false },
  { &elsewhere, "allow a.b from=user:me", false },
  { &elsewhere, "allow a.b from=user:4294967295", false },
  { &elsewhere, "deny a.b from=group:we", false },
};

static void
test_callers (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (callers); i++)
    g_assert_cmpint (rule_fits (callers[i].rule, FIELDS, BODY, 'l', callers[i].caller), ==,
                     callers[i].fits);
}

static void
test_first (void)
{
  static const char *const texts[] = { "deny c.d", "allow a.b=a.b.Clock.Get", "ask a.b arg0=a.b",
                                       "deny a.b" };
  g_autoptr (GByteArray) bytes = script_message ('l', WIRE_METHOD_CALL, 0, 1, FIELDS, BODY);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) call_rule_free);
  const char *problem;
  WireMessage message;

  g_assert_cmpint (wire_message_parse (bytes->data, bytes->len, &message), ==, WIRE_OK);
  g_assert_cmpint (call_rules_find (list, "a.b", &message, &me), ==, -1);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_ptr_array_add (list, call_rule_new (texts[i], &problem));

  g_assert_cmpint (call_rules_find (list, "a.b", &message, &me), ==, 2);
  g_assert_cmpstr (call_rule_verdict_to_string (call_rule_get_verdict (list->pdata[2])), ==, "ask");
  g_assert_cmpint (call_rules_find (list, "c.d", &message, &me), ==, 0);
  g_assert_cmpint (call_rules_find (list, "e.f", &message, &me), ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/wire/call-rule/syntax", test_syntax);
  g_test_add_func ("/wire/call-rule/length", test_length);
  g_test_add_func ("/wire/call-rule/fits", test_fits);
  g_test_add_func ("/wire/call-rule/without-interface", test_without_interface);
  g_test_add_func ("/wire/call-rule/callers", test_callers);
  g_test_add_func ("/wire/call-rule/first", test_first);

  return g_test_run ();
}
