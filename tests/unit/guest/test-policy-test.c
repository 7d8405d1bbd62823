/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest's rules say about calls that somebody asks about. */
#include "policy-test.h"

#include <string.h>

static const char text[] = "[Export]\nSystem=a.b c.d\n"
                           "[Call]\nRule=deny a.b from=user:7\nRule=allow a.b=a.b.C from=group:8\n"
                           "Rule=allow c.d arg0=x\nRule=allow c.d from=machine:web\n"
                           "Rule=allow e.f\n"
                           "SessionRule=allow a.b from=user:7\nSessionRule=allow c.d\n"
                           "[Export]\nSession=a.b\nUser=alice\n";

#define ALLOW CALL_RULE_ALLOW
#define DENY CALL_RULE_DENY
#define WRONG -1

static const struct
{
  const char *words; /* with blanks between them */
  int verdict;
  GuestBus bus;
} cases[] = {
  { "user:1,8 a.b / a.b.C D", ALLOW },
  { "user:7,8 a.b / a.b.C D", DENY },
  { "user:1,9 a.b / a.b.C D", DENY },
  { "user:1 a.b / a.b.C D", DENY }, /* groups that nobody tells are none */
  { "user:1,8 a.b / a.b.E D", DENY },
  { "user:1 c.d / a.b.C D x", ALLOW },
  { "user:1 c.d / a.b.C D y", DENY },
  { "user:1 c.d / a.b.C D", DENY },
  { "machine:web c.d / a.b.C D", ALLOW },
  { "machine:net c.d / a.b.C D", DENY },
  { "user:1 e.f / a.b.C D", DENY }, /* not exported */
  { "user:7 a.b / a.b.C D", ALLOW, GUEST_BUS_SESSION },
  { "user:1,8 a.b / a.b.C D", DENY, GUEST_BUS_SESSION },
  { "user:1 c.d / a.b.C D x", DENY, GUEST_BUS_SESSION }, /* not of this bus */
  { "user:me a.b / a.b.C D", WRONG },
  { "user: a.b / a.b.C D", WRONG },
  { "user:1, a.b / a.b.C D", WRONG },
  { "user:4294967295 a.b / a.b.C D", WRONG },
  { "group:8 a.b / a.b.C D", WRONG },
  { "machine:Web a.b / a.b.C D", WRONG },
  { "user:1 a.b x a.b.C D", WRONG },
  { "user:1 a.b / a.b.C", WRONG },
  { "", WRONG },
};

static void
test_table (void)
{
  g_autoptr (GuestPolicy) policy = guest_policy_from_text (text, strlen (text), "guest.conf", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (GStrv) words = g_strsplit (cases[i].words, " ", -1);
      g_autoptr (GError) error = NULL;
      g_autoptr (GString) output = g_string_new (NULL);
      int verdict = policy_test (policy, cases[i].bus, "guest.conf", (const char *const *) words,
                                 output, &error);

      g_test_message ("%s: %s", cases[i].words, error != NULL ? error->message : "");
      g_assert_cmpint (verdict, ==, cases[i].verdict);
      g_assert_cmpint (error != NULL, ==, verdict == WRONG);
      g_assert_cmpint (strstr (output->str, verdict == ALLOW ? "\nallow: " : "\ndeny: ") != NULL,
                       ==, verdict != WRONG);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guest/policy-test/table", test_table);
  return g_test_run ();
}
