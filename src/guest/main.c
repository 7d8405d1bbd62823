/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolo-guestd: start-up of the guest's agent. */
#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <systemd/sd-daemon.h>

#include "account.h"
#include "agent.h"
#include "bus-client.h"
#include "bus-policy.h"
#include "config.h"
#include "credential.h"
#include "disposal.h"
#include "event-loop.h"
#include "limit.h"
#include "link.h"
#include "log.h"
#include "policy-test.h"
#include "session-protocol.h"

#define POLICY_FILE TOMBOLO_SYSCONFDIR "/tombolo/guest.conf"
#define LINK_WAIT_USEC (10 * G_USEC_PER_SEC)

static Identity *
load_identity (GError **error)
{
  gsize size;
  char *text = credential_load (IDENTITY_CREDENTIAL, LIMIT_IDENTITY_SIZE, &size, error);
  Identity *identity = text == NULL ? NULL : identity_from_text (text, size, error);

  credential_free (text, text == NULL ? 0 : size);
  if (identity != NULL && identity->role != IDENTITY_GUEST)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                   "Credential " IDENTITY_CREDENTIAL " is a bridge's, not a guest's.");
      g_clear_pointer (&identity, identity_free);
    }

  return identity;
}

/* Tells what is missing where an export can come to nothing. */
static void
warn_of_gaps (const GuestPolicy *policy, const char *path)
{
  static const char *const keys[N_GUEST_BUSES] = { "Rule=", "SessionRule=" };
  bool exports = false;

  for (guint bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      if (policy->buses[bus].names[0] == NULL)
        continue;
      exports = true;
      if (policy->buses[bus].rules->len == 0)
        log_notice (NULL, "%s has no “%s” in [Call], so the host can call nothing on the %s bus.",
                    path, keys[bus], guest_bus_to_string ((GuestBus) bus));
    }
  if (!exports)
    log_notice (NULL, "%s exports nothing, so the host can call nothing.", path);
}

/* A bad file is no reason to stop: the machine stays reachable, and exports nothing. */
static GuestPolicy *
load_policy (const char *path)
{
  g_autoptr (GError) error = NULL;
  GuestPolicy *policy = guest_policy_load (path, &error);

  if (policy == NULL)
    {
      log_error (NULL, "%s Nothing is exported until %s is mended and the agent restarted.",
                 error->message, path);
      return guest_policy_new_empty ();
    }

  warn_of_gaps (policy, path);
  return policy;
}

/* By name or number; not where it is root, by whatever name. */
static bool
find_user (const char *user, uid_t *ret_uid)
{
  guint64 number;
  uint32_t uid;

  if (g_ascii_string_to_unsigned (user, 10, 1, UINT32_MAX - 1, &number, NULL))
    uid = (uint32_t) number;
  else if (!account_find_user (user, &uid))
    return false;

  *ret_uid = uid;
  return uid != 0;
}

/* Where helpers of the user whose session is exported find the agent; NULL: no session is. */
static const char *
find_session (const GuestPolicy *policy, const char *path, uid_t *ret_user)
{
  const char *directory = g_getenv ("RUNTIME_DIRECTORY");

  if (policy->buses[GUEST_BUS_SESSION].names[0] == NULL)
    return NULL;
  if (!find_user (policy->user, ret_user))
    {
      log_error (NULL,
                 "There is no user “%s” here, or it is root: nothing of a session is exported "
                 "until “User=” in %s is mended and the agent restarted.",
                 policy->user, path);
      return NULL;
    }

  return directory != NULL ? directory : SESSION_DIRECTORY;
}

static int
run (const Identity *identity, int interface_index, const char *policy_path, GError **error)
{
  g_autoptr (GuestPolicy) policy = load_policy (policy_path);
  g_autofree char *bus_path = bus_client_get_system_path ();
  uid_t session_user = 0;
  const char *session_directory = find_session (policy, policy_path, &session_user);
  sd_event *event = NULL;
  Agent *agent = NULL;
  int r = event_loop_new (&event);

  if (r >= 0)
    r = agent_new (event, identity, interface_index, policy, bus_path, session_directory,
                   session_user, &agent, error);
  if (r >= 0)
    {
      sd_notify (0, "READY=1");
      r = sd_event_loop (event);
      sd_notify (0, "STOPPING=1");
    }
  if (r < 0 && *error == NULL)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (-r), "The event loop failed: %s",
                 g_strerror (-r));

  agent_free (agent);
  sd_event_unref (event);
  return r;
}

