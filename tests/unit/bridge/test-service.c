/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service on the guest's bus: `test-service echo|lazy ADDRESS`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "world.h"

static uint32_t n_calls;

static int
on_echo (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
  const void *data;
  size_t size;
  int r = sd_bus_message_read_array (call, 'y', &data, &size);

  n_calls++;
  if (r >= 0)
    r = sd_bus_message_new_method_return (call, &reply);
  if (r >= 0)
    r = sd_bus_message_append_array (reply, 'y', data, size);
  return r < 0 ? r : sd_bus_send (NULL, reply, NULL);
}

static int
on_fail (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  return sd_bus_error_set (error, "org.example.Error.Oops", "It went wrong.");
}

static int
on_sender (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  return sd_bus_reply_method_return (call, "s", sd_bus_message_get_sender (call));
}

static int
on_count (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  return sd_bus_reply_method_return (call, "u", n_calls);
}

static int
on_touch (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  n_calls++;
  return sd_bus_reply_method_return (call, NULL);
}

/* Before the reply, so that their order can be seen. */
static int
on_emit (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  const char *interface;
  uint32_t value;
  int r = sd_bus_message_read (call, "su", &interface, &value);

  if (r >= 0)
    r = sd_bus_emit_signal (sd_bus_message_get_bus (call), ECHO_PATH, interface, "Pinged", "u",
                            value);
  return r < 0 ? r : sd_bus_reply_method_return (call, NULL);
}

static int
on_emit_to (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *signal = NULL;
  sd_bus *bus = sd_bus_message_get_bus (call);
  int r = sd_bus_message_new_signal (bus, &signal, ECHO_PATH, PUBLIC_INTERFACE, "Told");

  if (r >= 0)
    r = sd_bus_send_to (bus, signal, sd_bus_message_get_sender (call), NULL);
  return r < 0 ? r : sd_bus_reply_method_return (call, NULL);
}

static int
on_never (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  n_calls++;
  sd_bus_message_ref (call);
  return 1;
}

static int
on_descriptor (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  return sd_bus_reply_method_return (call, "h", STDIN_FILENO);
}

/* A pipe that says something and ends. */
static int
on_pipe (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  int fds[2], r;

  if (pipe2 (fds, O_CLOEXEC) < 0 || write (fds[1], "pipe", 4) < 0)
    return -errno;
  close (fds[1]);
  r = sd_bus_reply_method_return (call, "h", fds[0]);
  close (fds[0]);
  return r;
}

static int
on_exit_call (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  sd_bus_reply_method_return (call, NULL);
  sd_bus_flush (sd_bus_message_get_bus (call));
  exit (EXIT_SUCCESS);
}

/* --- Calls back --- */

static sd_bus *hidden_bus;
static char last_error[256];
static uint32_t n_waiting; /* of CallBackOften's */
static GPtrArray *given;   /* sd_bus_message: answers with descriptors, which stay open */

static void
unref_message (gpointer message)
{
  sd_bus_message_unref (message);
}

static int
on_call_back_answer (sd_bus_message *answer, void *user_data, sd_bus_error *error)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *call = user_data;
  const sd_bus_error *problem = sd_bus_message_get_error (answer);
  const char *text = "";

  if (problem != NULL)
    snprintf (last_error, sizeof last_error, "%s", problem->name);
  else
    sd_bus_message_read (answer, "s", &text);
  if (sd_bus_message_has_signature (answer, "sah") > 0)
    g_ptr_array_add (given, sd_bus_message_ref (answer));

  n_waiting -= call == NULL;
  return call == NULL
             ? 0
             : sd_bus_reply_method_return (call, "ss", problem != NULL ? problem->name : "", text);
}

/* Calls `destination` on `bus`, and tells the caller what became of it. */
static int
call_back (sd_bus_message *call, sd_bus *bus, const char *destination, const char *interface,
           const char *member, const char *text)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *back = NULL;
  int r = sd_bus_message_new_method_call (bus, &back, destination, BACK_PATH, interface, member);

  if (r >= 0)
    r = sd_bus_message_append (back, "s", text);
  if (r >= 0)
    r = sd_bus_call_async (bus, NULL, back, on_call_back_answer, sd_bus_message_ref (call), 0);
  return r < 0 ? r : 1;
}

/* Of interface, member and text. */
static int
on_call_back (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  const char *interface, *member, *text;
  int r = sd_bus_message_read (call, "sss", &interface, &member, &text);

  return r < 0 ? r
               : call_back (call, sd_bus_message_get_bus (call), sd_bus_message_get_sender (call),
                            interface, member, text);
}

/* With a descriptor, or with more than crosses. */
static int
on_call_back_with (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *back = NULL;
  sd_bus *bus = sd_bus_message_get_bus (call);
  const char *what;
  void *bytes;
  int r = sd_bus_message_read (call, "s", &what);

  if (r >= 0)
    r = sd_bus_message_new_method_call (bus, &back, sd_bus_message_get_sender (call), BACK_PATH,
                                        BACK_INTERFACE, "Ask");
  if (r >= 0 && strcmp (what, "descriptor") == 0)
    r = sd_bus_message_append (back, "h", STDIN_FILENO);
  else if (r >= 0)
    r = sd_bus_message_append_array_space (back, 'y', TOO_LARGE, &bytes);
  if (r >= 0)
    r = sd_bus_call_async (bus, NULL, back, on_call_back_answer, sd_bus_message_ref (call), 0);
  return r < 0 ? r : 1;
}

