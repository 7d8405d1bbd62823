/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host of fuzz-conversation-bridge: its bus, which tells the truth, polkit, and callers of
 * aliases. */
#include <stdlib.h>
#include <string.h>

#include "bridge-world.h"
#include "limit.h"
#include "subject.h"

#define GATE_NAME TOMBOLO_GUEST_PREFIX
#define CALLER_PREFIX ":2."

#define REQUEST_PRIMARY_OWNER 1
#define REQUEST_IN_QUEUE 2
#define REQUEST_EXISTS 3

typedef struct
{
  FakePeer *peer;
  uint32_t serial;
  int caller;
} Lookup;

struct AuthorityCheck
{
  GList link;
  AuthorityDone done;
  void *user_data;
  int call; /* NOBODY: none of ours, such as Hello */
};

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
read_times (uint8_t byte, uint8_t options)
{
  unsigned times = byte < 240 ? 1 : (byte - 239u) * 10;
  size_t size = read_size (options);

  return MIN (times, (size < 1000000 ? FEW_BYTES : BYTES_AT_MOST) / (size + 1) + 1);
}

static int
read_caller (const char *name)
{
  int caller;

  if (name == NULL || !g_str_has_prefix (name, CALLER_PREFIX))
    return NOBODY;
  caller = atoi (name + strlen (CALLER_PREFIX));
  fuzz_require (caller >= 0 && caller < N_CALLERS);
  return caller;
}

/* --- Calls --- */

static Call *
get_call (int number)
{
  return number >= 0 && number < (int) world->calls->len
             ? &g_array_index (world->calls, Call, number)
             : NULL;
}

/* What the machine file's rules say of a name is known before anything happens. */
int
call_add (int caller, uint32_t serial, int name, FakePeer *peer, bool wants_reply)
{
  Call call = { .caller = caller,
                .serial = serial,
                .name = name,
                .peer = peer,
                .wants_reply = wants_reply,
                .allowed = world->has_rules && name == 1,
                .denied = world->has_rules && name == 2 };

  for (guint i = 0; i < world->calls->len; i++)
    {
      Call *other = &g_array_index (world->calls, Call, i);

      if (other->caller == caller && other->serial == serial)
        other->doubled = call.doubled = true;
    }

  g_array_append_val (world->calls, call);
  return (int) world->calls->len - 1;
}

void
call_drop_last (void)
{
  g_array_set_size (world->calls, world->calls->len - 1);
}

/* A reply of the guest's reaches whose call it answers, and nobody else. */
static void
check_source (int caller, const WireMessage *message)
{
  const char *text;
  const Guest *guest;
  const Said *said;
  WireReader reader;
  int number;

  if (world->raw || world->raw_client)
    return;

  wire_reader_init (&reader, message);
  if (!wire_reader_string (&reader, &text) || (number = read_number (text, 'R')) == NOBODY)
    return;

  fuzz_require (number < (int) world->replies->len);
  said = &g_array_index (world->replies, Said, number);
  guest = world->guests->pdata[said->guest];
  fuzz_require (guest->caller == caller && said->serial == message->header.reply_serial);
}

void
call_take_answer (int caller, FakePeer *peer, const WireMessage *message)
{
  bool is_return = message->header.type == WIRE_METHOD_RETURN;

  check_source (caller, message);
  for (guint i = 0; i < world->calls->len; i++)
    {
      Call *call = &g_array_index (world->calls, Call, i);

      if (call->caller != caller || call->serial != message->header.reply_serial
          || call->peer != peer || !call->wants_reply || call->answered
          || (is_return && peer != NULL && !call->arrived && !call->doubled && !world->raw_client))
        continue;

      /* Nobody but the service says that a call was carried out. */
      fuzz_require (!is_return || !call->denied);
      call->answered = true;
      return;
    }

  fprintf (stderr, "caller %d got %s to %u\n", caller,
           is_return ? "a reply" : message->header.error_name, message->header.reply_serial);
  fuzz_require (!"a reply came to a call that nobody made, or that was answered");
}

/* --- The bus --- */

static int
find_alias (const char *name)
{
  for (int i = 0; i < N_NAMES; i++)
    {
      bool session = get_bus_of (i) == GUEST_BUS_SESSION;
      g_autofree char *alias =
          g_strconcat (session ? TOMBOLO_GUEST_SESSION_PREFIX : TOMBOLO_GUEST_PREFIX, ".work.",
                       exported_names[i], NULL);

      if (strcmp (name, alias) == 0)
        return i;
    }

  return NOBODY;
}

