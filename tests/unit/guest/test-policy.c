/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest.conf as a table: what is read, and what is refused. */
#include <glib.h>
#include <string.h>

#include "bus-policy.h"
#include "limit.h"
#include "policy.h"

static const struct
{
  const char *text;
  const char *names;   /* of the system bus, joined by blanks; NULL: refused */
  const char *problem; /* in the message, with the line */
  const char *session; /* names of the session bus; NULL: none */
} cases[] = {
  { "", "", NULL },
  { "# nothing\n\n; at all\n", "", NULL },
  { "[Export]\n", "", NULL },
  { "[Export]\nSystem=org.freedesktop.hostname1\n", "org.freedesktop.hostname1", NULL },
  { "[Export]\nSystem=a.b  c.d\t e.f\n", "a.b c.d e.f", NULL },
  { "[Export]\nSystem=a.b\nSystem=c.d\n", "a.b c.d", NULL },
  { "[Export]\n  System = a.b  \n", "a.b", NULL },
  { "System=a.b\n", NULL, "guest.conf:1: " },
  { "[Imports]\n", NULL, "[Imports]" },
  { "[Import]\nSystem=a.b c.d\nSystem=e.f\n[Export]\nSystem=g.h\n", "g.h", NULL },
  { "[Import]\nSystem=a.b\n[Export]\nSession=a.b\nUser=alice\n", "", NULL, "a.b" },
  { "[Import]\nSystem=a.b a.b\n", NULL, "guest.conf:2: “a.b” is there twice" },
  { "[Import]\nSystem=org.freedesktop.DBus\n", NULL, "bus itself" },
  { "[Import]\nSystem=*\n", NULL, "guest.conf:2: " },
  { "[Import]\nRule=allow a.b\n", NULL, "[Import]" },
  { "[Export]\nSystem=a.b\n[Import]\nSystem=c.d\nSystem=a.b\n", NULL,
    "guest.conf:5: “a.b” is both exported and imported" },
  { "[Import]\nSystem=a.b\n[Export]\nSystem=a.b\n", NULL,
    "guest.conf:4: “a.b” is both exported and imported" },
  { "[Export]\nSession=a.b c.d\nUser=alice\n", "", NULL, "a.b c.d" },
  { "[Export]\nUser=1000\nSystem=e.f\nSession=a.b\nSession=c.d\n", "e.f", NULL, "a.b c.d" },
  { "[Export]\nSystem=a.b\nSession=a.b\nUser=_a.b-c1\n", "a.b", NULL, "a.b" },
  { "[Export]\nUser=alice\n", "", NULL },
  { "[Export]\n\nSession=a.b\nSession=c.d\n", NULL, "guest.conf:3: “Session=” does not say whose" },
  { "[Export]\nSession=a.b a.b\nUser=alice\n", NULL, "twice" },
  { "[Export]\nSession=:1.5\nUser=alice\n", NULL, ":1.5" },
  { "[Export]\nUser=alice\nUser=bob\n", NULL, "guest.conf:3: User=bob is a second user" },
  { "[Export]\nUser=alice bob\n", NULL, "guest.conf:2: User=alice bob is not" },
  { "[Export]\nUser=-a\n", NULL, "User=-a is not" },
  { "[Export]\nUser=.a\n", NULL, "User=.a is not" },
  { "[Export]\nUser=a/b\n", NULL, "User=a/b is not" },
  { "[Export]\nUser=1000a\n", NULL, "User=1000a is not" },
  { "[Export]\nUser=root\n", NULL, "User=root is the system's own user" },
  { "[Export]\nUser=0\n", NULL, "User=0 is the system's own user" },
  { "[Export]\nUser=00\n", NULL, "User=00 is the system's own user" },
  { "[Call]\nUser=alice\n", NULL, "[Call]" },
  { "[Call]\nSessionRule=allow a.b\n", "", NULL },
  { "[Call]\nSessionRule=ask a.b\n", NULL, "guest.conf:2: SessionRule=ask a.b: nobody can" },
  { "[Export]\nSessionRule=allow a.b\n", NULL, "[Export]" },
  { "[Export]\nsystem=a.b\n", NULL, "system=" },
  { "[Export]\nSystem=a.b a.b\n", NULL, "twice" },
  { "[Export]\nSystem=a.b\nSystem=a.b\n", NULL, "guest.conf:3: " },
  { "[Export]\nSystem=org.freedesktop.*\n", NULL, "org.freedesktop.*" },
  { "[Export]\nSystem=*\n", NULL, "guest.conf:2: " },
  { "[Export]\nSystem=nodot\n", NULL, "nodot" },
  { "[Export]\nSystem=:1.5\n", NULL, ":1.5" },
  { "[Export]\nSystem=org.freedesktop.DBus\n", NULL, "bus itself" },
  { "[Export]\nSystem=a.b\377\n", NULL, "guest.conf:2: " },
  { "[Export]\nSystem=a.b\n[Call]\nRule=allow a.b\nRule=deny * from=user:1000\n", "a.b", NULL },
  { "[Call]\nRule=allow a.*=c.d.E@/f/* arg0='g h' from=machine:web\n", "", NULL },
  { "[Call]\nRule=ask a.b\n", NULL, "guest.conf:2: Rule=ask a.b: nobody can be asked" },
  { "[Call]\nRule=allow a.b from=user:me\n", NULL, "from=user:1000" },
  { "[Call]\nRule=deny a.b from=group:we\n", NULL, "numbers" },
  { "[Export]\nSystem=a.b\n[Call]\nRule=allow a.b\nRule=allow\n", NULL, "guest.conf:5: " },
  { "[Call]\nSystem=a.b\n", NULL, "[Call]" },
  { "[Export]\nRule=allow a.b\n", NULL, "[Export]" },
  { "Rule=allow a.b\n", NULL, "guest.conf:1: " },
  { "[Shell]\nUser=root alice\nUser=_bob\n[Export]\nSystem=a.b\n", "a.b", NULL },
  { "[Shell]\nUser=1000\n", NULL, "“1000” is no user's name" },
  { "[Shell]\nUser=-u\n", NULL, "guest.conf:2: " },
  { "[Shell]\nUsers=root\n", NULL, "Users=" },
  { "[Shell]\nSystem=a.b\n", NULL, "[Shell]" },
  { "[Export\n", NULL, "guest.conf:1: " },
  { "[Export]\nwhat\n", NULL, "guest.conf:2: " },
};

