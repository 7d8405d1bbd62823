/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way of a call from the guest to an imported name, and of what comes back. One call at a time
 * is decided about: the channel waits behind it, so that the program's order is kept and a guest
 * makes the bridge hold no more than one message a program. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "forward.h"
#include "import-caller-private.h"
#include "limit.h"

#define CALL_GUEST_ACTION "org.tombolo.Host1.call-guest"
#define BRIDGE_INTERFACE TOMBOLO_BUS_NAME ".Bridge"

static uint32_t
next_serial (ImportCaller *caller)
{
  return BUS_OWN_SERIALS | (caller->serial++ & 0x0FFFFFFFU);
}

/* --- Answers into the guest --- */

static void
send_to_guest (ImportCaller *caller, const WireHeader *header, const void *body, size_t size)
{
  /* A program whose agent takes not even an error is not worth waiting for. */
  if (forward_send_reply (caller->guest, header, body, size, NULL) == -ENOBUFS)
    connection_abort (caller->guest, -ENOBUFS);
}

static void fail (ImportCaller *caller, const WireHeader *call, TomboloError code,
                  const char *format, ...) G_GNUC_PRINTF (4, 5);

static void
fail (ImportCaller *caller, const WireHeader *call, TomboloError code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  if (code == TOMBOLO_ERROR_ACCESS_DENIED || code == TOMBOLO_ERROR_LIMITS_EXCEEDED)
    refusals_count (caller->bridge->refusals, REFUSED_CALL);

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (connection_send_error (caller->guest, call, next_serial (caller), call->destination, NULL,
                             tombolo_error_name (code), text)
      == -ENOBUFS)
    connection_abort (caller->guest, -ENOBUFS);
}

/* --- A call's way --- */

void
import_call_update_flow (ImportCaller *caller)
{
  bool behind = connection_get_queued (bus_client_get_connection (caller->bus)) > LIMIT_FLOW_SIZE;

  connection_pause (caller->guest, caller->check != NULL || behind);
}

void
import_call_drop (ImportCaller *caller)
{
  g_clear_pointer (&caller->check, authority_check_cancel);
  if (caller->waiting_bytes != NULL)
    imports_count_waiting (caller->imports, -(ssize_t) caller->waiting.size);
  g_clear_pointer (&caller->waiting_bytes, g_free);
}

/* From the first call on that was allowed. */
static void
hear (ImportCaller *caller, ImportEntry *entry)
{
  g_autofree char *rule = NULL;

  if (!g_hash_table_add (caller->heard, entry))
    return;

  rule = g_strdup_printf ("type='signal',sender='%s'", entry->host_name);
  bus_client_call_driver (caller->bus, "AddMatch", rule, -1, NULL, NULL);
}

/* Nobody in a guest can be asked for a password, so that nobody on the host is. */
static void
forward (ImportCaller *caller, ImportEntry *entry, const WireMessage *message)
{
  WireHeader header = forward_call (&message->header, entry->host_name);
  int r;

  hear (caller, entry);
  header.flags &= (uint8_t) ~WIRE_ALLOW_INTERACTIVE_AUTHORIZATION;
  r = connection_send (bus_client_get_connection (caller->bus), &header, message->body,
                       message->body_size);
  if (r == -ENOBUFS)
    fail (caller, &message->header, TOMBOLO_ERROR_LIMITS_EXCEEDED,
          "The host's bus does not take calls as fast as you make them; wait for replies.");
  else if ((header.flags & WIRE_NO_REPLY_EXPECTED) == 0)
    {
      g_hash_table_insert (caller->pending, GUINT_TO_POINTER (header.serial), entry);
      imports_count_calls (caller->imports, 1);
    }
  import_call_update_flow (caller);
}

static void
log_refusal (ImportCaller *caller, const ImportEntry *entry, const WireHeader *call, guint line)
{
  g_autofree char *rule = line != 0 ? g_strdup_printf (" by line %u", line) : g_strdup ("");

  if (rate_limit_pass (&caller->bridge->refused_calls))
    log_message (LOG_LEVEL_INFO, caller->bridge->machine, LOG_ID_CALL_REFUSED,
                 "The guest's call of %s.%s on the host's %s was refused%s.",
                 call->interface != NULL ? call->interface : "", call->member, entry->host_name,
                 rule);
}

static void
refuse (ImportCaller *caller, const ImportEntry *entry, const WireHeader *call,
        AuthorityVerdict verdict)
{
  log_refusal (caller, entry, call, 0);
  if (verdict == AUTHORITY_LIMIT)
    fail (caller, call, TOMBOLO_ERROR_LIMITS_EXCEEDED,
          "Too many calls of this machine wait for authorization; try again later.");
  else
    fail (caller, call, TOMBOLO_ERROR_ACCESS_DENIED,
          "This machine may not call %s on the host's “%s”; the host's administrator can allow it "
          "by a rule in [Import] of its machine file.",
          call->member, entry->host_name);
}

