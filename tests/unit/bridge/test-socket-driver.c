/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's bus driver as callers on the host meet it: what is started, and what is not; who owns
 * what, and who is told; serials. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "body.h"
#include "world.h"

#define SERVICE_UNKNOWN "org.freedesktop.DBus.Error.ServiceUnknown"
#define NAME_HAS_NO_OWNER "org.freedesktop.DBus.Error.NameHasNoOwner"
#define INVALID_ARGUMENT "org.tombolo.Error.InvalidArgument"

#define WAIT_USEC (10 * G_USEC_PER_SEC)
#define QUIET_USEC (200 * 1000)

static World *world;

typedef struct
{
  sd_bus *bus;
  GPtrArray *changes; /* char: “name owner” of each NameOwnerChanged; owner “-” is nobody */
} Client;

static void
client_close (Client *client)
{
  sd_bus_flush_close_unref (client->bus);
  g_clear_pointer (&client->changes, g_ptr_array_unref);
}

#define auto_client __attribute__ ((cleanup (client_close))) Client
#define auto_message __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *
#define auto_error __attribute__ ((cleanup (sd_bus_error_free))) sd_bus_error

static int
call_driver (sd_bus *bus, const char *member, sd_bus_error *error, sd_bus_message **ret_reply,
             const char *types, ...)
{
  auto_message message = NULL;
  va_list arguments;

  g_assert_cmpint (sd_bus_message_new_method_call (bus, &message, "org.freedesktop.DBus",
                                                   "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                   member),
                   >=, 0);
  va_start (arguments, types);
  g_assert_cmpint (sd_bus_message_appendv (message, types, arguments), >=, 0);
  va_end (arguments);
  return sd_bus_call (bus, message, WAIT_USEC, error, ret_reply);
}

static int
call_service (sd_bus *bus, const char *name, const char *member, gboolean auto_start,
              sd_bus_error *error)
{
  auto_message message = NULL;

  g_assert_cmpint (
      sd_bus_message_new_method_call (bus, &message, name, ECHO_PATH, ECHO_INTERFACE, member), >=,
      0);
  g_assert_cmpint (sd_bus_message_set_auto_start (message, auto_start), >=, 0);
  return sd_bus_call (bus, message, WAIT_USEC, error, NULL);
}

static gboolean
is_owned (sd_bus *bus, const char *name)
{
  auto_message reply = NULL;
  int owned;

  g_assert_cmpint (call_driver (bus, "NameHasOwner", NULL, &reply, "s", name), >=, 0);
  g_assert_cmpint (sd_bus_message_read (reply, "b", &owned), >=, 0);
  return owned;
}

static void
wait_until_owned (sd_bus *bus, const char *name, gboolean owned)
{
  gint64 end = g_get_monotonic_time () + WAIT_USEC;

  while (is_owned (bus, name) != owned)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_usleep (5000);
    }
}

/* Ends the service that the bus can start again. */
static void
end_lazy (sd_bus *guest)
{
  if (is_owned (guest, LAZY_NAME))
    call_service (guest, LAZY_NAME, "Exit", FALSE, NULL);
  wait_until_owned (guest, LAZY_NAME, FALSE);
}

/* A call starts its service unless the message says not to, on both faces. */
static void
test_no_auto_start (void)
{
  auto_client guest = { .bus = world_open_guest (world) };

  for (int i = 0; i < 2; i++)
    {
      auto_client client = { .bus = i > 0 ? world_open_socket (world) : world_open_host (world) };
      const char *name = i > 0 ? LAZY_NAME : LAZY_ALIAS;
      auto_error error = SD_BUS_ERROR_NULL;

      end_lazy (guest.bus);
      g_assert_true (world_wait_name (world, LAZY_ALIAS, TRUE, 5));
      g_assert_cmpint (call_service (client.bus, name, "Touch", FALSE, &error), <, 0);
      g_assert_cmpstr (error.name, ==, NAME_HAS_NO_OWNER);
      g_assert_false (is_owned (guest.bus, LAZY_NAME));

      g_assert_cmpint (call_service (client.bus, name, "Touch", TRUE, NULL), >=, 0);
      g_assert_true (is_owned (guest.bus, LAZY_NAME));
      g_assert_cmpint (call_service (client.bus, name, "Touch", FALSE, NULL), >=, 0);
    }
}

