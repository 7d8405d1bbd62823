/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's bus in fuzz-conversation-agent, honest or not, and a witness of what the agent asks
 * of it for its host. */
#include <stdlib.h>
#include <string.h>

#include "agent-world.h"
#include "limit.h"
#include "match-rule.h"

#define RAW_AT_MOST 255
#define PENDING_SHOWN 8

typedef struct
{
  int peer;
  uint32_t serial;
  bool from_owner;
  bool wants_reply;
  bool arrived; /* at `host`, as `given` */
  int host;
  uint32_t given;
  bool answered;
} Callback;

int
read_number (const char *text, char letter)
{
  if (text == NULL || text[0] != letter || text[1] < '0' || text[1] > '9')
    return NOBODY;
  return atoi (text + 1);
}

size_t
read_size (uint8_t options)
{
  static const size_t sizes[] = { 0, 0, 0, 16, 256, 4096, 20000, 0 };

  /* Copying is most of what a conversation takes: the sizes that fill something are rare. */
  if (options >> 5 != 7)
    return sizes[options >> 5];
  return options % 16 == 7 ? 3000000 : options % 4 == 3 ? 300000 : 0;
}

unsigned
read_times (uint8_t byte, size_t size)
{
  unsigned times = byte < 240 ? 1 : (byte - 239u) * 15;

  return MIN (times, (size < 1000000 ? FEW_BYTES : BYTES_AT_MOST) / (size + 1) + 1);
}

static const char *
get_owner (int owner)
{
  return owner == NOBODY ? "" : owner_names[owner];
}

/* --- What reaches it --- */

static bool
owns (const Peer *peer, int name, const char *owner)
{
  return peer->owners[name] != NOBODY && g_strcmp0 (get_owner (peer->owners[name]), owner) == 0;
}

static bool
owns_any (const Peer *peer, const char *owner)
{
  for (int i = 0; i < N_NAMES; i++)
    if (owns (peer, i, owner))
      return true;

  return false;
}

/* A closed list, whatever the host asks; and no rule that shows messages of others. */
static void
check_driver_call (const WireMessage *message)
{
  static const char *const allowed[] = {
    "Hello",
    "AddMatch",
    "RemoveMatch",
    "GetNameOwner",
    "GetConnectionUnixUser",
    "GetId",
    "Ping",
    "GetMachineId",
    "StartServiceByName",
    "ListActivatableNames",
    "Get",
    "GetAll",
    "Introspect",
    NULL,
  };
  const char *argument, *problem;
  WireReader reader;
  MatchRule *rule;

  fuzz_require (g_strv_contains (allowed, message->header.member));
  if (strcmp (message->header.member, "AddMatch") != 0)
    return;

  wire_reader_init (&reader, message);
  fuzz_require (wire_reader_string (&reader, &argument));
  rule = match_rule_new (argument, &problem);
  fuzz_require (rule != NULL && !match_rule_has_eavesdrop (rule));
  match_rule_free (rule);
}

/* What the policy says: never Deny on Ask1, and Open1 for one user of the host alone. */
static void
check_service_call (const Peer *peer, const WireHeader *header)
{
  bool to_ask = g_strcmp0 (header->destination, exported_names[0]) == 0
                || owns (peer, 0, header->destination);
  bool to_open = g_strcmp0 (header->destination, exported_names[1]) == 0
                 || owns (peer, 1, header->destination);
  const Host *host = peer->host == NOBODY ? NULL : world->hosts->pdata[peer->host];

  if (peer->lies)
    return;

  fuzz_require (to_ask || to_open);
  fuzz_require (!to_ask || strcmp (header->member, "Deny") != 0);
  if (!to_ask && host != NULL && !host->raw && host->connection != NULL)
    fuzz_require (host->uid == 1000 && !host->on_machine);
}

static void
answer_owner (FakePeer *fake, Peer *peer, const Pending *call)
{
  WireWriter *body;

  /* The first word on it; changes are told from then on. */
  peer->owners[call->name] = call->name;
  body = wire_writer_new ();
  wire_writer_string (body, get_owner (peer->owners[call->name]));
  fake_peer_answer (fake, call->serial, "s", body);
}

