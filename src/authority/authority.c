/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One polkit check, asynchronous: asked without interaction first, and only where somebody would
 * have to authenticate and the message allows it, again with interaction. So it is known which
 * answers came without a prompt, and those alone are reused. */
#include "authority.h"

#include <errno.h>
#include <fcntl.h>

#include "descriptor.h"
#include "limit.h"
#include "log.h"
#include "polkit-watch.h"
#include "reuse.h"
#include "subject.h"

#define POLKIT_ALLOW_INTERACTION 1u

struct Authority
{
  sd_bus *bus;
  AuthorityReuse *reuse;
  GQueue checks; /* AuthorityCheck, each by its own link */
  PolkitWatch *watch;
  uint64_t last_id;
  uint64_t generation; /* grows when kept answers become worthless */
  gint64 last_complaint;
};

struct AuthorityCheck
{
  Authority *authority;
  GList link;
  AuthorityRequest request; /* a copy of its own */
  char *key;
  char *id; /* polkit's cancellation id; NULL while nothing is asked */
  gint64 asked;
  gint64 deadline;
  uint64_t generation;
  bool prompting;
  bool user_known; /* until then polkit is not asked */
  sd_bus_slot *user_slot;
  sd_bus_slot *call_slot;
  sd_bus_slot *watch_slot;
  AuthorityDone done;
  void *user_data;
};

static int check_ask (AuthorityCheck *check);

static void
forget_all (void *user_data)
{
  Authority *authority = user_data;

  authority->generation++;
  authority_reuse_clear (authority->reuse);
}

Authority *
authority_new (sd_bus *bus)
{
  Authority *authority = g_new0 (Authority, 1);

  authority->bus = sd_bus_ref (bus);
  authority->reuse = authority_reuse_new ();
  authority->watch = polkit_watch_new (bus, forget_all, authority);
  g_queue_init (&authority->checks);
  return authority;
}

static void
check_free (AuthorityCheck *check)
{
  g_queue_unlink (&check->authority->checks, &check->link);
  sd_bus_slot_unref (check->user_slot);
  sd_bus_slot_unref (check->call_slot);
  sd_bus_slot_unref (check->watch_slot);
  fd_clear (&check->request.subject.pidfd);
  g_free ((char *) check->request.subject.bus_name);
  g_free ((char *) check->request.action);
  g_strfreev ((char **) check->request.details);
  g_free (check->key);
  g_free (check->id);
  g_free (check);
}

/* So that no prompt stays on somebody's screen. */
static void
check_cancel_at_polkit (AuthorityCheck *check)
{
  g_autofree char *id = g_steal_pointer (&check->id);

  if (id == NULL)
    return;

  check->call_slot = sd_bus_slot_unref (check->call_slot);
  sd_bus_call_method_async (check->authority->bus, NULL, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                            "CancelCheckAuthorization", NULL, NULL, "s", id);
}

static void
check_finish (AuthorityCheck *check, AuthorityVerdict verdict)
{
  AuthorityDone done = check->done;
  void *user_data = check->user_data;

  check_free (check);
  done (verdict, user_data);
}

void
authority_check_cancel (AuthorityCheck *check)
{
  check_cancel_at_polkit (check);
  check_free (check);
}

void
authority_free (Authority *authority)
{
  while (authority->checks.head != NULL)
    authority_check_cancel (authority->checks.head->data);

  polkit_watch_free (authority->watch);
  authority_reuse_free (authority->reuse);
  sd_bus_unref (authority->bus);
  g_free (authority);
}

/* Callers can make polkit fail as often as they like; the log needs one line a second at most. */
static void
complain (Authority *authority, const char *action, const char *text)
{
  gint64 now = g_get_monotonic_time ();
  g_autofree char *safe = log_text (text, LIMIT_NAME_LENGTH);

  if (authority->last_complaint != 0 && now - authority->last_complaint < G_USEC_PER_SEC)
    return;

  authority->last_complaint = now;
  log_warning (NULL, "polkit did not decide on action %s, which counts as a refusal: %s", action,
               safe);
}

