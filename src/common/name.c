/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of machines and what is derived from them. */
#include "name.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "limit.h"
#include "log.h"

static const struct
{
  const char *prefix;
  const char *suffix;
} units[] = {
  [MACHINE_UNIT_QEMU] = { "tombolo-machine@", ".service" },
  [MACHINE_UNIT_QEMU_SOCKET] = { "tombolo-machine@", ".socket" },
  [MACHINE_UNIT_CONTAINER] = { "tombolo-container@", ".service" },
  [MACHINE_UNIT_BRIDGE] = { "tombolo-bridge@", ".service" },
  [MACHINE_UNIT_BRIDGE_SOCKET] = { "tombolo-bridge@", ".socket" },
};

/* One label; returns NULL where it is good, else what is wrong with it. */
static const char *
label_problem (const char *label, gsize length)
{
  if (length == 0)
    return "a label is empty";
  if (length > LIMIT_MACHINE_LABEL_LENGTH)
    return "a label is longer than 63 characters";
  if (label[0] == '-' || label[0] == '.')
    return "a label starts with “-” or “.”";

  for (gsize i = 0; i < length; i++)
    if (!g_ascii_islower (label[i]) && !g_ascii_isdigit (label[i]) && label[i] != '.'
        && label[i] != '-')
      return "only a-z, 0-9, “.”, “-” and “:” between labels are allowed";

  return NULL;
}

static const char *
name_problem (const char *name)
{
  const char *label = name;

  if (strnlen (name, LIMIT_MACHINE_NAME_LENGTH + 1) > LIMIT_MACHINE_NAME_LENGTH)
    return "it is longer than 128 characters";
  if (g_str_has_suffix (name, TOMBOLO_SESSION_SUFFIX))
    return "it ends in “" TOMBOLO_SESSION_SUFFIX "”, as the sockets of session buses do";

  for (guint labels = 1;; labels++)
    {
      const char *end = strchrnul (label, ':');
      const char *problem = label_problem (label, (gsize) (end - label));

      if (problem != NULL)
        return problem;
      if (*end == '\0')
        return NULL;
      if (labels == LIMIT_MACHINE_NAME_LABELS)
        return "it has more than 8 labels";
      label = end + 1;
    }
}

gboolean
machine_name_validate (const char *name, GError **error)
{
  const char *problem = name_problem (name);
  g_autofree char *shown = NULL;

  if (problem == NULL)
    return TRUE;

  shown = log_text (name, LIMIT_MACHINE_NAME_LENGTH);
  g_set_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_NAME, "“%s” is not a machine name: %s.",
               shown, problem);
  return FALSE;
}

static void
append_escaped (GString *text, const char *name)
{
  if (*name == '\0')
    g_string_append_c (text, '_');

  for (const char *p = name; *p != '\0'; p++)
    if (g_ascii_isalpha (*p) || (p != name && g_ascii_isdigit (*p)))
      g_string_append_c (text, *p);
    else
      g_string_append_printf (text, "_%02x", (guchar) *p);
}

char *
machine_name_to_path (const char *name)
{
  GString *path = g_string_new (TOMBOLO_MACHINE_PATH "/");

  append_escaped (path, name);
  return g_string_free (path, FALSE);
}

char *
machine_name_from_path (const char *path)
{
  g_autoptr (GString) name = g_string_new (NULL);
  g_autofree char *again = NULL;
  const char *p;

  if (!g_str_has_prefix (path, TOMBOLO_MACHINE_PATH "/"))
    return NULL;

  for (p = path + strlen (TOMBOLO_MACHINE_PATH "/"); *p != '\0'; p++)
    if (*p != '_')
      g_string_append_c (name, *p);
    else if (g_ascii_isxdigit (p[1]) && g_ascii_isxdigit (p[2]))
      {
        g_string_append_c (name,
                           (char) (g_ascii_xdigit_value (p[1]) << 4 | g_ascii_xdigit_value (p[2])));
        p += 2;
      }
    else
      return NULL;

  /* One name, one path: anything that does not escape back to the same path is nobody's. */
  if (strlen (name->str) != name->len || name_problem (name->str) != NULL)
    return NULL;
  again = machine_name_to_path (name->str);
  if (!g_str_equal (again, path))
    return NULL;

  return g_strdup (name->str);
}