/* For scripts, as of “tomboloctl rules test”. */
#define EXIT_DENY 9

/* An administrator's question; a bad file is an answer, too. */
static int
test_call (const char *policy_path, GuestBus bus, const char *const *words)
{
  static const char *const none[] = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) output = g_string_new (NULL);
  g_autoptr (GuestPolicy) policy = guest_policy_load (policy_path, &error);
  int verdict = policy == NULL ? -1
                               : policy_test (policy, bus, policy_path,
                                              words != NULL ? words : none, output, &error);

  if (verdict < 0)
    {
      fprintf (stderr, "tombolo-guestd: %s\n", error->message);
      return EXIT_FAILURE;
    }
  fputs (output->str, stdout);
  return verdict == CALL_RULE_ALLOW ? EXIT_SUCCESS : EXIT_DENY;
}

/* For an administrator, who reads what is wrong. */
static int
print_bus_policy (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GuestPolicy) policy = guest_policy_load (path, &error);
  g_autofree char *text = NULL;

  if (policy == NULL)
    {
      fprintf (stderr, "tombolo-guestd: %s\n", error->message);
      return EXIT_FAILURE;
    }

  text = bus_policy_format ((const char *const *) policy->imports);
  fputs (text, stdout);
  return EXIT_SUCCESS;
}

int
main (int argc, char **argv)
{
  g_autofree char *policy_path = NULL;
  g_auto (GStrv) words = NULL;
  gboolean prepare = FALSE, print_policy = FALSE, version = FALSE, test = FALSE, session = FALSE;
  const GOptionEntry entries[] = {
    { "prepare-link", 0, 0, G_OPTION_ARG_NONE, &prepare,
      "Set the control link's interface up and exit (needs CAP_NET_ADMIN)", NULL },
    { "policy", 0, 0, G_OPTION_ARG_FILENAME, &policy_path,
      "Read what is exported from FILE instead of " POLICY_FILE, "FILE" },
    { "test-call", 0, 0, G_OPTION_ARG_NONE, &test,
      "Say which rule decides about a call: CALLER NAME PATH INTERFACE METHOD [ARGUMENT…]", NULL },
    { "session", 0, 0, G_OPTION_ARG_NONE, &session,
      "With --test-call: about a call to the session bus", NULL },
    { "bus-policy", 0, 0, G_OPTION_ARG_NONE, &print_policy,
      "Print the bus policy that the imports need and exit", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &words, NULL, NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) options = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (Identity) identity = NULL;
  int index;

  g_option_context_set_summary (options, "The guest's end of tombolo.");
  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error))
    {
      fprintf (stderr, "tombolo-guestd: %s\n", error->message);
      return EXIT_FAILURE;
    }
  if (version)
    {
      puts ("tombolo-guestd " TOMBOLO_VERSION);
      return EXIT_SUCCESS;
    }
  if (test)
    return test_call (policy_path != NULL ? policy_path : POLICY_FILE,
                      session ? GUEST_BUS_SESSION : GUEST_BUS_SYSTEM, (const char *const *) words);
  if (words != NULL)
    {
      fputs ("tombolo-guestd: Arguments are for --test-call only.\n", stderr);
      return EXIT_FAILURE;
    }

  if (print_policy)
    return print_bus_policy (policy_path != NULL ? policy_path : POLICY_FILE);

  log_open ("tombolo-guestd", LOG_LEVEL_INFO);
  fd_dispose_prepare ();

  /* Before any key is read: what runs as the same user shall not read our memory. */
  if (prctl (PR_SET_DUMPABLE, 0) < 0)
    {
      log_error (NULL, "Cannot keep other processes from reading the key: %s", g_strerror (errno));
      return EXIT_FAILURE;
    }

  identity = load_identity (&error);
  index = identity == NULL ? 0 : link_find (identity->interface, LINK_WAIT_USEC, &error);
  if (index == 0 || (prepare && !link_prepare (index, &error))
      || (!prepare
          && run (identity, index, policy_path != NULL ? policy_path : POLICY_FILE, &error) < 0))
    {
      log_error (NULL, "%s", error->message);
      return EXIT_FAILURE;
    }

  return EXIT_SUCCESS;
}
