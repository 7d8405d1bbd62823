/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which answers of polkit are kept, for which question, and for how long. */
#include "limit.h"
#include "reuse.h"

#define NOW (1000 * (gint64) G_USEC_PER_SEC)

static const char *const details[] = { "machine", "work", "verb", "start", NULL };
static const char *const other_value[] = { "machine", "work", "verb", "stop", NULL };
static const char *const more[] = { "machine", "work", "verb", "start", "unit", "a", NULL };
static const char *const shifted[] = { "machine", "workv", "erb", "start", NULL };
static const char *const none[] = { NULL };

static const AuthorityRequest question = { .subject = { .bus_name = ":1.5" },
                                           .action = "a.b",
                                           .details = details };

static const struct
{
  const char *what;
  AuthorityRequest request;
  bool same;
} questions[] = {
  { "same", { { .bus_name = ":1.5" }, "a.b", details }, true },
  { "interaction", { { .bus_name = ":1.5" }, "a.b", details, .interactive = true }, true },
  { "subject", { { .bus_name = ":1.6" }, "a.b", details }, false },
  { "action", { { .bus_name = ":1.5" }, "a.c", details }, false },
  { "value", { { .bus_name = ":1.5" }, "a.b", other_value }, false },
  { "more details", { { .bus_name = ":1.5" }, "a.b", more }, false },
  { "shifted border", { { .bus_name = ":1.5" }, "a.b", shifted }, false },
  { "no details", { { .bus_name = ":1.5" }, "a.b", none }, false },
  { "process", { { .pid = 5, .start_time = 1 }, "a.b", details }, false },
};

static void
test_key (void)
{
  g_autofree char *key = authority_reuse_key (&question);

  for (gsize i = 0; i < G_N_ELEMENTS (questions); i++)
    {
      g_autofree char *other = authority_reuse_key (&questions[i].request);

      g_test_message ("%s", questions[i].what);
      g_assert_cmpint (g_str_equal (key, other), ==, questions[i].same);
    }
}

static void
test_process_key (void)
{
  AuthorityRequest a = { { .pid = 5, .uid = 1, .start_time = 7 }, "a.b", none };
  AuthorityRequest b = a;
  g_autofree char *key = authority_reuse_key (&a);
  g_autofree char *reused_pid = NULL;
  g_autofree char *other_uid = NULL;

  b.subject.start_time = 8;
  reused_pid = authority_reuse_key (&b);
  b = a;
  b.subject.uid = 2;
  other_uid = authority_reuse_key (&b);

  g_assert_cmpstr (key, !=, reused_pid);
  g_assert_cmpstr (key, !=, other_uid);
}

static void
test_time (void)
{
  g_autoptr (AuthorityReuse) reuse = authority_reuse_new ();

  authority_reuse_add (reuse, "key", ":1.5", NOW);
  g_assert_true (authority_reuse_find (reuse, "key", NOW));
  g_assert_true (authority_reuse_find (reuse, "key", NOW + LIMIT_CHECK_REUSE_USEC - 1));
  g_assert_false (authority_reuse_find (reuse, "key", NOW + LIMIT_CHECK_REUSE_USEC));
  g_assert_false (authority_reuse_find (reuse, "other", NOW));
}

static void
test_forget (void)
{
  g_autoptr (AuthorityReuse) reuse = authority_reuse_new ();

  authority_reuse_add (reuse, "one", ":1.5", NOW);
  authority_reuse_add (reuse, "two", ":1.6", NOW);
  authority_reuse_add (reuse, "process", NULL, NOW);
  authority_reuse_forget (reuse, ":1.5");
  g_assert_false (authority_reuse_find (reuse, "one", NOW));
  g_assert_true (authority_reuse_find (reuse, "two", NOW));
  authority_reuse_clear (reuse);
  g_assert_false (authority_reuse_find (reuse, "two", NOW));
  g_assert_false (authority_reuse_find (reuse, "process", NOW));
}

static void
test_bound (void)
{
  g_autoptr (AuthorityReuse) reuse = authority_reuse_new ();

  for (guint i = 0; i < LIMIT_CHECK_REUSE_ENTRIES; i++)
    {
      g_autofree char *key = g_strdup_printf ("%u", i);

      authority_reuse_add (reuse, key, ":1.5", NOW);
    }
  authority_reuse_add (reuse, "too many", ":1.5", NOW);
  g_assert_false (authority_reuse_find (reuse, "too many", NOW));

  /* Those that are over make room. */
  authority_reuse_add (reuse, "later", ":1.5", NOW + LIMIT_CHECK_REUSE_USEC);
  g_assert_true (authority_reuse_find (reuse, "later", NOW + LIMIT_CHECK_REUSE_USEC));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/authority/reuse/key", test_key);
  g_test_add_func ("/authority/reuse/process-key", test_process_key);
  g_test_add_func ("/authority/reuse/time", test_time);
  g_test_add_func ("/authority/reuse/forget", test_forget);
  g_test_add_func ("/authority/reuse/bound", test_bound);
  return g_test_run ();
}
