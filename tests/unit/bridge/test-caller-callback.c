/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services in the guest call their callers back: on an alias and on the bus socket, with answers
 * and errors, and with all that has to be refused. */
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "world.h"

#define NOT_SUPPORTED "org.tombolo.Error.NotSupported"
#define LIMITS_EXCEEDED "org.tombolo.Error.LimitsExceeded"
#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define NO_REPLY "org.freedesktop.DBus.Error.NoReply"
#define REFUSAL "org.example.Error.Rejected"

#define WAIT_USEC (10 * G_USEC_PER_SEC)
#define SWAPPED                                                                                    \
  (G_BYTE_ORDER == G_LITTLE_ENDIAN ? G_DBUS_MESSAGE_BYTE_ORDER_BIG_ENDIAN                          \
                                   : G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN)
#define PENDING_ALIAS 32
#define PENDING_SOCKET 128

static World *world;

/* A caller with an object of its own. */
typedef struct
{
  sd_bus *bus;
  const char *service; /* the name under which it knows the echo service */
  unsigned n_asked;
  unsigned n_told;
  char *asked_by;
  sd_bus_message *never; /* the last call that it does not answer */
  sd_bus_message *reply; /* to its own call */
  GPtrArray *held;       /* sd_bus_message, with descriptors */
  GArray *writers;       /* int */
} Client;

#define auto_client __attribute__ ((cleanup (client_close))) Client
#define auto_message __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *

static int
on_ask (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  Client *client = user_data;
  const char *text;

  client->n_asked++;
  g_free (client->asked_by);
  client->asked_by = g_strdup (sd_bus_message_get_sender (call));
  g_assert_cmpint (sd_bus_message_read (call, "s", &text), >=, 0);
  return sd_bus_reply_method_return (call, "s", text);
}

static int
on_refuse (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  return sd_bus_error_set (error, REFUSAL, "Not today.");
}

static int
on_never (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  Client *client = user_data;

  client->n_asked++;
  sd_bus_message_unref (client->never);
  client->never = sd_bus_message_ref (call);
  return 1;
}

static int
on_tell (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  ((Client *) user_data)->n_told++;
  return sd_bus_message_get_expect_reply (call) > 0 ? sd_bus_reply_method_return (call, "s", "")
                                                    : 1;
}

/* Takes a pipe and a socket, reads the one and says so on the other, and answers with a pipe. */
static int
on_carry (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  char text[16] = "";
  int pipe_fd, socket_fd, fds[2], r;

  g_assert_cmpint (sd_bus_message_read (call, "hh", &pipe_fd, &socket_fd), >=, 0);
  g_assert_cmpint (read (pipe_fd, text, sizeof text - 1), ==, 7);
  g_assert_cmpint (read (pipe_fd, text + 7, 1), ==, 0);
  g_assert_cmpint (write (socket_fd, text, strlen (text)), ==, 7);
  g_assert_no_errno (shutdown (socket_fd, SHUT_WR));

  g_assert_no_errno (pipe2 (fds, O_CLOEXEC));
  g_assert_cmpint (write (fds[1], "and back", 8), ==, 8);
  close (fds[1]);
  r = sd_bus_reply_method_return (call, "h", fds[0]);
  close (fds[0]);
  return r;
}

/* Takes pipes, and holds them. */
static int
on_hold (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  Client *client = user_data;

  g_ptr_array_add (client->held, sd_bus_message_ref (call));
  return sd_bus_reply_method_return (call, "s", "held");
}

/* Answers with as many pipes as cross in one message, and holds their other ends. */
static int
on_give_many (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  auto_message reply = NULL;

  g_assert_cmpint (sd_bus_message_new_method_return (call, &reply), >=, 0);
  g_assert_cmpint (sd_bus_message_append (reply, "s", "given"), >=, 0);
  g_assert_cmpint (sd_bus_message_open_container (reply, 'a', "h"), >=, 0);
  for (int i = 0; i < 16; i++)
    {
      int fds[2];

      g_assert_no_errno (pipe2 (fds, O_CLOEXEC));
      g_assert_cmpint (sd_bus_message_append (reply, "h", fds[0]), >=, 0);
      close (fds[0]);
      g_array_append_val (((Client *) user_data)->writers, fds[1]);
    }
  g_assert_cmpint (sd_bus_message_close_container (reply), >=, 0);
  return sd_bus_send (NULL, reply, NULL);
}

