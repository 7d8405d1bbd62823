/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole check on a private bus, against a service in this process that speaks polkit's
 * interface and answers as the action's name says. */
#include "authority.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"
#include "limit.h"

typedef struct
{
  GTestDBus *daemon;
  sd_event *event;
  sd_bus *polkit;
  sd_bus *ours;
  sd_bus *caller;
  const char *caller_name;
  Authority *authority;
  /* What polkit was asked. */
  guint asked;
  guint asked_interactive;
  guint cancelled;
  char *subject_kind;
  char *details;
  GPtrArray *held; /* sd_bus_message: calls that “slow” did not answer */
  /* What the check came to. */
  guint done;
  AuthorityVerdict verdict;
} Fixture;

static int
answer (sd_bus_message *call, const char *action, uint32_t flags)
{
  bool interactive = (flags & 1) != 0;

  if (g_str_equal (action, "yes"))
    return sd_bus_reply_method_return (call, "(bba{ss})", 1, 0, 0);
  if (g_str_equal (action, "temporary"))
    return sd_bus_reply_method_return (call, "(bba{ss})", 1, 0, 1,
                                       "polkit.temporary_authorization_id", "tmpauthz1");
  if (g_str_equal (action, "no"))
    return sd_bus_reply_method_return (call, "(bba{ss})", 0, 0, 0);
  if (g_str_equal (action, "password"))
    return sd_bus_reply_method_return (call, "(bba{ss})", interactive, !interactive, 0);
  if (g_str_equal (action, "no-agent"))
    return sd_bus_reply_method_return (call, "(bba{ss})", 0, 1, 0);
  if (g_str_equal (action, "strange"))
    return sd_bus_reply_method_return (call, "s", "yes");

  return sd_bus_reply_method_errorf (call, "org.freedesktop.PolicyKit1.Error.Failed", "%s",
                                     "no such action");
}

static int
on_check (sd_bus_message *call, void *user_data, sd_bus_error *ret_error)
{
  Fixture *fixture = user_data;
  g_autoptr (GString) details = g_string_new (NULL);
  const char *kind, *action, *key, *value;
  uint32_t flags;

  g_assert_cmpint (sd_bus_message_enter_container (call, 'r', "sa{sv}"), >, 0);
  g_assert_cmpint (sd_bus_message_read (call, "s", &kind), >, 0);
  g_assert_cmpint (sd_bus_message_skip (call, "a{sv}"), >=, 0);
  g_assert_cmpint (sd_bus_message_exit_container (call), >=, 0);
  g_assert_cmpint (sd_bus_message_read (call, "s", &action), >, 0);
  g_assert_cmpint (sd_bus_message_enter_container (call, 'a', "{ss}"), >=, 0);
  while (sd_bus_message_read (call, "{ss}", &key, &value) > 0)
    g_string_append_printf (details, "%s=%s;", key, value);
  g_assert_cmpint (sd_bus_message_exit_container (call), >=, 0);
  g_assert_cmpint (sd_bus_message_read (call, "us", &flags, NULL), >, 0);

  fixture->asked++;
  fixture->asked_interactive += flags & 1;
  g_free (fixture->subject_kind);
  fixture->subject_kind = g_strdup (kind);
  g_free (fixture->details);
  fixture->details = g_strdup (details->str);

  if (g_str_equal (action, "slow"))
    {
      g_ptr_array_add (fixture->held, sd_bus_message_ref (call));
      return 1;
    }

  return answer (call, action, flags);
}

static int
on_cancel (sd_bus_message *call, void *user_data, sd_bus_error *ret_error)
{
  ((Fixture *) user_data)->cancelled++;
  return sd_bus_reply_method_return (call, NULL);
}

