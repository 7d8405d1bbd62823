/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts the calls that GDBus read and whose answers it did not write yet. The filter runs in
 * GDBus' thread: it touches nothing but the ledger, under its lock. */
#include "flood-guard.h"

#include "authority-table.h"
#include "limit.h"

/* What waits; shared by the guard, the filter and each call that waits for its turn alone. */
typedef struct
{
  gatomicrefcount references;
  GMutex lock;
  GHashTable *senders; /* unique name -> how many of its calls wait (guint, as a pointer) */
  GHashTable *answers; /* destination and serial of each answer to come -> Ticket */
  guint calls;
  gsize size;
  /* Refusals are messages too, which wait until the bus takes them. */
  gint64 second;
  guint refusals;
} Ledger;

struct FloodGuard
{
  GDBusConnection *bus;
  guint filter;
  Ledger *ledger;
};

/* A call that waits. */
typedef struct
{
  Ledger *ledger; /* held only by calls without answer, which are given back in the main loop */
  char *sender;
  gsize size;
} Ticket;

static void
ticket_free (gpointer data)
{
  Ticket *ticket = data;

  g_free (ticket->sender);
  g_free (ticket);
}

static Ledger *
ledger_new (void)
{
  Ledger *ledger = g_new0 (Ledger, 1);

  g_atomic_ref_count_init (&ledger->references);
  g_mutex_init (&ledger->lock);
  ledger->senders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  ledger->answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, ticket_free);
  return ledger;
}

static Ledger *
ledger_ref (Ledger *ledger)
{
  g_atomic_ref_count_inc (&ledger->references);
  return ledger;
}

static void
ledger_unref (gpointer data)
{
  Ledger *ledger = data;

  if (!g_atomic_ref_count_dec (&ledger->references))
    return;

  g_hash_table_unref (ledger->senders);
  g_hash_table_unref (ledger->answers);
  g_mutex_clear (&ledger->lock);
  g_free (ledger);
}

static gboolean
ledger_add (Ledger *ledger, const char *sender, gsize size)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&ledger->lock);
  guint of_sender = GPOINTER_TO_UINT (g_hash_table_lookup (ledger->senders, sender));

  if (size > LIMIT_CALL_SIZE || ledger->calls >= LIMIT_CALLS_TOTAL
      || of_sender >= LIMIT_CALLS_SENDER || ledger->size + size > LIMIT_CALLS_SIZE)
    return FALSE;

  g_hash_table_replace (ledger->senders, g_strdup (sender), GUINT_TO_POINTER (of_sender + 1));
  ledger->calls++;
  ledger->size += size;
  return TRUE;
}

/* With the lock held. */
static void
forget_call (Ledger *ledger, const Ticket *ticket)
{
  guint of_sender = GPOINTER_TO_UINT (g_hash_table_lookup (ledger->senders, ticket->sender));

  if (of_sender > 1)
    g_hash_table_replace (ledger->senders, g_strdup (ticket->sender),
                          GUINT_TO_POINTER (of_sender - 1));
  else
    g_hash_table_remove (ledger->senders, ticket->sender);
  ledger->calls--;
  ledger->size -= ticket->size;
}

static char *
answer_key (const char *destination, guint32 serial)
{
  return g_strdup_printf ("%s %u", destination, serial);
}

static void
ledger_expect_answer (Ledger *ledger, Ticket *ticket, guint32 serial)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&ledger->lock);
  char *key = answer_key (ticket->sender, serial);
  const Ticket *old = g_hash_table_lookup (ledger->answers, key);

  /* A caller that uses a serial twice: one answer frees both. */
  if (old != NULL)
    forget_call (ledger, old);
  g_hash_table_replace (ledger->answers, key, ticket);
}

static void
ledger_answered (Ledger *ledger, GDBusMessage *answer)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&ledger->lock);
  const char *destination = g_dbus_message_get_destination (answer);
  g_autofree char *key = NULL;
  const Ticket *ticket;

  if (destination == NULL)
    return;
  key = answer_key (destination, g_dbus_message_get_reply_serial (answer));
  ticket = g_hash_table_lookup (ledger->answers, key);
  if (ticket == NULL)
    return;

  forget_call (ledger, ticket);
  g_hash_table_remove (ledger->answers, key);
}