/* Answers that do not cross. */
static int
on_give (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  int r = sd_bus_reply_method_return (call, "h", fd);

  close (fd);
  return r;
}

static int
on_swell (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  auto_message reply = NULL;
  void *bytes;

  g_assert_cmpint (sd_bus_message_new_method_return (call, &reply), >=, 0);
  g_assert_cmpint (sd_bus_message_append_array_space (reply, 'y', TOO_LARGE, &bytes), >=, 0);
  memset (bytes, 0, TOO_LARGE);
  return sd_bus_send (NULL, reply, NULL);
}

static const sd_bus_vtable vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD ("Ask", "s", "s", on_ask, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Refuse", "s", "s", on_refuse, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Never", "s", "s", on_never, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Give", "s", "h", on_give, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("GiveMany", "s", "sah", on_give_many, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Carry", "hh", "h", on_carry, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Hold", "ah", "s", on_hold, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Swell", "s", "ay", on_swell, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Tell", "s", "s", on_tell, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_VTABLE_END,
};

static void
unref_message (gpointer message)
{
  sd_bus_message_unref (message);
}

/* Closes what it was given, and what it has given. */
static void
let_go (Client *client)
{
  g_ptr_array_set_size (client->held, 0);
  for (guint i = 0; i < client->writers->len; i++)
    close (g_array_index (client->writers, int, i));
  g_array_set_size (client->writers, 0);
}

static void
client_init (Client *client, gboolean on_socket)
{
  client->bus = on_socket ? world_open_socket (world) : world_open_host (world);
  client->service = on_socket ? ECHO_NAME : ECHO_ALIAS;
  client->held = g_ptr_array_new_with_free_func (unref_message);
  client->writers = g_array_new (FALSE, FALSE, sizeof (int));
  g_assert_nonnull (client->bus);
  g_assert_cmpint (
      sd_bus_add_object_vtable (client->bus, NULL, BACK_PATH, BACK_INTERFACE, vtable, client), >=,
      0);
  g_assert_cmpint (
      sd_bus_add_object_vtable (client->bus, NULL, BACK_PATH, BACK_OTHER_INTERFACE, vtable, client),
      >=, 0);
}

static void
client_close (Client *client)
{
  sd_bus_message_unref (client->never);
  sd_bus_message_unref (client->reply);
  if (client->held != NULL)
    {
      let_go (client);
      g_ptr_array_unref (client->held);
      g_array_unref (client->writers);
    }
  sd_bus_flush_close_unref (client->bus);
  g_free (client->asked_by);
}

static void
dispatch (Client *client, gint64 usec, const unsigned *counter, unsigned until)
{
  gint64 end = g_get_monotonic_time () + usec;

  while (g_get_monotonic_time () < end && client->reply == NULL
         && (counter == NULL || *counter < until))
    {
      int r = sd_bus_process (client->bus, NULL);

      g_assert_cmpint (r, >=, 0);
      if (r == 0)
        sd_bus_wait (client->bus, (uint64_t) MAX (end - g_get_monotonic_time (), 0));
    }
}

static int
on_reply (sd_bus_message *message, void *user_data, sd_bus_error *error)
{
  ((Client *) user_data)->reply = sd_bus_message_ref (message);
  return 0;
}

/* Calls, and serves calls until the reply is there, which is the callee's. */
static sd_bus_message *
call (Client *client, const char *destination, const char *member, const char *types, ...)
{
  auto_message message = NULL;
  va_list arguments;

  g_assert_cmpint (sd_bus_message_new_method_call (client->bus, &message, destination, ECHO_PATH,
                                                   ECHO_INTERFACE, member),
                   >=, 0);
  va_start (arguments, types);
  g_assert_cmpint (sd_bus_message_appendv (message, types, arguments), >=, 0);
  va_end (arguments);

  g_assert_cmpint (sd_bus_call_async (client->bus, NULL, message, on_reply, client, WAIT_USEC), >=,
                   0);
  dispatch (client, WAIT_USEC, NULL, 0);
  g_assert_nonnull (client->reply);
  return g_steal_pointer (&client->reply);
}

