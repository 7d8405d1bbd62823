/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Callbacks in fuzz-conversation-bridge: what a guest's services call on their callers, and what
 * those answer. */
#include <string.h>

#include "bridge-world.h"
#include "callback.h"

typedef struct
{
  int guest;
  uint32_t serial;
  unsigned names; /* a bit for each name that its sender owned */
  bool wants_reply;
  bool answered;
  bool doubled; /* as Call has it */

  /* Once it has been delivered. */
  bool arrived;
  int caller;
  uint32_t given; /* the serial under which it came */
  FakePeer *peer; /* through which it came; NULL: the bus socket */
} Callback;

void
callback_begin (void)
{
  world->callbacks = g_array_new (FALSE, FALSE, sizeof (Callback));
}

/* Channel, sender, destination; interface, and bit 6: no reply is wanted, bit 7: an old serial. */
void
guest_call (void)
{
  static const char *const interfaces[] = { "org.bluez.Agent1", "org.example.Back1", NULL,
                                            "org.freedesktop.DBus.Properties" };
  Guest *guest = guest_choose (CHANNEL_BUS);
  const char *sender = guest_choose_sender (), *to = guest_choose_destination ();
  uint8_t options = input_byte (world->input);
  Callback callback = { .wants_reply = (options & 64) == 0, .caller = NOBODY };
  g_autofree char *member = g_strdup_printf ("B%u", world->callbacks->len);

  if (guest == NULL)
    return;

  if ((options & 128) == 0 || guest->last_callback == 0)
    guest->last_callback++;
  callback.guest = guest->number;
  callback.serial = guest->last_callback;
  callback.names = guest_get_names (guest, sender);
  for (guint i = 0; i < world->callbacks->len; i++)
    {
      Callback *other = &g_array_index (world->callbacks, Callback, i);

      if (other->guest == callback.guest && other->serial == callback.serial)
        other->doubled = callback.doubled = true;
    }
  g_array_append_val (world->callbacks, callback);
  say (guest->connection,
       (WireHeader){ .type = WIRE_METHOD_CALL,
                     .flags = callback.wants_reply ? 0 : WIRE_NO_REPLY_EXPECTED,
                     .serial = callback.serial,
                     .path = "/org/example",
                     .interface = interfaces[options % G_N_ELEMENTS (interfaces)],
                     .member = member,
                     .sender = sender,
                     .destination = to },
       NULL);
}

/* Only who owns a name that this caller has called, on the caller's own channel; on the host's bus
 * by that name's alias, on a closed list of interfaces. */
void
callback_arrived (int caller, FakePeer *peer, const WireMessage *message)
{
  const WireHeader *header = &message->header;
  int number = read_number (header->member, 'B');
  Callback *callback;
  const Guest *guest;

  fuzz_require (peer == NULL || callback_is_allowed (header->interface));
  if (world->raw || world->raw_client)
    return;

  fuzz_require (number >= 0 && number < (int) world->callbacks->len);
  callback = &g_array_index (world->callbacks, Callback, number);
  guest = world->guests->pdata[callback->guest];
  fuzz_require (!callback->arrived && guest->caller == caller);
  fuzz_require (callback->wants_reply == ((header->flags & WIRE_NO_REPLY_EXPECTED) == 0));
  if (peer != NULL)
    fuzz_require ((callback->names & 1u << (peer->role - 1)) != 0 && guest->called[peer->role - 1]);
  else
    fuzz_require (callback->names != 0);

  callback->arrived = true;
  callback->caller = caller;
  callback->given = header->serial;
  callback->peer = peer;
}

static Callback *
choose_arrived (void)
{
  unsigned choice = input_byte (world->input), n = 0;

  for (guint i = 0; i < world->callbacks->len; i++)
    n += g_array_index (world->callbacks, Callback, i).arrived;
  if (n == 0)
    return NULL;

  choice %= n;
  for (guint i = 0; i < world->callbacks->len; i++)
    {
      Callback *callback = &g_array_index (world->callbacks, Callback, i);

      if (callback->arrived && choice-- == 0)
        return callback;
    }

  return NULL;
}

/* Which, options: bits 0 and 1 whoever else answers, 2: with an error, 3: with descriptors, the
 * upper ones: how large; and what is added to the serial. */
void
callback_answer (void)
{
  Callback *callback = choose_arrived ();
  uint8_t options = input_byte (world->input), offset = input_byte (world->input);
  g_autofree char *text = NULL;
  g_autofree char *sender = NULL;
  Connection *connection;
  Client *client = NULL;
  WireHeader header;
  int caller;

  if (callback == NULL)
    return;

  if (callback->caller >= FIRST_CLIENT)
    client = world->clients->pdata[callback->caller - FIRST_CLIENT];
  connection = client != NULL ? client->connection : callback->peer->connection;
  if (connection == NULL)
    return;

  caller = client != NULL ? client->number : (callback->caller + options % 4) % N_CALLERS;
  text = g_strdup_printf ("A%d", caller);
  sender = g_strdup_printf (":2.%d", caller);
  header = (WireHeader){ .type = options & 4 ? WIRE_ERROR : WIRE_METHOD_RETURN,
                         .reply_serial = callback->given + offset,
                         .error_name = options & 4 ? "org.example.Error.No" : NULL,
                         .n_descriptors = options & 8 ? 1 : 0,
                         .destination = client != NULL ? NULL : callback->peer->name,
                         .sender = client != NULL ? NULL : sender };
  say_much (connection, header, text, read_size (options));
}

/* An answer reaches the guest once, and one that it got for this call from whom it had called. */
void
callback_answered (Guest *guest, const WireMessage *message)
{
  const WireHeader *header = &message->header;
  const char *text;
  WireReader reader;
  int number = NOBODY;

  fuzz_require (header->sender == NULL && header->n_descriptors == 0);
  if (world->raw || world->raw_client)
    return;

  wire_reader_init (&reader, message);
  if (wire_reader_string (&reader, &text))
    number = read_number (text, 'A');

  for (guint i = 0; i < world->callbacks->len; i++)
    {
      Callback *callback = &g_array_index (world->callbacks, Callback, i);

      if (callback->guest != guest->number || callback->serial != header->reply_serial
          || !callback->wants_reply || callback->answered)
        continue;

      fuzz_require (number == NOBODY || callback->doubled || number == callback->caller);
      fuzz_require (header->type == WIRE_ERROR || callback->arrived || callback->doubled);
      callback->answered = true;
      return;
    }

  fuzz_require (!"an answer came to a guest that has asked nothing, or has its answer");
}