static const sd_bus_vtable polkit_vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD ("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", on_check,
                 SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("CancelCheckAuthorization", "s", NULL, on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_VTABLE_END,
};

static sd_bus *
connect_to (GTestDBus *daemon, sd_event *event)
{
  sd_bus *bus = NULL;

  g_assert_cmpint (sd_bus_new (&bus), >=, 0);
  g_assert_cmpint (sd_bus_set_address (bus, g_test_dbus_get_bus_address (daemon)), >=, 0);
  g_assert_cmpint (sd_bus_set_bus_client (bus, 1), >=, 0);
  g_assert_cmpint (sd_bus_start (bus), >=, 0);
  g_assert_cmpint (sd_bus_attach_event (bus, event, 0), >=, 0);
  return bus;
}

static void
unref_message (gpointer message)
{
  sd_bus_message_unref (message);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->daemon = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (fixture->daemon);
  fixture->held = g_ptr_array_new_with_free_func (unref_message);
  g_assert_cmpint (sd_event_new (&fixture->event), >=, 0);

  fixture->polkit = connect_to (fixture->daemon, fixture->event);
  g_assert_cmpint (
      sd_bus_add_object_vtable (fixture->polkit, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                "org.freedesktop.PolicyKit1.Authority", polkit_vtable, fixture),
      >=, 0);
  g_assert_cmpint (sd_bus_request_name (fixture->polkit, "org.freedesktop.PolicyKit1", 0), >=, 0);

  fixture->ours = connect_to (fixture->daemon, fixture->event);
  fixture->caller = connect_to (fixture->daemon, fixture->event);
  g_assert_cmpint (sd_bus_get_unique_name (fixture->caller, &fixture->caller_name), >=, 0);
  fixture->authority = authority_new (fixture->ours);
}

static void
close_bus (sd_bus **bus)
{
  if (*bus != NULL)
    {
      sd_bus_detach_event (*bus);
      sd_bus_flush_close_unref (*bus);
    }
  *bus = NULL;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_pointer (&fixture->authority, authority_free);
  g_ptr_array_unref (fixture->held);
  close_bus (&fixture->caller);
  close_bus (&fixture->ours);
  close_bus (&fixture->polkit);
  sd_event_unref (fixture->event);
  g_free (fixture->subject_kind);
  g_free (fixture->details);
  g_test_dbus_stop (fixture->daemon);
  g_object_unref (fixture->daemon);
}

static void
on_done (AuthorityVerdict verdict, void *user_data)
{
  Fixture *fixture = user_data;

  fixture->done++;
  fixture->verdict = verdict;
}

/* Runs the loop until it has been still for 100 ms. */
static void
settle (Fixture *fixture)
{
  while (sd_event_run (fixture->event, 100 * 1000) > 0)
    ;
}

static const char *const details[] = { "machine", "work", "verb", "start", NULL };

static int
begin (Fixture *fixture, const char *action, bool interactive, AuthorityCheck **ret_check)
{
  AuthorityRequest request = { .subject = { .bus_name = fixture->caller_name },
                               .action = action,
                               .details = details,
                               .interactive = interactive };

  return authority_check (fixture->authority, &request, on_done, fixture, &fixture->verdict,
                          ret_check);
}

static AuthorityVerdict
ask (Fixture *fixture, const char *action, bool interactive)
{
  AuthorityCheck *check;
  guint done = fixture->done;
  int r = begin (fixture, action, interactive, &check);

  g_assert_cmpint (r, >=, 0);
  while (r == 0 && fixture->done == done)
    g_assert_cmpint (sd_event_run (fixture->event, UINT64_MAX), >, 0);

  return fixture->verdict;
}

static const struct
{
  const char *action;
  bool interactive;
  AuthorityVerdict verdict;
  guint asked, asked_interactive;
  guint asked_again; /* at the same question right after: 0 where the answer is reused */
} answers[] = {
  { "yes", false, AUTHORITY_ALLOWED, 1, 0, 0 },
  { "yes", true, AUTHORITY_ALLOWED, 1, 0, 0 },
  { "no", false, AUTHORITY_DENIED, 1, 0, 1 },
  { "no", true, AUTHORITY_DENIED, 1, 0, 1 },
  { "temporary", false, AUTHORITY_ALLOWED, 1, 0, 1 },
  { "password", false, AUTHORITY_CHALLENGE, 1, 0, 1 },
  { "password", true, AUTHORITY_ALLOWED, 2, 1, 2 },
  { "no-agent", true, AUTHORITY_CHALLENGE, 2, 1, 2 },
  { "unknown", false, AUTHORITY_DENIED, 1, 0, 1 },
  { "strange", false, AUTHORITY_DENIED, 1, 0, 1 },
};

static void
test_answers (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      g_test_message ("%s, interaction %s", answers[i].action,
                      answers[i].interactive ? "allowed" : "not allowed");
      authority_forget (fixture->authority, fixture->caller_name);
      fixture->asked = fixture->asked_interactive = 0;
      g_assert_cmpint (ask (fixture, answers[i].action, answers[i].interactive), ==,
                       answers[i].verdict);
      g_assert_cmpuint (fixture->asked, ==, answers[i].asked);
      g_assert_cmpuint (fixture->asked_interactive, ==, answers[i].asked_interactive);
      g_assert_cmpstr (fixture->subject_kind, ==, "system-bus-name");
      g_assert_cmpstr (fixture->details, ==, "machine=work;verb=start;");

      g_assert_cmpint (ask (fixture, answers[i].action, answers[i].interactive), ==,
                       answers[i].verdict);
      g_assert_cmpuint (fixture->asked - answers[i].asked, ==, answers[i].asked_again);
    }
}

