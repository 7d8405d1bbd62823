/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of the host's, or of other machines', on the guest's system bus. */
#include "imports.h"

#include <errno.h>
#include <string.h>

#include "body.h"
#include "error.h"
#include "imports-private.h"
#include "limit.h"
#include "log.h"

Import *
imports_find (const Imports *imports, const char *name)
{
  for (guint i = 0; i < imports->list->len; i++)
    if (strcmp (owned_name_get_name (((Import *) imports->list->pdata[i])->name), name) == 0)
      return imports->list->pdata[i];

  return NULL;
}

/* --- The programs --- */

void
imports_remove_caller (Imports *imports, ImportCaller *caller)
{
  g_hash_table_remove (imports->callers, import_caller_get_name (caller));
}

static ImportCaller *
find_caller (const Imports *imports, uint32_t id)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, imports->callers);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (import_caller_get_id (value) == id)
      return value;

  return NULL;
}

/* Those that the import's connection watches; all of them where `watcher` is NULL. */
static void
end_callers (Imports *imports, const Import *watcher, const char *why)
{
  g_autoptr (GList) callers = g_hash_table_get_values (imports->callers);

  for (GList *link = callers; link != NULL; link = link->next)
    if (watcher == NULL || import_caller_get_watcher (link->data) == watcher)
      import_caller_end (link->data, why);
    else
      import_caller_drop (link->data, watcher);
}

/* One that left before it was watched is told of here. */
static void
on_watched (BusClient *bus, const WireMessage *reply, void *user_data)
{
  const Import *import = owned_name_get_user_data (bus_client_get_user_data (bus));
  ImportCaller *caller = find_caller (import->imports, GPOINTER_TO_UINT (user_data));

  if (caller != NULL && reply->header.type == WIRE_ERROR)
    import_caller_end (caller, NULL);
}

static ImportCaller *
add_caller (Import *import, const char *name)
{
  Imports *imports = import->imports;
  uint32_t id = ++imports->last_id;
  ImportCaller *caller;

  if (bus_client_watch_owner (owned_name_get_bus (import->name), name, on_watched,
                              GUINT_TO_POINTER (id))
      < 0)
    return NULL;

  caller = import_caller_new (imports, id, name, import);
  g_hash_table_insert (imports->callers, (gpointer) import_caller_get_name (caller), caller);
  imports->operations->call (id, imports->user_data);
  return caller;
}

static void
take_call (Import *import, const WireMessage *call)
{
  Imports *imports = import->imports;
  ImportCaller *caller = g_hash_table_lookup (imports->callers, call->header.sender);

  if (caller == NULL && !imports->connected)
    owned_name_send_error (import->name, &call->header,
                           tombolo_error_name (TOMBOLO_ERROR_DISCONNECTED),
                           "The host is not connected; try again when the name is back.");
  else if (caller == NULL
           && (g_hash_table_size (imports->callers) >= LIMIT_IMPORT_CALLERS
               || (caller = add_caller (import, call->header.sender)) == NULL))
    owned_name_send_error (import->name, &call->header,
                           tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED),
                           "Too many programs call imported names; close some of them.");
  else
    import_caller_call (caller, import, call);
}

static void
take_signal (Imports *imports, const WireMessage *signal)
{
  const char *name, *old_owner, *new_owner;
  ImportCaller *caller;
  WireReader reader;

  wire_reader_init (&reader, signal);
  if (g_strcmp0 (signal->header.sender, BUS_DRIVER_NAME) == 0
      && strcmp (signal->header.member, "NameOwnerChanged") == 0
      && wire_reader_string (&reader, &name) && wire_reader_string (&reader, &old_owner)
      && wire_reader_string (&reader, &new_owner) && new_owner[0] == '\0'
      && (caller = g_hash_table_lookup (imports->callers, name)) != NULL)
    import_caller_end (caller, NULL);
}

/* --- The names --- */

static void
on_message (OwnedName *name, const WireMessage *message, void *user_data)
{
  Import *import = user_data;

  if (message->header.type == WIRE_METHOD_CALL && message->header.sender != NULL)
    take_call (import, message);
  else if (message->header.type == WIRE_SIGNAL)
    take_signal (import->imports, message);
}

static void
on_refused (OwnedName *name, const WireHeader *header, WireVerdict verdict, void *user_data)
{
  g_autofree char *text = NULL;

  if (header == NULL || header->type != WIRE_METHOD_CALL || header->sender == NULL)
    return;

  text = g_strdup_printf ("The call does not cross to the host: %s.",
                          wire_verdict_to_string (verdict));
  owned_name_send_error (name, header, tombolo_error_name (TOMBOLO_ERROR_LIMITS_EXCEEDED), text);
}

/* The bus itself has answered the programs. */
static void
on_lost (OwnedName *name, void *user_data)
{
  Import *import = user_data;

  end_callers (import->imports, import, NULL);
}

static void
on_flow (OwnedName *name, void *user_data)
{
  Import *import = user_data;
  GHashTableIter iter;
  gpointer caller;

  g_hash_table_iter_init (&iter, import->imports->callers);
  while (g_hash_table_iter_next (&iter, NULL, &caller))
    import_caller_update_flow (caller);
}

