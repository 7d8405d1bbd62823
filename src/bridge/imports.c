/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names that the machine imports, and the programs in the guest that call them. */
#include "imports.h"

#include <errno.h>
#include <string.h>

#include "body.h"
#include "import-caller.h"
#include "limit.h"
#include "report.h"
#include "tunnel-manager.h"

struct Imports
{
  Bridge *bridge;
  GPtrArray *entries; /* ImportEntry */
  sd_bus_slot *activatable_watch;
  sd_bus_slot *activatable_question;
  uint32_t asked;     /* serial of SetImports while the agent has not answered it; else 0 */
  bool set;           /* it has: it wants to hear of changes */
  GQueue ids;         /* of programs that wait for a channel, as pointers */
  GPtrArray *callers; /* ImportCaller */
  unsigned n_calls;
  size_t waiting_size;
  ConnectionBudget budget;
};

static void open_next (Imports *imports);

static void
entry_free (gpointer data)
{
  ImportEntry *entry = data;

  sd_bus_slot_unref (entry->watch);
  sd_bus_slot_unref (entry->question);
  g_free (entry->host_name);
  g_free (entry->last_owner);
  g_free (entry);
}

/* --- What the agent is told --- */

static bool
is_available (const ImportEntry *entry)
{
  return entry->owned || entry->activatable;
}

static void
tell (const ImportEntry *entry, bool available)
{
  static const WireHeader changed = { .flags = WIRE_NO_REPLY_EXPECTED,
                                      .member = "ImportChanged",
                                      .signature = "sb" };
  WireWriter *body;

  if (!entry->imports->set || entry->refused)
    return;

  body = wire_writer_new ();
  wire_writer_string (body, entry->import->as);
  wire_writer_boolean (body, available);
  tunnel_manager_call (entry->imports->bridge->tunnel, &changed, body);
}

/* Another owner than the last makes the guest's programs start over. */
static void
update (ImportEntry *entry, const char *owner, bool activatable)
{
  bool was = is_available (entry);
  bool changed =
      owner != NULL && entry->last_owner != NULL && !g_str_equal (owner, entry->last_owner);

  if (owner != NULL && g_strcmp0 (owner, entry->last_owner) != 0)
    {
      g_free (entry->last_owner);
      entry->last_owner = g_strdup (owner);
    }
  entry->owned = owner != NULL;
  entry->activatable = activatable;

  if (was && changed)
    tell (entry, false);
  if ((was && changed) || was != is_available (entry))
    tell (entry, is_available (entry));
  if (was != is_available (entry))
    report_changed (entry->imports->bridge->report);
}

/* --- The host's bus --- */

static int
on_owner (sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
  ImportEntry *entry = user_data;
  const char *owner;

  entry->question = sd_bus_slot_unref (entry->question);
  if (!sd_bus_message_is_method_error (reply, NULL)
      && sd_bus_message_read (reply, "s", &owner) >= 0)
    update (entry, owner, entry->activatable);
  return 0;
}

static int
on_owner_changed (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  ImportEntry *entry = user_data;
  const char *name, *old_owner, *new_owner;

  if (bridge_is_from_bus (message)
      && sd_bus_message_read (message, "sss", &name, &old_owner, &new_owner) >= 0
      && strcmp (name, entry->host_name) == 0)
    update (entry, new_owner[0] != '\0' ? new_owner : NULL, entry->activatable);
  return 0;
}

static int
on_activatable (sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
  Imports *imports = user_data;
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  const char *name;

  imports->activatable_question = sd_bus_slot_unref (imports->activatable_question);
  if (sd_bus_message_is_method_error (reply, NULL)
      || sd_bus_message_enter_container (reply, 'a', "s") < 0)
    return 0;

  while (sd_bus_message_read (reply, "s", &name) > 0)
    g_hash_table_add (names, (gpointer) name);
  for (guint i = 0; i < imports->entries->len; i++)
    {
      ImportEntry *entry = imports->entries->pdata[i];

      update (entry, entry->owned ? entry->last_owner : NULL,
              g_hash_table_contains (names, entry->host_name));
    }

  return 0;
}

static int
ask_activatable (Imports *imports)
{
  imports->activatable_question = sd_bus_slot_unref (imports->activatable_question);
  return sd_bus_call_method_async (imports->bridge->bus, &imports->activatable_question,
                                   BUS_DRIVER_NAME, BUS_DRIVER_PATH, BUS_DRIVER_INTERFACE,
                                   "ListActivatableNames", on_activatable, imports, NULL);
}

static int
on_activatable_changed (sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
  if (bridge_is_from_bus (message))
    ask_activatable (user_data);
  return 0;
}

