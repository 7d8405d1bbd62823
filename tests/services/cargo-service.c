/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service that takes and gives file descriptors, for the guest of tests/integration: each method
 * does what some real service does with pipes, sockets and terminals. Work that blocks is a
 * child's. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define NAME "org.tombolo.Test1.Cargo"
#define PATH "/org/tombolo/Test1/Cargo"
#define BLOCK_SIZE ((size_t) 64 * 1024)

static sd_event *event;
static GArray *held; /* int: the other ends of Many */

static int
reply_fd (sd_bus_message *call, int fd)
{
  int r = sd_bus_reply_method_return (call, "h", fd);

  close (fd);
  return r;
}

static int
duplicate (int fd)
{
  return fcntl (fd, F_DUPFD_CLOEXEC, 3);
}

/* Whether this is the child. */
static bool
begin_child (void)
{
  pid_t pid = fork ();

  if (pid == 0)
    signal (SIGPIPE, SIG_IGN);
  return pid == 0;
}

/* A pipe that says something and ends. */
static int
on_tell (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  static const char text[] = "from the guest\n";
  int fds[2];

  if (pipe2 (fds, O_CLOEXEC) < 0 || write (fds[1], text, strlen (text)) < 0)
    return -errno;
  close (fds[1]);
  return reply_fd (call, fds[0]);
}

static bool
write_all (int fd, const uint8_t *data, size_t size)
{
  while (size > 0)
    {
      ssize_t n = write (fd, data, size);

      if (n < 0)
        return false;
      data += n;
      size -= (size_t) n;
    }
  return true;
}

/* Writes so many bytes into a pipe. */
static int
on_fill (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  uint64_t size;
  int fd, r = sd_bus_message_read (call, "ht", &fd, &size);

  if (r < 0)
    return r;

  if (begin_child ())
    {
      uint8_t *block = g_malloc (BLOCK_SIZE);

      for (size_t i = 0; i < BLOCK_SIZE; i++)
        block[i] = (uint8_t) (i * 31 + (i >> 8) * 17);
      for (; size > 0; size -= MIN (size, BLOCK_SIZE))
        if (!write_all (fd, block, MIN (size, BLOCK_SIZE)))
          _exit (EXIT_FAILURE);
      _exit (EXIT_SUCCESS);
    }
  return sd_bus_reply_method_return (call, NULL);
}

typedef struct
{
  sd_bus_message *call;
  GChecksum *checksum;
  uint64_t size;
  int fd;
} Drain;

static int
on_drain_input (sd_event_source *source, int fd, uint32_t events, void *user_data)
{
  static uint8_t buffer[BLOCK_SIZE];
  Drain *drain = user_data;
  ssize_t n = read (fd, buffer, sizeof buffer);

  if (n > 0)
    {
      drain->size += (uint64_t) n;
      g_checksum_update (drain->checksum, buffer, n);
      return 0;
    }

  sd_bus_reply_method_return (drain->call, "ts", drain->size,
                              g_checksum_get_string (drain->checksum));
  sd_event_source_disable_unref (source);
  sd_bus_message_unref (drain->call);
  g_checksum_free (drain->checksum);
  close (drain->fd);
  g_free (drain);
  return 0;
}

/* Reads a pipe to its end and answers with what was in it. */
static int
on_drain (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  sd_event_source *source;
  Drain *drain;
  int fd, r = sd_bus_message_read (call, "h", &fd);

  if (r < 0)
    return r;

  drain = g_new0 (Drain, 1);
  drain->call = sd_bus_message_ref (call);
  drain->checksum = g_checksum_new (G_CHECKSUM_SHA256);
  drain->fd = duplicate (fd);
  r = sd_event_add_io (event, &source, drain->fd, EPOLLIN, on_drain_input, drain);
  return r < 0 ? r : 1;
}

