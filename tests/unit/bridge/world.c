/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A small world for the path from the host's bus into a guest's. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certificate-authority.h"

#define HOST_INTERFACE "tb-test"
#define GUEST_INTERFACE "tg-test"
#define GUEST_MAC "02:00:00:00:74:02"
#define EXIT_SKIPPED 77

enum
{
  DAEMON_HOST,
  DAEMON_GUEST,
  HOLDER, /* sleeps in the guest's network namespace */
  N_DAEMONS
};

struct World
{
  char *directory;
  char *host_address;
  char *guest_address;
  char *socket_address;
  int socket; /* the listening bus socket */
  const char *bridge_lines;
  const char *policy_lines;
  GPid daemons[N_DAEMONS];
  GPid processes[N_WORLD_PROCESSES];
};

static const char bus_config[] =
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" "
    "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
    "<busconfig><type>system</type><listen>%s</listen><auth>EXTERNAL</auth>\n"
    "<servicedir>%s</servicedir>\n"
    "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_type=\"*\"/>"
    "<allow receive_type=\"*\"/><allow send_destination=\"*\"/>"
    /* Answers to nothing, too: nobody but us keeps them off. */
    "<allow send_requested_reply=\"false\" send_type=\"method_return\"/>"
    "<allow send_requested_reply=\"false\" send_type=\"error\"/>"
    "<allow receive_requested_reply=\"false\" receive_type=\"method_return\"/>"
    "<allow receive_requested_reply=\"false\" receive_type=\"error\"/></policy>\n"
    "<limit name=\"max_connections_per_user\">512</limit>\n"
    "<limit name=\"max_replies_per_connection\">4096</limit></busconfig>\n";

static void
write_file (World *world, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (world->directory, name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);

  g_assert_no_errno (g_mkdir_with_parents (parent, 0700));
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static char *
get_path (World *world, const char *name)
{
  return g_build_filename (world->directory, name, NULL);
}

/* In the child: its environment, its network namespace, its bus socket. */
static void
become (World *world, const char *const *argv, const char *bus_address, const char *credentials,
        gboolean in_guest, gboolean with_socket)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", bus_address, TRUE);
  if (credentials != NULL)
    {
      g_autofree char *path = get_path (world, credentials);

      g_setenv ("CREDENTIALS_DIRECTORY", path, TRUE);
    }
  if (in_guest)
    {
      g_autofree char *path = g_strdup_printf ("/proc/%d/ns/net", world->daemons[HOLDER]);
      int fd = open (path, O_RDONLY | O_CLOEXEC);

      if (fd < 0 || setns (fd, CLONE_NEWNET) < 0)
        _exit (EXIT_FAILURE);
    }
  if (with_socket)
    {
      g_autofree char *pid = g_strdup_printf ("%d", getpid ());

      if (world->socket == 3)
        fcntl (3, F_SETFD, 0);
      else
        dup2 (world->socket, 3);
      g_setenv ("LISTEN_FDS", "1", TRUE);
      g_setenv ("LISTEN_PID", pid, TRUE);
    }

  /* What is not dumpable cannot look for its own leaks. */
  if (g_getenv ("TEST_SANITIZED") != NULL)
    g_setenv ("ASAN_OPTIONS", "detect_leaks=0", TRUE);

  execv (argv[0], (char *const *) argv);
  fprintf (stderr, "%s: %s\n", argv[0], g_strerror (errno));
  _exit (EXIT_FAILURE);
}

static GPid
spawn (World *world, const char *const *argv, gboolean in_guest, const char *credentials,
       gboolean with_socket)
{
  const char *address = in_guest ? world->guest_address : world->host_address;
  GPid pid = fork ();

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    become (world, argv, address, credentials, in_guest, with_socket);
  return pid;
}

static void
run (const char *command)
{
  g_autoptr (GError) error = NULL;
  int status;

  g_spawn_command_line_sync (command, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, &error))
    g_error ("%s: %s", command, error->message);
}

static void
write_id_map (const char *path, unsigned id)
{
  g_autofree char *text = g_strdup_printf ("0 %u 1", id);
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  if (fd < 0 || write (fd, text, strlen (text)) < 0)
    exit (EXIT_SKIPPED);
  close (fd);
}

