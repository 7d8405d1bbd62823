/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the targets of whole conversations share. */
#include "conversation.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "limit.h"

/* A conversation takes a few thousand rounds at most; 16 MiB in pieces are the longest. */
#define ROUNDS_AT_MOST 200000

#define ID "0123456789abcdef0123456789abcdef"

/* --- The input --- */

uint8_t
input_byte (Input *input)
{
  if (input->size == 0)
    return 0;

  input->size--;
  return *input->data++;
}

const uint8_t *
input_bytes (Input *input, size_t limit, size_t *ret_size)
{
  size_t size = input_byte (input);
  const uint8_t *bytes;

  size = MIN (size, MIN (limit, input->size));
  bytes = input->data;
  input->data += size;
  input->size -= size;
  *ret_size = size;
  return bytes;
}

const char *
input_choose (Input *input, const char *const *choices, size_t n_choices)
{
  return choices[input_byte (input) % n_choices];
}

/* --- Time. These two take the place of the libraries' own. --- */

typedef struct
{
  sd_event_source *source;
  gint64 due;
} Timer;

static gint64 now;
static GArray *timers;

gint64
g_get_monotonic_time (void)
{
  return now;
}

int
sd_event_add_time_relative (sd_event *event, sd_event_source **ret_source, clockid_t clock,
                            uint64_t usec, uint64_t accuracy, sd_event_time_handler_t callback,
                            void *user_data)
{
  sd_event_source *source;
  Timer timer;
  int r;

  /* What is due at once is; the rest waits for time_pass(). */
  r = sd_event_add_time (event, &source, clock, usec == 0 ? 0 : UINT64_MAX, 1, callback, user_data);
  if (r < 0)
    return r;

  timer = (Timer){ .source = sd_event_source_ref (source), .due = now + (gint64) usec };
  g_array_append_val (timers, timer);
  if (ret_source != NULL)
    *ret_source = source;
  else
    sd_event_source_set_floating (source, 1);
  return 0;
}

static void
clear_timer (void *timer)
{
  sd_event_source_unref (((Timer *) timer)->source);
}

void
time_begin (void)
{
  now = G_USEC_PER_SEC;
  timers = g_array_new (FALSE, FALSE, sizeof (Timer));
  g_array_set_clear_func (timers, clear_timer);
}

void
time_end (void)
{
  g_clear_pointer (&timers, g_array_unref);
}

void
time_pass (uint64_t usec)
{
  now += (gint64) usec;
  for (guint i = timers->len; i-- > 0;)
    {
      Timer *timer = &g_array_index (timers, Timer, i);
      int enabled = SD_EVENT_OFF;

      /* One that was disabled is gone: nobody here switches timers on again. */
      if (sd_event_source_get_enabled (timer->source, &enabled) < 0 || enabled == SD_EVENT_OFF)
        g_array_remove_index_fast (timers, i);
      else if (timer->due <= now)
        sd_event_source_set_time (timer->source, 0);
    }
}

void
loop_run (sd_event *event)
{
  unsigned n = 0;

  while (sd_event_run (event, 0) > 0)
    fuzz_require (n++ < ROUNDS_AT_MOST);
}

/* --- Messages --- */

int
say (Connection *connection, WireHeader header, WireWriter *body)
{
  const uint8_t *data = NULL;
  size_t size = 0;
  int r;

  if (header.byte_order == 0)
    header.byte_order = wire_native_byte_order ();
  if (header.serial == 0)
    header.serial = 1;
  if (header.signature == NULL)
    header.signature = "";
  if (body != NULL)
    data = wire_writer_data (body, &size);

  r = connection_send (connection, &header, data, size);
  wire_writer_free (body);
  return r;
}

int
say_much (Connection *connection, WireHeader header, const char *text, size_t size)
{
  uint32_t length = (uint32_t) strlen (text), number = (uint32_t) size;
  size_t array_at = (sizeof length + length + 1 + 3) & ~(size_t) 3;
  g_autofree uint8_t *body = g_malloc0 (array_at + sizeof number + size);

  memcpy (body, &length, sizeof length);
  memcpy (body + sizeof length, text, length);
  memcpy (body + array_at, &number, sizeof number);

  header.byte_order = wire_native_byte_order ();
  header.serial = header.serial == 0 ? 1 : header.serial;
  header.signature = "say";
  return connection_send (connection, &header, body, array_at + sizeof number + size);
}

/* --- A bus --- */

struct FakeBus
{
  sd_event *event;
  const FakeBusHandlers *handlers;
  bool deaf;
  sd_event_source *source;
  GPtrArray *peers;
};

static char *path;
static int listener = -1;

static void
remove_socket (void)
{
  g_autofree char *folder = g_path_get_dirname (path);

  g_unlink (path);
  g_rmdir (folder);
}

