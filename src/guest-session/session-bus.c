/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the session bus is, and a connection to it. */
#include "session-bus.h"

#include <glib.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "descriptor.h"

/* The value with its %xx escapes taken out, or NULL where one is none, or stands for a zero. Free
 * with g_free(). */
static char *
unescape (const char *value, gsize length)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (gsize i = 0; i < length; i++)
    {
      int high, low;

      if (value[i] != '%')
        {
          g_string_append_c (text, value[i]);
          continue;
        }
      if (length - i < 3)
        return NULL;
      high = g_ascii_xdigit_value (value[i + 1]);
      low = g_ascii_xdigit_value (value[i + 2]);
      if (high < 0 || low < 0 || (high | low) == 0)
        return NULL;
      g_string_append_c (text, (char) (high << 4 | low));
      i += 2;
    }

  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* The value of `key` in `entry` (KEY=VALUE,KEY=VALUE…), or NULL. Free with g_free(). */
static char *
get_value (const char *entry, const char *key)
{
  g_auto (GStrv) pairs = g_strsplit (entry, ",", -1);
  gsize length = strlen (key);

  for (guint i = 0; pairs[i] != NULL; i++)
    if (strncmp (pairs[i], key, length) == 0 && pairs[i][length] == '=')
      return unescape (pairs[i] + length + 1, strlen (pairs[i]) - length - 1);

  return NULL;
}

static int
set_path (const char *path, struct sockaddr_un *ret_address, socklen_t *ret_size)
{
  if (path[0] != '/')
    return -EINVAL;
  if (strlen (path) >= sizeof ret_address->sun_path)
    return -ENAMETOOLONG;

  *ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
  memcpy (ret_address->sun_path, path, strlen (path));
  *ret_size = sizeof *ret_address;
  return 0;
}

static int
set_abstract (const char *name, struct sockaddr_un *ret_address, socklen_t *ret_size)
{
  if (name[0] == '\0')
    return -EINVAL;
  if (strlen (name) >= sizeof ret_address->sun_path)
    return -ENAMETOOLONG;

  *ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
  memcpy (ret_address->sun_path + 1, name, strlen (name));
  *ret_size = (socklen_t) (offsetof (struct sockaddr_un, sun_path) + 1 + strlen (name));
  return 0;
}

static int
set_runtime (const char *directory, struct sockaddr_un *ret_address, socklen_t *ret_size)
{
  g_autofree char *path = NULL;

  if (directory == NULL)
    return -EINVAL;

  path = g_build_filename (directory, "bus", NULL);
  return set_path (path, ret_address, ret_size);
}

/* One of the addresses of a list, behind its “unix:”. */
static int
parse_entry (const char *entry, const char *runtime_directory, struct sockaddr_un *ret_address,
             socklen_t *ret_size)
{
  g_autofree char *path = get_value (entry, "path");
  g_autofree char *abstract = get_value (entry, "abstract");
  g_autofree char *runtime = get_value (entry, "runtime");

  if (path != NULL)
    return set_path (path, ret_address, ret_size);
  if (abstract != NULL)
    return set_abstract (abstract, ret_address, ret_size);
  if (runtime != NULL && g_str_equal (runtime, "yes"))
    return set_runtime (runtime_directory, ret_address, ret_size);

  return -EINVAL;
}

int
session_bus_parse_address (const char *address, const char *runtime_directory,
                           struct sockaddr_un *ret_address, socklen_t *ret_size)
{
  g_auto (GStrv) entries = NULL;
  int r = -EINVAL;

  if (address == NULL || address[0] == '\0')
    return set_runtime (runtime_directory, ret_address, ret_size);

  entries = g_strsplit (address, ";", -1);
  for (guint i = 0; entries[i] != NULL && r < 0; i++)
    if (g_str_has_prefix (entries[i], "unix:"))
      r = parse_entry (entries[i] + strlen ("unix:"), runtime_directory, ret_address, ret_size);

  return r;
}

int
session_bus_connect (const struct sockaddr_un *address, socklen_t size)
{
  auto_fd fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (fd < 0 || connect (fd, (const struct sockaddr *) address, size) < 0)
    return -errno;

  return fd_steal (&fd);
}