/* Network namespaces: ours is the host's, the holder's the guest's. */
static void
enter_namespaces (World *world)
{
  uid_t uid = getuid ();
  gid_t gid = getgid ();
  int ready[2];
  char byte;

  if (uid == 0 ? unshare (CLONE_NEWNET) < 0 : unshare (CLONE_NEWUSER | CLONE_NEWNET) < 0)
    {
      fprintf (stderr, "No namespaces here: %s\n", g_strerror (errno));
      exit (EXIT_SKIPPED);
    }
  if (uid != 0)
    {
      int fd = open ("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);

      if (fd >= 0 && write (fd, "deny", 4) < 0)
        exit (EXIT_SKIPPED);
      close (fd);
      write_id_map ("/proc/self/uid_map", uid);
      write_id_map ("/proc/self/gid_map", gid);
    }

  g_assert_no_errno (pipe2 (ready, O_CLOEXEC));
  world->daemons[HOLDER] = fork ();
  if (world->daemons[HOLDER] == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      if (unshare (CLONE_NEWNET) < 0 || write (ready[1], "", 1) != 1)
        _exit (EXIT_FAILURE);
      for (;;)
        pause ();
    }
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  close (ready[0]);
  close (ready[1]);
}

static void
make_link (World *world)
{
  g_autofree char *add =
      g_strdup_printf ("ip link add " HOST_INTERFACE " type veth peer name " GUEST_INTERFACE
                       " address " GUEST_MAC " netns %d",
                       world->daemons[HOLDER]);

  run (add);
  run ("ip addr add fe80::1/64 dev " HOST_INTERFACE " nodad");
  run ("ip link set " HOST_INTERFACE " up");
}

static void
make_credentials (World *world)
{
  g_autofree char *directory = get_path (world, "ca");
  g_autoptr (CertificateAuthority) authority = NULL;
  g_autoptr (Identity) guest = NULL;
  g_autoptr (Identity) bridge = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *settings = NULL;
  uint8_t mac[MAC_SIZE];
  gsize size;
  char *text;

  g_assert_no_errno (g_mkdir_with_parents (directory, 0700));
  authority = certificate_authority_open (directory, &error);
  g_assert_no_error (error);
  g_assert_true (mac_from_string (GUEST_MAC, mac));
  certificate_authority_issue (authority, "work", mac, &guest, &bridge, &error);
  g_assert_no_error (error);

  text = identity_to_text (guest, &size);
  write_file (world, "guest/tombolo.identity", text);
  identity_text_free (text);
  text = identity_to_text (bridge, &size);
  write_file (world, "bridge/tombolo.identity", text);
  identity_text_free (text);
  settings =
      g_strconcat ("[Bridge]\nMachine=work\nInterface=" HOST_INTERFACE "\nGuestMAC=" GUEST_MAC
                   "\n[Bus]\nBroadcast=" ECHO_NAME "@" PUBLIC_INTERFACE "\n",
                   world->bridge_lines, NULL);
  write_file (world, "bridge/tombolo.bridge", settings);
}

static void
make_files (World *world)
{
  g_autofree char *empty = get_path (world, "empty");
  g_autofree char *services = get_path (world, "services");
  g_autofree char *host = g_strdup_printf (bus_config, world->host_address, empty);
  g_autofree char *guest = g_strdup_printf (bus_config, world->guest_address, services);
  g_autofree char *lazy =
      g_strdup_printf ("[D-BUS Service]\nName=" LAZY_NAME "\nUser=root\nExec=%s lazy %s\n",
                       g_getenv ("TEST_SERVICE"), world->guest_address);
  g_autofree char *policy = NULL;

  g_assert_no_errno (g_mkdir (empty, 0700));
  write_file (world, "host.conf", host);
  write_file (world, "guest.conf", guest);
  write_file (world, "services/" LAZY_NAME ".service", lazy);
  policy = g_strconcat ("[Export]\nSystem=" ECHO_NAME " " LAZY_NAME "\n"
                        "[Call]\nRule=allow org.example.*\n",
                        world->policy_lines, NULL);
  write_file (world, "policy", policy);
}

static void
listen_on_socket (World *world)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autofree char *path = get_path (world, "work");

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  world->socket = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno (bind (world->socket, (struct sockaddr *) &address, sizeof address));
  g_assert_no_errno (listen (world->socket, 64));
}

