/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus driver's methods as a table: which pass, which are answered here and how, which are
 * refused. */
#include "driver.h"

#include <glib.h>
#include <string.h>

#define SELF ":1.50"
#define NO_OWNER "org.freedesktop.DBus.Error.NameHasNoOwner"
#define DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define BAD_ARGUMENTS "org.freedesktop.DBus.Error.InvalidArgs"
#define BAD_RULE "org.freedesktop.DBus.Error.MatchRuleInvalid"
#define UNKNOWN "org.freedesktop.DBus.Error.ServiceUnknown"
#define DBUS BUS_DRIVER_INTERFACE

/* a.run is owned by :1.1, and so is a.same; a.lazy can be started; a.none is neither. */
static const struct
{
  const char *interface;
  const char *member;
  const char *signature;
  const char *argument;
  DriverVerdict verdict;
  const char *result; /* the error's name, or the answer's strings */
} cases[] = {
  { DBUS, "ListNames", "", NULL, DRIVER_ANSWERED,
    "org.freedesktop.DBus " SELF " a.run :1.1 a.same" },
  { NULL, "ListNames", "", NULL, DRIVER_ANSWERED,
    "org.freedesktop.DBus " SELF " a.run :1.1 a.same" },
  { DBUS, "ListNames", "s", "x", DRIVER_REFUSED, BAD_ARGUMENTS },
  { DBUS, "ListActivatableNames", "", NULL, DRIVER_ANSWERED, "org.freedesktop.DBus a.lazy" },
  { DBUS, "NameHasOwner", "s", "a.run", DRIVER_ANSWERED, "yes" },
  { DBUS, "NameHasOwner", "s", ":1.1", DRIVER_ANSWERED, "yes" },
  { DBUS, "NameHasOwner", "s", SELF, DRIVER_ANSWERED, "yes" },
  { DBUS, "NameHasOwner", "s", BUS_DRIVER_NAME, DRIVER_ANSWERED, "yes" },
  { DBUS, "NameHasOwner", "s", "a.lazy", DRIVER_ANSWERED, "no" },
  { DBUS, "NameHasOwner", "s", "b.hidden", DRIVER_ANSWERED, "no" },
  { DBUS, "NameHasOwner", "s", ":1.2", DRIVER_ANSWERED, "no" },
  { DBUS, "GetNameOwner", "s", "a.run", DRIVER_ANSWERED, ":1.1" },
  { DBUS, "GetNameOwner", "s", ":1.1", DRIVER_ANSWERED, ":1.1" },
  { DBUS, "GetNameOwner", "s", BUS_DRIVER_NAME, DRIVER_ANSWERED, BUS_DRIVER_NAME },
  { DBUS, "GetNameOwner", "s", "a.lazy", DRIVER_REFUSED, NO_OWNER },
  { DBUS, "GetNameOwner", "s", "b.hidden", DRIVER_REFUSED, NO_OWNER },
  { DBUS, "GetNameOwner", "s", "", DRIVER_REFUSED, NO_OWNER },
  { DBUS, "GetNameOwner", "", NULL, DRIVER_REFUSED, BAD_ARGUMENTS },
  { DBUS, "StartServiceByName", "su", "a.lazy", DRIVER_FORWARD, NULL },
  { DBUS, "StartServiceByName", "su", "b.hidden", DRIVER_REFUSED, UNKNOWN },
  { DBUS, "StartServiceByName", "s", "a.lazy", DRIVER_REFUSED, BAD_ARGUMENTS },
  { DBUS, "GetConnectionUnixUser", "s", "a.run", DRIVER_FORWARD, NULL },
  { DBUS, "GetConnectionUnixUser", "s", SELF, DRIVER_FORWARD, NULL },
  { DBUS, "GetConnectionUnixUser", "s", ":1.2", DRIVER_REFUSED, NO_OWNER },
  { DBUS, "GetConnectionCredentials", "s", ":1.1", DRIVER_CREDENTIALS, NULL },
  { DBUS, "GetConnectionCredentials", "s", "b.hidden", DRIVER_REFUSED, NO_OWNER },
  { DBUS, "GetConnectionUnixProcessID", "s", "a.run", DRIVER_REFUSED, DENIED },
  { DBUS, "GetConnectionSELinuxSecurityContext", "s", "a.run", DRIVER_REFUSED, DENIED },
  { DBUS, "AddMatch", "s", "type='signal',sender='a.run'", DRIVER_FORWARD, NULL },
  { DBUS, "AddMatch", "s", "", DRIVER_FORWARD, NULL },
  { DBUS, "RemoveMatch", "s", "type='signal'", DRIVER_FORWARD, NULL },
  { DBUS, "AddMatch", "s", "eavesdrop='true'", DRIVER_REFUSED, DENIED },
  { DBUS, "AddMatch", "s", "type='method_call',eavesdrop=true", DRIVER_REFUSED, DENIED },
  { DBUS, "AddMatch", "s", "type='signal", DRIVER_REFUSED, BAD_RULE },
  { DBUS, "AddMatch", "s", "no rule", DRIVER_REFUSED, BAD_RULE },
  { DBUS, "AddMatch", "o", "/path", DRIVER_REFUSED, BAD_ARGUMENTS },
  { DBUS, "GetId", "", NULL, DRIVER_FORWARD, NULL },
  { DBUS, "Hello", "", NULL, DRIVER_REFUSED, DENIED },
  { DBUS, "RequestName", "s", "a.run", DRIVER_REFUSED, DENIED },
  { DBUS, "ReleaseName", "s", "a.run", DRIVER_REFUSED, DENIED },
  { DBUS, "ListQueuedOwners", "s", "a.run", DRIVER_REFUSED, DENIED },
  { DBUS, "UpdateActivationEnvironment", "", NULL, DRIVER_REFUSED, DENIED },
  { DBUS, "ReloadConfig", "", NULL, DRIVER_REFUSED, DENIED },
  { "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "", NULL, DRIVER_REFUSED, DENIED },
  { NULL, "BecomeMonitor", "", NULL, DRIVER_REFUSED, DENIED },
  { "org.freedesktop.DBus.Debug.Stats", "GetAllMatchRules", "", NULL, DRIVER_REFUSED, DENIED },
  { "org.freedesktop.DBus.Peer", "Ping", "", NULL, DRIVER_FORWARD, NULL },
  { "org.freedesktop.DBus.Peer", "GetMachineId", "", NULL, DRIVER_FORWARD, NULL },
  { "org.freedesktop.DBus.Introspectable", "Introspect", "", NULL, DRIVER_FORWARD, NULL },
  { "org.freedesktop.DBus.Properties", "GetAll", "s", DBUS, DRIVER_FORWARD, NULL },
  { "org.freedesktop.DBus.Properties", "Set", "s", DBUS, DRIVER_REFUSED, DENIED },
};

static WireMessage
parse (const WireHeader *header, WireWriter *body)
{
  static uint8_t bytes[8192];
  WireMessage message;
  size_t size, header_size;
  const uint8_t *data = wire_writer_data (body, &size);

  header_size = wire_header_write (header, size, bytes, sizeof bytes);
  memcpy (bytes + header_size, data, size);
  g_assert_cmpint (wire_message_parse (bytes, header_size + size, &message), ==, WIRE_OK);
  return message;
}

static WireMessage
make_call (gsize i)
{
  WireWriter *body = wire_writer_new ();
  WireHeader header = { .byte_order = wire_native_byte_order (),
                        .type = WIRE_METHOD_CALL,
                        .serial = 1,
                        .path = BUS_DRIVER_PATH,
                        .interface = cases[i].interface,
                        .member = cases[i].member,
                        .destination = BUS_DRIVER_NAME,
                        .signature = cases[i].signature };
  WireMessage message;

  if (cases[i].argument != NULL)
    wire_writer_string (body, cases[i].argument);
  if (g_str_has_suffix (cases[i].signature, "u"))
    wire_writer_uint32 (body, 0);
  message = parse (&header, body);
  wire_writer_free (body);
  return message;
}

/* The answer's strings, or its truth value. */
static char *
read_answer (const DriverAnswer *answer)
{
  const WireHeader header = { .byte_order = wire_native_byte_order (),
                              .type = WIRE_METHOD_RETURN,
                              .serial = 1,
                              .reply_serial = 1,
                              .signature = answer->signature };
  WireMessage message = parse (&header, answer->body);
  g_autoptr (GString) text = g_string_new (NULL);
  const char *string;
  WireReader reader;
  bool truth;
  size_t end;

  wire_reader_init (&reader, &message);
  if (wire_reader_boolean (&reader, &truth))
    return g_strdup (truth ? "yes" : "no");
  if (wire_reader_string (&reader, &string))
    return g_strdup (string);

  g_assert_true (wire_reader_array (&reader, &end));
  while (reader.offset < end)
    {
      wire_reader_element (&reader);
      g_assert_true (wire_reader_string (&reader, &string));
      g_string_append_printf (text, "%s%s", text->len > 0 ? " " : "", string);
    }
  return g_strdup (text->str);
}

static void
test_table (void)
{
  const char *const names[] = { "a.run", "a.same", "a.lazy", "a.none" };
  OwnerTable owners, exports;
  const DriverView view = { .owners = &owners, .exports = &exports, .unique_name = SELF };

  owner_table_init (&owners, names, G_N_ELEMENTS (names));
  owner_table_init (&exports, names, G_N_ELEMENTS (names));
  owner_entry_set (owner_table_find (&owners, "a.run"), ":1.1");
  owner_entry_set (owner_table_find (&owners, "a.same"), ":1.1");
  owner_table_find (&exports, "a.lazy")->activatable = true;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      WireMessage call = make_call (i);
      DriverAnswer answer = { 0 };

      g_test_message ("%s (%s)", cases[i].member,
                      cases[i].argument != NULL ? cases[i].argument : "");
      g_assert_cmpint (driver_decide (&view, &call, &answer), ==, cases[i].verdict);
      if (cases[i].verdict == DRIVER_ANSWERED)
        {
          g_autofree char *text = read_answer (&answer);

          g_assert_cmpstr (text, ==, cases[i].result);
        }
      g_assert_cmpstr (answer.error_name, ==,
                       cases[i].verdict == DRIVER_REFUSED ? cases[i].result : NULL);
      g_assert_true ((answer.error_text != NULL) == (cases[i].verdict == DRIVER_REFUSED));

      wire_writer_free (answer.body);
      g_free (answer.error_text);
    }

  owner_table_clear (&owners);
  owner_table_clear (&exports);
}

static void
test_credentials (void)
{
  WireHeader header = { .byte_order = wire_native_byte_order (),
                        .type = WIRE_METHOD_RETURN,
                        .serial = 1,
                        .reply_serial = 1,
                        .signature = "u" };
  WireWriter *body = wire_writer_new (), *wrapped;
  WireMessage message;

  wire_writer_uint32 (body, 1000);
  message = parse (&header, body);
  wrapped = driver_wrap_credentials (&message);
  g_assert_nonnull (wrapped);
  header.signature = "a{sv}";
  message = parse (&header, wrapped);
  g_assert_nonnull (memmem (message.body, message.body_size, "UnixUserID", 10));
  g_assert_null (driver_wrap_credentials (&message));

  wire_writer_free (body);
  wire_writer_free (wrapped);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/driver/table", test_table);
  g_test_add_func ("/driver/credentials", test_credentials);
  return g_test_run ();
}