static const OwnedNameHandlers name_handlers = {
  .message = on_message,
  .refused = on_refused,
  .lost = on_lost,
  .flow = on_flow,
};

static void
import_free (gpointer data)
{
  Import *import = data;

  owned_name_free (import->name);
  g_free (import);
}

static void
add_import (Imports *imports, const char *name)
{
  Import *import = g_new0 (Import, 1);

  import->imports = imports;
  g_ptr_array_add (imports->list, import);
  import->name =
      owned_name_new (imports->event, imports->bus_path, NULL, name, &name_handlers, import);
}

/* Those that the host offers no more. */
static void
drop_imports (Imports *imports, GHashTable *offered)
{
  for (guint i = imports->list->len; i-- > 0;)
    {
      Import *import = imports->list->pdata[i];

      owned_name_set_wanted (import->name, false);
      if (g_hash_table_contains (offered, owned_name_get_name (import->name)))
        continue;
      end_callers (imports, import, "The host does not offer this name any more.");
      g_ptr_array_remove_index (imports->list, i);
    }
}

/* --- What the host tells --- */

/* The names (a set of strings in the message), or NULL. */
static GHashTable *
read_names (const WireMessage *call)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  const char *name;
  WireReader reader;
  size_t end;

  wire_reader_init (&reader, call);
  if (strcmp (call->header.signature, "as") != 0 || !wire_reader_array (&reader, &end))
    return NULL;

  while (reader.offset < end)
    {
      wire_reader_element (&reader);
      if (!wire_reader_string (&reader, &name) || !wire_bus_name_is_valid (name)
          || wire_bus_name_is_unique (name) || g_hash_table_size (names) == LIMIT_IMPORTED_NAMES)
        return NULL;
      g_hash_table_add (names, (gpointer) name);
    }

  return g_steal_pointer (&names);
}

bool
imports_set (Imports *imports, const WireMessage *call, WireWriter **ret_refused)
{
  g_autoptr (GHashTable) names =
      strcmp (call->header.member, "SetImports") == 0 ? read_names (call) : NULL;
  GHashTableIter iter;
  WireWriter *refused;
  gpointer name;
  size_t mark;

  if (names == NULL)
    return false;

  drop_imports (imports, names);
  refused = wire_writer_new ();
  mark = wire_writer_begin_array (refused, 4);
  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    if (!g_strv_contains ((const char *const *) imports->policy->imports, name))
      {
        log_notice (NULL,
                    "The host offers the name “%s”, which is not owned: /etc/tombolo/guest.conf "
                    "does not list it in [Import].",
                    (const char *) name);
        wire_writer_string (refused, name);
      }
    else if (imports_find (imports, name) == NULL)
      add_import (imports, name);
  wire_writer_end_array (refused, mark);

  imports->connected = true;
  *ret_refused = refused;
  return true;
}

bool
imports_change (Imports *imports, const WireMessage *call)
{
  WireReader reader;
  const char *name;
  bool available;
  Import *import;

  wire_reader_init (&reader, call);
  if (strcmp (call->header.member, "ImportChanged") != 0
      || strcmp (call->header.signature, "sb") != 0 || !wire_reader_string (&reader, &name)
      || !wire_reader_boolean (&reader, &available))
    return false;

  import = imports_find (imports, name);
  if (import != NULL)
    owned_name_set_wanted (import->name, available);
  return true;
}

/* The names go first: who hears of it and calls again finds the next host. */
void
imports_clear (Imports *imports)
{
  imports->connected = false;
  for (guint i = 0; i < imports->list->len; i++)
    owned_name_set_wanted (((Import *) imports->list->pdata[i])->name, false);
  end_callers (imports, NULL,
               "The host is not connected any more, and whether the call was carried out is not "
               "known.");
}

bool
imports_accept (Imports *imports, uint32_t id, Connection *host)
{
  ImportCaller *caller = find_caller (imports, id);

  return caller != NULL && import_caller_accept (caller, host);
}

void
imports_send_waiting (Imports *imports, uint32_t id)
{
  ImportCaller *caller = find_caller (imports, id);

  if (caller != NULL)
    import_caller_send_waiting (caller);
}

/* --- Life --- */

Imports *
imports_new (sd_event *event, const char *bus_path, const GuestPolicy *policy,
             const ImportsOperations *operations, void *user_data)
{
  Imports *imports = g_new0 (Imports, 1);

  imports->event = sd_event_ref (event);
  imports->bus_path = g_strdup (bus_path);
  imports->policy = policy;
  imports->operations = operations;
  imports->user_data = user_data;
  imports->list = g_ptr_array_new_with_free_func (import_free);
  imports->callers =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) import_caller_free);
  return imports;
}

void
imports_free (Imports *imports)
{
  if (imports == NULL)
    return;

  g_hash_table_unref (imports->callers);
  g_ptr_array_unref (imports->list);
  sd_event_unref (imports->event);
  g_free (imports->bus_path);
  g_free (imports);
}
