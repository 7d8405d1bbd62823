/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One program in the guest that calls imported names. */
#include "import-caller.h"

#include <errno.h>
#include <string.h>

#include "body.h"
#include "error.h"
#include "forward.h"
#include "imports-private.h"
#include "limit.h"

/* A call that waits for the channel. */
typedef struct
{
  GList link;
  Import *import;
  uint8_t *bytes;
  WireMessage message;
} WaitingCall;

struct ImportCaller
{
  Imports *imports;
  char *name; /* unique, on the guest's bus */
  uint32_t id;
  Import *watcher;
  Connection *host;          /* NULL until there is a channel */
  sd_event_source *deadline; /* until then */
  GHashTable *pending;       /* serial: Import; those that wait, too */
  GQueue waiting;            /* WaitingCall, in the program's order */
  GPtrArray *used;           /* Import: those that were called */
};

static void
fail (ImportCaller *caller, Import *import, const WireHeader *call, TomboloError code,
      const char *text)
{
  WireHeader header = { .serial = call->serial, .flags = call->flags, .sender = caller->name };

  owned_name_send_error (import->name, &header, tombolo_error_name (code), text);
}

/* --- Into the channel --- */

static void
send_call (ImportCaller *caller, Import *import, const WireMessage *message)
{
  WireHeader header = forward_call (&message->header, owned_name_get_name (import->name));

  if (connection_send (caller->host, &header, message->body, message->body_size) != -ENOBUFS)
    return;

  g_hash_table_remove (caller->pending, GUINT_TO_POINTER (header.serial));
  fail (caller, import, &message->header, TOMBOLO_ERROR_LIMITS_EXCEEDED,
        "The host does not take calls as fast as you make them; wait for replies.");
}

static void
waiting_call_free (ImportCaller *caller, WaitingCall *call)
{
  g_queue_unlink (&caller->waiting, &call->link);
  caller->imports->waiting_size -= call->message.size;
  g_free (call->bytes);
  g_free (call);
}

void
import_caller_send_waiting (ImportCaller *caller)
{
  while (caller->waiting.head != NULL)
    {
      WaitingCall *call = caller->waiting.head->data;

      send_call (caller, call->import, &call->message);
      waiting_call_free (caller, call);
    }
}

/* The bytes were parsed before: their verdict cannot change. */
static void
enqueue (ImportCaller *caller, Import *import, const WireMessage *message)
{
  WaitingCall *call = g_new0 (WaitingCall, 1);

  call->link.data = call;
  call->import = import;
  call->bytes = g_memdup2 (message->body + message->body_size - message->size, message->size);
  if (wire_message_parse (call->bytes, message->size, &call->message) != WIRE_OK)
    g_assert_not_reached ();
  caller->imports->waiting_size += message->size;
  g_queue_push_tail_link (&caller->waiting, &call->link);
}

/* NULL where the call may go on, else why not. */
static const char *
get_problem (const ImportCaller *caller, const WireMessage *message, TomboloError *ret_code)
{
  const WireHeader *header = &message->header;

  *ret_code = TOMBOLO_ERROR_NOT_SUPPORTED;
  if (header->n_descriptors > 0)
    return "File descriptors do not cross to imported names.";

  *ret_code = TOMBOLO_ERROR_INVALID_ARGUMENT;
  if (g_hash_table_contains (caller->pending, GUINT_TO_POINTER (header->serial)))
    return "That serial belongs to a call that is not answered yet.";

  *ret_code = TOMBOLO_ERROR_LIMITS_EXCEEDED;
  if (g_hash_table_size (caller->pending) >= LIMIT_PENDING_CALLS_CALLER
      || caller->waiting.length >= LIMIT_PENDING_CALLS_CALLER)
    return "Too many of your calls to imported names wait for replies; wait for some of them.";
  if (caller->host == NULL && caller->imports->waiting_size + message->size > LIMIT_WAITING_SIZE)
    return "Too many bytes wait for the host; try again later.";

  return NULL;
}

void
import_caller_call (ImportCaller *caller, Import *import, const WireMessage *message)
{
  TomboloError code;
  const char *problem = get_problem (caller, message, &code);

  if (problem != NULL)
    {
      fail (caller, import, &message->header, code, problem);
      return;
    }

  if (!g_ptr_array_find (caller->used, import, NULL))
    g_ptr_array_add (caller->used, import);
  if ((message->header.flags & WIRE_NO_REPLY_EXPECTED) == 0)
    g_hash_table_insert (caller->pending, GUINT_TO_POINTER (message->header.serial), import);
  if (caller->host != NULL)
    send_call (caller, import, message);
  else
    enqueue (caller, import, message);
}

/* --- Out of the channel --- */

static void
misbehaved (ImportCaller *caller, const char *what)
{
  caller->imports->operations->complain (what, caller->imports->user_data);
  connection_abort (caller->host, -EPROTO);
}