static gboolean
ledger_may_refuse (Ledger *ledger)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&ledger->lock);
  gint64 second = g_get_monotonic_time () / G_USEC_PER_SEC;

  if (ledger->second != second)
    {
      ledger->second = second;
      ledger->refusals = 0;
    }
  return ledger->refusals++ < LIMIT_CALLS_REFUSALS;
}

static gboolean
on_turn (gpointer user_data)
{
  Ticket *ticket = user_data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&ticket->ledger->lock);

  forget_call (ticket->ledger, ticket);
  return G_SOURCE_REMOVE;
}

static void
turn_free (gpointer data)
{
  Ticket *ticket = data;

  ledger_unref (ticket->ledger);
  ticket_free (ticket);
}

static gboolean
wants_answer (GDBusMessage *message)
{
  return (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) == 0;
}

static void
refuse (GDBusConnection *bus, Ledger *ledger, GDBusMessage *message)
{
  g_autoptr (GDBusMessage) answer = NULL;

  if (!wants_answer (message) || !ledger_may_refuse (ledger))
    return;

  answer = g_dbus_message_new_method_error_literal (
      message, "org.tombolo.Error.LimitsExceeded",
      "Too many or too large calls wait; try again when they are answered.");
  g_dbus_connection_send_message (bus, answer, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

/* The size of what a call holds on to. Descriptors count for much: no method takes any. */
static gsize
measure (GDBusMessage *message)
{
  GVariant *body = g_dbus_message_get_body (message);

  if (g_dbus_message_get_num_unix_fds (message) > 0)
    return G_MAXSIZE / 2;

  return body != NULL ? g_variant_get_size (body) : 0;
}

/* Questions without answer are pointless; and GDBus answers those of properties and of what there
 * is not all the same, as fast as it reads them. */
static gboolean
is_pointless (GDBusMessage *message)
{
  return !wants_answer (message)
         && authority_table_find (g_dbus_message_get_interface (message),
                                  g_dbus_message_get_member (message))
                    ->access
                == ACCESS_DENIED;
}

/* GDBus queues the call for the main loop after this, with the same priority: a call without answer
 * leaves the ledger right before it has its turn, the others when their answer is written. */
static gboolean
let_in (GDBusConnection *bus, Ledger *ledger, GDBusMessage *message, const char *sender)
{
  gsize size = measure (message);
  Ticket *ticket;

  if (is_pointless (message))
    return FALSE;
  if (!ledger_add (ledger, sender, size))
    {
      refuse (bus, ledger, message);
      return FALSE;
    }

  ticket = g_new0 (Ticket, 1);
  ticket->sender = g_strdup (sender);
  ticket->size = size;
  if (wants_answer (message))
    ledger_expect_answer (ledger, ticket, g_dbus_message_get_serial (message));
  else
    {
      ticket->ledger = ledger_ref (ledger);
      g_idle_add_full (G_PRIORITY_DEFAULT, on_turn, ticket, turn_free);
    }
  return TRUE;
}

static GDBusMessage *
on_message (GDBusConnection *bus, GDBusMessage *message, gboolean incoming, gpointer user_data)
{
  Ledger *ledger = user_data;
  GDBusMessageType type = g_dbus_message_get_message_type (message);
  const char *sender = g_dbus_message_get_sender (message);

  if (!incoming)
    {
      if (type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN || type == G_DBUS_MESSAGE_TYPE_ERROR)
        ledger_answered (ledger, message);
      return message;
    }
  if (type != G_DBUS_MESSAGE_TYPE_METHOD_CALL || sender == NULL
      || let_in (bus, ledger, message, sender))
    return message;

  g_object_unref (message);
  return NULL;
}

FloodGuard *
flood_guard_new (GDBusConnection *bus)
{
  FloodGuard *guard = g_new0 (FloodGuard, 1);

  guard->bus = g_object_ref (bus);
  guard->ledger = ledger_new ();
  guard->filter =
      g_dbus_connection_add_filter (bus, on_message, ledger_ref (guard->ledger), ledger_unref);
  return guard;
}

void
flood_guard_free (FloodGuard *guard)
{
  g_dbus_connection_remove_filter (guard->bus, guard->filter);
  ledger_unref (guard->ledger);
  g_object_unref (guard->bus);
  g_free (guard);
}