char *
machine_name_to_element (const char *name)
{
  GString *element = g_string_new (NULL);

  append_escaped (element, name);
  return g_string_free (element, FALSE);
}

const char *
guest_bus_to_prefix (GuestBus bus)
{
  return bus == GUEST_BUS_SESSION ? TOMBOLO_GUEST_SESSION_PREFIX : TOMBOLO_GUEST_PREFIX;
}

const char *
guest_bus_split_prefix (const char *name, GuestBus *ret_bus)
{
  for (guint bus = 0; bus < N_GUEST_BUSES; bus++)
    {
      const char *prefix = guest_bus_to_prefix ((GuestBus) bus);
      gsize length = strlen (prefix);

      if (!g_str_has_prefix (name, prefix) || name[length] != '.')
        continue;
      *ret_bus = (GuestBus) bus;
      return name + length + 1;
    }

  return NULL;
}

char *
machine_name_to_alias (const char *name, GuestBus bus, const char *exported)
{
  g_autofree char *element = machine_name_to_element (name);
  g_autofree char *alias =
      g_strdup_printf ("%s.%s.%s", guest_bus_to_prefix (bus), element, exported);

  if (strlen (alias) > LIMIT_NAME_LENGTH)
    return NULL;

  return g_steal_pointer (&alias);
}

char *
machine_name_to_bus_socket (const char *name, GuestBus bus)
{
  return g_strconcat (name, bus == GUEST_BUS_SESSION ? TOMBOLO_SESSION_SUFFIX : "", NULL);
}

char *
machine_name_to_unit (const char *name, MachineUnit kind)
{
  return g_strconcat (units[kind].prefix, name, units[kind].suffix, NULL);
}

gboolean
machine_name_from_unit (const char *unit, char **ret_name, MachineUnit *ret_kind)
{
  for (guint kind = 0; kind < G_N_ELEMENTS (units); kind++)
    {
      g_autofree char *name = NULL;
      gsize around = strlen (units[kind].prefix) + strlen (units[kind].suffix);

      if (!g_str_has_prefix (unit, units[kind].prefix)
          || !g_str_has_suffix (unit, units[kind].suffix) || strlen (unit) <= around)
        continue;

      name = g_strndup (unit + strlen (units[kind].prefix), strlen (unit) - around);
      if (name_problem (name) != NULL)
        return FALSE;

      *ret_name = g_steal_pointer (&name);
      *ret_kind = (MachineUnit) kind;
      return TRUE;
    }

  return FALSE;
}

void
machine_name_to_interface (const char *name, gboolean guest_side, char ret[INTERFACE_NAME_SIZE])
{
  g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);

  snprintf (ret, INTERFACE_NAME_SIZE, "%s%.12s", guest_side ? "tg-" : "tb-", hash);
}

void
machine_name_to_mac (const char *name, const char *device, uint8_t ret[MAC_SIZE])
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  uint8_t digest[32];
  gsize size = sizeof digest;

  /* The zero between the two keeps “a”, “bc” apart from “ab”, “c”. */
  g_checksum_update (checksum, (const guchar *) name, (gssize) strlen (name) + 1);
  g_checksum_update (checksum, (const guchar *) device, (gssize) strlen (device));
  g_checksum_get_digest (checksum, digest, &size);

  memcpy (ret, digest, MAC_SIZE);
  ret[0] = (uint8_t) ((ret[0] & 0xfc) | 0x02); /* locally administered, unicast */
}

void
mac_to_string (const uint8_t mac[MAC_SIZE], char ret[MAC_STRING_SIZE])
{
  snprintf (ret, MAC_STRING_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
            mac[4], mac[5]);
}

gboolean
mac_from_string (const char *text, uint8_t ret[MAC_SIZE])
{
  uint8_t mac[MAC_SIZE];

  if (strnlen (text, MAC_STRING_SIZE) != MAC_STRING_SIZE - 1)
    return FALSE;

  for (guint i = 0; i < MAC_SIZE; i++)
    {
      const char *p = text + i * 3;

      if (!g_ascii_isxdigit (p[0]) || !g_ascii_isxdigit (p[1])
          || p[2] != (i + 1 < MAC_SIZE ? ':' : '\0'))
        return FALSE;
      mac[i] = (uint8_t) (g_ascii_xdigit_value (p[0]) << 4 | g_ascii_xdigit_value (p[1]));
    }

  memcpy (ret, mac, MAC_SIZE);
  return TRUE;
}