static void
request_name (FakePeer *peer, uint32_t serial, const char *name)
{
  int alias = find_alias (name);
  uint32_t result = REQUEST_IN_QUEUE;
  WireWriter *body;

  /* Names are never asked for on a guest's word: those of its exports and the gate are all. */
  fuzz_require (alias != NOBODY || strcmp (name, GATE_NAME) == 0
                || strcmp (name, TOMBOLO_GUEST_SESSION_PREFIX) == 0);
  if (alias != NOBODY)
    {
      fuzz_require (peer->role == 0 || peer->role == alias + 1);
      peer->role = alias + 1;
      peer->owned = !world->refuses_names;
      result = peer->owned ? REQUEST_PRIMARY_OWNER : REQUEST_EXISTS;
    }

  body = wire_writer_new ();
  wire_writer_uint32 (body, result);
  fake_peer_answer (peer, serial, "u", body);
}

static void
answer_lookup (const Lookup *lookup)
{
  WireWriter *body;
  size_t mark;

  if (lookup->peer->connection == NULL)
    return;
  if (world->left[lookup->caller])
    {
      fake_peer_answer_error (lookup->peer, lookup->serial,
                              "org.freedesktop.DBus.Error.NameHasNoOwner");
      return;
    }

  body = wire_writer_new ();
  mark = wire_writer_begin_array (body, 8);
  wire_writer_begin_struct (body);
  wire_writer_string (body, "UnixUserID");
  wire_writer_signature (body, "u");
  wire_writer_uint32 (body, 1000 + (uint32_t) lookup->caller / CALLERS_OF_A_USER);
  wire_writer_end_array (body, mark);
  fake_peer_answer (lookup->peer, lookup->serial, "a{sv}", body);
}

static void
take_driver_call (FakePeer *peer, const WireMessage *message)
{
  const WireHeader *header = &message->header;
  const char *argument = "";
  WireReader reader;

  wire_reader_init (&reader, message);
  wire_reader_string (&reader, &argument);

  if (strcmp (header->member, "RequestName") == 0)
    request_name (peer, header->serial, argument);
  else if (strcmp (header->member, "ReleaseName") == 0)
    peer->owned = false;
  else if (strcmp (header->member, "GetConnectionCredentials") == 0)
    {
      Lookup lookup = { peer, header->serial, read_caller (argument) };

      fuzz_require (lookup.caller != NOBODY);
      if (world->holds_credentials)
        g_array_append_val (world->lookups, lookup);
      else
        answer_lookup (&lookup);
    }
  else if ((header->flags & WIRE_NO_REPLY_EXPECTED) == 0)
    fake_peer_answer (peer, header->serial, "", NULL);
}

/* The channel that a caller has, and must have to hear of the guest at all. */
static const Guest *
get_channel (int caller, GuestBus bus)
{
  fuzz_require (world->channels[bus][caller] != NOBODY);
  return world->guests->pdata[world->channels[bus][caller]];
}

static void
take_signal (FakePeer *peer, const WireHeader *header)
{
  int name = peer->role - 1, number = read_number (header->member, 'S');
  int caller = read_caller (header->destination);
  const Guest *guest;
  const Said *said;

  fuzz_require (name >= 0 && header->path != NULL);
  if (world->raw_client)
    return;
  if (caller != NOBODY)
    fuzz_require (world->left[caller] || get_channel (caller, get_bus_of (name))->called[name]);
  if (world->raw)
    return;

  fuzz_require (number >= 0 && number < (int) world->signals->len);
  said = &g_array_index (world->signals, Said, number);
  guest = world->guests->pdata[said->guest];

  /* From the owner of this name, and on the channel of who hears it. */
  fuzz_require ((said->names & 1u << name) != 0);
  if (caller == NOBODY)
    fuzz_require (said->public && name == 0 && guest->caller == NOBODY);
  else
    fuzz_require (guest->caller == caller && guest->called[name]);
}