/* What an honest bus does by itself. */
static bool
answer (FakePeer *fake, Peer *peer, const WireMessage *message, const Pending *call)
{
  WireWriter *body;
  size_t mark;

  if (world->bus_silent || call->to_service)
    return false;
  if (call->is_owner_call)
    {
      answer_owner (fake, peer, call);
      return true;
    }
  if (strcmp (message->header.member, "ListActivatableNames") == 0)
    {
      body = wire_writer_new ();
      mark = wire_writer_begin_array (body, 4);
      wire_writer_string (body, exported_names[1]);
      wire_writer_string (body, "org.example.Hidden1");
      wire_writer_end_array (body, mark);
      fake_peer_answer (fake, call->serial, "as", body);
      return true;
    }
  if (strcmp (message->header.member, "GetConnectionUnixUser") == 0)
    {
      body = wire_writer_new ();
      wire_writer_uint32 (body, 998);
      fake_peer_answer (fake, call->serial, "u", body);
      return true;
    }

  return false;
}

static Pending
read_call (const WireMessage *message)
{
  Pending call = { .serial = message->header.serial, .name = NOBODY };
  const char *argument;
  WireReader reader;

  call.to_service = g_strcmp0 (message->header.destination, BUS_DRIVER_NAME) != 0;
  wire_reader_init (&reader, message);
  if (!call.to_service && strcmp (message->header.member, "GetNameOwner") == 0
      && wire_reader_string (&reader, &argument))
    for (int i = 0; i < N_NAMES; i++)
      if (strcmp (argument, exported_names[i]) == 0)
        {
          call.is_owner_call = true;
          call.name = i;
        }

  return call;
}

static unsigned
count_service_calls (const Peer *peer)
{
  unsigned n = 0;

  for (guint i = 0; i < peer->pending->len; i++)
    n += g_array_index (peer->pending, Pending, i).to_service;

  return n;
}

/* An answer to a callback: for one that waits, once, and a host's own words from its own host. */
static void
take_answer (Peer *peer, const WireMessage *message)
{
  const char *text;
  WireReader reader;
  int number = NOBODY;

  if (peer->lies)
    return;

  wire_reader_init (&reader, message);
  if (wire_reader_string (&reader, &text))
    number = read_number (text, 'A');

  for (guint i = 0; i < world->callbacks->len; i++)
    {
      Callback *callback = &g_array_index (world->callbacks, Callback, i);

      if (callback->peer != peer->number || callback->serial != message->header.reply_serial)
        continue;

      fuzz_require (callback->wants_reply && !callback->answered);
      fuzz_require (number == NOBODY || number == peer->host);
      callback->answered = true;
      return;
    }

  fuzz_require (!"an answer came to a service that has called nobody");
}

static Peer *
get_peer (FakePeer *fake)
{
  while (world->peers->len <= fake->number)
    {
      Peer *peer = g_new0 (Peer, 1);

      peer->number = (int) world->peers->len;
      peer->host = NOBODY;
      peer->pending = g_array_new (FALSE, FALSE, sizeof (Pending));
      for (int i = 0; i < N_NAMES; i++)
        peer->owners[i] = NOBODY;
      g_ptr_array_add (world->peers, peer);
    }

  return world->peers->pdata[fake->number];
}

static void
on_message (FakePeer *fake, const WireMessage *message)
{
  const WireHeader *header = &message->header;
  Peer *peer = get_peer (fake);
  Pending call;

  fuzz_require (header->n_descriptors == 0);
  if (header->type != WIRE_METHOD_CALL)
    {
      fuzz_require (header->type != WIRE_SIGNAL);
      take_answer (peer, message);
      return;
    }

  call = read_call (message);
  if (call.to_service)
    check_service_call (peer, header);
  else
    check_driver_call (message);
  if ((header->flags & WIRE_NO_REPLY_EXPECTED) != 0 || answer (fake, peer, message, &call))
    return;

  g_array_append_val (peer->pending, call);
  fuzz_require (peer->lies || count_service_calls (peer) <= LIMIT_PENDING_CALLS_CALLER);
}

static const FakeBusHandlers handlers = { .message = on_message };