static bool
subject_is_there (const AuthoritySubject *subject)
{
  return subject->bus_name != NULL
         || authority_process_is_same (subject->pid, subject->pidfd, subject->start_time);
}

/* `*ret_temporary`: the answer rests on an authorisation that somebody gave for a while. */
static int
read_answer (sd_bus_message *message, bool *ret_authorized, bool *ret_challenge,
             bool *ret_temporary)
{
  int authorized = 0, challenge = 0;
  bool temporary = false;
  const char *key, *value;
  int r;

  r = sd_bus_message_enter_container (message, 'r', "bba{ss}");
  if (r >= 0)
    r = sd_bus_message_read (message, "bb", &authorized, &challenge);
  if (r >= 0)
    r = sd_bus_message_enter_container (message, 'a', "{ss}");
  if (r < 0)
    return r;

  while ((r = sd_bus_message_read (message, "{ss}", &key, &value)) > 0)
    if (g_str_equal (key, "polkit.temporary_authorization_id")
        || g_str_equal (key, "polkit.retains_authorization_after_challenge"))
      temporary = true;
  if (r < 0)
    return r;

  *ret_authorized = authorized != 0;
  *ret_challenge = challenge != 0;
  *ret_temporary = temporary;
  return 0;
}

static int
on_answer (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  AuthorityCheck *check = user_data;
  Authority *authority = check->authority;
  bool authorized, challenge, temporary;

  if (sd_bus_message_is_method_error (message, NULL))
    {
      const sd_bus_error *error = sd_bus_message_get_error (message);

      complain (authority, check->request.action,
                error->message != NULL ? error->message : error->name);
      check_cancel_at_polkit (check);
      check_finish (check, AUTHORITY_DENIED);
      return 0;
    }

  g_clear_pointer (&check->id, g_free);
  check->call_slot = sd_bus_slot_unref (check->call_slot);

  if (read_answer (message, &authorized, &challenge, &temporary) < 0)
    {
      complain (authority, check->request.action, "its answer cannot be read");
      check_finish (check, AUTHORITY_DENIED);
      return 0;
    }

  if (!subject_is_there (&check->request.subject))
    check_finish (check, AUTHORITY_DENIED);
  else if (authorized)
    {
      if (!check->prompting && !challenge && !temporary
          && check->generation == authority->generation
          && polkit_watch_is_reliable (authority->watch))
        authority_reuse_add (authority->reuse, check->key, check->request.subject.bus_name,
                             check->asked);
      check_finish (check, AUTHORITY_ALLOWED);
    }
  else if (challenge && check->request.interactive && !check->prompting)
    {
      check->prompting = true;
      if (check_ask (check) < 0)
        check_finish (check, AUTHORITY_DENIED);
    }
  else
    check_finish (check, challenge ? AUTHORITY_CHALLENGE : AUTHORITY_DENIED);

  return 0;
}

static int
append_details (sd_bus_message *message, const char *const *details)
{
  int r = sd_bus_message_open_container (message, 'a', "{ss}");

  for (gsize i = 0; r >= 0 && details[i] != NULL; i += 2)
    r = sd_bus_message_append (message, "{ss}", details[i], details[i + 1]);

  return r < 0 ? r : sd_bus_message_close_container (message);
}