static void
make_socket (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autofree char *folder = g_dir_make_tmp ("tombolo-fuzz-XXXXXX", NULL);

  fuzz_require (folder != NULL);
  path = g_build_filename (folder, "bus", NULL);
  atexit (remove_socket);
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  fuzz_require (bind (listener, (struct sockaddr *) &address, sizeof address) == 0);
  fuzz_require (listen (listener, 512) == 0);
}

const char *
fake_bus_get_path (void)
{
  if (path == NULL)
    make_socket ();
  return path;
}

void
fake_peer_answer (FakePeer *peer, uint32_t serial, const char *signature, WireWriter *body)
{
  say (peer->connection,
       (WireHeader){ .type = WIRE_METHOD_RETURN,
                     .reply_serial = serial,
                     .sender = BUS_DRIVER_NAME,
                     .destination = peer->name,
                     .signature = signature },
       body);
}

void
fake_peer_answer_error (FakePeer *peer, uint32_t serial, const char *error_name)
{
  say (peer->connection,
       (WireHeader){ .type = WIRE_ERROR,
                     .reply_serial = serial,
                     .error_name = error_name,
                     .sender = BUS_DRIVER_NAME,
                     .destination = peer->name },
       NULL);
}

static void
answer_hello (FakePeer *peer, const WireHeader *call)
{
  WireWriter *body = wire_writer_new ();

  wire_writer_string (body, peer->name);
  fake_peer_answer (peer, call->serial, "s", body);
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  FakePeer *peer = user_data;

  /* Both daemons disconnect who begins with anything else, and give senders themselves. */
  if (!peer->greeted)
    {
      fuzz_require (message->header.type == WIRE_METHOD_CALL
                    && strcmp (message->header.member, "Hello") == 0);
      peer->greeted = true;
      if (!peer->bus->deaf)
        {
          answer_hello (peer, &message->header);
          return;
        }
    }
  fuzz_require (message->header.sender == NULL);
  peer->bus->handlers->message (peer, message);
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  FakePeer *peer = user_data;

  if (reason > 0)
    fprintf (stderr, "a bus would disconnect %s: %s\n", peer->name,
             connection_reason_to_string (reason));
  fuzz_require (reason <= 0);
  fake_peer_close (peer);
}

static ssize_t
on_preamble (Connection *connection, const uint8_t *data, size_t size, void *user_data)
{
  FakePeer *peer = user_data;
  char answer[SASL_ANSWER_SIZE];
  SaslVerdict verdict;
  size_t consumed;

  verdict = sasl_server_feed (&peer->sasl, data, size, &consumed, answer);
  fuzz_require (verdict != SASL_FAILED);
  connection_send_bytes (connection, answer, strlen (answer));
  if (verdict == SASL_DONE)
    connection_end_preamble (connection);
  return (ssize_t) consumed;
}

static const ConnectionHandlers peer_handlers = {
  .message = on_message,
  .closed = on_closed,
  .preamble = on_preamble,
};

static void
peer_free (void *data)
{
  FakePeer *peer = data;

  connection_free (peer->connection);
  g_free (peer);
}

void
fake_peer_close (FakePeer *peer)
{
  if (peer->connection == NULL)
    return;

  g_clear_pointer (&peer->connection, connection_free);
  peer->owned = false;
  if (peer->bus->handlers->closed != NULL)
    peer->bus->handlers->closed (peer);
}

static int
on_connection (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  FakeBus *bus = user_data;
  int client = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  FakePeer *peer;

  if (client < 0)
    return 0;

  peer = g_new0 (FakePeer, 1);
  peer->bus = bus;
  peer->number = bus->peers->len;
  g_snprintf (peer->name, sizeof peer->name, ":1.%u", peer->number);
  sasl_server_init (&peer->sasl, ID);
  g_ptr_array_add (bus->peers, peer);
  fuzz_require (connection_new (bus->event, stream_new_socket (client), &peer_handlers, peer,
                                &peer->connection)
                == 0);
  return 0;
}

FakeBus *
fake_bus_new (sd_event *event, const FakeBusHandlers *handlers)
{
  FakeBus *bus = g_new0 (FakeBus, 1);
  int left;

  fake_bus_get_path ();
  /* Of the conversation before this one. */
  while ((left = accept4 (listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
    close (left);

  bus->event = event;
  bus->handlers = handlers;
  bus->peers = g_ptr_array_new_with_free_func (peer_free);
  fuzz_require (sd_event_add_io (event, &bus->source, listener, EPOLLIN, on_connection, bus) >= 0);
  return bus;
}

void
fake_bus_free (FakeBus *bus)
{
  sd_event_source_disable_unref (bus->source);
  g_ptr_array_unref (bus->peers);
  g_free (bus);
}

void
fake_bus_set_deaf (FakeBus *bus, bool deaf)
{
  bus->deaf = deaf;
}

FakePeer *
fake_bus_get_peer (FakeBus *bus, unsigned number)
{
  return number < bus->peers->len ? bus->peers->pdata[number] : NULL;
}