static void
test_table (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GuestPolicy) policy =
          guest_policy_from_text (cases[i].text, strlen (cases[i].text), "guest.conf", &error);

      g_test_message ("case %zu: %s", i, error != NULL ? error->message : "good");
      g_assert_true ((policy != NULL) == (cases[i].names != NULL));
      if (policy != NULL)
        {
          g_autofree char *names = g_strjoinv (" ", policy->buses[GUEST_BUS_SYSTEM].names);
          g_autofree char *session = g_strjoinv (" ", policy->buses[GUEST_BUS_SESSION].names);

          g_assert_cmpstr (names, ==, cases[i].names);
          g_assert_cmpstr (session, ==, cases[i].session != NULL ? cases[i].session : "");
        }
      else
        g_assert_nonnull (strstr (error->message, cases[i].problem));
    }
}

static void
test_limit (void)
{
  for (unsigned n = LIMIT_EXPORTED_NAMES; n <= LIMIT_EXPORTED_NAMES + 1; n++)
    {
      g_autoptr (GString) text = g_string_new ("[Export]\nSystem=");
      g_autoptr (GuestPolicy) policy = NULL;

      for (unsigned i = 0; i < n; i++)
        g_string_append_printf (text, " org.example.N%u", i);
      policy = guest_policy_from_text (text->str, text->len, "guest.conf", NULL);
      g_assert_true ((policy != NULL) == (n == LIMIT_EXPORTED_NAMES));
    }
}

static void
test_import_limit (void)
{
  for (unsigned n = LIMIT_IMPORTED_NAMES; n <= LIMIT_IMPORTED_NAMES + 1; n++)
    {
      g_autoptr (GString) text = g_string_new ("[Import]\nSystem=");
      g_autoptr (GuestPolicy) policy = NULL;

      for (unsigned i = 0; i < n; i++)
        g_string_append_printf (text, " org.example.N%u", i);
      policy = guest_policy_from_text (text->str, text->len, "guest.conf", NULL);
      g_assert_true ((policy != NULL) == (n == LIMIT_IMPORTED_NAMES));
      if (policy != NULL)
        g_assert_cmpuint (g_strv_length (policy->imports), ==, n);
    }
}

