/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to a message bus as raw messages: connects, authenticates and says Hello without
 * blocking, then hands messages through; calls of the bus driver are matched with their replies. */
#pragma once

#include "connection.h"
#include "owner-table.h"

#define BUS_SYSTEM_PATH "/run/dbus/system_bus_socket"

/* Serials of our own start here, out of the way of those of callers that pass unchanged. */
#define BUS_OWN_SERIALS 0xF0000000U

/* A flag of RequestName (D-Bus Specification). */
#define REQUEST_DO_NOT_QUEUE 4

typedef struct BusClient BusClient;

/* Every callback may free the client. None is called from within a call of the owner's. */
typedef struct
{
  /* Hello was answered. */
  void (*ready) (BusClient *client, void *user_data);
  /* A message that is no reply to bus_client_call_driver(). */
  void (*message) (BusClient *client, const WireMessage *message, void *user_data);
  /* The end, as ConnectionHandlers has it; -EACCES where the bus did not take us. */
  void (*closed) (BusClient *client, int reason, void *user_data);
  void (*drained) (BusClient *client, void *user_data); /* may be NULL */
  /* A message that the bus lets through and we do not: it is left out, and this is told of it, with
   * its header where that is good. May be NULL. */
  void (*refused) (BusClient *client, const WireHeader *header, WireVerdict verdict,
                   void *user_data);
} BusClientHandlers;

/* A reply of the bus driver: METHOD_RETURN or ERROR. May free the client. */
typedef void (*BusClientDone) (BusClient *client, const WireMessage *reply, void *user_data);

/* Connects to the unix socket `path`. Negative: -errno. */
int bus_client_new (sd_event *event, const char *path, const BusClientHandlers *handlers,
                    void *user_data, BusClient **ret_client);
/* The same over `fd`, which is taken in any case: connected, with nothing said on it. */
int bus_client_new_connected (sd_event *event, int fd, const BusClientHandlers *handlers,
                              void *user_data, BusClient **ret_client);
void bus_client_free (BusClient *client);

/* Its messages come and go with their descriptors (connection_take_descriptors()), as far as the
 * bus agrees. */
void bus_client_pass_descriptors (BusClient *client);

/* The socket of the system bus: of DBUS_SYSTEM_BUS_ADDRESS where that is “unix:path=…”, as
 * libsystemd takes it, else BUS_SYSTEM_PATH. Free with g_free(). */
char *bus_client_get_system_path (void);

/* NULL until ready. */
const char *bus_client_get_unique_name (const BusClient *client);
Connection *bus_client_get_connection (BusClient *client);

/* A serial for a message of our own. */
uint32_t bus_client_next_serial (BusClient *client);

/* Calls a method of the bus driver. `argument`: a string, or NULL for a method without one;
 * `flags`: a second argument of type u, or negative for none. Without `done` no reply is asked for.
 * Negative: as connection_send(). */
int bus_client_call_driver (BusClient *client, const char *member, const char *argument,
                            int64_t flags, BusClientDone done, void *user_data);

/* Watches NameOwnerChanged of `name` and asks who owns it now: `done` gets the reply, to be read
 * with bus_client_read_string(). */
int bus_client_watch_owner (BusClient *client, const char *name, BusClientDone done,
                            void *user_data);

/* The end of that watch. */
void bus_client_unwatch_owner (BusClient *client, const char *name);

/* The string that a good reply begins with, or NULL. */
const char *bus_client_read_string (const WireMessage *reply);

void *bus_client_get_user_data (const BusClient *client);

/* Sends an error as the reply to `call`, unless that wants none. `sender` and `destination` may be
 * NULL. */
int connection_send_error (Connection *connection, const WireHeader *call, uint32_t serial,
                           const char *sender, const char *destination, const char *error_name,
                           const char *text);