static void
take_reply (ImportCaller *caller, const WireMessage *message)
{
  gpointer import;

  if (!g_hash_table_steal_extended (caller->pending,
                                    GUINT_TO_POINTER (message->header.reply_serial), NULL, &import))
    misbehaved (caller, "The host sent a reply to a call that nobody made; its channel is closed.");
  else if (import != NULL)
    owned_name_send_reply (((Import *) import)->name, &message->header, caller->name, message->body,
                           message->body_size, NULL);
}

static void
take_signal (ImportCaller *caller, const WireMessage *message)
{
  Import *import = message->header.sender != NULL
                       ? imports_find (caller->imports, message->header.sender)
                       : NULL;

  if (import == NULL || !g_ptr_array_find (caller->used, import, NULL))
    return; /* one that was taken back meanwhile */

  if (owned_name_send_signal (import->name, message, caller->name) == -ENOBUFS)
    caller->imports->operations->complain (
        "Signals of an imported name were dropped: the bus does not keep up.",
        caller->imports->user_data);
}

static void
on_message (Connection *connection, const WireMessage *message, void *user_data)
{
  ImportCaller *caller = user_data;

  if (message->header.type == WIRE_METHOD_CALL || message->header.n_descriptors > 0)
    misbehaved (caller, "The host called a program in the guest; its channel is closed.");
  else if (message->header.type == WIRE_SIGNAL)
    take_signal (caller, message);
  else
    take_reply (caller, message);
}

static void
on_closed (Connection *connection, int reason, void *user_data)
{
  ImportCaller *caller = user_data;

  import_caller_end (caller, "The host has closed the channel, and whether the call was carried "
                             "out is not known; call again.");
}

static const ConnectionHandlers handlers = { .message = on_message, .closed = on_closed };

bool
import_caller_accept (ImportCaller *caller, Connection *host)
{
  if (caller->host != NULL)
    return false;

  caller->host = host;
  caller->deadline = sd_event_source_disable_unref (caller->deadline);
  connection_set_handlers (host, &handlers, caller);
  import_caller_update_flow (caller);
  return true;
}

void
import_caller_update_flow (ImportCaller *caller)
{
  bool full = false;

  for (guint i = 0; i < caller->used->len; i++)
    full = full || owned_name_is_full (((Import *) caller->used->pdata[i])->name);
  if (caller->host != NULL)
    connection_pause (caller->host, full);
}

/* --- Life --- */

void
import_caller_drop (ImportCaller *caller, const Import *import)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, caller->pending);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (value == import)
      g_hash_table_iter_replace (&iter, NULL);

  for (GList *link = caller->waiting.head, *next; link != NULL; link = next)
    {
      WaitingCall *call = link->data;

      next = link->next;
      if (call->import == import)
        {
          g_hash_table_remove (caller->pending, GUINT_TO_POINTER (call->message.header.serial));
          waiting_call_free (caller, call);
        }
    }

  g_ptr_array_remove (caller->used, (gpointer) import);
  import_caller_update_flow (caller);
}

void
import_caller_end (ImportCaller *caller, const char *why)
{
  GHashTableIter iter;
  gpointer serial, import;

  g_hash_table_iter_init (&iter, caller->pending);
  while (why != NULL && g_hash_table_iter_next (&iter, &serial, &import))
    {
      const WireHeader call = { .serial = GPOINTER_TO_UINT (serial) };

      if (import != NULL)
        fail (caller, import, &call, TOMBOLO_ERROR_DISCONNECTED, why);
    }

  imports_remove_caller (caller->imports, caller);
}

static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  import_caller_end (user_data, "The host did not open a channel for you in time; try again.");
  return 0;
}

ImportCaller *
import_caller_new (Imports *imports, uint32_t id, const char *name, Import *watcher)
{
  ImportCaller *caller = g_new0 (ImportCaller, 1);

  caller->imports = imports;
  caller->id = id;
  caller->name = g_strdup (name);
  caller->watcher = watcher;
  caller->pending = g_hash_table_new (NULL, NULL);
  caller->used = g_ptr_array_new ();
  if (sd_event_add_time_relative (imports->event, &caller->deadline, CLOCK_MONOTONIC,
                                  LIMIT_CHANNEL_WAIT_USEC, 0, on_deadline, caller)
      < 0)
    sd_event_exit (imports->event, -ENOMEM);
  return caller;
}

void
import_caller_free (ImportCaller *caller)
{
  BusClient *bus = owned_name_get_bus (caller->watcher->name);

  if (bus != NULL)
    bus_client_unwatch_owner (bus, caller->name);
  while (caller->waiting.head != NULL)
    waiting_call_free (caller, caller->waiting.head->data);
  sd_event_source_disable_unref (caller->deadline);
  connection_free (caller->host);
  g_hash_table_unref (caller->pending);
  g_ptr_array_unref (caller->used);
  g_free (caller->name);
  g_free (caller);
}

const char *
import_caller_get_name (const ImportCaller *caller)
{
  return caller->name;
}

uint32_t
import_caller_get_id (const ImportCaller *caller)
{
  return caller->id;
}

Import *
import_caller_get_watcher (const ImportCaller *caller)
{
  return caller->watcher;
}