/* What the service was told: the error's name, or the answer. */
static void
check_told (sd_bus_message *reply, const char *error_name, const char *answer)
{
  const char *name, *text;

  g_assert_false (sd_bus_message_is_method_error (reply, NULL));
  g_assert_cmpint (sd_bus_message_read (reply, "ss", &name, &text), >=, 0);
  g_assert_cmpstr (name, ==, error_name);
  if (answer != NULL)
    g_assert_cmpstr (text, ==, answer);
}

static void
expect (Client *client, const char *interface, const char *member, const char *error_name)
{
  auto_message reply =
      call (client, client->service, "CallBack", "sss", interface, member, "hello");

  check_told (reply, error_name, error_name[0] == '\0' ? "hello" : NULL);
}

/* Its answer with 16 descriptors. */
static void
expect_given (Client *client, const char *error_name)
{
  auto_message reply =
      call (client, client->service, "CallBack", "sss", BACK_INTERFACE, "GiveMany", "");

  check_told (reply, error_name, error_name[0] == '\0' ? "given" : NULL);
}

static char *
get_owner (Client *client, const char *name)
{
  auto_message reply = NULL;
  const char *owner;

  g_assert_cmpint (sd_bus_call_method (client->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "GetNameOwner", NULL, &reply, "s",
                                       name),
                   >=, 0);
  g_assert_cmpint (sd_bus_message_read (reply, "s", &owner), >=, 0);
  return g_strdup (owner);
}

static char *
get_sender (Client *client, const char *destination)
{
  auto_message reply = call (client, destination, "Sender", "");
  const char *name;

  g_assert_cmpint (sd_bus_message_read (reply, "s", &name), >=, 0);
  return g_strdup (name);
}

/* The same on both faces; the caller hears the call from whom it had called itself. */
static void
check_answers (gboolean on_socket)
{
  auto_client client = { 0 };
  g_autofree char *owner = NULL;

  client_init (&client, on_socket);
  for (int i = 0; i < 50; i++)
    expect (&client, BACK_INTERFACE, "Ask", "");
  g_assert_cmpuint (client.n_asked, ==, 50);
  owner = get_owner (&client, client.service);
  g_assert_cmpstr (client.asked_by, ==, owner);

  expect (&client, BACK_INTERFACE, "Refuse", REFUSAL);
  expect (&client, BACK_INTERFACE, "Unknown", "org.freedesktop.DBus.Error.UnknownMethod");
  expect (&client, BACK_INTERFACE, "Ask", "");
}

static void
test_alias (void)
{
  check_answers (FALSE);
}

static void
test_socket (void)
{
  check_answers (TRUE);
}

/* On the host's bus a closed list; on the bus socket, whose clients came to the guest, any. */
static void
test_interfaces (void)
{
  auto_client client = { 0 };
  auto_client socket = { 0 };

  client_init (&client, FALSE);
  client_init (&socket, TRUE);
  expect (&client, BACK_OTHER_INTERFACE, "Ask", ACCESS_DENIED);
  expect (&client, "org.freedesktop.DBus.Peer", "Ping", ACCESS_DENIED);
  expect (&client, "org.freedesktop.DBus.Properties", "Get", ACCESS_DENIED);
  g_assert_cmpuint (client.n_asked, ==, 0);
  expect (&socket, BACK_OTHER_INTERFACE, "Ask", "");
}

static void
test_large (void)
{
  g_autofree char *text = g_strnfill (1000000, 'x');

  for (int i = 0; i < 2; i++)
    {
      auto_client client = { 0 };
      auto_message reply = NULL;

      client_init (&client, i > 0);
      reply = call (&client, client.service, "CallBack", "sss", BACK_INTERFACE, "Ask", text);
      check_told (reply, "", text);
    }
}

/* A pipe and a socket to the caller, and a pipe back. */
static void
test_descriptors (void)
{
  for (int i = 0; i < 2; i++)
    {
      auto_client client = { 0 };

      client_init (&client, i > 0);
      for (int n = 0; n < 30; n++)
        {
          auto_message reply = call (&client, client.service, "Carry", "");

          check_told (reply, "", "by pipe, and back");
        }
    }
}