static void
test_changed (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (ask (fixture, "yes", false), ==, AUTHORITY_ALLOWED);
  g_assert_cmpint (sd_bus_emit_signal (fixture->polkit, "/org/freedesktop/PolicyKit1/Authority",
                                       "org.freedesktop.PolicyKit1.Authority", "Changed", NULL),
                   >=, 0);
  settle (fixture);
  g_assert_cmpint (ask (fixture, "yes", false), ==, AUTHORITY_ALLOWED);
  g_assert_cmpuint (fixture->asked, ==, 2);
}

/* The rules changed between question and answer: the answer stands, but is not kept. */
static void
test_changed_meanwhile (Fixture *fixture, gconstpointer data)
{
  AuthorityCheck *check;

  g_assert_cmpint (begin (fixture, "slow", false, &check), ==, 0);
  settle (fixture);
  g_assert_cmpuint (fixture->held->len, ==, 1);
  sd_bus_emit_signal (fixture->polkit, "/org/freedesktop/PolicyKit1/Authority",
                      "org.freedesktop.PolicyKit1.Authority", "Changed", NULL);
  sd_bus_reply_method_return (fixture->held->pdata[0], "(bba{ss})", 1, 0, 0);
  settle (fixture);
  g_assert_cmpuint (fixture->done, ==, 1);
  g_assert_cmpint (fixture->verdict, ==, AUTHORITY_ALLOWED);
  g_assert_cmpint (begin (fixture, "slow", false, &check), ==, 0);
}

static void
test_restarted (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (ask (fixture, "yes", false), ==, AUTHORITY_ALLOWED);
  sd_bus_release_name (fixture->polkit, "org.freedesktop.PolicyKit1");
  settle (fixture);
  g_assert_cmpint (ask (fixture, "yes", false), ==, AUTHORITY_DENIED);
}

static void
test_vanished (Fixture *fixture, gconstpointer data)
{
  AuthorityCheck *check;

  g_assert_cmpint (begin (fixture, "slow", true, &check), ==, 0);
  settle (fixture);
  g_assert_cmpuint (fixture->done, ==, 0);
  fixture->caller_name = NULL;
  close_bus (&fixture->caller);
  settle (fixture);
  g_assert_cmpuint (fixture->done, ==, 1);
  g_assert_cmpint (fixture->verdict, ==, AUTHORITY_DENIED);
  g_assert_cmpuint (fixture->cancelled, ==, 1);

  /* polkit's belated yes meets nobody. */
  sd_bus_reply_method_return (fixture->held->pdata[0], "(bba{ss})", 1, 0, 0);
  settle (fixture);
  g_assert_cmpuint (fixture->done, ==, 1);
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  AuthorityCheck *check;

  g_assert_cmpint (begin (fixture, "slow", false, &check), ==, 0);
  settle (fixture);
  authority_check_cancel (check);
  settle (fixture);
  g_assert_cmpuint (fixture->cancelled, ==, 1);
  g_assert_cmpuint (fixture->done, ==, 0);
}

static void
test_free (Fixture *fixture, gconstpointer data)
{
  AuthorityCheck *check;

  g_assert_cmpint (begin (fixture, "slow", false, &check), ==, 0);
  settle (fixture);
  g_clear_pointer (&fixture->authority, authority_free);
  settle (fixture);
  g_assert_cmpuint (fixture->cancelled, ==, 1);
  g_assert_cmpuint (fixture->done, ==, 0);
}

static void
test_limit (Fixture *fixture, gconstpointer data)
{
  AuthorityCheck *checks[LIMIT_CHECKS_CALLER + 1];

  for (guint i = 0; i < LIMIT_CHECKS_CALLER; i++)
    g_assert_cmpint (begin (fixture, "slow", false, &checks[i]), ==, 0);
  g_assert_cmpint (begin (fixture, "slow", false, &checks[LIMIT_CHECKS_CALLER]), ==, 1);
  g_assert_cmpint (fixture->verdict, ==, AUTHORITY_LIMIT);

  authority_check_cancel (checks[0]);
  g_assert_cmpint (begin (fixture, "slow", false, &checks[0]), ==, 0);
}

