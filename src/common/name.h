/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of machines, and what is derived from them: object paths, bus name elements, units,
 * interface names, MAC addresses. Nothing here does I/O. */
#pragma once

#include <glib.h>

#include <stdint.h>

#include "guest-bus.h"

#define TOMBOLO_BUS_NAME "org.tombolo.Host1"
#define TOMBOLO_ROOT_PATH "/org/tombolo/Host1"
#define TOMBOLO_MACHINE_PATH TOMBOLO_ROOT_PATH "/machine"
#define TOMBOLO_GUEST_PREFIX "org.tombolo.Guest1"
#define TOMBOLO_GUEST_SESSION_PREFIX "org.tombolo.GuestSession1"

/* What a session bus socket's name ends with, and so no machine's. */
#define TOMBOLO_SESSION_SUFFIX ".session"

#define MAC_SIZE 6
#define MAC_STRING_SIZE 18 /* "02:00:00:00:00:00" and its end */
#define INTERFACE_NAME_SIZE 16

typedef enum
{
  MACHINE_UNIT_QEMU,          /* tombolo-machine@NAME.service */
  MACHINE_UNIT_QEMU_SOCKET,   /* tombolo-machine@NAME.socket */
  MACHINE_UNIT_CONTAINER,     /* tombolo-container@NAME.service */
  MACHINE_UNIT_BRIDGE,        /* tombolo-bridge@NAME.service */
  MACHINE_UNIT_BRIDGE_SOCKET, /* tombolo-bridge@NAME.socket: the bus socket */
} MachineUnit;

/* A machine name: labels of 1 to 63 of [a-z0-9.-], not starting with `-` or `.`, joined by `:`,
 * at most 8 labels and 128 characters, not ending in TOMBOLO_SESSION_SUFFIX. Sets `error`
 * (TOMBOLO_ERROR_INVALID_NAME) to a sentence. */
gboolean machine_name_validate (const char *name, GError **error);

/* The machine's object path: systemd's escaping of one label (all but [A-Za-z0-9], and a leading
 * digit, become _xx). Free with g_free(). */
char *machine_name_to_path (const char *name);

/* The name of the object path, or NULL where `path` is no machine's. Free with g_free(). */
char *machine_name_from_path (const char *path);

/* The name as one element of a bus name: the same escaping. Free with g_free(). */
char *machine_name_to_element (const char *name);

/* The prefix of the aliases of names on `bus`, which is the gate name of their connections, too:
 * TOMBOLO_GUEST_PREFIX or TOMBOLO_GUEST_SESSION_PREFIX. */
const char *guest_bus_to_prefix (GuestBus bus);

/* The bus of a bus name that begins with such a prefix, and the rest of it behind the point, or
 * NULL. */
const char *guest_bus_split_prefix (const char *name, GuestBus *ret_bus);

/* The alias of the name `exported` on `bus` of machine `name`: org.tombolo.Guest1.ELEMENT.EXPORTED,
 * org.tombolo.GuestSession1.ELEMENT.EXPORTED, or NULL where it would pass 255 bytes. */
char *machine_name_to_alias (const char *name, GuestBus bus, const char *exported);

/* The file name of the socket that behaves as that bus of the machine. */
char *machine_name_to_bus_socket (const char *name, GuestBus bus);

/* The unit of `kind` for machine `name`. */
char *machine_name_to_unit (const char *name, MachineUnit kind);

/* The reverse: TRUE and the machine's name and kind where `unit` is one of ours. */
gboolean machine_name_from_unit (const char *unit, char **ret_name, MachineUnit *ret_kind);

/* The control link's interface on the host ("tb-" and 12 hexadecimal digits of a hash of the name),
 * and the one that a container gets ("tg-…", unused for QEMU). */
void machine_name_to_interface (const char *name, gboolean guest_side,
                                char ret[INTERFACE_NAME_SIZE]);

/* A locally administered unicast MAC address, stable for machine and device ("control"). */
void machine_name_to_mac (const char *name, const char *device, uint8_t ret[MAC_SIZE]);

void mac_to_string (const uint8_t mac[MAC_SIZE], char ret[MAC_STRING_SIZE]);
gboolean mac_from_string (const char *text, uint8_t ret[MAC_SIZE]);
