/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Match rules: their text, and the messages that fit. */
#include "match-rule.h"

#include <glib.h>
#include <string.h>

#include "limit.h"
#include "script.h"

static const struct
{
  const char *text;
  bool valid;
} rules[] = {
  { "", true },
  { " ", true },
  { "type='signal'", true },
  { "type=signal", true },
  { "type='signal',", true },
  { "type='signal', ", true },
  { "type='signal', \t\n interface='a.b'", true },
  { "type='method_call'", true },
  { "type='method_return'", true },
  { "type='error'", true },
  { "type='Signal'", false },
  { "type=''", false },
  { "type", false },
  { "=", false },
  { "='signal'", false },
  { ",", false },
  { ",type='signal'", false },
  { "type='signal',,member='M'", false },
  { "type ='signal'", false },
  { "type= 'signal'", false },
  { "type='signal' ", false },
  { "TYPE='signal'", false },
  { "type='signal',type='signal'", false },
  { "type='signal", false },
  { "type=signal'", false },
  { "type='sig'nal", true },
  { "type=si'gn'al", true },
  { "type='sig\\nal'", false },
  { "arg0=back\\slash", false },
  { "arg0=comma\\,eavesdrop='true'", false },
  { "arg0=two\\\\", false },
  { "arg0=two\\\\'", false },
  { "arg0=end\\", false },
  { "arg0=quote\\'", true },
  { "unknown='x'", false },
  { "arg", false },

  { "sender='org.x.y'", true },
  { "sender=':1.2'", true },
  { "sender='x'", false },
  { "sender=''", false },
  { "destination=':1.2'", true },
  { "destination='x'", false },
  { "interface='a.b'", true },
  { "interface='a'", false },
  { "member='M'", true },
  { "member='a.M'", false },
  { "path='/a'", true },
  { "path='/'", true },
  { "path='/a/'", false },
  { "path_namespace='/a'", true },
  { "path_namespace='/'", true },
  { "path_namespace='/a/'", false },
  { "path_namespace='a'", false },
  { "path='/a',path_namespace='/a'", false },
  { "path_namespace='/a',path='/a'", false },
  { "sender='org.x.y',sender='org.x.y'", false },

  { "eavesdrop='true'", true },
  { "eavesdrop='false'", true },
  { "eavesdrop=true", true },
  { "eavesdrop='yes'", false },
  { "eavesdrop=''", false },
  { "eavesdrop='false',eavesdrop='true'", false },

  { "arg0='x'", true },
  { "arg0=''", true },
  { "arg0=", true },
  { "arg63='x'", true },
  { "arg64='x'", false },
  { "arg99='x'", false },
  { "arg100='x'", false },
  { "arg00='x'", false },
  { "arg01='x'", false },
  { "arg0x1='x'", false },
  { "arg-1='x'", false },
  { "argx='x'", false },
  { "arg='x'", false },
  { "arg 0='x'", false },
  { "arg0path='/a/'", true },
  { "arg63path='anything'", true },
  { "arg0pathx='/'", false },
  { "arg0namespace='org.x'", true },
  { "arg0namespace='org'", true },
  { "arg0namespace='org.'", false },
  { "arg0namespace=':1.2'", false },
  { "arg1namespace='org'", false },
  { "arg0='x',arg0='x'", false },
  { "arg0='x',arg0path='x'", false },
  { "arg0='x',arg1='y',arg2path='/z'", true },
};

static void
test_syntax (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      const char *problem = NULL;
      MatchRule *rule = match_rule_new (rules[i].text, &problem);

      g_test_message ("%s: %s", rules[i].text, problem != NULL ? problem : "good");
      g_assert_cmpint (rule != NULL, ==, rules[i].valid);
      g_assert_cmpint (problem == NULL, ==, rules[i].valid);
      match_rule_free (rule);
    }
}

