/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine's settings on their way to CreateMachine(): keys by group, as a machine file has them.
 * Nothing is interpreted here: tombolod knows the keys, and says what is wrong with them. */
#pragma once

#include <glib.h>

typedef struct Settings Settings;

Settings *settings_new (void);
void settings_free (Settings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Settings, settings_free)

/* Adds a value; a key that is added again is a list. */
void settings_add (Settings *settings, const char *group, const char *key, const char *value);

gboolean settings_is_empty (const Settings *settings);

/* Adds what stands in the text of a machine file. Errors (CLIENT_ERROR, CLIENT_EXIT_USAGE) are
 * “FILE:LINE: …”. */
gboolean settings_add_text (Settings *settings, const char *text, gsize size, const char *file,
                            GError **error);

/* a{sa{sv}}: strings, and arrays of strings for lists. A floating reference. */
GVariant *settings_to_variant (const Settings *settings);