static void
check_start (Client *client, const char *name, const char *error_name, uint32_t result)
{
  auto_error error = SD_BUS_ERROR_NULL;
  auto_message reply = NULL;
  uint32_t found = 0;

  call_driver (client->bus, "StartServiceByName", &error, &reply, "su", name, 0);
  g_assert_cmpstr (error.name, ==, error_name);
  if (reply != NULL)
    g_assert_cmpint (sd_bus_message_read (reply, "u", &found), >=, 0);
  g_assert_cmpuint (found, ==, result);
}

/* Only what is exported, whether or not the guest's bus could start it. */
static void
test_start_service (void)
{
  auto_client guest = { .bus = world_open_guest (world) };
  auto_client client = { .bus = world_open_socket (world) };

  end_lazy (guest.bus);
  check_start (&client, HIDDEN_NAME, SERVICE_UNKNOWN, 0);
  check_start (&client, "org.example.Nothing", SERVICE_UNKNOWN, 0);
  check_start (&client, LAZY_NAME, NULL, 1);
  g_assert_true (is_owned (guest.bus, LAZY_NAME));
  check_start (&client, LAZY_NAME, NULL, 2);
}

static int
on_changed (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  Client *client = user_data;
  const char *name, *old_owner, *new_owner;

  g_assert_cmpstr (sd_bus_message_get_sender (message), ==, "org.freedesktop.DBus");
  g_assert_cmpint (sd_bus_message_read (message, "sss", &name, &old_owner, &new_owner), >=, 0);
  g_ptr_array_add (client->changes,
                   g_strdup_printf ("%s %s", name, new_owner[0] != '\0' ? new_owner : "-"));
  return 0;
}

/* `argument`: the name that it watches; NULL: all. */
static void
watch (Client *client, const char *argument)
{
  g_autofree char *rule = g_strdup_printf (
      "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
      "member='NameOwnerChanged'%s%s%s",
      argument != NULL ? ",arg0='" : "", argument != NULL ? argument : "",
      argument != NULL ? "'" : "");

  client->bus = world_open_socket (world);
  client->changes = g_ptr_array_new_with_free_func (g_free);
  g_assert_nonnull (client->bus);
  g_assert_cmpint (sd_bus_add_match (client->bus, NULL, rule, on_changed, client), >=, 0);
}

static void
dispatch (Client *client, guint until)
{
  gint64 end = g_get_monotonic_time () + (until > 0 ? WAIT_USEC : QUIET_USEC);

  while (g_get_monotonic_time () < end && (until == 0 || client->changes->len < until))
    {
      int r = sd_bus_process (client->bus, NULL);

      g_assert_cmpint (r, >=, 0);
      if (r == 0)
        sd_bus_wait (client->bus, (uint64_t) MAX (end - g_get_monotonic_time (), 0));
    }
}

static void
expect_changes (Client *client, const char *const *expected)
{
  dispatch (client, g_strv_length ((char **) expected));
  dispatch (client, 0);
  g_ptr_array_add (client->changes, NULL);
  g_assert_cmpstrv (client->changes->pdata, expected);
  g_ptr_array_set_size (client->changes, 0);
}

static char *
get_owner (sd_bus *bus)
{
  auto_message reply = NULL;
  const char *owner;

  g_assert_cmpint (call_driver (bus, "GetNameOwner", NULL, &reply, "s", ECHO_NAME), >=, 0);
  g_assert_cmpint (sd_bus_message_read (reply, "s", &owner), >=, 0);
  return g_strdup (owner);
}

/* A client is told of exported names and their owners alone, by its own rules, and what it is told
 * is what it gets when it asks. */
static void
test_owner_changes (void)
{
  static const char *const gone[] = { ECHO_NAME " -", NULL };
  static const char *const nothing[] = { NULL };
  auto_client client = { 0 }, all = { 0 }, other = { 0 }, silent = { 0 };
  g_autofree char *before = NULL, *after = NULL, *came = NULL, *left = NULL;
  auto_client guest = { .bus = world_open_guest (world) };

  watch (&client, ECHO_NAME);
  watch (&all, NULL);
  watch (&other, LAZY_NAME);
  silent.bus = world_open_socket (world);
  before = get_owner (client.bus);

  world_kill (world, WORLD_SERVICE); /* and with it the hidden name */
  expect_changes (&client, gone);
  g_assert_false (is_owned (client.bus, ECHO_NAME));
  world_start (world, WORLD_SERVICE);
  wait_until_owned (guest.bus, ECHO_NAME, TRUE);
  dispatch (&client, 1);
  after = get_owner (client.bus);
  came = g_strconcat (ECHO_NAME " ", after, NULL);
  g_assert_cmpstr (before, !=, after);
  expect_changes (&client, (const char *[]){ came, NULL });

  /* Others on the guest's bus come and go. */
  client_close (&guest);
  guest = (Client){ .bus = world_open_guest (world) };
  left = g_strconcat (before, " -", NULL);
  expect_changes (&all, (const char *[]){ ECHO_NAME " -", left, came, NULL });
  expect_changes (&other, nothing);
  g_assert_cmpint (sd_bus_process (silent.bus, NULL), >=, 0);
}

