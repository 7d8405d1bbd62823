/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers systemd's LoadCredential= requests on a unix socket. systemd connects as root from an
 * abstract address that names unit and credential; whoever else connects gets nothing. */
#pragma once

#include <gio/gio.h>

typedef struct CredentialServer CredentialServer;

/* The credential's text, to be wiped and freed by the server, or NULL with `error` set. */
typedef char *(*CredentialLookup) (const char *unit, const char *credential, gsize *ret_size,
                                   gpointer user_data, GError **error);

/* Serves the listening socket `fd`, which it takes; requests that came earlier are waiting there.
 */
CredentialServer *credential_server_new (int fd, CredentialLookup lookup, gpointer user_data);
void credential_server_free (CredentialServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CredentialServer, credential_server_free)

/* Reads systemd's address: a zero byte, then RANDOM/unit/UNIT/CREDENTIAL, `size` bytes in all.
 * FALSE where it is none. Free both with g_free(). */
gboolean credential_address_parse (const char *path, gsize size, char **ret_unit,
                                   char **ret_credential);