static void
on_bus_message (FakePeer *peer, const WireMessage *message)
{
  const WireHeader *header = &message->header;
  bool to_driver = g_strcmp0 (header->destination, BUS_DRIVER_NAME) == 0;
  int caller;

  switch (header->type)
    {
    case WIRE_METHOD_CALL:
      if (to_driver)
        take_driver_call (peer, message);
      else if ((caller = read_caller (header->destination)) != NOBODY)
        {
          if (!world->left[caller])
            callback_arrived (caller, peer, message);
        }
      else if ((header->flags & WIRE_NO_REPLY_EXPECTED) == 0)
        fake_peer_answer_error (peer, header->serial, "org.freedesktop.DBus.Error.ServiceUnknown");
      break;
    case WIRE_SIGNAL:
      take_signal (peer, header);
      break;
    default:
      caller = read_caller (header->destination);
      fuzz_require (caller != NOBODY);
      if (!world->left[caller])
        call_take_answer (caller, peer, message);
      break;
    }
}

/* Whoever waits for a reply from a connection that is gone hears so from the bus. */
static void
on_bus_closed (FakePeer *peer)
{
  for (guint i = 0; i < world->calls->len; i++)
    if (g_array_index (world->calls, Call, i).peer == peer)
      g_array_index (world->calls, Call, i).answered = true;
}

static const FakeBusHandlers bus_handlers = { .message = on_bus_message, .closed = on_bus_closed };

void
host_begin (void)
{
  world->lookups = g_array_new (FALSE, FALSE, sizeof (Lookup));
  world->bus = fake_bus_new (world->event, &bus_handlers);
}

/* Any peer that has asked for this alias, the last one first. */
static FakePeer *
find_peer (int name)
{
  FakePeer *found = NULL, *peer;

  for (unsigned i = 0; (peer = fake_bus_get_peer (world->bus, i)) != NULL; i++)
    if (peer->role == name + 1 && peer->connection != NULL)
      found = peer;

  return found;
}

/* --- What callers do --- */

static bool
send_call (FakePeer *peer, int caller, int name, uint8_t options)
{
  bool wants_reply = (options & 1) == 0;
  g_autofree char *sender = g_strdup_printf (CALLER_PREFIX "%d", caller);
  g_autofree char *call_path = g_strdup_printf ("/c%d", caller);
  g_autofree char *member = NULL;
  WireHeader header;

  /* Bit 4: a serial of a call that may still be on its way. */
  if ((options & 16) == 0 || world->serials[caller] == 0)
    world->serials[caller]++;
  member =
      g_strdup_printf ("M%d", call_add (caller, world->serials[caller], name, peer, wants_reply));
  header = (WireHeader){ .type = WIRE_METHOD_CALL,
                         .flags = (wants_reply ? 0 : WIRE_NO_REPLY_EXPECTED)
                                  | (options & 2 ? WIRE_ALLOW_INTERACTIVE_AUTHORIZATION : 0),
                         .serial = world->serials[caller],
                         .path = call_path,
                         .interface = options & 4 ? NULL : exported_names[name],
                         .member = member,
                         .n_descriptors = options & 8 ? 1 : 0,
                         .destination = peer->name,
                         .sender = sender };
  if (say_much (peer->connection, header, "", read_size (options)) >= 0)
    return true;

  call_drop_last ();
  return false;
}

void
host_call (void)
{
  int caller = input_byte (world->input) % N_CALLERS, name = input_byte (world->input) % N_NAMES;
  uint8_t options = input_byte (world->input), n = input_byte (world->input);
  FakePeer *peer = find_peer (name);

  /* An odd number: that many callers one after the other, and not one of them. */
  for (unsigned times = read_times (n, options); peer != NULL && times > 0; times--)
    {
      if (!world->left[caller] && !send_call (peer, caller, name, options))
        return;
      if (n % 2 != 0)
        caller = (caller + 1) % N_CALLERS;
    }
}

static void
leave (int caller)
{
  FakePeer *control = fake_bus_get_peer (world->bus, 0);
  g_autofree char *name = g_strdup_printf (CALLER_PREFIX "%d", caller);
  WireWriter *body;

  if (world->left[caller])
    return;

  world->left[caller] = true;
  if (control->connection == NULL)
    return;

  body = wire_writer_new ();
  wire_writer_string (body, name);
  wire_writer_string (body, name);
  wire_writer_string (body, "");
  say (control->connection,
       (WireHeader){ .type = WIRE_SIGNAL,
                     .path = BUS_DRIVER_PATH,
                     .interface = BUS_DRIVER_INTERFACE,
                     .member = "NameOwnerChanged",
                     .sender = BUS_DRIVER_NAME,
                     .signature = "sss" },
       body);
}

void
host_leave (void)
{
  leave (input_byte (world->input) % N_CALLERS);
}