static void
test_parts (void)
{
  const char *problem;
  MatchRule *rule = match_rule_new ("type='signal',sender='org.x.y',destination=':1.2',"
                                    "interface='a.b',member='M',eavesdrop='true'",
                                    &problem);

  g_assert_cmpint (match_rule_get_type (rule), ==, WIRE_SIGNAL);
  g_assert_cmpstr (match_rule_get_sender (rule), ==, "org.x.y");
  g_assert_cmpstr (match_rule_get_destination (rule), ==, ":1.2");
  g_assert_cmpstr (match_rule_get_interface (rule), ==, "a.b");
  g_assert_cmpstr (match_rule_get_member (rule), ==, "M");
  g_assert_true (match_rule_has_eavesdrop (rule));
  match_rule_free (rule);

  rule = match_rule_new ("eavesdrop='false'", &problem);
  g_assert_cmpint (match_rule_get_type (rule), ==, 0);
  g_assert_null (match_rule_get_sender (rule));
  g_assert_null (match_rule_get_destination (rule));
  g_assert_null (match_rule_get_interface (rule));
  g_assert_null (match_rule_get_member (rule));
  g_assert_false (match_rule_has_eavesdrop (rule));
  match_rule_free (rule);
  match_rule_free (NULL);
}

static void
test_length (void)
{
  g_autofree char *filler = g_strnfill (LIMIT_MATCH_RULE_LENGTH, 'x');
  const char *problem;

  memcpy (filler, "arg0=", 5);
  for (gsize length = LIMIT_MATCH_RULE_LENGTH; length <= LIMIT_MATCH_RULE_LENGTH + 1; length++)
    {
      g_autofree char *text =
          g_strconcat (filler, length > LIMIT_MATCH_RULE_LENGTH ? "x" : "", NULL);
      MatchRule *rule = match_rule_new (text, &problem);

      g_assert_cmpint (rule != NULL, ==, length <= LIMIT_MATCH_RULE_LENGTH);
      match_rule_free (rule);
    }
}

/* One argument, in all the ways to write it. */
static const struct
{
  const char *rule;
  const char *argument;
} quotes[] = {
  { "arg0='plain'", "plain" },
  { "arg0=plain", "plain" },
  { "arg0='with space'", "with space" },
  { "arg0=with space", "with space" },
  { "arg0='a,b'", "a,b" },
  { "arg0=a','b", "a,b" },
  { "arg0=a", "a" },
  { "arg0='back\\slash'", "back\\slash" },
  { "arg0='end\\'", "end\\" },
  { "arg0='two\\\\'", "two\\\\" },
  { "arg0='a=b'", "a=b" },
};

/* Scripts cannot hold quotation marks: those are tested with bytes of their own. */
static bool
matches_argument (const char *rule_text, const char *argument)
{
  const char *problem;
  MatchRule *rule = match_rule_new (rule_text, &problem);
  g_autoptr (GByteArray) bytes = script_message (
      'l', WIRE_SIGNAL, 0, 1, PATH ("/a") INTERFACE ("a.b") MEMBER ("M") SIGNATURE ("s"), "");
  g_autoptr (GByteArray) body = script_run ("", 'l');
  WireMessage message;
  uint32_t length = GUINT32_TO_LE ((uint32_t) strlen (argument)), body_size;
  bool fits;

  g_assert_nonnull (rule);
  g_byte_array_append (bytes, (const guint8 *) &length, sizeof length);
  g_byte_array_append (bytes, (const guint8 *) argument, (guint) strlen (argument) + 1);
  body_size = GUINT32_TO_LE ((uint32_t) (4 + strlen (argument) + 1));
  memcpy (bytes->data + 4, &body_size, sizeof body_size);
  g_assert_cmpint (wire_message_parse (bytes->data, bytes->len, &message), ==, WIRE_OK);

  fits = match_rule_matches (rule, &message, NULL, NULL);
  match_rule_free (rule);
  return fits;
}