/* The socket's file is there a moment before somebody listens. */
static bool
is_listening (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool found;

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  found = connect (fd, (struct sockaddr *) &address, sizeof address) == 0;
  close (fd);
  return found;
}

static void
start_bus (World *world, int which, const char *config, const char *address)
{
  g_autofree char *path = get_path (world, config);
  g_autofree char *option = g_strconcat ("--config-file=", path, NULL);
  const char *argv[] = { "/usr/bin/dbus-daemon", option, "--nofork", "--nosyslog", NULL };

  world->daemons[which] = spawn (world, argv, FALSE, NULL, FALSE);
  for (int i = 0; i < 500 && !is_listening (address + strlen ("unix:path=")); i++)
    g_usleep (10000);
}

void
world_start (World *world, WorldProcess process)
{
  g_autofree char *policy = get_path (world, "policy");
  g_autofree char *option = g_strconcat ("--policy=", policy, NULL);
  const char *agent[] = { g_getenv ("TEST_GUESTD"), option, NULL };
  const char *prepare[] = { g_getenv ("TEST_GUESTD"), "--prepare-link", NULL };
  const char *rogue[] = { g_getenv ("TEST_ROGUE"), GUEST_INTERFACE, NULL };
  const char *bridge[] = { g_getenv ("TEST_BRIDGE"), NULL };
  const char *service[] = { g_getenv ("TEST_SERVICE"), "echo", world->guest_address, NULL };
  const char *host_service[] = { g_getenv ("TEST_SERVICE"), "echo", world->host_address, NULL };
  const char *polkit[] = { g_getenv ("TEST_POLKIT"), world->directory, NULL };
  GPid *pid = &world->processes[process];
  int status;

  g_assert_cmpint (*pid, ==, 0);
  switch (process)
    {
    case WORLD_AGENT:
      waitpid (spawn (world, prepare, TRUE, "guest", FALSE), &status, 0);
      g_assert_cmpint (status, ==, 0);
      *pid = spawn (world, agent, TRUE, "guest", FALSE);
      break;
    case WORLD_ROGUE:
      *pid = spawn (world, rogue, TRUE, "guest", FALSE);
      break;
    case WORLD_BRIDGE:
      *pid = spawn (world, bridge, FALSE, "bridge", TRUE);
      break;
    case WORLD_SERVICE:
      *pid = spawn (world, service, TRUE, NULL, FALSE);
      break;
    case WORLD_HOST_SERVICE:
      *pid = spawn (world, host_service, FALSE, NULL, FALSE);
      break;
    default:
      *pid = spawn (world, polkit, FALSE, NULL, FALSE);
      break;
    }
}

static int
end (GPid *pid, int signal_number)
{
  int status = 0;

  if (*pid <= 0)
    return 0;

  kill (*pid, signal_number);
  waitpid (*pid, &status, 0);
  *pid = 0;
  return status;
}

void
world_kill (World *world, WorldProcess process)
{
  end (&world->processes[process], SIGKILL);
}