static void
on_verdict (AuthorityVerdict verdict, void *user_data)
{
  ImportCaller *caller = user_data;
  g_autofree uint8_t *bytes = g_steal_pointer (&caller->waiting_bytes);
  WireMessage message = caller->waiting;

  caller->check = NULL;
  imports_count_waiting (caller->imports, -(ssize_t) message.size);
  if (verdict == AUTHORITY_ALLOWED)
    forward (caller, caller->waiting_entry, &message);
  else
    refuse (caller, caller->waiting_entry, &message.header, verdict);
  import_call_update_flow (caller);
}

/* Keeps a copy of the call; the bytes were parsed before. */
static void
hold (ImportCaller *caller, ImportEntry *entry, const WireMessage *message)
{
  caller->waiting_bytes =
      g_memdup2 (message->body + message->body_size - message->size, message->size);
  if (wire_message_parse (caller->waiting_bytes, message->size, &caller->waiting) != WIRE_OK)
    g_assert_not_reached ();
  caller->waiting_entry = entry;
  imports_count_waiting (caller->imports, (ssize_t) message->size);
  import_call_update_flow (caller);
}

static void
ask (ImportCaller *caller, ImportEntry *entry, const WireMessage *message)
{
  const WireHeader *header = &message->header;
  const char *const details[] = { "machine",
                                  IMPORT_SOURCE_HOST,
                                  "caller-machine",
                                  caller->bridge->machine,
                                  "name",
                                  entry->host_name,
                                  "path",
                                  header->path,
                                  "interface",
                                  header->interface != NULL ? header->interface : "",
                                  "member",
                                  header->member,
                                  NULL };
  const AuthorityRequest request = {
    .subject = { .bus_name = bus_client_get_unique_name (caller->bus),
                 .uid = getuid (),
                 .pidfd = -1 },
    .action = CALL_GUEST_ACTION,
    .details = details,
  };
  AuthorityVerdict verdict = AUTHORITY_DENIED;
  int r;

  if (!imports_has_room_to_wait (caller->imports, message->size))
    {
      fail (caller, header, TOMBOLO_ERROR_LIMITS_EXCEEDED,
            "Too many bytes wait for authorization; try again later.");
      return;
    }

  r = authority_check (caller->bridge->authority, &request, on_verdict, caller, &verdict,
                       &caller->check);
  if (r == 0)
    hold (caller, entry, message);
  else if (r > 0 && verdict == AUTHORITY_ALLOWED)
    forward (caller, entry, message);
  else
    refuse (caller, entry, header, verdict);
}

/* Of another machine's names that machine's bridge decides, which finds out whose call it is. */
static void
decide (ImportCaller *caller, ImportEntry *entry, const WireMessage *message)
{
  const GPtrArray *rules = caller->bridge->settings->import_rules;
  const CallRuleCaller identity = { .uid = (uint32_t) -1, .machine = caller->bridge->machine };
  gssize found;
  guint line;

  if (!machine_import_is_of_host (entry->import))
    {
      forward (caller, entry, message);
      return;
    }

  found = call_rules_find (rules, entry->host_name, message, &identity);
  switch (found < 0 ? CALL_RULE_ASK : call_rule_get_verdict (rules->pdata[found]))
    {
    case CALL_RULE_ALLOW:
      forward (caller, entry, message);
      break;
    case CALL_RULE_ASK:
      ask (caller, entry, message);
      break;
    case CALL_RULE_DENY:
      line = call_rule_get_line (rules->pdata[found]);
      log_refusal (caller, entry, &message->header, line);
      fail (caller, &message->header, TOMBOLO_ERROR_ACCESS_DENIED,
            "This machine may not call %s on the host's “%s”: line %u of its machine file refuses "
            "it.",
            message->header.member, entry->host_name, line);
      break;
    }
}

static ImportEntry *
find_entry (const ImportCaller *caller, const char *name)
{
  const GPtrArray *entries = imports_get_entries (caller->imports);

  for (guint i = 0; name != NULL && i < entries->len; i++)
    {
      ImportEntry *entry = entries->pdata[i];

      if (strcmp (entry->import->as, name) == 0)
        return entry->refused ? NULL : entry;
    }

  return NULL;
}

/* What bridges themselves tell tombolod is not for their guests, who come with the same user. A
 * call without an interface may mean it. */
static bool
is_for_bridges (const ImportEntry *entry, const WireHeader *call)
{
  return strcmp (entry->host_name, TOMBOLO_BUS_NAME) == 0
         && (call->interface == NULL || strcmp (call->interface, BRIDGE_INTERFACE) == 0);
}