void
host_leave_all (void)
{
  for (int i = 0; i < N_CALLERS; i++)
    leave (i);
}

void
host_release_credentials (void)
{
  for (guint i = 0; i < world->lookups->len; i++)
    answer_lookup (&g_array_index (world->lookups, Lookup, i));
  g_array_set_size (world->lookups, 0);
}

void
host_close_peer (void)
{
  FakePeer *peer = find_peer (input_byte (world->input) % N_NAMES);

  if (peer != NULL)
    fake_peer_close (peer);
}

/* The host's bus stands still, or goes on. */
void
host_pause_peer (void)
{
  uint8_t choice = input_byte (world->input);
  FakePeer *peer = find_peer (choice % N_NAMES);

  if (peer != NULL)
    connection_pause (peer->connection, choice & 128);
}

/* --- polkit, in place of src/authority --- */

Authority *
authority_new (sd_bus *bus)
{
  static char authority;

  return (Authority *) &authority;
}

void
authority_free (Authority *authority)
{
  fuzz_require (world->checks.length == 0);
}

void
authority_forget (Authority *authority, const char *bus_name)
{
}

bool
authority_process_is_same (pid_t pid, int pidfd, uint64_t start_time)
{
  return true;
}

static void
set_verdict (int number, AuthorityVerdict verdict)
{
  Call *call = get_call (number);

  if (call != NULL)
    *(verdict == AUTHORITY_ALLOWED ? &call->allowed : &call->denied) = true;
}

/* Which call this is about. Who asks is who calls, whatever else the message says. */
static int
find_asked (const AuthorityRequest *request)
{
  const char *member = "", *path = "", *name = "", *machine = "";
  const AuthoritySubject *subject = &request->subject;
  const Call *call;
  int number;

  for (gsize i = 0; request->details[i] != NULL; i += 2)
    if (strcmp (request->details[i], "member") == 0)
      member = request->details[i + 1];
    else if (strcmp (request->details[i], "path") == 0)
      path = request->details[i + 1];
    else if (strcmp (request->details[i], "name") == 0)
      name = request->details[i + 1];
    else if (strcmp (request->details[i], "machine") == 0)
      machine = request->details[i + 1];

  fuzz_require (strcmp (machine, "work") == 0);
  number = read_number (member, 'M');
  call = get_call (number);
  if (call == NULL || !g_str_has_prefix (path, "/c")
      || (subject->bus_name == NULL && world->raw_client))
    return NOBODY;

  fuzz_require (call->caller == atoi (path + strlen ("/c")));
  fuzz_require (subject->bus_name == NULL ? call->caller >= FIRST_CLIENT && subject->pidfd >= 0
                                          : call->caller == read_caller (subject->bus_name));
  fuzz_require (call->name == NOBODY || strcmp (name, exported_names[call->name]) == 0);
  fuzz_require (!call->allowed && !call->denied && !call->arrived);
  return number;
}

int
authority_check (Authority *authority, const AuthorityRequest *request, AuthorityDone done,
                 void *user_data, AuthorityVerdict *ret_verdict, AuthorityCheck **ret_check)
{
  static const AuthorityVerdict verdicts[] = { [POLKIT_ALLOWS] = AUTHORITY_ALLOWED,
                                               [POLKIT_DENIES] = AUTHORITY_DENIED,
                                               [POLKIT_HAS_ENOUGH] = AUTHORITY_LIMIT };
  int number = find_asked (request);
  AuthorityCheck *check;

  if (world->polkit != POLKIT_WAITS)
    {
      *ret_verdict = verdicts[world->polkit];
      set_verdict (number, *ret_verdict);
      return 1;
    }

  check = g_new0 (AuthorityCheck, 1);
  check->link.data = check;
  check->done = done;
  check->user_data = user_data;
  check->call = number;
  g_queue_push_tail_link (&world->checks, &check->link);
  *ret_check = check;
  return 0;
}

void
authority_check_cancel (AuthorityCheck *check)
{
  g_queue_unlink (&world->checks, &check->link);
  g_free (check);
}

/* The oldest question is answered. */
void
host_polkit_answers (AuthorityVerdict verdict)
{
  AuthorityCheck *check = g_queue_peek_head (&world->checks);
  AuthorityDone done;
  void *user_data;

  if (check == NULL)
    return;

  done = check->done;
  user_data = check->user_data;
  set_verdict (check->call, verdict);
  authority_check_cancel (check);
  done (verdict, user_data);
}