static void
check_many (Client *client, uint32_t n, const char *error_name)
{
  auto_message reply = call (client, client->service, "CallBackMany", "u", n);

  check_told (reply, error_name, NULL);
}

/* A caller has 64, whoever has sent them; when they are closed others may come. */
static void
test_descriptor_limit (void)
{
  for (int i = 0; i < 2; i++)
    {
      auto_client client = { 0 };
      gint64 end;

      client_init (&client, i > 0);
      for (int n = 0; n < 3; n++)
        check_many (&client, 16, "");
      expect_given (&client, "");
      check_many (&client, 1, LIMITS_EXCEEDED);
      expect_given (&client, LIMITS_EXCEEDED);
      expect (&client, BACK_INTERFACE, "Ask", "");
      g_assert_cmpuint (client.held->len, ==, 3);

      let_go (&client);
      check_many (&client, 0, "");
      end = g_get_monotonic_time () + WAIT_USEC;
      while (client.held->len == 0 && g_get_monotonic_time () < end)
        {
          sd_bus_message_unref (call (&client, client.service, "CallBackMany", "u", 16u));
          g_usleep (10000);
        }
      g_assert_cmpuint (client.held->len, ==, 1);
      check_many (&client, 0, "");
    }
}

/* A client of the bus socket that has not agreed to descriptors. */
static void
test_descriptors_not_agreed (void)
{
  auto_client client = { 0 };
  auto_message reply = NULL;

  client_init (&client, TRUE);
  sd_bus_flush_close_unref (client.bus);
  client.bus = NULL;
  g_assert_cmpint (sd_bus_new (&client.bus), >=, 0);
  g_assert_cmpint (sd_bus_set_address (client.bus, world_get_socket_address (world)), >=, 0);
  g_assert_cmpint (sd_bus_set_bus_client (client.bus, 1), >=, 0);
  g_assert_cmpint (sd_bus_negotiate_fds (client.bus, 0), >=, 0);
  g_assert_cmpint (sd_bus_start (client.bus), >=, 0);
  reply = call (&client, client.service, "Carry", "");
  check_told (reply, NOT_SUPPORTED, NULL);
}

/* Descriptors of other kinds, and more than 16 MiB: who sent it is told, and all goes on. */
static void
test_not_crossing (void)
{
  for (int i = 0; i < 2; i++)
    {
      auto_client client = { 0 };
      auto_message descriptor = NULL;
      auto_message large = NULL;

      client_init (&client, i > 0);
      descriptor = call (&client, client.service, "CallBackWith", "s", "descriptor");
      check_told (descriptor, NOT_SUPPORTED, NULL);
      large = call (&client, client.service, "CallBackWith", "s", "large");
      check_told (large, LIMITS_EXCEEDED, NULL);
      g_assert_cmpuint (client.n_asked, ==, 0);

      expect (&client, BACK_INTERFACE, "Give", NOT_SUPPORTED);
      expect (&client, BACK_INTERFACE, "Swell", LIMITS_EXCEEDED);
      expect (&client, BACK_INTERFACE, "Ask", "");
    }
}

static void
test_no_reply (void)
{
  for (int i = 0; i < 2; i++)
    {
      auto_client client = { 0 };

      client_init (&client, i > 0);
      for (unsigned n = 1; n <= 200; n++)
        {
          auto_message reply = call (&client, client.service, "TellBack", "");

          g_assert_false (sd_bus_message_is_method_error (reply, NULL));
        }
      dispatch (&client, WAIT_USEC, &client.n_told, 200);
      g_assert_cmpuint (client.n_told, ==, 200);
    }
}

/* Who owns no exported name calls nobody on the host. */
static void
test_hidden (void)
{
  for (int i = 0; i < 2; i++)
    {
      auto_client client = { 0 };
      auto_message reply = NULL;

      client_init (&client, i > 0);
      reply = call (&client, client.service, "CallBackHidden", "");
      check_told (reply, ACCESS_DENIED, NULL);
      g_assert_cmpuint (client.n_asked, ==, 0);
    }
}