static void
take_call (ImportCaller *caller, const WireMessage *message)
{
  const WireHeader *header = &message->header;
  ImportEntry *entry = find_entry (caller, header->destination);

  if (entry == NULL)
    fail (caller, header, TOMBOLO_ERROR_NOT_EXPORTED,
          "This machine does not import that name; its machine file on the host says what it "
          "imports.");
  else if (header->n_descriptors > 0)
    fail (caller, header, TOMBOLO_ERROR_NOT_SUPPORTED,
          "File descriptors do not cross to imported names.");
  else if (header->serial >= BUS_OWN_SERIALS
           || g_hash_table_contains (caller->pending, GUINT_TO_POINTER (header->serial)))
    fail (caller, header, TOMBOLO_ERROR_INVALID_ARGUMENT,
          "Serial %u belongs to a call that is not answered yet.", header->serial);
  else if (g_hash_table_size (caller->pending) >= LIMIT_PENDING_CALLS_CALLER
           || !imports_has_room (caller->imports))
    fail (caller, header, TOMBOLO_ERROR_LIMITS_EXCEEDED,
          "Too many calls out of this machine wait for replies; wait for some of them.");
  else if (is_for_bridges (entry, header))
    fail (caller, header, TOMBOLO_ERROR_ACCESS_DENIED,
          "That interface of “%s” is not for programs in machines.", entry->host_name);
  else
    decide (caller, entry, message);
}

void
import_call_take (ImportCaller *caller, const WireMessage *message)
{
  if (message->header.type == WIRE_METHOD_CALL)
    take_call (caller, message);
  else
    import_caller_misbehaved (caller, "it sent what is not a call");
}

/* --- What comes back --- */

static void
take_reply (ImportCaller *caller, const WireMessage *message)
{
  gpointer serial = GUINT_TO_POINTER (message->header.reply_serial), found;
  const ImportEntry *entry;
  WireHeader header;

  if (!g_hash_table_steal_extended (caller->pending, serial, NULL, &found))
    return;

  entry = found;
  imports_count_calls (caller->imports, -1);
  if (message->header.n_descriptors > 0)
    {
      const WireHeader call = { .serial = message->header.reply_serial,
                                .destination = entry->import->as };

      fail (caller, &call, TOMBOLO_ERROR_NOT_SUPPORTED,
            "The reply carries file descriptors, which do not cross into a machine.");
      return;
    }

  header = forward_reply (&message->header, next_serial (caller), entry->import->as, NULL);
  send_to_guest (caller, &header, message->body, message->body_size);
}

/* By every import through which the sender was called: their connections in the guest differ. */
static void
pass_signal (ImportCaller *caller, const WireMessage *message)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, caller->heard);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      const ImportEntry *entry = key;
      const OwnerEntry *owner = owner_table_find (&caller->owners, entry->host_name);
      WireHeader header;

      if (owner == NULL || g_strcmp0 (owner->owner, message->header.sender) != 0)
        continue;

      header = forward_signal (&message->header, next_serial (caller), entry->import->as, NULL);
      if (connection_send (caller->guest, &header, message->body, message->body_size) == -ENOBUFS)
        bridge_complain (caller->bridge, NULL,
                         "Signals of %s were dropped: the guest does not keep up.",
                         entry->host_name);
    }
}

static void
take_signal (ImportCaller *caller, const WireMessage *message)
{
  const WireHeader *header = &message->header;

  if (header->sender == NULL || header->n_descriptors > 0)
    return;

  if (strcmp (header->sender, BUS_DRIVER_NAME) == 0)
    owner_table_take_signal (&caller->owners, message, NULL);
  else if (caller->open)
    pass_signal (caller, message);
}

void
import_call_take_answer (ImportCaller *caller, const WireMessage *message)
{
  switch (message->header.type)
    {
    case WIRE_METHOD_RETURN:
    case WIRE_ERROR:
      take_reply (caller, message);
      break;
    case WIRE_SIGNAL:
      take_signal (caller, message);
      break;
    default:
      connection_send_error (bus_client_get_connection (caller->bus), &message->header,
                             bus_client_next_serial (caller->bus), NULL, message->header.sender,
                             tombolo_error_name (TOMBOLO_ERROR_NOT_SUPPORTED),
                             "Programs in machines cannot be called back.");
      break;
    }
}

void
import_call_refuse_answer (ImportCaller *caller, const WireHeader *header, WireVerdict verdict)
{
  const ImportEntry *entry;
  WireHeader call = { 0 };
  gpointer found;

  if (header == NULL || (header->type != WIRE_METHOD_RETURN && header->type != WIRE_ERROR)
      || !g_hash_table_steal_extended (caller->pending, GUINT_TO_POINTER (header->reply_serial),
                                       NULL, &found))
    return;

  entry = found;
  imports_count_calls (caller->imports, -1);
  call.serial = header->reply_serial;
  call.destination = entry->import->as;
  fail (caller, &call, TOMBOLO_ERROR_LIMITS_EXCEEDED,
        "The reply does not cross into the machine: %s.", wire_verdict_to_string (verdict));
}
