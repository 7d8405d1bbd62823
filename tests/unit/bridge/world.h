/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A small world for the path from the host's bus into a guest's: two real dbus-daemons, a veth pair
 * between two network namespaces, and tombolo-bridge and tombolo-guestd as they are installed. Only
 * polkit is a service of the test's own (test-polkit.c). Needs no root where user namespaces are
 * allowed. */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

#define ECHO_NAME "org.example.Echo1"
#define ECHO_PATH "/org/example/Echo1"
#define ECHO_INTERFACE "org.example.Echo1"
#define PUBLIC_INTERFACE "org.example.Public1" /* broadcast */
#define LAZY_NAME "org.example.Lazy1"          /* started by the guest's bus */
#define FORGED_NAME "org.example.Forged1"      /* told of by the rogue, exported by nobody */
#define HIDDEN_NAME "org.example.Hidden1"      /* not exported */

/* Where test-service calls its callers back: one interface that the bridge lets through on an
 * alias, one that it does not. */
#define BACK_PATH "/org/example/Back"
#define BACK_INTERFACE "org.bluez.Agent1"
#define BACK_OTHER_INTERFACE "org.example.Back1"

/* More than a message that crosses may have. */
#define TOO_LARGE ((size_t) 17 * 1024 * 1024)

/* In the guest, of a service on the host. */
#define IMPORTED_NAME "org.example.Imported1"
#define IMPORTED_HOST_NAME "org.example.ImportedHost1"

#define ECHO_ALIAS "org.tombolo.Guest1.work." ECHO_NAME
#define LAZY_ALIAS "org.tombolo.Guest1.work." LAZY_NAME

typedef struct World World;

typedef enum
{
  WORLD_AGENT, /* tombolo-guestd */
  WORLD_ROGUE, /* test-rogue in its place */
  WORLD_BRIDGE,
  WORLD_SERVICE, /* test-service on the guest's bus */
  WORLD_POLKIT,
  WORLD_HOST_SERVICE, /* test-service on the host's bus; not started at first */
  N_WORLD_PROCESSES
} WorldProcess;

/* Sets it up and starts everything but the rogue; waits until the alias is owned. Exits with 77
 * (skipped) where the kernel does not allow namespaces. */
World *world_new (void);
/* The same, with more lines in the bridge's credential (in [Bus] at first) and in guest.conf. */
World *world_new_with (const char *bridge_lines, const char *policy_lines);
void world_free (World *world);

void world_start (World *world, WorldProcess process);
/* SIGKILL, and waits. */
void world_kill (World *world, WorldProcess process);
GPid world_get_pid (World *world, WorldProcess process);
/* SIGKILL to the host's bus; it, polkit and the bridge, which ends with it, are started again. */
void world_restart_host_bus (World *world);
/* Sends SIGTERM and returns the exit code. */
int world_stop (World *world, WorldProcess process);

/* New connections; the callee's. */
sd_bus *world_open_host (World *world);
sd_bus *world_open_guest (World *world);
/* To the bus socket; NULL where Hello was refused. */
sd_bus *world_open_socket (World *world);
const char *world_get_socket_address (World *world);
const char *world_get_host_address (World *world);

/* Waits at most `seconds` until `name` is (not) owned on the host's bus. */
gboolean world_wait_name (World *world, const char *name, gboolean owned, double seconds);
/* The same on the guest's bus. */
gboolean world_wait_guest_name (World *world, const char *name, gboolean owned, double seconds);

/* What polkit says to Hello on the bus socket. */
void world_allow_hello (World *world, gboolean allow);