static int
watch (ImportEntry *entry)
{
  sd_bus *bus = entry->imports->bridge->bus;
  g_autofree char *rule =
      g_strdup_printf ("type='signal',sender='" BUS_DRIVER_NAME "',path='" BUS_DRIVER_PATH
                       "',interface='" BUS_DRIVER_INTERFACE "',member='NameOwnerChanged',arg0='%s'",
                       entry->host_name);
  int r = sd_bus_add_match_async (bus, &entry->watch, rule, on_owner_changed, NULL, entry);

  if (r >= 0)
    r = sd_bus_call_method_async (bus, &entry->question, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                                  BUS_DRIVER_INTERFACE, "GetNameOwner", on_owner, entry, "s",
                                  entry->host_name);
  return r;
}

static int
watch_all (Imports *imports)
{
  int r = sd_bus_add_match_async (imports->bridge->bus, &imports->activatable_watch,
                                  "type='signal',sender='" BUS_DRIVER_NAME
                                  "',path='" BUS_DRIVER_PATH "',interface='" BUS_DRIVER_INTERFACE
                                  "',member='ActivatableServicesChanged'",
                                  on_activatable_changed, NULL, imports);

  for (guint i = 0; r >= 0 && i < imports->entries->len; i++)
    r = watch (imports->entries->pdata[i]);
  return r < 0 ? r : ask_activatable (imports);
}

/* --- The agent's messages --- */

/* NULL, or what is wrong. */
static const char *
take_refusals (Imports *imports, const WireMessage *answer)
{
  const char *name;
  WireReader reader;
  size_t end;

  if (answer->header.type == WIRE_ERROR)
    {
      bridge_complain (imports->bridge, NULL,
                       "The guest's agent takes no imports; it may be an older one.");
      return NULL;
    }

  wire_reader_init (&reader, answer);
  if (strcmp (answer->header.signature, "as") != 0 || !wire_reader_array (&reader, &end))
    return "its answer to SetImports is wrong";

  while (reader.offset < end)
    {
      ImportEntry *entry = NULL;

      wire_reader_element (&reader);
      if (!wire_reader_string (&reader, &name))
        return "its answer to SetImports is wrong";
      for (guint i = 0; i < imports->entries->len; i++)
        if (strcmp (((ImportEntry *) imports->entries->pdata[i])->import->as, name) == 0)
          entry = imports->entries->pdata[i];
      if (entry == NULL)
        return "it refuses an import that nobody offered";
      entry->refused = true;
      log_notice (imports->bridge->machine,
                  "The guest does not take the import “%s”; its /etc/tombolo/guest.conf can list "
                  "it in [Import].",
                  name);
    }

  imports->set = true;
  return NULL;
}

static const char *
take_answer (Imports *imports, const WireMessage *answer)
{
  const char *problem = take_refusals (imports, answer);

  imports->asked = 0;
  for (guint i = 0; problem == NULL && i < imports->entries->len; i++)
    {
      const ImportEntry *entry = imports->entries->pdata[i];

      if (is_available (entry))
        tell (entry, true);
    }

  report_changed (imports->bridge->report);
  return problem;
}

/* Programs past the limit wait: one that left may have its channel closed after the next is told.
 * More than that is not for an honest agent, which has the same limit. */
static const char *
take_caller (Imports *imports, const WireMessage *signal)
{
  WireReader reader;
  uint32_t id;

  wire_reader_init (&reader, signal);
  if (strcmp (signal->header.signature, "u") != 0 || !wire_reader_uint32 (&reader, &id))
    return "it sent an ImportCaller that is none";

  if (imports->ids.length >= LIMIT_IMPORT_CALLERS)
    {
      refusals_count (imports->bridge->refusals, REFUSED_MESSAGE);
      bridge_complain (imports->bridge, LOG_ID_GUEST_MISBEHAVED,
                       "More than %d programs in the guest wait to call imported names; one is "
                       "left out.",
                       LIMIT_IMPORT_CALLERS);
      return NULL;
    }

  g_queue_push_tail (&imports->ids, GUINT_TO_POINTER (id));
  open_next (imports);
  return NULL;
}

bool
imports_take_message (Imports *imports, const WireMessage *message, const char **ret_problem)
{
  const WireHeader *header = &message->header;

  *ret_problem = NULL;
  if (imports->asked != 0 && (header->type == WIRE_METHOD_RETURN || header->type == WIRE_ERROR)
      && header->reply_serial == imports->asked)
    *ret_problem = take_answer (imports, message);
  else if (imports->set && header->type == WIRE_SIGNAL
           && strcmp (header->member, "ImportCaller") == 0)
    *ret_problem = take_caller (imports, message);
  else
    return false;

  return true;
}

/* --- The programs --- */

static void
on_caller_opened (ImportCaller *caller, void *user_data)
{
  open_next (user_data);
}

static void
on_caller_closed (ImportCaller *caller, void *user_data)
{
  Imports *imports = user_data;

  g_ptr_array_remove_fast (imports->callers, caller);
  open_next (imports);
}