int
world_stop (World *world, WorldProcess process)
{
  int status = end (&world->processes[process], SIGTERM);

  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

GPid
world_get_pid (World *world, WorldProcess process)
{
  return world->processes[process];
}

/* The process ends by itself, and soon. */
static void
expect_end (GPid *pid)
{
  int status;

  for (int i = 0; i < 500 && *pid != 0; i++)
    if (waitpid (*pid, &status, WNOHANG) == *pid)
      *pid = 0;
    else
      g_usleep (10000);
  g_assert_cmpint (*pid, ==, 0);
}

void
world_restart_host_bus (World *world)
{
  end (&world->daemons[DAEMON_HOST], SIGKILL);
  expect_end (&world->processes[WORLD_BRIDGE]);
  world_kill (world, WORLD_POLKIT);
  start_bus (world, DAEMON_HOST, "host.conf", world->host_address);
  world_start (world, WORLD_POLKIT);
  g_assert_true (world_wait_name (world, "org.freedesktop.PolicyKit1", TRUE, 5));
  world_start (world, WORLD_BRIDGE);
}

static sd_bus *
open_bus (const char *address)
{
  sd_bus *bus = NULL;

  g_assert_cmpint (sd_bus_new (&bus), >=, 0);
  g_assert_cmpint (sd_bus_set_address (bus, address), >=, 0);
  g_assert_cmpint (sd_bus_set_bus_client (bus, 1), >=, 0);
  g_assert_cmpint (sd_bus_negotiate_fds (bus, 1), >=, 0);
  if (sd_bus_start (bus) < 0 || sd_bus_get_unique_name (bus, &(const char *){ NULL }) < 0)
    return sd_bus_close_unref (bus);
  return bus;
}

sd_bus *
world_open_host (World *world)
{
  sd_bus *bus = open_bus (world->host_address);

  g_assert_nonnull (bus);
  return bus;
}

sd_bus *
world_open_guest (World *world)
{
  sd_bus *bus = open_bus (world->guest_address);

  g_assert_nonnull (bus);
  return bus;
}

sd_bus *
world_open_socket (World *world)
{
  return open_bus (world->socket_address);
}

const char *
world_get_socket_address (World *world)
{
  return world->socket_address;
}

const char *
world_get_host_address (World *world)
{
  return world->host_address;
}

/* Takes the bus. */
static gboolean
wait_name (sd_bus *bus, const char *name, gboolean owned, double seconds)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);
  gboolean found;

  do
    {
      found = sd_bus_get_name_creds (bus, name, 0, NULL) >= 0;
      if (found != owned)
        g_usleep (2000);
    }
  while (found != owned && g_get_monotonic_time () < deadline);

  sd_bus_flush_close_unref (bus);
  return found == owned;
}

gboolean
world_wait_name (World *world, const char *name, gboolean owned, double seconds)
{
  return wait_name (world_open_host (world), name, owned, seconds);
}

gboolean
world_wait_guest_name (World *world, const char *name, gboolean owned, double seconds)
{
  return wait_name (world_open_guest (world), name, owned, seconds);
}

void
world_allow_hello (World *world, gboolean allow)
{
  g_autofree char *path = get_path (world, "deny-hello");

  if (allow)
    g_unlink (path);
  else
    write_file (world, "deny-hello", "");
}

World *
world_new (void)
{
  return world_new_with ("", "");
}

World *
world_new_with (const char *bridge_lines, const char *policy_lines)
{
  World *world = g_new0 (World, 1);

  world->bridge_lines = bridge_lines;
  world->policy_lines = policy_lines;
  world->directory = g_dir_make_tmp ("tombolo-test-XXXXXX", NULL);
  g_assert_nonnull (world->directory);
  world->host_address = g_strdup_printf ("unix:path=%s/host-bus", world->directory);
  world->guest_address = g_strdup_printf ("unix:path=%s/guest-bus", world->directory);
  world->socket_address = g_strdup_printf ("unix:path=%s/work", world->directory);

  enter_namespaces (world);
  make_link (world);
  make_credentials (world);
  make_files (world);
  listen_on_socket (world);
  start_bus (world, DAEMON_HOST, "host.conf", world->host_address);
  start_bus (world, DAEMON_GUEST, "guest.conf", world->guest_address);
  world_start (world, WORLD_POLKIT);
  world_start (world, WORLD_SERVICE);
  world_start (world, WORLD_AGENT);
  world_start (world, WORLD_BRIDGE);

  g_assert_true (world_wait_name (world, "org.freedesktop.PolicyKit1", TRUE, 5));
  g_assert_true (world_wait_name (world, ECHO_ALIAS, TRUE, 10));
  return world;
}

void
world_free (World *world)
{
  g_autofree char *command = g_strdup_printf ("rm -rf %s", world->directory);

  for (int i = 0; i < N_WORLD_PROCESSES; i++)
    end (&world->processes[i], SIGKILL);
  for (int i = 0; i < N_DAEMONS; i++)
    end (&world->daemons[i], SIGKILL);
  run (command);

  close (world->socket);
  g_free (world->directory);
  g_free (world->host_address);
  g_free (world->guest_address);
  g_free (world->socket_address);
  g_free (world);
}