/* Says back what it hears, and when that has ended, so. */
static int
on_echo (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  int fd, r = sd_bus_message_read (call, "h", &fd);

  if (r < 0)
    return r;

  if (begin_child ())
    {
      uint8_t buffer[4096];
      ssize_t n;

      while ((n = read (fd, buffer, sizeof buffer)) > 0)
        if (!write_all (fd, buffer, (size_t) n))
          _exit (EXIT_FAILURE);
      write_all (fd, (const uint8_t *) "end", 3);
      _exit (EXIT_SUCCESS);
    }
  return sd_bus_reply_method_return (call, NULL);
}

/* A shell in a terminal of its own, as machinectl shell has it. */
static int
on_shell (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  int master;
  pid_t pid = forkpty (&master, NULL, NULL, NULL);

  if (pid < 0)
    return -errno;
  if (pid == 0)
    {
      execl ("/bin/sh", "sh", NULL);
      _exit (EXIT_FAILURE);
    }
  fcntl (master, F_SETFD, FD_CLOEXEC);
  return reply_fd (call, master);
}

/* A program that is given the caller's terminal three times, as its standard descriptors. */
static int
on_run (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  const char *command;
  int in, out, err, r = sd_bus_message_read (call, "shhh", &command, &in, &out, &err);

  if (r < 0)
    return r;

  if (begin_child ())
    {
      setsid ();
      dup2 (in, 0);
      dup2 (out, 1);
      dup2 (err, 2);
      ioctl (0, TIOCSCTTY, 0);
      execl ("/bin/sh", "sh", "-c", command, NULL);
      _exit (EXIT_FAILURE);
    }
  return sd_bus_reply_method_return (call, NULL);
}

/* So many pipes, which stay open. */
static int
on_many (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  sd_bus_message *reply = NULL;
  uint32_t n;
  int r = sd_bus_message_read (call, "u", &n);

  if (r >= 0)
    r = sd_bus_message_new_method_return (call, &reply);
  if (r >= 0)
    r = sd_bus_message_open_container (reply, 'a', "h");
  for (uint32_t i = 0; i < n && r >= 0; i++)
    {
      int fds[2];

      if (pipe2 (fds, O_CLOEXEC) < 0)
        return -errno;
      r = sd_bus_message_append (reply, "h", fds[0]);
      close (fds[0]);
      g_array_append_val (held, fds[1]);
    }
  if (r >= 0)
    r = sd_bus_message_close_container (reply);
  if (r >= 0)
    r = sd_bus_send (NULL, reply, NULL);
  sd_bus_message_unref (reply);
  return r < 0 ? r : 1;
}

static int
on_let_go (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  for (guint i = 0; i < held->len; i++)
    close (g_array_index (held, int, i));
  g_array_set_size (held, 0);
  return sd_bus_reply_method_return (call, NULL);
}

/* What cannot cross. */
static int
on_file (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  return reply_fd (call, open ("/etc/hostname", O_RDONLY | O_CLOEXEC));
}

static int
on_announce (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  int fds[2];

  if (pipe2 (fds, O_CLOEXEC) < 0)
    return -errno;
  sd_bus_emit_signal (sd_bus_message_get_bus (call), PATH, NAME, "Landed", "h", fds[0]);
  sd_bus_emit_signal (sd_bus_message_get_bus (call), PATH, NAME, "Empty", NULL);
  close (fds[0]);
  close (fds[1]);
  return sd_bus_reply_method_return (call, NULL);
}

#define PROFILE_PATH "/org/tombolo/Test1/Profile"

typedef struct
{
  sd_bus_message *call;
  int socket;
} Link;