/* All of it, until its end; to be freed. */
static char *
read_all (int fd)
{
  GString *text = g_string_new (NULL);
  char bytes[256];
  ssize_t n;

  while ((n = read (fd, bytes, sizeof bytes)) > 0)
    g_string_append_len (text, bytes, n);
  return g_string_free (text, FALSE);
}

typedef struct
{
  sd_bus_message *call;
  int socket;
} Carriage;

/* Tells the caller what came by the pipe of its answer, and by the socket that it was given. */
static int
on_carried (sd_bus_message *answer, void *user_data, sd_bus_error *error)
{
  g_autofree Carriage *carriage = user_data;
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *call = carriage->call;
  const sd_bus_error *problem = sd_bus_message_get_error (answer);
  g_autofree char *by_socket = NULL, *by_pipe = NULL, *text = NULL;
  int fd, r = problem != NULL ? 0 : sd_bus_message_read (answer, "h", &fd);

  if (problem == NULL && r >= 0)
    {
      by_socket = read_all (carriage->socket);
      by_pipe = read_all (fd);
      text = g_strdup_printf ("%s, %s", by_socket, by_pipe);
    }
  close (carriage->socket);
  return r < 0 ? r
               : sd_bus_reply_method_return (call, "ss", problem != NULL ? problem->name : "",
                                             problem != NULL ? problem->message : text);
}

/* Calls the caller back with a pipe, in which there is a text, and a socket. */
static int
on_carry (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *back = NULL;
  sd_bus *bus = sd_bus_message_get_bus (call);
  Carriage *carriage = g_new0 (Carriage, 1);
  int pipes[2], sockets[2], r;

  if (pipe2 (pipes, O_CLOEXEC) < 0
      || socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0
      || write (pipes[1], "by pipe", 7) != 7)
    return -errno;
  close (pipes[1]);
  carriage->call = sd_bus_message_ref (call);
  carriage->socket = sockets[0];

  r = sd_bus_message_new_method_call (bus, &back, sd_bus_message_get_sender (call), BACK_PATH,
                                      BACK_INTERFACE, "Carry");
  if (r >= 0)
    r = sd_bus_message_append (back, "hh", pipes[0], sockets[1]);
  close (pipes[0]);
  close (sockets[1]);
  if (r >= 0)
    r = sd_bus_call_async (bus, NULL, back, on_carried, carriage, 0);
  return r < 0 ? r : 1;
}

static GArray *held; /* int: the other ends of CallBackMany's */

/* With so many pipes, which stay open; 0: lets go of them, and of what it was given. */
static int
on_call_back_many (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *back = NULL;
  sd_bus *bus = sd_bus_message_get_bus (call);
  uint32_t n;
  int r = sd_bus_message_read (call, "u", &n);

  if (held == NULL)
    held = g_array_new (FALSE, FALSE, sizeof (int));
  for (guint i = 0; n == 0 && i < held->len; i++)
    close (g_array_index (held, int, i));
  if (n == 0)
    {
      g_array_set_size (held, 0);
      g_ptr_array_set_size (given, 0);
      return sd_bus_reply_method_return (call, "ss", "", "");
    }

  if (r >= 0)
    r = sd_bus_message_new_method_call (bus, &back, sd_bus_message_get_sender (call), BACK_PATH,
                                        BACK_INTERFACE, "Hold");
  if (r >= 0)
    r = sd_bus_message_open_container (back, 'a', "h");
  for (uint32_t i = 0; i < n && r >= 0; i++)
    {
      int fds[2];

      if (pipe2 (fds, O_CLOEXEC) < 0)
        return -errno;
      r = sd_bus_message_append (back, "h", fds[0]);
      close (fds[0]);
      g_array_append_val (held, fds[1]);
    }
  if (r >= 0)
    r = sd_bus_message_close_container (back);
  if (r >= 0)
    r = sd_bus_call_async (bus, NULL, back, on_call_back_answer, sd_bus_message_ref (call), 0);
  return r < 0 ? r : 1;
}

/* By who owns no exported name. */
static int
on_call_back_hidden (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  return call_back (call, hidden_bus, sd_bus_message_get_sender (call), BACK_INTERFACE, "Ask", "x");
}

/* Somebody else than the caller. */
static int
on_call_other (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  const char *destination;
  int r = sd_bus_message_read (call, "s", &destination);

  return r < 0 ? r
               : call_back (call, sd_bus_message_get_bus (call), destination, BACK_INTERFACE, "Ask",
                            "x");
}

