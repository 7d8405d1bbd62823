/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All machines of this host. The model: it knows no D-Bus clients. */
#pragma once

#include "machine.h"

#define MANAGER_TYPE (manager_get_type ())
G_DECLARE_FINAL_TYPE (Manager, manager, TOMBOLO, MODEL_MANAGER, GObject)

/* Signals:
 *   machine-added (Machine *)
 *   machine-removed (Machine *) */

Manager *manager_new (HostContext *host);

/* Reads the machine files, takes over the machines that run, removes what dead ones left, and
 * starts those with Start=boot where this is the first time since the host was booted. */
void manager_open_async (Manager *manager, GAsyncReadyCallback callback, gpointer user_data);
gboolean manager_open_finish (Manager *manager, GAsyncResult *result, GError **error);

/* NULL with `error` set (TOMBOLO_ERROR_INVALID_NAME, TOMBOLO_ERROR_NO_SUCH_MACHINE). The manager's.
 */
Machine *manager_find (Manager *manager, const char *name, GError **error);
/* The machine with this element in its bus names (machine_name_to_element()), or NULL. */
Machine *manager_find_by_element (Manager *manager, const char *element);
/* The machine that has this name as its Alias=, or NULL. */
Machine *manager_find_by_alias (Manager *manager, const char *alias);
/* Whether any machine has an alias from its file that does not begin with tombolo's prefixes. */
gboolean manager_has_outer_alias (Manager *manager);
GList *manager_list (Manager *manager); /* free with g_list_free() */

/* Reads all files again. */
void manager_reload (Manager *manager);

/* Makes a machine of `settings` (a{sa{sv}}), and its file. */
gboolean manager_create (Manager *manager, const char *name, GVariant *settings, GError **error);

/* Removes a machine that was made so, and its file. It must be stopped or failed. */
gboolean manager_delete (Manager *manager, const char *name, GError **error);

/* A CredentialLookup. */
char *manager_get_credential (const char *unit, const char *credential, gsize *ret_size,
                              gpointer manager, GError **error);
