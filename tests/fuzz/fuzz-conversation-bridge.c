/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A conversation that a bridge has with its guest, its clients and the host's bus, as bytes: what
 * each of them does next. Whatever a guest or a client says, nothing reaches anybody that should
 * not, every call is answered once, and nothing stays behind. */
#include <string.h>

#include "bridge-acts.h"
#include "bridge-world.h"
#include "limit.h"
#include "log.h"
#include "tunnel-manager.h"

#define ACTS_AT_MOST 300
/* What small errors may take that pass a spent budget. */
#define BUDGET_SLACK ((size_t) 2 * 1024 * 1024)

World *world;

const char *const exported_names[N_NAMES] = { "org.example.Ask1", "org.example.Open1",
                                              "org.example.Shut1", "org.example.Mine1" };
const char *const owner_names[N_OWNERS] = { ":1.10", ":1.11", ":1.12" };

GuestBus
get_bus_of (int name)
{
  return name == N_NAMES - 1 ? GUEST_BUS_SESSION : GUEST_BUS_SYSTEM;
}

static const char settings_text[] = "[Bridge]\nMachine=work\nInterface=lo\n"
                                    "GuestMAC=02:00:00:00:74:02\n"
                                    "[Bus]\nBroadcast=org.example.Ask1@org.example.Public1\n";
static const char rules_text[] = "[Call]\nRule=1 allow org.example.Open1\n"
                                 "Rule=2 deny org.example.Shut1\n";

static void
run (void)
{
  loop_run (world->event);
  for (int i = 0; i < N_CALLERS; i++)
    world->gone[i] = world->left[i];

  fuzz_require (world->bridge->n_calls <= LIMIT_PENDING_CALLS_MACHINE);
  fuzz_require (world->bridge->callers.length <= LIMIT_CALLERS_MACHINE);
  fuzz_require (world->bridge->waiting_size <= LIMIT_WAITING_SIZE);
  fuzz_require (world->bridge->budget.used <= LIMIT_HELD_MACHINE + BUDGET_SLACK);
  fuzz_require (world->bridge->aliases->len <= LIMIT_EXPORTED_NAMES);
}

/* --- Acts of the host that need no file of their own --- */

static void
set_mode (void)
{
  uint8_t mode = input_byte (world->input);

  world->answers_openings = (mode & BRIDGE_SILENT) == 0;
  world->holds_credentials = (mode & BRIDGE_HOLD_CREDENTIALS) != 0;
  world->refuses_names = (mode & BRIDGE_REFUSE_NAMES) != 0;
  world->polkit = (mode >> 3) % N_POLKIT_MODES;
  fake_tunnel_refuse (mode >> 5);
}

static void
let_time_pass (void)
{
  static const uint64_t times[] = { 50000, 500000, 2000000, 6000000, 12000000, 60000000 };

  time_pass (times[input_byte (world->input) % G_N_ELEMENTS (times)]);
}

static void
answer_check (void)
{
  static const AuthorityVerdict verdicts[] = { AUTHORITY_ALLOWED, AUTHORITY_ALLOWED,
                                               AUTHORITY_DENIED, AUTHORITY_CHALLENGE };

  host_polkit_answers (verdicts[input_byte (world->input) % G_N_ELEMENTS (verdicts)]);
}

static void (*const acts[N_BRIDGE_ACTS]) (void) = {
  [BRIDGE_CALL] = host_call,
  [BRIDGE_REPLY] = guest_reply,
  [BRIDGE_SIGNAL] = guest_signal,
  [BRIDGE_OWNER] = guest_change_owner,
  [BRIDGE_SOCKET_CALL] = client_call,
  [BRIDGE_LEAVE] = host_leave,
  [BRIDGE_EXPORT] = guest_change_export,
  [BRIDGE_CLOSE] = guest_close,
  [BRIDGE_OPEN_LATE] = guest_open_late,
  [BRIDGE_GUEST_CALL] = guest_call,
  [BRIDGE_ANSWER] = callback_answer,
  [BRIDGE_RAW] = guest_speak_raw,
  [BRIDGE_PAUSE] = guest_pause,
  [BRIDGE_CONNECT] = client_connect,
  [BRIDGE_SOCKET_RAW] = client_speak_raw,
  [BRIDGE_HANG_UP] = client_close,
  [BRIDGE_SOCKET_PAUSE] = client_pause,
  [BRIDGE_MODE] = set_mode,
  [BRIDGE_TIME] = let_time_pass,
  [BRIDGE_POLKIT] = answer_check,
  [BRIDGE_CREDENTIALS] = host_release_credentials,
  [BRIDGE_BUS_CLOSE] = host_close_peer,
  [BRIDGE_BUS_PAUSE] = host_pause_peer,
};

/* --- The world --- */