/* Each name is owned by the agent and called by all, and the text is XML, in whose comments no two
 * dashes may stand. */
static void
test_bus_policy (void)
{
  const char *const names[] = { "a.b", "c.d-e", NULL };
  g_autofree char *text = bus_policy_format (names);
  const char *comment = strstr (text, "<!-- "), *end = strstr (comment, "-->");

  g_assert_cmpint (end - strstr (comment + strlen ("<!--"), "--"), ==, 0);
  g_assert_nonnull (strstr (text, "<policy user=\"tombolo-guest\">\n    <allow own=\"a.b\"/>\n"
                                  "    <allow own=\"c.d-e\"/>\n  </policy>"));
  g_assert_nonnull (strstr (text, "<policy context=\"default\">\n"
                                  "    <allow send_destination=\"a.b\"/>\n"
                                  "    <allow send_destination=\"c.d-e\"/>\n  </policy>"));
}

static void
test_rule_limit (void)
{
  for (unsigned n = LIMIT_CALL_RULES; n <= LIMIT_CALL_RULES + 1; n++)
    {
      g_autoptr (GString) text = g_string_new ("[Call]\n");
      g_autoptr (GuestPolicy) policy = NULL;

      for (unsigned i = 0; i < n; i++)
        g_string_append_printf (text, "Rule=allow org.example.N%u\n", i);
      policy = guest_policy_from_text (text->str, text->len, "guest.conf", NULL);
      g_assert_true ((policy != NULL) == (n == LIMIT_CALL_RULES));
      if (policy != NULL)
        g_assert_cmpuint (call_rule_get_line (policy->buses[GUEST_BUS_SYSTEM].rules->pdata[n - 1]),
                          ==, n + 1);
    }
}

/* The names of both buses count together. */
static void
test_limit_of_both (void)
{
  for (unsigned n = LIMIT_EXPORTED_NAMES - 1; n <= LIMIT_EXPORTED_NAMES; n++)
    {
      g_autoptr (GString) text = g_string_new ("[Export]\nUser=alice\nSystem=a.b\nSession=");
      g_autoptr (GuestPolicy) policy = NULL;

      for (unsigned i = 0; i < n; i++)
        g_string_append_printf (text, " org.example.N%u", i);
      policy = guest_policy_from_text (text->str, text->len, "guest.conf", NULL);
      g_assert_true ((policy != NULL) == (n == LIMIT_EXPORTED_NAMES - 1));
    }
}

/* A rule of one bus is none of the other's. */
static void
test_rules_of_both (void)
{
  static const char text[] = "[Export]\nUser=alice\n[Call]\nRule=allow a.b\n"
                             "SessionRule=deny c.d\nSessionRule=allow *\n";
  g_autoptr (GuestPolicy) policy = guest_policy_from_text (text, strlen (text), "f", NULL);

  g_assert_cmpstr (policy->user, ==, "alice");
  g_assert_cmpuint (policy->buses[GUEST_BUS_SYSTEM].rules->len, ==, 1);
  g_assert_cmpuint (policy->buses[GUEST_BUS_SESSION].rules->len, ==, 2);
  g_assert_cmpuint (call_rule_get_line (policy->buses[GUEST_BUS_SESSION].rules->pdata[1]), ==, 6);
}

static void
test_missing_file (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GuestPolicy) policy = guest_policy_load ("/nonexistent/guest.conf", &error);

  g_assert_no_error (error);
  g_assert_null (policy->buses[GUEST_BUS_SYSTEM].names[0]);
  g_assert_null (policy->buses[GUEST_BUS_SESSION].names[0]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/table", test_table);
  g_test_add_func ("/policy/limit", test_limit);
  g_test_add_func ("/policy/rule-limit", test_rule_limit);
  g_test_add_func ("/policy/import-limit", test_import_limit);
  g_test_add_func ("/policy/bus-policy", test_bus_policy);
  g_test_add_func ("/policy/limit-of-both", test_limit_of_both);
  g_test_add_func ("/policy/rules-of-both", test_rules_of_both);
  g_test_add_func ("/policy/missing-file", test_missing_file);
  return g_test_run ();
}