void
bus_begin (void)
{
  world->peers = g_ptr_array_new_with_free_func (bus_free);
  world->callbacks = g_array_new (FALSE, FALSE, sizeof (Callback));
  world->bus = fake_bus_new (world->event, &handlers);
}

void
bus_free (void *data)
{
  Peer *peer = data;

  g_array_unref (peer->pending);
  g_free (peer);
}

/* --- What it says --- */

static FakePeer *
choose_peer (void)
{
  unsigned choice = input_byte (world->input), n = 0;
  FakePeer *peer;

  while (fake_bus_get_peer (world->bus, n) != NULL)
    n++;
  if (n == 0)
    return NULL;

  peer = fake_bus_get_peer (world->bus, choice % n);
  return peer->connection != NULL && peer->greeted ? peer : NULL;
}

static const char *
choose_sender (void)
{
  static const char *const senders[] = { ":1.10", ":1.11",         ":1.12", ":1.66",
                                         NULL,    BUS_DRIVER_NAME, ":1.1",  "org.example.Ask1" };

  return input_choose (world->input, senders, G_N_ELEMENTS (senders));
}

/* Bits 0 to 2: which of the calls; 3: an error; 4: with descriptors; the upper ones: how large. */
void
bus_reply (void)
{
  FakePeer *fake = choose_peer ();
  uint8_t options = input_byte (world->input), offset = input_byte (world->input);
  const char *sender = choose_sender ();
  g_autofree char *text = g_strdup_printf ("R%u", world->replies->len);
  Pending call = { 0 };
  Peer *peer;
  Said said;

  if (fake == NULL)
    return;

  peer = get_peer (fake);
  if (options % PENDING_SHOWN < peer->pending->len)
    {
      call = g_array_index (peer->pending, Pending, options % PENDING_SHOWN);
      if (offset == 0)
        g_array_remove_index (peer->pending, options % PENDING_SHOWN);
    }
  if (call.serial + offset == 0)
    return;

  /* The driver's answers are of another kind: this bus makes them up. */
  if (!call.to_service)
    peer->lies = true;
  said = (Said){ .peer = peer->number, .serial = call.serial + offset };
  g_array_append_val (world->replies, said);
  say_much (fake->connection,
            (WireHeader){ .type = options & 8 ? WIRE_ERROR : WIRE_METHOD_RETURN,
                          .reply_serial = said.serial,
                          .error_name = options & 8 ? "org.example.Error.No" : NULL,
                          .n_descriptors = options & 16 ? 1 : 0,
                          .destination = fake->name,
                          .sender = sender },
            text, read_size (options));
}

void
bus_signal (void)
{
  FakePeer *fake = choose_peer ();
  const char *sender = choose_sender ();
  uint8_t options = input_byte (world->input);
  size_t size = read_size (options);

  for (unsigned n = read_times (input_byte (world->input), size); fake != NULL && n > 0; n--)
    {
      g_autofree char *member = g_strdup_printf ("S%u", world->signals->len);
      Peer *peer = get_peer (fake);
      Said said = { .peer = peer->number, .from_owner = owns_any (peer, sender) };

      g_array_append_val (world->signals, said);
      if (say_much (
              fake->connection,
              (WireHeader){ .type = WIRE_SIGNAL,
                            .path = "/org/example",
                            .interface = options & 1 ? BUS_DRIVER_INTERFACE : "org.example.Ask1",
                            .member = options & 2 ? "ActivatableServicesChanged" : member,
                            .n_descriptors = options & 16 ? 1 : 0,
                            .sender = sender,
                            .destination = options & 4 ? fake->name : NULL },
              "", size)
          < 0)
        return;
      /* A name of its own is not a number that could be looked up. */
      if (options & 2)
        peer->lies = true;
    }
}

