/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What belongs to one start of one machine, kept in /run. */
#include "runtime-state.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"
#include "file.h"
#include "limit.h"
#include "log.h"

#define GROUP "Start"

static const struct
{
  MonitorKind monitor;
  const char *name;
} monitors[] = {
  { MONITOR_QEMU, "qemu" },
  { MONITOR_CONTAINER, "container" },
};

static void
wipe (char *text)
{
  if (text != NULL)
    explicit_bzero (text, strlen (text));
  g_free (text);
}

void
runtime_state_free (RuntimeState *state)
{
  wipe (state->guest_identity);
  wipe (state->bridge_identity);
  g_free (state->bridge_credential);
  g_free (state->invocation);
  g_free (state);
}

gboolean
runtime_state_save (const char *directory, const char *name, const RuntimeState *state,
                    GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  char mac[MAC_STRING_SIZE];
  gboolean saved;
  char *text;
  gsize size;

  mac_to_string (state->mac, mac);
  for (gsize i = 0; i < G_N_ELEMENTS (monitors); i++)
    if (monitors[i].monitor == state->monitor)
      g_key_file_set_string (file, GROUP, "Monitor", monitors[i].name);
  g_key_file_set_boolean (file, GROUP, "Agent", state->agent);
  g_key_file_set_string (file, GROUP, "Interface", state->interface);
  g_key_file_set_string (file, GROUP, "HardwareAddress", mac);
  g_key_file_set_string (file, GROUP, "Invocation", state->invocation);
  g_key_file_set_uint64 (file, GROUP, "Started", state->started);
  g_key_file_set_string (file, GROUP, "GuestIdentity", state->guest_identity);
  g_key_file_set_string (file, GROUP, "BridgeIdentity", state->bridge_identity);
  g_key_file_set_string (file, GROUP, "BridgeCredential", state->bridge_credential);

  text = g_key_file_to_data (file, &size, NULL);
  saved = file_replace (directory, name, text, size, 0600, error);
  wipe (text);
  return saved;
}

static gboolean
read_strings (GKeyFile *file, RuntimeState *state, GError **error)
{
  const struct
  {
    const char *key;
    char **ret;
  } strings[] = {
    { "Invocation", &state->invocation },
    { "GuestIdentity", &state->guest_identity },
    { "BridgeIdentity", &state->bridge_identity },
    { "BridgeCredential", &state->bridge_credential },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (strings); i++)
    {
      *strings[i].ret = g_key_file_get_string (file, GROUP, strings[i].key, error);
      if (*strings[i].ret == NULL)
        return FALSE;
    }

  return TRUE;
}

static gboolean
read_link (GKeyFile *file, const char *name, RuntimeState *state, GError **error)
{
  g_autofree char *interface = g_key_file_get_string (file, GROUP, "Interface", error);
  g_autofree char *mac =
      interface != NULL ? g_key_file_get_string (file, GROUP, "HardwareAddress", error) : NULL;

  if (mac == NULL)
    return FALSE;

  machine_name_to_interface (name, FALSE, state->interface);
  if (g_str_equal (interface, state->interface) && mac_from_string (mac, state->mac))
    return TRUE;

  g_set_error_literal (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                       "it is another machine's link");
  return FALSE;
}

static gboolean
read_monitor (GKeyFile *file, RuntimeState *state, GError **error)
{
  g_autofree char *monitor = g_key_file_get_string (file, GROUP, "Monitor", error);

  if (monitor == NULL)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (monitors); i++)
    if (g_str_equal (monitors[i].name, monitor))
      {
        state->monitor = monitors[i].monitor;
        return TRUE;
      }

  g_set_error_literal (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, "unknown monitor");
  return FALSE;
}

static gboolean
read_key_file (GKeyFile *file, const char *name, RuntimeState *state, GError **error)
{
  GError *local_error = NULL;

  if (!read_strings (file, state, error) || !read_link (file, name, state, error)
      || !read_monitor (file, state, error))
    return FALSE;

  state->agent = g_key_file_get_boolean (file, GROUP, "Agent", &local_error);
  if (local_error == NULL)
    state->started = g_key_file_get_uint64 (file, GROUP, "Started", &local_error);
  if (local_error == NULL)
    return TRUE;

  g_propagate_error (error, local_error);
  return FALSE;
}

RuntimeState *
runtime_state_load (const char *directory, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (RuntimeState) state = g_new0 (RuntimeState, 1);
  char *text;
  gsize size;
  gboolean parsed;

  text = file_read (path, LIMIT_STATE_FILE_SIZE, &size, error);
  if (text == NULL)
    return NULL;

  parsed = g_key_file_load_from_data (file, text, size, G_KEY_FILE_NONE, error)
           && read_key_file (file, name, state, error);
  wipe (text);
  if (parsed)
    return g_steal_pointer (&state);

  g_prefix_error (error, "%s: ", path);
  return NULL;
}

void
runtime_state_remove (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  if (unlink (path) < 0 && errno != ENOENT)
    log_warning (name, "Cannot remove %s: %s", path, g_strerror (errno));
}

void
runtime_state_remove_others (const char *directory, GHashTable *names)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (!g_hash_table_contains (names, name))
      runtime_state_remove (directory, name);
}