static void
test_quotes (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (quotes); i++)
    {
      g_test_message ("%s", quotes[i].rule);
      g_assert_true (matches_argument (quotes[i].rule, quotes[i].argument));
      g_assert_false (matches_argument (quotes[i].rule, "other"));
    }

  g_assert_true (matches_argument ("arg0=\\'", "'"));
  g_assert_true (matches_argument ("arg0='it'\\''s'", "it's"));
  g_assert_true (matches_argument ("arg0='\\\\'\\'", "\\\\'"));
}

#define FIELDS                                                                                     \
  PATH ("/a/b")                                                                                    \
  INTERFACE ("a.b") MEMBER ("M") SENDER (":1.7") DESTINATION (":1.9") SIGNATURE ("usoa{sv}gs")

#define BODY "u1 s'org.x.y' p4 s'/p/q' p4 u0 p8 g'as' p4 s'/dir/'"

static const struct
{
  const char *rule;
  bool fits;
} matches[] = {
  { "", true },
  { "type='signal'", true },
  { "type='method_call'", false },
  { "sender=':1.7'", true },
  { "sender=':1.8'", false },
  { "sender='org.owned.name'", true },
  { "sender='org.other.name'", false },
  { "destination=':1.9'", true },
  { "destination=':1.7'", false },
  { "interface='a.b'", true },
  { "interface='a.c'", false },
  { "member='M'", true },
  { "member='N'", false },
  { "path='/a/b'", true },
  { "path='/a'", false },
  { "path='/a/b/c'", false },
  { "path_namespace='/'", true },
  { "path_namespace='/a'", true },
  { "path_namespace='/a/b'", true },
  { "path_namespace='/a/b/c'", false },
  { "path_namespace='/b'", false },
  { "type='signal',interface='a.b',member='M',path='/a/b',sender=':1.7'", true },
  { "type='signal',interface='a.b',member='M',path='/a/b',sender=':1.8'", false },
  { "eavesdrop='true'", true },

  /* Arguments: only strings, and paths where the key says so. */
  { "arg0='1'", false },
  { "arg1='org.x.y'", true },
  { "arg1='org.x'", false },
  { "arg1='org.x.y.z'", false },
  { "arg1=''", false },
  { "arg2='/p/q'", false },
  { "arg2path='/p/q'", true },
  { "arg2path='/p/'", true },
  { "arg2path='/p'", false },
  { "arg2path='/'", true },
  { "arg2path='/p/q/'", false },
  { "arg2path='/p/q/r'", false },
  { "arg2path=''", false },
  { "arg4='as'", false },
  { "arg5='/dir/'", true },
  { "arg5path='/dir/'", true },
  { "arg5path='/dir/sub'", true },
  { "arg5path='/dir/sub/'", true },
  { "arg5path='/dir'", false },
  { "arg5path='/other/'", false },
  { "arg6=''", false },
  { "arg63='x'", false },
  { "arg5='/dir/',arg1='org.x.y'", true },
  { "arg5='/dir/',arg1='other'", false },
  { "arg0namespace='org'", false },
};

static bool
owns (const char *name, const char *sender, void *user_data)
{
  g_assert_cmpstr (sender, ==, ":1.7");
  g_assert_true (user_data == &matches);
  return g_str_equal (name, "org.owned.name");
}

static void
test_matches (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (matches); i++)
    for (guint order = 0; order < G_N_ELEMENTS (script_byte_orders); order++)
      {
        g_autoptr (GByteArray) bytes =
            script_message (script_byte_orders[order], WIRE_SIGNAL, 0, 1, FIELDS, BODY);
        const char *problem;
        MatchRule *rule = match_rule_new (matches[i].rule, &problem);
        WireMessage message;

        g_test_message ("%s", matches[i].rule);
        g_assert_nonnull (rule);
        g_assert_cmpint (wire_message_parse (bytes->data, bytes->len, &message), ==, WIRE_OK);
        g_assert_cmpint (match_rule_matches (rule, &message, owns, (void *) &matches), ==,
                         matches[i].fits);
        match_rule_free (rule);
      }
}