/* Connection, name, owner: bits 0 and 1; bit 7: a new owner that is none. */
void
bus_change_owner (void)
{
  FakePeer *fake = choose_peer ();
  int name = input_byte (world->input) % (N_NAMES + 1);
  uint8_t choice = input_byte (world->input);
  int owner = choice % 4 == 0 ? NOBODY : choice % 4 - 1;
  WireWriter *body;
  Peer *peer;

  if (fake == NULL)
    return;

  peer = get_peer (fake);
  body = wire_writer_new ();
  wire_writer_string (body, name < N_NAMES ? exported_names[name] : owner_names[choice % 3]);
  wire_writer_string (body,
                      name < N_NAMES ? get_owner (peer->owners[name]) : owner_names[choice % 3]);
  wire_writer_string (body, choice & 128     ? "org.example.Ask1"
                            : name < N_NAMES ? get_owner (owner)
                                             : "");
  if (name < N_NAMES && (choice & 128) == 0)
    peer->owners[name] = owner;
  say (fake->connection,
       (WireHeader){ .type = WIRE_SIGNAL,
                     .path = BUS_DRIVER_PATH,
                     .interface = BUS_DRIVER_INTERFACE,
                     .member = "NameOwnerChanged",
                     .sender = BUS_DRIVER_NAME,
                     .signature = "sss" },
       body);
}

/* --- Callbacks --- */

/* Bit 0: no reply is wanted; 1: with descriptors; the upper ones: how large. */
void
bus_call_back (void)
{
  FakePeer *fake = choose_peer ();
  const char *sender = choose_sender ();
  uint8_t options = input_byte (world->input);
  size_t size = read_size (options);

  for (unsigned n = read_times (input_byte (world->input), size); fake != NULL && n > 0; n--)
    {
      g_autofree char *member = g_strdup_printf ("B%u", world->callbacks->len);
      Peer *peer = get_peer (fake);
      Callback callback = { .peer = peer->number,
                            .serial = ++peer->n_callbacks,
                            .from_owner = owns_any (peer, sender),
                            .wants_reply = (options & 1) == 0,
                            .host = NOBODY };

      g_array_append_val (world->callbacks, callback);
      if (say_much (fake->connection,
                    (WireHeader){ .type = WIRE_METHOD_CALL,
                                  .flags = options & 1 ? WIRE_NO_REPLY_EXPECTED : 0,
                                  .serial = callback.serial,
                                  .path = "/org/example",
                                  .interface = "org.bluez.Agent1",
                                  .member = member,
                                  .n_descriptors = options & 2 ? 1 : 0,
                                  .sender = sender,
                                  .destination = fake->name },
                    "", size)
          < 0)
        return;
    }
}

int
bus_take_callback (Host *host, const WireMessage *call)
{
  int number = read_number (call->header.member, 'B');
  Callback *callback;

  if (host->peer == NOBODY || ((Peer *) world->peers->pdata[host->peer])->lies)
    return NOBODY;

  fuzz_require (number >= 0 && number < (int) world->callbacks->len);
  callback = &g_array_index (world->callbacks, Callback, number);
  fuzz_require (callback->peer == host->peer && callback->from_owner && !callback->arrived);
  callback->arrived = true;
  callback->host = host->number;
  callback->given = call->header.serial;
  return number;
}

int
bus_choose_callback (const Host *host, uint32_t *ret_serial)
{
  unsigned skip = input_byte (world->input) % PENDING_SHOWN;

  for (guint i = 0; i < world->callbacks->len; i++)
    {
      const Callback *callback = &g_array_index (world->callbacks, Callback, i);

      if (!callback->arrived || callback->host != host->number || skip-- > 0)
        continue;
      *ret_serial = callback->given;
      return (int) i;
    }

  return NOBODY;
}

/* --- Worse --- */

void
bus_speak_raw (void)
{
  FakePeer *fake = choose_peer ();
  size_t size;
  const uint8_t *bytes = input_bytes (world->input, RAW_AT_MOST, &size);

  if (fake == NULL)
    return;

  get_peer (fake)->lies = true;
  connection_send_bytes (fake->connection, bytes, size);
}

void
bus_close (void)
{
  FakePeer *fake = choose_peer ();

  if (fake != NULL)
    fake_peer_close (fake);
}

void
bus_pause (void)
{
  FakePeer *fake = choose_peer ();
  uint8_t choice = input_byte (world->input);

  if (fake != NULL)
    connection_pause (fake->connection, choice & 1);
}