static void
open_next (Imports *imports)
{
  static const ImportCallerHandlers handlers = { .opened = on_caller_opened,
                                                 .closed = on_caller_closed };
  guint n_opening = 0;

  for (guint i = 0; i < imports->callers->len; i++)
    n_opening += !import_caller_is_open (imports->callers->pdata[i]);

  for (; imports->ids.length > 0 && n_opening < LIMIT_HANDSHAKES_MACHINE
         && imports->callers->len < LIMIT_IMPORT_CALLERS;
       n_opening++)
    g_ptr_array_add (imports->callers,
                     import_caller_new (imports,
                                        GPOINTER_TO_UINT (g_queue_pop_head (&imports->ids)),
                                        &handlers, imports));
}

const GPtrArray *
imports_get_entries (const Imports *imports)
{
  return imports->entries;
}

Bridge *
imports_get_bridge (const Imports *imports)
{
  return imports->bridge;
}

ConnectionBudget *
imports_get_budget (Imports *imports)
{
  return &imports->budget;
}

void
imports_count_calls (Imports *imports, int change)
{
  imports->n_calls = (unsigned) ((int) imports->n_calls + change);
}

bool
imports_has_room (const Imports *imports)
{
  return imports->n_calls < LIMIT_PENDING_CALLS_MACHINE;
}

void
imports_count_waiting (Imports *imports, ssize_t change)
{
  imports->waiting_size = (size_t) ((ssize_t) imports->waiting_size + change);
  imports->bridge->waiting_size = (size_t) ((ssize_t) imports->bridge->waiting_size + change);
}

bool
imports_has_room_to_wait (const Imports *imports, size_t size)
{
  return imports->waiting_size + size <= LIMIT_WAITING_USER
         && imports->bridge->waiting_size + size <= LIMIT_WAITING_SIZE;
}

/* --- Life --- */

Imports *
imports_new (Bridge *bridge)
{
  const GPtrArray *settings = bridge->settings->imports;
  Imports *imports = g_new0 (Imports, 1);

  imports->bridge = bridge;
  imports->entries = g_ptr_array_new_with_free_func (entry_free);
  imports->callers = g_ptr_array_new_with_free_func ((GDestroyNotify) import_caller_free);
  imports->budget = (ConnectionBudget){ .limit = LIMIT_HELD_USER, .parent = &bridge->budget };

  for (guint i = 0; i < settings->len; i++)
    {
      ImportEntry *entry = g_new0 (ImportEntry, 1);

      entry->imports = imports;
      entry->import = settings->pdata[i];
      entry->host_name = machine_import_get_host_name (entry->import);
      g_ptr_array_add (imports->entries, entry);
    }

  if (imports->entries->len > 0 && watch_all (imports) < 0)
    sd_event_exit (bridge->event, -EIO);
  return imports;
}

void
imports_free (Imports *imports)
{
  if (imports == NULL)
    return;

  imports_stop (imports);
  g_ptr_array_unref (imports->callers);
  g_ptr_array_unref (imports->entries);
  sd_bus_slot_unref (imports->activatable_watch);
  sd_bus_slot_unref (imports->activatable_question);
  g_free (imports);
}

void
imports_start (Imports *imports)
{
  static const WireHeader set_imports = { .member = "SetImports", .signature = "as" };
  WireWriter *body;
  size_t mark;

  if (imports->entries->len == 0)
    return;

  body = wire_writer_new ();
  mark = wire_writer_begin_array (body, 4);
  for (guint i = 0; i < imports->entries->len; i++)
    {
      ImportEntry *entry = imports->entries->pdata[i];

      entry->refused = false;
      wire_writer_string (body, entry->import->as);
    }
  wire_writer_end_array (body, mark);
  imports->asked = tunnel_manager_call (imports->bridge->tunnel, &set_imports, body);
}

void
imports_stop (Imports *imports)
{
  imports->asked = 0;
  imports->set = false;
  g_queue_clear (&imports->ids);
  g_ptr_array_set_size (imports->callers, 0);
}

guint
imports_get_n_entries (const Imports *imports)
{
  return imports->entries->len;
}

static const char *
get_state (const ImportEntry *entry)
{
  const Imports *imports = entry->imports;

  if (entry->refused || (!imports->set && imports->asked == 0))
    return "refused";
  return is_available (entry) ? "available" : "unavailable";
}

int
imports_append (const Imports *imports, sd_bus_message *message)
{
  int r = sd_bus_message_open_container (message, 'a', "(ssss)");

  for (guint i = 0; r >= 0 && i < imports->entries->len; i++)
    {
      const ImportEntry *entry = imports->entries->pdata[i];

      r = sd_bus_message_append (message, "(ssss)", entry->import->as, entry->import->source,
                                 entry->import->name, get_state (entry));
    }

  return r < 0 ? r : sd_bus_message_close_container (message);
}
