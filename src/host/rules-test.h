/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine's file says about a call that somebody asks about. */
#pragma once

#include <gio/gio.h>

#include "guest-bus.h"

/* Reads the machine file at `path`, made over D-Bus or not, and asks its rules for `bus` about
 * `call`, in the arguments of TestCall() less the options: caller, name, path, interface, member,
 * arguments. `running` is what the running bridge was told (bridge-credential.h), or NULL. All that
 * may take its time, the name service too, is done in a thread. */
void rules_test_async (const char *path, gboolean created, const char *running, GuestBus bus,
                       GVariant *call, GAsyncReadyCallback callback, gpointer user_data);

/* What TestCall() returns: verdict, line of the rule that decides (0: none does), the rules with
 * their lines, texts and what does not fit, and whether a running bridge has the same. NULL with
 * `error` set: TOMBOLO_ERROR_INVALID_ARGUMENT, TOMBOLO_ERROR_INVALID_SETTINGS. */
GVariant *rules_test_finish (GAsyncResult *result, GError **error);
