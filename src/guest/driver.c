/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a channel may ask of the guest's bus driver. */
#include "driver.h"

#include <string.h>

#include "error.h"
#include "match-rule.h"

#define ERROR_PREFIX "org.freedesktop.DBus.Error."
#define PEER_INTERFACE "org.freedesktop.DBus.Peer"
#define INTROSPECTABLE_INTERFACE "org.freedesktop.DBus.Introspectable"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

/* What the handlers below get: the parsed call. `argument` is its first string, or NULL. */
typedef struct
{
  const DriverView *view;
  const char *member;
  const char *argument;
  DriverAnswer *answer;
} DriverCall;

typedef DriverVerdict (*DriverHandler) (const DriverCall *call);

static DriverVerdict refuse (const DriverCall *call, const char *error_name, const char *format,
                             ...) G_GNUC_PRINTF (3, 4);

static DriverVerdict
refuse (const DriverCall *call, const char *error_name, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  call->answer->error_text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  call->answer->error_name = error_name;
  return DRIVER_REFUSED;
}

static DriverVerdict
answer (const DriverCall *call, WireWriter *body, const char *signature)
{
  call->answer->body = body;
  call->answer->signature = signature;
  return DRIVER_ANSWERED;
}

/* The owner of `name` as far as the channel may know it, else NULL. */
static const char *
get_owner (const DriverView *view, const char *name)
{
  const OwnerEntry *entry;

  if (strcmp (name, BUS_DRIVER_NAME) == 0 || strcmp (name, view->unique_name) == 0)
    return name;
  entry = name[0] == ':' ? owner_table_find_owner (view->owners, name)
                         : owner_table_find (view->owners, name);
  return entry == NULL ? NULL : entry->owner;
}

static DriverVerdict
forward (const DriverCall *call)
{
  return DRIVER_FORWARD;
}

static DriverVerdict
list_names (const DriverCall *call)
{
  const DriverView *view = call->view;
  WireWriter *body = wire_writer_new ();
  size_t mark = wire_writer_begin_array (body, 4);

  wire_writer_string (body, BUS_DRIVER_NAME);
  wire_writer_string (body, view->unique_name);
  for (unsigned i = 0; i < view->owners->n_entries; i++)
    {
      const OwnerEntry *entry = &view->owners->entries[i];

      if (entry->owner == NULL)
        continue;
      wire_writer_string (body, entry->name);
      /* An owner of several names is told once, with the first of them. */
      if (owner_table_find_owner (view->owners, entry->owner) == entry)
        wire_writer_string (body, entry->owner);
    }

  wire_writer_end_array (body, mark);
  return answer (call, body, "as");
}

static DriverVerdict
list_activatable_names (const DriverCall *call)
{
  const OwnerTable *exports = call->view->exports;
  WireWriter *body = wire_writer_new ();
  size_t mark = wire_writer_begin_array (body, 4);

  wire_writer_string (body, BUS_DRIVER_NAME);
  for (unsigned i = 0; i < exports->n_entries; i++)
    if (exports->entries[i].activatable)
      wire_writer_string (body, exports->entries[i].name);

  wire_writer_end_array (body, mark);
  return answer (call, body, "as");
}

static DriverVerdict
name_has_owner (const DriverCall *call)
{
  WireWriter *body = wire_writer_new ();

  wire_writer_boolean (body, get_owner (call->view, call->argument) != NULL);
  return answer (call, body, "b");
}

static DriverVerdict
refuse_unowned (const DriverCall *call)
{
  return refuse (call, ERROR_PREFIX "NameHasNoOwner",
                 "Nobody in the guest owns “%s”, or the guest does not export it.", call->argument);
}

static DriverVerdict
get_name_owner (const DriverCall *call)
{
  const char *owner = get_owner (call->view, call->argument);
  WireWriter *body;

  if (owner == NULL)
    return refuse_unowned (call);

  body = wire_writer_new ();
  wire_writer_string (body, owner);
  return answer (call, body, "s");
}

static DriverVerdict
get_user (const DriverCall *call)
{
  return get_owner (call->view, call->argument) != NULL ? DRIVER_FORWARD : refuse_unowned (call);
}

static DriverVerdict
get_credentials (const DriverCall *call)
{
  return get_owner (call->view, call->argument) != NULL ? DRIVER_CREDENTIALS
                                                        : refuse_unowned (call);
}