/* A caller of one service is not another service's; nor are the channels that nobody uses yet. */
static void
test_other_services (void)
{
  auto_client client = { 0 };

  client_init (&client, FALSE);
  for (int i = 0; i < 2; i++)
    {
      auto_client other = { 0 };
      auto_message reply = NULL;
      g_autofree char *name = NULL;

      client_init (&other, i > 0);
      name = get_sender (&other, i > 0 ? LAZY_NAME : LAZY_ALIAS);
      reply = call (&client, ECHO_ALIAS, "CallOther", "s", name);
      check_told (reply, ACCESS_DENIED, NULL);
      dispatch (&other, 100000, NULL, 0);
      g_assert_cmpuint (other.n_asked, ==, 0);

      /* Once it has called, it is. */
      g_free (g_steal_pointer (&name));
      name = get_sender (&other, other.service);
      g_assert_cmpint (sd_bus_call_method_async (client.bus, NULL, ECHO_ALIAS, ECHO_PATH,
                                                 ECHO_INTERFACE, "CallOther", on_reply, &client,
                                                 "s", name),
                       >=, 0);
      g_assert_cmpint (sd_bus_flush (client.bus), >=, 0);
      dispatch (&other, WAIT_USEC, &other.n_asked, 1);
      sd_bus_flush (other.bus);
      dispatch (&client, WAIT_USEC, NULL, 0);
      check_told (client.reply, "", "x");
      g_clear_pointer (&client.reply, sd_bus_message_unref);
    }
}

/* Connections that the agent holds for callers to come: there is nobody to call. */
static void
test_spare_channels (void)
{
  auto_client guest = { .bus = world_open_guest (world) };
  auto_client client = { 0 };
  g_autofree char *service = NULL, *own = NULL;
  g_auto (GStrv) names = NULL;
  unsigned n_denied = 0;

  client_init (&client, FALSE);
  service = get_owner (&guest, ECHO_NAME);
  own = get_sender (&client, ECHO_ALIAS);
  g_assert_cmpint (sd_bus_list_names (guest.bus, &names, NULL), >=, 0);
  for (gsize i = 0; names[i] != NULL; i++)
    {
      auto_client caller = { 0 };
      auto_message reply = NULL;
      const char *name = "";

      if (names[i][0] != ':' || strcmp (names[i], service) == 0 || strcmp (names[i], own) == 0)
        continue;

      client_init (&caller, FALSE);
      g_assert_cmpint (sd_bus_call_method_async (caller.bus, NULL, ECHO_ALIAS, ECHO_PATH,
                                                 ECHO_INTERFACE, "CallOther", on_reply, &caller,
                                                 "s", names[i]),
                       >=, 0);
      dispatch (&caller, 300000, NULL, 0); /* some connections answer nobody */
      reply = g_steal_pointer (&caller.reply);
      if (reply != NULL)
        g_assert_cmpint (sd_bus_message_read (reply, "ss", &name, NULL), >=, 0);
      n_denied += strcmp (name, ACCESS_DENIED) == 0;
    }

  g_assert_cmpuint (n_denied, >=, 1);
}

static void
wait_for_error (Client *client, const char *name)
{
  gint64 end = g_get_monotonic_time () + WAIT_USEC;
  g_autofree char *found = NULL;

  do
    {
      auto_message reply = call (client, client->service, "LastError", "");
      const char *text;

      g_assert_cmpint (sd_bus_message_read (reply, "s", &text), >=, 0);
      g_free (found);
      found = g_strdup (text);
      if (g_strcmp0 (found, name) != 0)
        g_usleep (10000);
    }
  while (g_strcmp0 (found, name) != 0 && g_get_monotonic_time () < end);
  g_assert_cmpstr (found, ==, name);
}

/* Waits until everybody who was asked has answered, or is gone. */
static void
wait_until_idle (void)
{
  gint64 end = g_get_monotonic_time () + WAIT_USEC;
  auto_client client = { 0 };
  uint32_t n;

  client_init (&client, FALSE);
  do
    {
      auto_message reply = call (&client, client.service, "LastError", "");
      const char *error;

      g_assert_cmpint (sd_bus_message_read (reply, "su", &error, &n), >=, 0);
      if (n > 0)
        g_usleep (10000);
    }
  while (n > 0 && g_get_monotonic_time () < end);
  g_assert_cmpuint (n, ==, 0);
}

