/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A D-Bus body from words on a command line, in busctl's syntax: a signature, then one word for
 * each simple value; an array is its length and its elements, a dictionary its length and its keys
 * and values, a variant its signature and its value; structures add nothing. */
#pragma once

#include <glib.h>

#define ARGUMENTS_MAX_DEPTH 32 /* of arrays, and of structures: D-Bus specification */

/* Whether `text` is a D-Bus signature without descriptors; else sets `error` (CLIENT_ERROR). */
gboolean arguments_check_signature (const char *text, GError **error);

/* The body, a tuple, from `words`, which must be used up; a floating reference, or NULL with
 * `error` (CLIENT_ERROR, CLIENT_EXIT_USAGE) that names the word. `signature` may be "" or NULL. */
GVariant *arguments_to_body (const char *signature, const char *const *words, GError **error);