static void
test_namespace (void)
{
  g_assert_true (matches_argument ("arg0namespace='org.x'", "org.x"));
  g_assert_true (matches_argument ("arg0namespace='org.x'", "org.x.y"));
  g_assert_false (matches_argument ("arg0namespace='org.x'", "org.xy"));
  g_assert_false (matches_argument ("arg0namespace='org.x'", "org"));
  g_assert_false (matches_argument ("arg0namespace='org.x'", ""));
  g_assert_true (matches_argument ("arg0namespace='org'", "org.x"));
}

/* A rule that asks for what a message has not does not fit; a rule without demands fits all. */
static void
test_absent (void)
{
  g_autoptr (GByteArray) bytes =
      script_message ('l', WIRE_METHOD_RETURN, 0, 1, REPLY_SERIAL (1), "");
  static const char *const asking[] = { "sender='org.x.y'",   "sender=':1.2'", "destination=':1.2'",
                                        "interface='a.b'",    "member='M'",    "path='/'",
                                        "path_namespace='/'", "arg0=''",       "arg0path='/'" };
  const char *problem;
  WireMessage message;
  MatchRule *rule;

  g_assert_cmpint (wire_message_parse (bytes->data, bytes->len, &message), ==, WIRE_OK);
  for (guint i = 0; i < G_N_ELEMENTS (asking); i++)
    {
      rule = match_rule_new (asking[i], &problem);
      g_test_message ("%s", asking[i]);
      g_assert_false (match_rule_matches (rule, &message, owns, NULL));
      match_rule_free (rule);
    }

  rule = match_rule_new ("", &problem);
  g_assert_true (match_rule_matches (rule, &message, NULL, NULL));
  match_rule_free (rule);
}

static const struct
{
  const char *a;
  const char *b;
  bool equal;
} pairs[] = {
  { "", "", true },
  { "", "type='signal'", false },
  { "type='signal',member='M'", "member=M,type=signal,", true },
  { "type='signal'", "type='error'", false },
  { "path='/a'", "path_namespace='/a'", false },
  { "path='/a'", "path='/b'", false },
  { "path='/a'", "", false },
  { "sender='a.b'", "destination='a.b'", false },
  { "eavesdrop='true'", "", false },
  { "eavesdrop='false'", "", true },
  { "arg0='x',arg1='y'", "arg1='y',arg0='x'", true },
  { "arg0='x'", "arg1='x'", false },
  { "arg0='x'", "arg0='y'", false },
  { "arg0='x'", "arg0path='x'", false },
  { "arg0='x'", "arg0namespace='x'", false },
  { "arg0='x'", "arg0='x',arg1='y'", false },
};

static void
test_equal (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      const char *problem;
      MatchRule *a = match_rule_new (pairs[i].a, &problem);
      MatchRule *b = match_rule_new (pairs[i].b, &problem);

      g_test_message ("%s | %s", pairs[i].a, pairs[i].b);
      g_assert_cmpint (match_rule_equal (a, b), ==, pairs[i].equal);
      g_assert_cmpint (match_rule_equal (b, a), ==, pairs[i].equal);
      match_rule_free (a);
      match_rule_free (b);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/wire/match-rule/syntax", test_syntax);
  g_test_add_func ("/wire/match-rule/parts", test_parts);
  g_test_add_func ("/wire/match-rule/length", test_length);
  g_test_add_func ("/wire/match-rule/quotes", test_quotes);
  g_test_add_func ("/wire/match-rule/matches", test_matches);
  g_test_add_func ("/wire/match-rule/namespace", test_namespace);
  g_test_add_func ("/wire/match-rule/absent", test_absent);
  g_test_add_func ("/wire/match-rule/equal", test_equal);

  return g_test_run ();
}