static void
start_often (Client *client, const char *member, unsigned n, unsigned until)
{
  auto_message reply = call (client, client->service, "CallBackOften", "su", member, n);

  g_assert_false (sd_bus_message_is_method_error (reply, NULL));
  dispatch (client, WAIT_USEC, &client->n_asked, until);
  g_assert_cmpuint (client->n_asked, ==, until);
}

/* A caller that leaves answers no more: its service hears so, as on a local bus. */
static void
test_vanished (void)
{
  auto_client watcher = { 0 };

  client_init (&watcher, FALSE);
  for (int i = 0; i < 2; i++)
    {
      auto_client client = { 0 };

      client_init (&client, i > 0);
      start_often (&client, "Never", 3, 3);
      wait_for_error (&watcher, "");
      client_close (&client);
      client = (Client){ 0 };
      wait_for_error (&watcher, NO_REPLY);
      wait_until_idle ();
    }
}

/* A caller that never answers holds up neither itself nor others, and is not asked without end. */
static void
test_limits (void)
{
  auto_client other = { 0 };

  client_init (&other, FALSE);
  for (int i = 0; i < 2; i++)
    {
      unsigned most = i > 0 ? PENDING_SOCKET : PENDING_ALIAS;
      auto_client client = { 0 };
      auto_message late = NULL;

      client_init (&client, i > 0);
      start_often (&client, "Never", most, most);
      wait_for_error (&other, "");
      start_often (&client, "Never", 10, most);
      wait_for_error (&other, LIMITS_EXCEEDED);
      expect (&other, BACK_INTERFACE, "Ask", "");

      /* Its own calls pass, and with an answer there is room for one more. */
      expect (&client, BACK_INTERFACE, "Ask", LIMITS_EXCEEDED);
      g_assert_cmpint (sd_bus_reply_method_return (client.never, "s", ""), >=, 0);
      expect (&client, BACK_INTERFACE, "Ask", "");

      client_close (&client);
      client = (Client){ 0 };
      wait_until_idle ();
    }
}