/* --- Serials, which libraries do not get wrong --- */

static void
send_call (int fd, uint32_t serial, const char *destination, const char *path,
           const char *interface, const char *member)
{
  WireHeader header = { .byte_order = wire_native_byte_order (),
                        .type = WIRE_METHOD_CALL,
                        .serial = serial,
                        .path = path,
                        .interface = interface,
                        .member = member,
                        .destination = destination,
                        .signature = "" };
  uint8_t bytes[1024];
  size_t size = wire_header_write (&header, 0, bytes, sizeof bytes);

  g_assert_cmpint (send (fd, bytes, size, MSG_NOSIGNAL), ==, size);
}

/* The next message that is a reply, its bytes in `buffer`. */
static WireMessage
receive_reply (int fd, uint8_t *buffer, size_t size)
{
  WireMessage message;

  do
    {
      size_t whole;

      g_assert_cmpint (recv (fd, buffer, WIRE_PREFIX_SIZE, MSG_WAITALL), ==, WIRE_PREFIX_SIZE);
      g_assert_cmpint (wire_message_measure (buffer, &whole), ==, WIRE_OK);
      g_assert_cmpuint (whole, <=, size);
      g_assert_cmpint (recv (fd, buffer + WIRE_PREFIX_SIZE, whole - WIRE_PREFIX_SIZE, MSG_WAITALL),
                       ==, whole - WIRE_PREFIX_SIZE);
      g_assert_cmpint (wire_message_parse (buffer, whole, &message), ==, WIRE_OK);
    }
  while (message.header.type == WIRE_SIGNAL);

  return message;
}

/* The second of two calls with one serial is refused while the first waits; another is not. */
static void
test_serial_twice (void)
{
  static const char greeting[] = "\0AUTH EXTERNAL 30\r\nBEGIN\r\n";
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct timeval patience = { .tv_sec = 10 };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char ok[37 + 2]; /* “OK ”, 32 digits, end of line */
  uint8_t buffer[4096];
  WireMessage reply;

  g_strlcpy (address.sun_path, world_get_socket_address (world) + strlen ("unix:path="),
             sizeof address.sun_path);
  g_assert_no_errno (connect (fd, (struct sockaddr *) &address, sizeof address));
  g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
  g_assert_cmpint (send (fd, greeting, sizeof greeting - 1, MSG_NOSIGNAL), >, 0);
  g_assert_cmpint (recv (fd, ok, 37, MSG_WAITALL), ==, 37);
  send_call (fd, 1, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
             "Hello");
  reply = receive_reply (fd, buffer, sizeof buffer);
  g_assert_cmpint (reply.header.type, ==, WIRE_METHOD_RETURN);

  send_call (fd, 7, ECHO_NAME, ECHO_PATH, ECHO_INTERFACE, "Never");
  send_call (fd, 7, ECHO_NAME, ECHO_PATH, ECHO_INTERFACE, "Touch");
  reply = receive_reply (fd, buffer, sizeof buffer);
  g_assert_cmpuint (reply.header.reply_serial, ==, 7);
  g_assert_cmpstr (reply.header.error_name, ==, INVALID_ARGUMENT);

  send_call (fd, 8, ECHO_NAME, ECHO_PATH, ECHO_INTERFACE, "Touch");
  reply = receive_reply (fd, buffer, sizeof buffer);
  g_assert_cmpuint (reply.header.reply_serial, ==, 8);
  g_assert_cmpint (reply.header.type, ==, WIRE_METHOD_RETURN);
  close (fd);
}

int
main (int argc, char **argv)
{
  int r;

  g_test_init (&argc, &argv, NULL);
  world = world_new ();

  g_test_add_func ("/driver/no-auto-start", test_no_auto_start);
  g_test_add_func ("/driver/start-service", test_start_service);
  g_test_add_func ("/driver/owner-changes", test_owner_changes);
  g_test_add_func ("/driver/serial-twice", test_serial_twice);

  r = g_test_run ();
  world_free (world);
  return r;
}