/* As many calls of Never as asked for, and the answer at once. */
static int
on_call_back_often (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  sd_bus *bus = sd_bus_message_get_bus (call);
  const char *member;
  uint32_t n;
  int r = sd_bus_message_read (call, "su", &member, &n);

  last_error[0] = '\0';
  for (uint32_t i = 0; r >= 0 && i < n; i++)
    r = sd_bus_call_method_async (bus, NULL, sd_bus_message_get_sender (call), BACK_PATH,
                                  BACK_INTERFACE, member, on_call_back_answer, NULL, "s", "");
  n_waiting += n;
  return r < 0 ? r : sd_bus_reply_method_return (call, NULL);
}

/* A call that wants no answer. */
static int
on_tell_back (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  __attribute__ ((cleanup (sd_bus_message_unrefp))) sd_bus_message *back = NULL;
  int r = sd_bus_message_new_method_call (sd_bus_message_get_bus (call), &back,
                                          sd_bus_message_get_sender (call), BACK_PATH,
                                          BACK_INTERFACE, "Tell");

  if (r >= 0)
    r = sd_bus_message_append (back, "s", "told");
  if (r >= 0)
    r = sd_bus_message_set_expect_reply (back, 0);
  if (r >= 0)
    r = sd_bus_send (NULL, back, NULL);
  return r < 0 ? r : sd_bus_reply_method_return (call, NULL);
}

/* The error of the last call back that failed, and how many of CallBackOften's are not answered. */
static int
on_last_error (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  return sd_bus_reply_method_return (call, "su", last_error, n_waiting);
}

/* Owns the lazy name as well, or no name. */
static int
on_own (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  sd_bus *bus = sd_bus_message_get_bus (call);
  const char *name;
  int r = sd_bus_message_read (call, "s", &name);

  if (r >= 0)
    r = sd_bus_request_name (bus, name, 0);
  return r < 0 ? r : sd_bus_reply_method_return (call, NULL);
}

static int
on_disown (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  const char *name;
  int r = sd_bus_message_read (call, "s", &name);

  if (r >= 0)
    r = sd_bus_release_name (sd_bus_message_get_bus (call), name);
  return r < 0 ? r : sd_bus_reply_method_return (call, NULL);
}

static int
get_number (sd_bus *bus, const char *path, const char *interface, const char *property,
            sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
  return sd_bus_message_append (reply, "u", 42u);
}

static const sd_bus_vtable vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD ("Echo", "ay", "ay", on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Fail", "", "", on_fail, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Sender", "", "s", on_sender, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Count", "", "u", on_count, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Refused", "", "", on_touch, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Challenge", "", "", on_touch, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Slow", "", "", on_touch, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Slower", "", "", on_touch, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Touch", "", "", on_touch, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Emit", "su", "", on_emit, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("EmitTo", "", "", on_emit_to, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Never", "", "", on_never, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Descriptor", "", "h", on_descriptor, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Pipe", "", "h", on_pipe, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("CallBack", "sss", "ss", on_call_back, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("CallBackWith", "s", "ss", on_call_back_with, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Carry", "", "ss", on_carry, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("CallBackMany", "u", "ss", on_call_back_many, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("CallBackHidden", "", "ss", on_call_back_hidden, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("CallOther", "s", "ss", on_call_other, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("CallBackOften", "su", "", on_call_back_often, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("TellBack", "", "", on_tell_back, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("LastError", "", "su", on_last_error, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Own", "s", "", on_own, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Disown", "s", "", on_disown, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Exit", "", "", on_exit_call, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_PROPERTY ("Number", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
  SD_BUS_SIGNAL ("Pinged", "u", 0),
  SD_BUS_VTABLE_END,
};

static sd_bus *
own (const char *address, const char *name)
{
  sd_bus *bus = NULL;

  if (sd_bus_new (&bus) < 0 || sd_bus_set_address (bus, address) < 0
      || sd_bus_set_bus_client (bus, 1) < 0 || sd_bus_negotiate_fds (bus, 1) < 0
      || sd_bus_set_exit_on_disconnect (bus, 1) < 0 || sd_bus_start (bus) < 0
      || sd_bus_add_object_vtable (bus, NULL, ECHO_PATH, ECHO_INTERFACE, vtable, NULL) < 0
      || sd_bus_request_name (bus, name, 0) < 0)
    {
      fprintf (stderr, "test-service: cannot own %s\n", name);
      exit (EXIT_FAILURE);
    }

  return bus;
}

int
main (int argc, char **argv)
{
  sd_event *event = NULL;
  sd_bus *bus;

  if (argc != 3 || sd_event_new (&event) < 0)
    return EXIT_FAILURE;

  given = g_ptr_array_new_with_free_func (unref_message);
  bus = own (argv[2], strcmp (argv[1], "lazy") == 0 ? LAZY_NAME : ECHO_NAME);
  if (sd_bus_attach_event (bus, event, 0) < 0)
    return EXIT_FAILURE;
  if (strcmp (argv[1], "echo") == 0)
    {
      hidden_bus = own (argv[2], HIDDEN_NAME);
      if (sd_bus_attach_event (hidden_bus, event, 0) < 0)
        return EXIT_FAILURE;
    }

  return sd_event_loop (event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
