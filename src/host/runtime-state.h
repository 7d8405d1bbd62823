/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What belongs to one start of one machine, and the file in /run that keeps it for a tombolod that
 * is started again while the machine runs. */
#pragma once

#include <glib.h>

#include "machine-settings.h"
#include "name.h"

typedef struct
{
  MonitorKind monitor;
  gboolean agent; /* it got a bridge */
  char interface[INTERFACE_NAME_SIZE];
  uint8_t mac[MAC_SIZE];
  char *invocation;     /* systemd's, 32 hexadecimal digits, or empty while it starts */
  guint64 started;      /* when it reached `running`, microseconds since the epoch, or 0 */
  char *guest_identity; /* texts of src/pki; wiped when freed */
  char *bridge_identity;
  char *bridge_credential; /* text of bridge-credential.h */
} RuntimeState;

void runtime_state_free (RuntimeState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RuntimeState, runtime_state_free)

/* Replaces the file of `name` in `directory` (mode 0600) at once or not at all. */
gboolean runtime_state_save (const char *directory, const char *name, const RuntimeState *state,
                             GError **error);
/* A file that is incomplete, too large or not ours is an error. */
RuntimeState *runtime_state_load (const char *directory, const char *name, GError **error);
void runtime_state_remove (const char *directory, const char *name);

/* Removes every file whose name is none of `names` (char *, as keys). */
void runtime_state_remove_others (const char *directory, GHashTable *names);
