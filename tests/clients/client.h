/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client of the echo service can do, which each of the clients here does with another D-Bus
 * library; client.c does all of it. Each function says in one line what came of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "echo.h"

#define RESULT_SIZE 1024
#define LONG_MS 60000

#define ERROR_NAME "org.tombolo.Test1.Error.Reef"
#define ERROR_TEXT "Ran aground"

typedef struct Client Client;

/* A connection to the bus at `address`; ends the program where there is none. */
Client *client_new (const char *address, const char *destination);
void client_free (Client *client);

/* What comes back is “same” or “different”, and its signature. */
void client_echo_basic (Client *client, char *ret_result);
void client_echo_containers (Client *client, char *ret_result);
void client_echo_empty (Client *client, char *ret_result);

/* The error of a call without arguments, and of Fail with its detail. */
void client_error (Client *client, const char *path, const char *interface, const char *member,
                   char *ret_result);
void client_error_detail (Client *client, char *ret_result);

/* Size and sum of what arrives. */
void client_send (Client *client, uint64_t size, char *ret_result);
void client_receive (Client *client, uint64_t size, char *ret_result);

/* Note without a reply, for each of `notes` up to NULL; then what was noted. */
void client_note (Client *client, const char *const *notes, char *ret_result);

/* An answer after `slow_ms`, for which the client waits `patience_ms`. */
void client_wait (Client *client, unsigned slow_ms, unsigned patience_ms, char *ret_result);

/* Kind, whose value is a structure; a property of a name that is a string's; a new value of Value,
 * and one of Value's PropertiesChanged for each of `values` up to NULL. */
void client_get_kind (Client *client, char *ret_result);
void client_get (Client *client, const char *name, char *ret_result);
void client_set (Client *client, const char *name, const char *value, char *ret_result);
void client_set_values (Client *client, const char *const *values, char *ret_result);

/* How many signals of client_emissions[] a match rule finds; keys that are NULL are left out. */
typedef struct
{
  const char *path;
  const char *path_namespace;
  const char *arg0;
  const char *arg0_namespace;
  const char *member;
} SignalRule;

void client_count_signals (Client *client, const SignalRule *rule, char *ret_result);

/* --- For the clients --- */

typedef struct
{
  const char *path;
  const char *first;
  uint32_t count;
} Emission;

#define N_EMISSIONS 3
extern const Emission client_emissions[N_EMISSIONS];

/* The rule as text, with `sender`; to be freed. */
char *signal_rule_to_string (const SignalRule *rule, const char *sender);

/* Sets the result, or adds to what it is. */
void result_set (char *ret_result, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
void result_add (char *result, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