/* Somebody else answers in the place of whoever was asked; the bus of this test lets it. */
static void
steal (sd_bus_message *asked)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) thief =
      g_dbus_connection_new_for_address_sync (world_get_host_address (world),
                                              G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                  | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                              NULL, NULL, &error);
  g_autoptr (GDBusMessage) answer = g_dbus_message_new ();
  g_autoptr (GVariant) called = NULL;
  uint64_t cookie;

  g_assert_no_error (error);
  /* It is a caller itself, and is asked nothing. */
  called = g_dbus_connection_call_sync (thief, ECHO_ALIAS, ECHO_PATH, ECHO_INTERFACE, "Touch", NULL,
                                        NULL, 0, 10000, NULL, &error);
  g_assert_no_error (error);

  g_assert_cmpint (sd_bus_message_get_cookie (asked, &cookie), >=, 0);
  g_dbus_message_set_message_type (answer, G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
  g_dbus_message_set_flags (answer, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  g_dbus_message_set_reply_serial (answer, (guint32) cookie);
  g_dbus_message_set_destination (answer, sd_bus_message_get_sender (asked));
  g_dbus_message_set_body (answer, g_variant_new ("(s)", "stolen"));
  g_dbus_connection_send_message (thief, answer, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_dbus_connection_flush_sync (thief, NULL, &error));
  g_assert_true (g_dbus_connection_close_sync (thief, NULL, &error));
}

/* One user's callers do not use up what the bus lets all of them have. */
static void
test_user_limit (void)
{
  Client clients[3] = { { 0 } };

  for (gsize i = 0; i < G_N_ELEMENTS (clients); i++)
    client_init (&clients[i], FALSE);
  start_often (&clients[0], "Never", PENDING_ALIAS, PENDING_ALIAS);
  start_often (&clients[1], "Never", PENDING_ALIAS - 1, PENDING_ALIAS - 1);
  expect (&clients[2], BACK_INTERFACE, "Ask", "");
  start_often (&clients[1], "Never", 1, PENDING_ALIAS);
  expect (&clients[2], BACK_INTERFACE, "Ask", LIMITS_EXCEEDED);

  /* What wants no answer passes. */
  sd_bus_message_unref (call (&clients[2], ECHO_ALIAS, "TellBack", ""));
  dispatch (&clients[2], WAIT_USEC, &clients[2].n_told, 1);
  g_assert_cmpuint (clients[2].n_told, ==, 1);
  for (gsize i = 0; i < G_N_ELEMENTS (clients); i++)
    client_close (&clients[i]);
  wait_until_idle ();
}

/* An answer counts once, and from whom was asked. */
static void
test_answers (void)
{
  auto_client client = { 0 };
  auto_message reply = NULL;

  client_init (&client, FALSE);
  g_assert_cmpint (sd_bus_call_method_async (client.bus, NULL, ECHO_ALIAS, ECHO_PATH,
                                             ECHO_INTERFACE, "CallBack", on_reply, &client, "sss",
                                             BACK_INTERFACE, "Never", ""),
                   >=, 0);
  dispatch (&client, WAIT_USEC, &client.n_asked, 1);
  g_assert_nonnull (client.never);

  steal (client.never);
  dispatch (&client, 300000, NULL, 0);
  g_assert_null (client.reply);

  g_assert_cmpint (sd_bus_reply_method_return (client.never, "s", "mine"), >=, 0);
  g_assert_cmpint (sd_bus_reply_method_return (client.never, "s", "again"), >=, 0);
  dispatch (&client, WAIT_USEC, NULL, 0);
  reply = g_steal_pointer (&client.reply);
  check_told (reply, "", "mine");
  expect (&client, BACK_INTERFACE, "Ask", "");
}

/* Answers Ask, in the byte order that this machine does not have; runs in GDBus' thread. */
static GDBusMessage *
on_filtered (GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
             gpointer user_data)
{
  g_autoptr (GDBusMessage) answer = NULL;

  if (!incoming || g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL
      || g_strcmp0 (g_dbus_message_get_interface (message), BACK_INTERFACE) != 0)
    return message;

  answer = g_dbus_message_new_method_reply (message);
  g_dbus_message_set_byte_order (answer, SWAPPED);
  g_dbus_message_set_body (answer, g_variant_new ("(s)", "swapped"));
  g_dbus_connection_send_message (connection, answer, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  g_object_unref (message);
  return NULL;
}

/* The call and the answer to the call back in the other byte order, all the way. */
static void
test_byte_order (void)
{
  const char *const addresses[] = { world_get_host_address (world),
                                    world_get_socket_address (world) };
  static const char *const names[] = { ECHO_ALIAS, ECHO_NAME };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GDBusConnection) caller = g_dbus_connection_new_for_address_sync (
          addresses[i],
          G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
              | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
          NULL, NULL, &error);
      g_autoptr (GDBusMessage) message =
          g_dbus_message_new_method_call (names[i], ECHO_PATH, ECHO_INTERFACE, "CallBack");
      g_autoptr (GDBusMessage) reply = NULL;
      const char *name, *text;

      g_assert_no_error (error);
      g_dbus_connection_add_filter (caller, on_filtered, NULL, NULL);
      g_dbus_message_set_byte_order (message, SWAPPED);
      g_dbus_message_set_body (message, g_variant_new ("(sss)", BACK_INTERFACE, "Ask", "x"));
      reply = g_dbus_connection_send_message_with_reply_sync (
          caller, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, 10000, NULL, NULL, &error);
      g_assert_no_error (error);
      g_variant_get (g_dbus_message_get_body (reply), "(&s&s)", &name, &text);
      g_assert_cmpstr (name, ==, "");
      g_assert_cmpstr (text, ==, "swapped");
      g_assert_true (g_dbus_connection_close_sync (caller, NULL, &error));
    }
}