static int
check_ask (AuthorityCheck *check)
{
  Authority *authority = check->authority;
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *message = NULL;
  gint64 left = check->deadline - g_get_monotonic_time ();
  g_autofree char *id = NULL;
  int r;

  if (left <= 0)
    return -ETIMEDOUT;

  id = g_strdup_printf ("check-%" G_GUINT64_FORMAT, ++authority->last_id);
  r = sd_bus_message_new_method_call (authority->bus, &message, POLKIT_NAME, POLKIT_PATH,
                                      POLKIT_INTERFACE, "CheckAuthorization");
  if (r >= 0)
    r = authority_subject_append (&check->request.subject, message);
  if (r >= 0)
    r = sd_bus_message_append (message, "s", check->request.action);
  if (r >= 0)
    r = append_details (message, check->request.details);
  if (r >= 0)
    r = sd_bus_message_append (message, "us", check->prompting ? POLKIT_ALLOW_INTERACTION : 0u, id);
  if (r >= 0)
    r = sd_bus_call_async (authority->bus, &check->call_slot, message, on_answer, check,
                           (uint64_t) left);
  if (r < 0)
    return r;

  check->id = g_steal_pointer (&id);
  check->asked = g_get_monotonic_time ();
  check->generation = authority->generation;
  return 0;
}

static int
on_subject_changed (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  AuthorityCheck *check = user_data;
  const char *name, *old_owner, *new_owner;

  if (!polkit_watch_is_from_bus (message)
      || sd_bus_message_read (message, "sss", &name, &old_owner, &new_owner) < 0
      || !g_str_equal (name, check->request.subject.bus_name) || *new_owner != '\0')
    return 0;

  authority_forget (check->authority, name);
  check_cancel_at_polkit (check);
  check_finish (check, AUTHORITY_DENIED);
  return 0;
}

/* Without the watch nobody would tell that the subject vanished: no answer then. */
static int
on_subject_watched (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  AuthorityCheck *check = user_data;

  if (!sd_bus_message_is_method_error (message, NULL))
    return 0;

  complain (check->authority, check->request.action, sd_bus_message_get_error (message)->name);
  check_cancel_at_polkit (check);
  check_finish (check, AUTHORITY_DENIED);
  return 0;
}

/* On the connection that asks polkit, and before it does, so that the daemon's word of a subject
 * that vanished comes before polkit's answer. */
static int
check_watch_subject (AuthorityCheck *check)
{
  g_autofree char *rule = NULL;

  if (check->request.subject.bus_name == NULL)
    return 0;

  rule = g_strdup_printf ("type='signal',sender='org.freedesktop.DBus',"
                          "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                          "member='NameOwnerChanged',arg0='%s'",
                          check->request.subject.bus_name);
  return sd_bus_add_match_async (check->authority->bus, &check->watch_slot, rule,
                                 on_subject_changed, on_subject_watched, check);
}

/* --- shares: so many checks a caller, a user, and in all --- */

static bool
subject_equal (const AuthoritySubject *a, const AuthoritySubject *b)
{
  if (a->bus_name != NULL || b->bus_name != NULL)
    return g_strcmp0 (a->bus_name, b->bus_name) == 0;

  return a->pid == b->pid && a->start_time == b->start_time;
}

static bool
caller_limit_is_reached (Authority *authority, const AuthoritySubject *subject)
{
  guint of_caller = 0, unknown = 0;

  for (GList *l = authority->checks.head; l != NULL; l = l->next)
    {
      const AuthorityCheck *check = l->data;

      of_caller += subject_equal (&check->request.subject, subject);
      unknown += !check->user_known;
    }

  return of_caller >= LIMIT_CHECKS_CALLER || unknown >= LIMIT_CHECKS_UNKNOWN;
}

/* Of those whose user is known: they are the ones that polkit works on. */
static bool
user_limit_is_reached (Authority *authority, uid_t uid)
{
  guint of_user = 0, total = 0;

  for (GList *l = authority->checks.head; l != NULL; l = l->next)
    {
      const AuthorityCheck *check = l->data;

      total += check->user_known;
      of_user += check->user_known && check->request.subject.uid == uid;
    }

  return of_user >= LIMIT_CHECKS_USER || total >= LIMIT_CHECKS_TOTAL;
}

