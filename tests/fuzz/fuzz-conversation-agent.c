/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A conversation that a guest's agent has with its host and with its bus, as bytes: what each of
 * them does next. Whatever a host asks, only what the guest exports and its rules allow reaches the
 * bus, and a host hears only of that; whatever the bus says, the agent stays up. */
#include <string.h>

#include "agent-acts.h"
#include "agent-world.h"
#include "limit.h"
#include "log.h"

#define ACTS_AT_MOST 300

World *world;

const char *const exported_names[N_NAMES] = { "org.example.Ask1", "org.example.Open1" };
const char *const owner_names[N_OWNERS] = { ":1.10", ":1.11", ":1.12" };

static const char policy_text[] = "[Export]\nSystem=org.example.Ask1 org.example.Open1\n"
                                  "[Call]\n"
                                  "Rule=deny org.example.Ask1=org.example.Ask1.Deny\n"
                                  "Rule=allow org.example.Ask1\n"
                                  "Rule=allow org.example.Open1 from=user:1000\n";

static void
set_mode (void)
{
  uint8_t mode = input_byte (world->input);

  world->bus_silent = (mode & AGENT_BUS_SILENT) != 0;
  fake_bus_set_deaf (world->bus, (mode & AGENT_BUS_DEAF) != 0);
}

static void
let_time_pass (void)
{
  static const uint64_t times[] = { 50000, 500000, 2000000, 6000000, 60000000 };

  time_pass (times[input_byte (world->input) % G_N_ELEMENTS (times)]);
}

static void (*const acts[N_AGENT_ACTS]) (void) = {
  [AGENT_SESSION] = host_session,    [AGENT_OPEN] = host_open,
  [AGENT_CALL] = host_call,          [AGENT_DRIVER] = host_call_driver,
  [AGENT_CALLER] = host_set_caller,  [AGENT_ANSWER] = host_answer,
  [AGENT_HOST_RAW] = host_speak_raw, [AGENT_HOST_ODD] = host_speak_odd,
  [AGENT_HANG_UP] = host_hang_up,    [AGENT_PAUSE] = host_pause,
  [AGENT_REPLY] = bus_reply,         [AGENT_SIGNAL] = bus_signal,
  [AGENT_OWNER] = bus_change_owner,  [AGENT_CALLBACK] = bus_call_back,
  [AGENT_BUS_RAW] = bus_speak_raw,   [AGENT_BUS_CLOSE] = bus_close,
  [AGENT_BUS_PAUSE] = bus_pause,     [AGENT_MODE] = set_mode,
  [AGENT_TIME] = let_time_pass,      [AGENT_SUBSCRIBE] = host_subscribe,
};

static void
on_no_session (Stream *stream, ChannelKind kind)
{
  fuzz_require (!"an agent connects to nobody");
}

static void
begin (Input *input)
{
  g_autoptr (GError) error = NULL;

  world = g_new0 (World, 1);
  world->input = input;
  world->replies = g_array_new (FALSE, FALSE, sizeof (Said));
  world->signals = g_array_new (FALSE, FALSE, sizeof (Said));
  time_begin ();
  fuzz_require (sd_event_new (&world->event) >= 0);
  bus_begin ();
  host_begin ();
  fake_tunnel_begin (on_no_session);

  world->policy = guest_policy_from_text (policy_text, strlen (policy_text), "guest.conf", &error);
  fuzz_require (world->policy != NULL);
  fuzz_require (agent_new (world->event, NULL, 1, world->policy, fake_bus_get_path (), NULL,
                           (uid_t) -1, &world->agent, &error)
                >= 0);
  loop_run (world->event);
}

/* When the host is gone, so are its connections to the bus; that of the exports stays. */
static void
settle (void)
{
  FakePeer *peer;
  unsigned n = 0;

  for (unsigned i = 0; (peer = fake_bus_get_peer (world->bus, i)) != NULL; i++)
    if (peer->connection != NULL)
      connection_pause (peer->connection, false);
  loop_run (world->event);

  host_close_all ();
  loop_run (world->event);
  time_pass (10 * LIMIT_CHANNEL_TIME_USEC);
  loop_run (world->event);

  for (unsigned i = 0; (peer = fake_bus_get_peer (world->bus, i)) != NULL; i++)
    n += peer->connection != NULL;
  fuzz_require (n <= 1);
}

static void
end (void)
{
  agent_free (world->agent);
  guest_policy_free (world->policy);
  g_ptr_array_unref (world->hosts);
  fake_bus_free (world->bus);
  g_ptr_array_unref (world->peers);
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

      acts[act % AGENT_AT_ONCE % N_AGENT_ACTS]();
      if ((act & AGENT_AT_ONCE) == 0)
        loop_run (world->event);
    }
  loop_run (world->event);
  settle ();
  end ();
  return 0;
}