/* With two names of one owner a caller hears from the alias that it called last. */
static void
test_last_alias (void)
{
  static const char *const aliases[] = { LAZY_ALIAS, ECHO_ALIAS, LAZY_ALIAS };
  auto_client client = { 0 };

  client_init (&client, FALSE);
  sd_bus_message_unref (call (&client, LAZY_ALIAS, "Disown", "s", LAZY_NAME));
  sd_bus_message_unref (call (&client, ECHO_ALIAS, "Own", "s", LAZY_NAME));
  for (gsize i = 0; i < G_N_ELEMENTS (aliases); i++)
    {
      g_autofree char *owner = NULL;
      auto_message reply = NULL;

      g_assert_true (world_wait_name (world, aliases[i], TRUE, 5));
      reply = call (&client, aliases[i], "CallBack", "sss", BACK_INTERFACE, "Ask", "x");
      check_told (reply, "", "x");
      owner = get_owner (&client, aliases[i]);
      g_assert_cmpstr (client.asked_by, ==, owner);
    }
  sd_bus_message_unref (call (&client, ECHO_ALIAS, "Disown", "s", LAZY_NAME));
}

/* A service that gives its name away is owed nothing, and asks nothing more; what was pending does
 * not count against the next owner. */
static void
test_disowned (void)
{
  auto_client watcher = { .bus = world_open_guest (world), .service = ECHO_NAME };
  auto_client client = { 0 };

  client_init (&client, FALSE);
  start_often (&client, "Never", PENDING_ALIAS, PENDING_ALIAS);
  sd_bus_message_unref (call (&watcher, ECHO_NAME, "Disown", "s", ECHO_NAME));
  g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 5));
  {
    g_autofree char *service = get_owner (&watcher, HIDDEN_NAME);

    /* The owner of the hidden name is another connection of the same program. */
    sd_bus_message_unref (call (&watcher, service, "Own", "s", ECHO_NAME));
  }
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 5));
  wait_for_error (&watcher, NO_REPLY);
  expect (&client, BACK_INTERFACE, "Ask", "");

  /* And back. */
  world_kill (world, WORLD_SERVICE);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 5));
  world_start (world, WORLD_SERVICE);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 5));
  expect (&client, BACK_INTERFACE, "Ask", "");
}

/* A tunnel that breaks forgets: answers that come too late are nobody's. */
static void
test_tunnel_lost (void)
{
  auto_client client = { 0 };
  auto_client socket = { 0 };

  client_init (&client, FALSE);
  client_init (&socket, TRUE);
  start_often (&client, "Never", 5, 5);
  start_often (&socket, "Never", 5, 5);
  world_kill (world, WORLD_AGENT);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, FALSE, 5));
  g_assert_cmpint (sd_bus_reply_method_return (client.never, "s", "late"), >=, 0);
  world_start (world, WORLD_AGENT);
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 5));
  g_assert_cmpint (sd_bus_reply_method_return (client.never, "s", "later"), >=, 0);
  expect (&client, BACK_INTERFACE, "Ask", "");
}

int
main (int argc, char **argv)
{
  int r;

  g_test_init (&argc, &argv, NULL);
  world = world_new ();

  g_test_add_func ("/callback/alias", test_alias);
  g_test_add_func ("/callback/socket", test_socket);
  g_test_add_func ("/callback/interfaces", test_interfaces);
  g_test_add_func ("/callback/large", test_large);
  g_test_add_func ("/callback/descriptors", test_descriptors);
  g_test_add_func ("/callback/descriptor-limit", test_descriptor_limit);
  g_test_add_func ("/callback/descriptors-not-agreed", test_descriptors_not_agreed);
  g_test_add_func ("/callback/not-crossing", test_not_crossing);
  g_test_add_func ("/callback/no-reply", test_no_reply);
  g_test_add_func ("/callback/hidden", test_hidden);
  g_test_add_func ("/callback/other-services", test_other_services);
  g_test_add_func ("/callback/spare-channels", test_spare_channels);
  g_test_add_func ("/callback/vanished", test_vanished);
  g_test_add_func ("/callback/limits", test_limits);
  g_test_add_func ("/callback/user-limit", test_user_limit);
  g_test_add_func ("/callback/answers", test_answers);
  g_test_add_func ("/callback/byte-order", test_byte_order);
  g_test_add_func ("/callback/last-alias", test_last_alias);
  g_test_add_func ("/callback/disowned", test_disowned);
  g_test_add_func ("/callback/tunnel-lost", test_tunnel_lost);

  r = g_test_run ();
  world_free (world);
  return r;
}