static DriverVerdict
start_service (const DriverCall *call)
{
  if (owner_table_find (call->view->owners, call->argument) != NULL)
    return DRIVER_FORWARD;

  return refuse (call, ERROR_PREFIX "ServiceUnknown", "The guest does not export “%s”.",
                 call->argument);
}

/* Whatever the rule lets through, only signals of exported names' owners reach the host; a rule
 * that would show other connections' messages does not even reach the bus. */
static DriverVerdict
change_match (const DriverCall *call)
{
  const char *problem = NULL;
  MatchRule *rule = match_rule_new (call->argument, &problem);
  bool eavesdrop = rule != NULL && match_rule_has_eavesdrop (rule);

  match_rule_free (rule);
  if (rule == NULL)
    return refuse (call, ERROR_PREFIX "MatchRuleInvalid", "The match rule is invalid: %s.",
                   problem);
  if (eavesdrop)
    return refuse (call, ERROR_PREFIX "AccessDenied",
                   "Messages of others cannot be seen; leave “eavesdrop” out of the match rule.");

  return DRIVER_FORWARD;
}

static const struct
{
  const char *interface;
  const char *member;
  const char *signature; /* of its arguments; NULL: the bus checks them */
  DriverHandler handler;
} methods[] = {
  { BUS_DRIVER_INTERFACE, "AddMatch", "s", change_match },
  { BUS_DRIVER_INTERFACE, "RemoveMatch", "s", change_match },
  { BUS_DRIVER_INTERFACE, "ListNames", "", list_names },
  { BUS_DRIVER_INTERFACE, "ListActivatableNames", "", list_activatable_names },
  { BUS_DRIVER_INTERFACE, "NameHasOwner", "s", name_has_owner },
  { BUS_DRIVER_INTERFACE, "GetNameOwner", "s", get_name_owner },
  { BUS_DRIVER_INTERFACE, "StartServiceByName", "su", start_service },
  { BUS_DRIVER_INTERFACE, "GetConnectionUnixUser", "s", get_user },
  { BUS_DRIVER_INTERFACE, "GetConnectionCredentials", "s", get_credentials },
  { BUS_DRIVER_INTERFACE, "GetId", "", forward },
  { PEER_INTERFACE, "Ping", NULL, forward },
  { PEER_INTERFACE, "GetMachineId", NULL, forward },
  { INTROSPECTABLE_INTERFACE, "Introspect", NULL, forward },
  { PROPERTIES_INTERFACE, "Get", NULL, forward },
  { PROPERTIES_INTERFACE, "GetAll", NULL, forward },
};

DriverVerdict
driver_decide (const DriverView *view, const WireMessage *message, DriverAnswer *ret_answer)
{
  const WireHeader *header = &message->header;
  DriverCall call = { .view = view, .member = header->member, .answer = ret_answer };
  WireReader reader;

  wire_reader_init (&reader, message);
  if (!wire_reader_string (&reader, &call.argument))
    call.argument = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      if (strcmp (header->member, methods[i].member) != 0
          || (header->interface != NULL && strcmp (header->interface, methods[i].interface) != 0))
        continue;

      if (methods[i].signature != NULL && strcmp (header->signature, methods[i].signature) != 0)
        return refuse (&call, ERROR_PREFIX "InvalidArgs",
                       "%s takes arguments of signature “%s”, not “%s”.", header->member,
                       methods[i].signature, header->signature);
      return methods[i].handler (&call);
    }

  return refuse (&call, ERROR_PREFIX "AccessDenied",
                 "Method %s of the guest's bus driver is not for the host.", header->member);
}

WireWriter *
driver_wrap_credentials (const WireMessage *reply)
{
  WireReader reader;
  WireWriter *body;
  uint32_t uid;
  size_t mark;

  wire_reader_init (&reader, reply);
  if (!wire_reader_uint32 (&reader, &uid))
    return NULL;

  body = wire_writer_new ();
  mark = wire_writer_begin_array (body, 8);
  wire_writer_begin_struct (body);
  wire_writer_string (body, "UnixUserID");
  wire_writer_signature (body, "u");
  wire_writer_uint32 (body, uid);
  wire_writer_end_array (body, mark);
  return body;
}