static int
on_user (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  AuthorityCheck *check = user_data;
  uint32_t uid;

  check->user_slot = sd_bus_slot_unref (check->user_slot);
  if (sd_bus_message_is_method_error (message, NULL)
      || sd_bus_message_read (message, "u", &uid) < 0)
    check_finish (check, AUTHORITY_DENIED); /* it is gone */
  else if (user_limit_is_reached (check->authority, uid))
    check_finish (check, AUTHORITY_LIMIT);
  else
    {
      check->request.subject.uid = uid;
      check->user_known = true;
      if (check_ask (check) < 0)
        check_finish (check, AUTHORITY_DENIED);
    }

  return 0;
}

static bool
user_is_known (const AuthoritySubject *subject)
{
  return subject->bus_name == NULL || (subject->uid != 0 && subject->uid != (uid_t) -1);
}

/* Asks polkit, or first the bus who asks. */
static int
check_begin (AuthorityCheck *check)
{
  check->user_known = user_is_known (&check->request.subject);
  if (check->user_known)
    return check_ask (check);

  return sd_bus_call_method_async (check->authority->bus, &check->user_slot, "org.freedesktop.DBus",
                                   "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                   "GetConnectionUnixUser", on_user, check, "s",
                                   check->request.subject.bus_name);
}

/* The name goes into a match rule: only what a unique name may hold. */
static bool
request_is_valid (const AuthorityRequest *request)
{
  const AuthoritySubject *subject = &request->subject;
  gsize n = 0;

  if (subject->bus_name != NULL
      && (subject->bus_name[0] != ':' || !sd_bus_service_name_is_valid (subject->bus_name)))
    return false;
  while (request->details != NULL && request->details[n] != NULL)
    n++;

  return n % 2 == 0 && n <= 2 * (gsize) LIMIT_CHECK_DETAILS;
}

static AuthorityCheck *
check_new (Authority *authority, const AuthorityRequest *request)
{
  static const char *const no_details[] = { NULL };
  AuthorityCheck *check = g_new0 (AuthorityCheck, 1);
  const char *const *details = request->details != NULL ? request->details : no_details;

  check->authority = authority;
  check->request = *request;
  check->request.subject.bus_name = g_strdup (request->subject.bus_name);
  check->request.subject.pidfd = -1;
  check->request.action = g_strdup (request->action);
  check->request.details = (const char *const *) g_strdupv ((char **) details);
  check->deadline = g_get_monotonic_time () + LIMIT_CHECK_TIME_USEC;
  check->link.data = check;
  g_queue_push_tail_link (&authority->checks, &check->link);
  return check;
}

int
authority_check (Authority *authority, const AuthorityRequest *request, AuthorityDone done,
                 void *user_data, AuthorityVerdict *ret_verdict, AuthorityCheck **ret_check)
{
  g_autofree char *key = NULL;
  AuthorityCheck *check;
  int r = 0;

  if (!request_is_valid (request))
    return -EINVAL;

  if (!subject_is_there (&request->subject))
    {
      *ret_verdict = AUTHORITY_DENIED;
      return 1;
    }

  key = authority_reuse_key (request);
  if (authority_reuse_find (authority->reuse, key, g_get_monotonic_time ()))
    {
      *ret_verdict = AUTHORITY_ALLOWED;
      return 1;
    }

  if (caller_limit_is_reached (authority, &request->subject)
      || (user_is_known (&request->subject)
          && user_limit_is_reached (authority, request->subject.uid)))
    {
      *ret_verdict = AUTHORITY_LIMIT;
      return 1;
    }

  check = check_new (authority, request);
  check->key = g_steal_pointer (&key);
  check->done = done;
  check->user_data = user_data;

  if (request->subject.bus_name == NULL)
    {
      check->request.subject.pidfd = fcntl (request->subject.pidfd, F_DUPFD_CLOEXEC, 3);
      if (check->request.subject.pidfd < 0)
        r = -errno;
    }
  if (r >= 0)
    r = check_watch_subject (check);
  if (r >= 0)
    r = check_begin (check);
  if (r < 0)
    {
      check_free (check);
      return r;
    }

  *ret_check = check;
  return 0;
}

void
authority_forget (Authority *authority, const char *bus_name)
{
  authority_reuse_forget (authority->reuse, bus_name);
}