static void
begin (Input *input)
{
  static const int no_sockets[N_GUEST_BUSES] = { -1, -1 };
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  world = g_new0 (World, 1);
  world->input = input;
  world->has_rules = (input_byte (input) & BRIDGE_NO_RULES) == 0;
  world->answers_openings = true;
  world->calls = g_array_new (FALSE, FALSE, sizeof (Call));
  world->replies = g_array_new (FALSE, FALSE, sizeof (Said));
  world->signals = g_array_new (FALSE, FALSE, sizeof (Said));
  world->clients = g_ptr_array_new_with_free_func (client_free);
  for (int i = 0; i < N_CALLERS; i++)
    world->channels[GUEST_BUS_SYSTEM][i] = world->channels[GUEST_BUS_SESSION][i] = NOBODY;

  time_begin ();
  fuzz_require (sd_event_new (&world->event) >= 0);
  host_begin ();
  callback_begin ();
  guest_begin ();

  /* The bridge's own connection is the bus' first. */
  fuzz_require (sd_bus_open_system (&world->control) >= 0
                && sd_bus_attach_event (world->control, world->event, 0) >= 0);
  loop_run (world->event);

  text = g_strconcat (settings_text, world->has_rules ? rules_text : "", NULL);
  world->settings = bridge_settings_from_text (text, strlen (text), &error);
  fuzz_require (world->settings != NULL);
  fuzz_require (
      bridge_new (world->event, world->control, world->settings, NULL, no_sockets, &world->bridge)
      == 0);
  run ();

  /* Else all that follows would be said to nobody: an agent has another way to begin by now, and
   * guest_open() has to learn it. */
  fuzz_require (tunnel_manager_is_up (world->bridge->tunnel));
}

/* Everybody is answered who asked and is there; the guest is gone, and so nobody waits for it. */
static void
require_answers (void)
{
  for (guint i = 0; i < world->calls->len; i++)
    {
      const Call *call = &g_array_index (world->calls, Call, i);

      if (call->wants_reply && !call->answered && call->caller < FIRST_CLIENT)
        fuzz_require (world->left[call->caller]);
      if (call->wants_reply && !call->answered && call->caller >= FIRST_CLIENT)
        fuzz_require (((Client *) world->clients->pdata[call->caller - FIRST_CLIENT])->connection
                      == NULL);
    }
}

static void
resume_all (void)
{
  FakePeer *peer;

  for (unsigned i = 0; (peer = fake_bus_get_peer (world->bus, i)) != NULL; i++)
    if (peer->connection != NULL)
      connection_pause (peer->connection, false);
  for (guint i = 0; i < world->clients->len; i++)
    if (((Client *) world->clients->pdata[i])->connection != NULL)
      connection_pause (((Client *) world->clients->pdata[i])->connection, false);
}

/* The end that every conversation comes to. */
static void
settle (void)
{
  host_release_credentials ();
  run ();
  while (world->checks.length > 0)
    host_polkit_answers (AUTHORITY_DENIED);
  resume_all ();
  run ();

  world->polkit = POLKIT_DENIES;
  fake_tunnel_refuse (1000);
  guest_close_all ();
  run ();
  time_pass (10 * LIMIT_CHANNEL_WAIT_USEC);
  run ();
  require_answers ();

  host_leave_all ();
  client_close_all ();
  run ();
  fuzz_require (world->bridge->n_calls == 0 && world->bridge->waiting_size == 0);
  fuzz_require (world->bridge->callers.length == 0 && world->bridge->budget.used == 0);
  fuzz_require (g_hash_table_size (world->bridge->user_budgets) == 0);
}

static void
end (void)
{
  bridge_free (world->bridge);
  bridge_settings_free (world->settings);
  sd_bus_close_unref (world->control);
  g_ptr_array_unref (world->clients);
  g_ptr_array_unref (world->guests);
  fake_bus_free (world->bus);
  g_array_unref (world->lookups);
  g_array_unref (world->calls);
  g_array_unref (world->replies);
  g_array_unref (world->signals);
  g_array_unref (world->callbacks);
  time_end ();
  sd_event_unref (world->event);
  g_clear_pointer (&world, g_free);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  g_autofree char *address = g_strconcat ("unix:path=", fake_bus_get_path (), NULL);

  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", address, TRUE);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
  log_set_level (0);
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Input input = { data, size };

  begin (&input);
  for (unsigned n = 0; n < ACTS_AT_MOST && input.size > 0; n++)
    {
      uint8_t act = input_byte (&input);

      acts[act % BRIDGE_AT_ONCE % N_BRIDGE_ACTS]();
      /* Some acts are done before anybody has heard of the one before. */
      if ((act & BRIDGE_AT_ONCE) == 0)
        run ();
    }
  run ();
  settle ();
  end ();
  return 0;
}
