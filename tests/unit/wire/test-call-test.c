/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call that nobody makes: which there can be, and what keeps rules from deciding about it. */
#include "call-test.h"

#include <string.h>

#include "limit.h"

static const char *const three[] = { "a.b", "Name", "x y", NULL };
static const char *const none[] = { NULL };
static const char *const many[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL };
static const char *const no_utf8[] = { "\xff", NULL };

static const struct
{
  const char *name, *path, *interface, *member;
  const char *const *arguments;
  bool valid;
} calls[] = {
  { "a.b", "/a", "a.b.C", "D", none, true },
  { "a.b", "/", "", "D", three, true },
  { "org.freedesktop.DBus", "/", "a.b.C", "D", many, true },
  { "", "/a", "a.b.C", "D", none, false },
  { "a", "/a", "a.b.C", "D", none, false },
  { ":1.5", "/a", "a.b.C", "D", none, false },
  { "a.b.*", "/a", "a.b.C", "D", none, false },
  { "a.b", "", "a.b.C", "D", none, false },
  { "a.b", "a", "a.b.C", "D", none, false },
  { "a.b", "/a/", "a.b.C", "D", none, false },
  { "a.b", "/a", "C", "D", none, false },
  { "a.b", "/a", "a.b.C", "", none, false },
  { "a.b", "/a", "a.b.C", "C.D", none, false },
  { "a.b", "/a", "a.b.C", "D", no_utf8, false },
};

static void
test_calls (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      const char *problem;
      g_autoptr (CallTest) test = call_test_new (calls[i].name, calls[i].path, calls[i].interface,
                                                 calls[i].member, calls[i].arguments, &problem);

      g_test_message ("%s %s: %s", calls[i].name, calls[i].path, problem != NULL ? problem : "");
      g_assert_cmpint (test != NULL, ==, calls[i].valid);
      g_assert_cmpint (problem == NULL, ==, calls[i].valid);
    }
}

static void
test_size (void)
{
  g_autofree char *large = g_strnfill (LIMIT_MESSAGE_SIZE, 'x');
  const char *const arguments[] = { large, NULL };
  const char *problem;

  g_assert_null (call_test_new ("a.b", "/a", "a.b.C", "D", arguments, &problem));
  g_assert_nonnull (problem);
}

/* Of user 1000, who is in group 7, on a.b: object /a/b, a.b.Clock.Set ("a.b", "Name", "x y"). */
static const struct
{
  const char *rule;
  CallRuleFit fit;
} rules[] = {
  { "allow *", CALL_RULE_FITS },
  { "deny a.b=a.b.Clock.Set@/a/* arg0=a.b arg2='x y' from=group:7", CALL_RULE_FITS },
  { "allow a.c", CALL_RULE_OTHER_NAME },
  { "allow a.b.*", CALL_RULE_OTHER_NAME },
  { "deny a.b from=user:1001", CALL_RULE_OTHER_CALLER },
  { "allow a.b from=group:8", CALL_RULE_OTHER_CALLER },
  { "allow a.b from=machine:web", CALL_RULE_OTHER_CALLER },
  { "allow a.b@/a", CALL_RULE_OTHER_PATH },
  { "allow a.b=a.b.Clock.Get", CALL_RULE_OTHER_METHOD },
  { "allow a.b=a.b.Other", CALL_RULE_OTHER_METHOD },
  { "allow a.b arg1=name", CALL_RULE_OTHER_ARGUMENT },
  { "allow a.b arg3=", CALL_RULE_OTHER_ARGUMENT },
  /* The first misfit is told. */
  { "allow a.c=a.b.Other@/c arg1=name from=user:1001", CALL_RULE_OTHER_NAME },
  { "allow a.b=a.b.Other@/c arg1=name", CALL_RULE_OTHER_PATH },
  { "allow a.b=a.b.Other arg1=name", CALL_RULE_OTHER_METHOD },
};

static void
test_explain (void)
{
  static const uint32_t groups[] = { 7 };
  static const CallRuleCaller me = { .uid = 1000, .groups = groups, .n_groups = 1 };
  const char *problem;
  g_autoptr (CallTest) test = call_test_new ("a.b", "/a/b", "a.b.Clock", "Set", three, &problem);

  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      CallRule *rule = call_rule_new (rules[i].rule, &problem);

      g_test_message ("%s", rules[i].rule);
      g_assert_nonnull (rule);
      g_assert_cmpint (call_test_explain (test, rule, &me), ==, rules[i].fit);
      call_rule_free (rule);
    }
}

/* The eighth argument counts, and what comes behind it changes nothing. */
static void
test_last_argument (void)
{
  static const CallRuleCaller me = { .uid = 1000 };
  const char *problem;
  g_autoptr (CallTest) test = call_test_new ("a.b", "/", "", "D", many, &problem);
  CallRule *rule = call_rule_new ("allow a.b arg7=7", &problem);

  g_assert_cmpint (call_test_explain (test, rule, &me), ==, CALL_RULE_FITS);
  call_rule_free (rule);
}

static void
test_words (void)
{
  g_assert_cmpstr (call_rule_fit_to_string (CALL_RULE_FITS), ==, "");
  for (int fit = CALL_RULE_OTHER_NAME; fit <= CALL_RULE_OTHER_ARGUMENT; fit++)
    g_assert_cmpint (strlen (call_rule_fit_to_string ((CallRuleFit) fit)), >, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/wire/call-test/calls", test_calls);
  g_test_add_func ("/wire/call-test/size", test_size);
  g_test_add_func ("/wire/call-test/explain", test_explain);
  g_test_add_func ("/wire/call-test/last-argument", test_last_argument);
  g_test_add_func ("/wire/call-test/words", test_words);

  return g_test_run ();
}