/* What the caller has sent by its socket, and by the pipe of its answer; or why there is none. */
static int
on_connected (sd_bus_message *answer, void *user_data, sd_bus_error *error)
{
  g_autofree Link *link = user_data;
  const sd_bus_error *problem = sd_bus_message_get_error (answer);
  char texts[2][64] = { "", "" };
  int fd, r = problem != NULL ? 0 : sd_bus_message_read (answer, "h", &fd);

  if (problem == NULL && r >= 0)
    for (int i = 0; i < 2; i++)
      {
        size_t size = 0;
        ssize_t n;

        while ((n = read (i == 0 ? link->socket : fd, texts[i] + size, sizeof texts[i] - 1 - size))
               > 0)
          size += (size_t) n;
      }
  close (link->socket);

  if (problem != NULL)
    r = sd_bus_reply_method_error (link->call, problem);
  else if (r >= 0)
    r = sd_bus_reply_method_return (link->call, "ss", texts[0], texts[1]);
  sd_bus_message_unref (link->call);
  return r;
}

/* Calls the caller back as BlueZ does its profiles: with a socket, and a pipe in the dictionary. */
static int
on_connect (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  sd_bus *bus = sd_bus_message_get_bus (call);
  sd_bus_message *back = NULL;
  Link *link;
  int pipes[2], sockets[2], r;

  if (pipe2 (pipes, O_CLOEXEC) < 0
      || socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0
      || write (pipes[1], "connected", 9) < 0)
    return -errno;
  close (pipes[1]);
  link = g_new0 (Link, 1);
  link->call = sd_bus_message_ref (call);
  link->socket = sockets[0];

  r = sd_bus_message_new_method_call (bus, &back, sd_bus_message_get_sender (call), PROFILE_PATH,
                                      "org.bluez.Profile1", "NewConnection");
  if (r >= 0)
    r = sd_bus_message_append (back, "oha{sv}", "/org/bluez/hci0/dev_1", sockets[1], 1, "Log", "h",
                               pipes[0]);
  close (pipes[0]);
  close (sockets[1]);
  if (r >= 0)
    r = sd_bus_call_async (bus, NULL, back, on_connected, link, 0);
  sd_bus_message_unref (back);
  return r < 0 ? r : 1;
}

/* How many descriptors this process has: none may stay behind. */
static int
on_count (sd_bus_message *call, void *user_data, sd_bus_error *error)
{
  GDir *directory = g_dir_open ("/proc/self/fd", 0, NULL);
  uint32_t n = 0;

  while (g_dir_read_name (directory) != NULL)
    n++;
  g_dir_close (directory);
  return sd_bus_reply_method_return (call, "u", n);
}

static const sd_bus_vtable vtable[] = {
  SD_BUS_VTABLE_START (0),
  SD_BUS_METHOD ("Tell", "", "h", on_tell, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Fill", "ht", "", on_fill, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Drain", "h", "ts", on_drain, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Echo", "h", "", on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Shell", "", "h", on_shell, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Run", "shhh", "", on_run, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Many", "u", "ah", on_many, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("LetGo", "", "", on_let_go, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("File", "", "h", on_file, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Announce", "", "", on_announce, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Connect", "", "ss", on_connect, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_METHOD ("Count", "", "u", on_count, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_SIGNAL ("Landed", "h", 0),
  SD_BUS_SIGNAL ("Empty", "", 0),
  SD_BUS_VTABLE_END,
};

int
main (void)
{
  sd_bus *bus = NULL;
  int r;

  signal (SIGCHLD, SIG_IGN);
  signal (SIGPIPE, SIG_IGN);
  held = g_array_new (FALSE, FALSE, sizeof (int));
  r = sd_event_new (&event);
  if (r >= 0)
    r = sd_bus_open_system (&bus);
  if (r >= 0)
    r = sd_bus_add_object_vtable (bus, NULL, PATH, NAME, vtable, NULL);
  if (r >= 0)
    r = sd_bus_request_name (bus, NAME, 0);
  if (r >= 0)
    r = sd_bus_attach_event (bus, event, 0);
  if (r >= 0)
    {
      sd_notify (0, "READY=1");
      r = sd_event_loop (event);
    }
  if (r < 0)
    fprintf (stderr, "The cargo service failed: %s\n", strerror (-r));
  return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