static void
test_limit_total (Fixture *fixture, gconstpointer data)
{
  AuthorityCheck *check;
  AuthorityVerdict verdict;

  for (guint i = 0; i <= LIMIT_CHECKS_TOTAL; i++)
    {
      g_autofree char *name = g_strdup_printf (":9.%u", i);
      AuthorityRequest request = { .subject = { .bus_name = name, .uid = 1000 + i / 8 },
                                   .action = "slow" };
      int r = authority_check (fixture->authority, &request, on_done, fixture, &verdict, &check);

      g_assert_cmpint (r, ==, i == LIMIT_CHECKS_TOTAL ? 1 : 0);
    }
  g_assert_cmpint (verdict, ==, AUTHORITY_LIMIT);
}

/* One user's connections take that user's share, told by the caller or asked from the bus. */
static void
test_limit_user (Fixture *fixture, gconstpointer data)
{
  AuthorityCheck *check;

  for (guint i = 0; i <= LIMIT_CHECKS_USER; i++)
    {
      g_autofree char *name = g_strdup_printf (":9.%u", i);
      AuthorityRequest request = { .subject = { .bus_name = name, .uid = getuid () + 1 },
                                   .action = "slow" };
      int r = authority_check (fixture->authority, &request, on_done, fixture, &fixture->verdict,
                               &check);

      g_assert_cmpint (r, ==, i == LIMIT_CHECKS_USER ? 1 : 0);
    }
  g_assert_cmpint (fixture->verdict, ==, AUTHORITY_LIMIT);

  g_assert_cmpint (ask (fixture, "yes", false), ==, AUTHORITY_ALLOWED);
}

static void
test_limit_user_asked (Fixture *fixture, gconstpointer data)
{
  sd_bus *callers[LIMIT_CHECKS_USER + 1];
  AuthorityCheck *check;

  for (guint i = 0; i <= LIMIT_CHECKS_USER; i++)
    {
      callers[i] = connect_to (fixture->daemon, fixture->event);
      g_assert_cmpint (sd_bus_get_unique_name (callers[i], &fixture->caller_name), >=, 0);
      g_assert_cmpint (begin (fixture, "slow", false, &check), ==, 0);
    }
  settle (fixture);
  g_assert_cmpuint (fixture->asked, ==, LIMIT_CHECKS_USER);
  g_assert_cmpuint (fixture->done, ==, 1);
  g_assert_cmpint (fixture->verdict, ==, AUTHORITY_LIMIT);

  g_clear_pointer (&fixture->authority, authority_free);
  for (guint i = 0; i <= LIMIT_CHECKS_USER; i++)
    close_bus (&callers[i]);
}

/* --- forged signals: everybody on the bus may send these, to us alone --- */

static const struct
{
  const char *path, *interface, *member;
  gboolean of_subject; /* tells that the subject left, else that polkit did */
} forged[] = {
  { "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", TRUE },
  { "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", FALSE },
  { "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority", "Changed",
    FALSE },
};

static void
forge (Fixture *fixture, gsize i)
{
  const char *ours;
  const char *name = forged[i].of_subject ? fixture->caller_name : "org.freedesktop.PolicyKit1";
  sd_bus_message *message = NULL;

  g_assert_cmpint (sd_bus_get_unique_name (fixture->ours, &ours), >=, 0);
  g_assert_cmpint (sd_bus_message_new_signal (fixture->caller, &message, forged[i].path,
                                              forged[i].interface, forged[i].member),
                   >=, 0);
  if (g_str_equal (forged[i].member, "NameOwnerChanged"))
    g_assert_cmpint (sd_bus_message_append (message, "sss", name, name, ""), >=, 0);
  g_assert_cmpint (sd_bus_message_set_destination (message, ours), >=, 0);
  g_assert_cmpint (sd_bus_send (fixture->caller, message, NULL), >=, 0);
  sd_bus_message_unref (message);
  settle (fixture);
}

