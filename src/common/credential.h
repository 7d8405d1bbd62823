/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd credentials: small texts, secrets among them, in $CREDENTIALS_DIRECTORY. */
#pragma once

#include <glib.h>

/* The text of credential `name`, at most `limit` bytes, with a zero after it. Errors say what is
 * missing. Free with credential_free(). */
char *credential_load (const char *name, gsize limit, gsize *ret_size, GError **error);

/* Wipes the text, too. NULL is allowed. */
void credential_free (char *text, gsize size);
