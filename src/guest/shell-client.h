/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's side of tombolo-shell.socket: one question. */
#pragma once

#include <systemd/sd-event.h>

#include "descriptor.h"
#include "shell-request.h"

typedef struct ShellClient ShellClient;

/* The answer: the descriptors, which the callee takes, or NULL with `problem`, a sentence. May free
 * the client. */
typedef void (*ShellDone) (FdList *fds, const char *problem, void *user_data);

/* NULL with `error` set where nobody can be asked. */
ShellClient *shell_client_new (sd_event *event, const ShellRequest *request, ShellDone done,
                               void *user_data, GError **error);
void shell_client_free (ShellClient *client); /* NULL is allowed */