static void
test_forged (Fixture *fixture, gconstpointer data)
{
  AuthorityCheck *check;

  for (gsize i = 0; i < G_N_ELEMENTS (forged); i++)
    {
      g_test_message ("%s of %s", forged[i].member, forged[i].of_subject ? "subject" : "polkit");
      fixture->done = 0;
      g_assert_cmpint (begin (fixture, "slow", false, &check), ==, 0);
      settle (fixture);
      forge (fixture, i);
      g_assert_cmpuint (fixture->done, ==, 0);
      authority_check_cancel (check);

      /* Nor does it clear what is kept, for then each signal would cost polkit a question. */
      g_assert_cmpint (ask (fixture, "yes", false), ==, AUTHORITY_ALLOWED);
      fixture->asked = 0;
      forge (fixture, i);
      g_assert_cmpint (ask (fixture, "yes", false), ==, AUTHORITY_ALLOWED);
      g_assert_cmpuint (fixture->asked, ==, 0);
      authority_forget (fixture->authority, fixture->caller_name);
    }
}

/* The process ends while polkit thinks: its yes is worth nothing. */
static void
test_process (Fixture *fixture, gconstpointer data)
{
  pid_t pid = fork ();
  auto_fd pidfd = -1;
  AuthorityRequest request = { .action = "yes", .details = details };
  AuthorityCheck *check;
  AuthorityVerdict verdict;

  if (pid == 0)
    {
      pause ();
      _exit (0);
    }

  pidfd = (int) syscall (SYS_pidfd_open, pid, 0);
  g_assert_cmpint (pidfd, >=, 0);
  request.subject = (AuthoritySubject){ .pid = pid, .uid = getuid (), .pidfd = pidfd };

  g_assert_cmpint (
      authority_check (fixture->authority, &request, on_done, fixture, &verdict, &check), ==, 0);
  settle (fixture);
  g_assert_cmpint (fixture->verdict, ==, AUTHORITY_ALLOWED);
  g_assert_cmpstr (fixture->subject_kind, ==, "unix-process");

  request.action = "slow";
  g_assert_cmpint (
      authority_check (fixture->authority, &request, on_done, fixture, &verdict, &check), ==, 0);
  settle (fixture);
  kill (pid, SIGKILL);
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
  sd_bus_reply_method_return (fixture->held->pdata[0], "(bba{ss})", 1, 0, 0);
  settle (fixture);
  g_assert_cmpuint (fixture->done, ==, 2);
  g_assert_cmpint (fixture->verdict, ==, AUTHORITY_DENIED);

  /* And what was kept for it is not asked for again either. */
  request.action = "yes";
  g_assert_cmpint (
      authority_check (fixture->authority, &request, on_done, fixture, &verdict, &check), ==, 1);
  g_assert_cmpint (verdict, ==, AUTHORITY_DENIED);
}

static void
test_bad_requests (Fixture *fixture, gconstpointer data)
{
  static const char *const odd[] = { "machine", NULL };
  static const char *const names[] = { "org.example.Name", ":1.5',arg0='x", "", ":" };
  const char *many[2 * LIMIT_CHECK_DETAILS + 3];
  AuthorityRequest request = { .subject = { .bus_name = ":1.5" }, .action = "yes" };
  AuthorityVerdict verdict;
  AuthorityCheck *check;

  request.details = odd;
  g_assert_cmpint (authority_check (fixture->authority, &request, on_done, NULL, &verdict, &check),
                   ==, -EINVAL);

  for (gsize i = 0; i < G_N_ELEMENTS (many) - 1; i++)
    many[i] = "x";
  many[G_N_ELEMENTS (many) - 1] = NULL;
  request.details = many;
  g_assert_cmpint (authority_check (fixture->authority, &request, on_done, NULL, &verdict, &check),
                   ==, -EINVAL);

  request.details = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      request.subject.bus_name = names[i];
      g_assert_cmpint (
          authority_check (fixture->authority, &request, on_done, NULL, &verdict, &check), ==,
          -EINVAL);
    }
}

#define ADD(path, function)                                                                        \
  g_test_add ("/authority/" path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("answers", test_answers);
  ADD ("changed", test_changed);
  ADD ("changed-meanwhile", test_changed_meanwhile);
  ADD ("restarted", test_restarted);
  ADD ("vanished", test_vanished);
  ADD ("cancel", test_cancel);
  ADD ("free", test_free);
  ADD ("limit", test_limit);
  ADD ("limit-total", test_limit_total);
  ADD ("limit-user", test_limit_user);
  ADD ("limit-user-asked", test_limit_user_asked);
  ADD ("forged", test_forged);
  ADD ("process", test_process);
  ADD ("bad-requests", test_bad_requests);
  return g_test_run ();
}
