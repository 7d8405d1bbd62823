/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses of session buses as a table. */
#include "session-bus.h"

#include <glib.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define A10 "aaaaaaaaaa"
#define A107 "/" A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 "aaaaaa"

static const struct
{
  const char *address;
  const char *path; /* with “@” before an abstract name; NULL: refused */
  int error;
} cases[] = {
  { NULL, "/run/user/7/bus", 0 },
  { "", "/run/user/7/bus", 0 },
  { "unix:path=/run/user/1/bus", "/run/user/1/bus", 0 },
  { "unix:path=/run/user/1/bus,guid=0123456789abcdef0123456789abcdef", "/run/user/1/bus", 0 },
  { "unix:guid=00,path=/a", "/a", 0 },
  { "unix:abstract=/tmp/dbus-x,guid=00", "@/tmp/dbus-x", 0 },
  { "unix:runtime=yes", "/run/user/7/bus", 0 },
  { "unix:path=/a%20b%2fc", "/a b/c", 0 },
  { "unix:path=/%c3%a4", "/\xc3\xa4", 0 },
  { "tcp:host=localhost,port=1;unix:path=/a", "/a", 0 },
  { "unix:path=/a;unix:path=/b", "/a", 0 },
  { "unix:path=a;unix:path=/b", "/b", 0 },
  { "unix:path=" A107, A107, 0 },
  { "unix:path=" A107 "a", NULL, -ENAMETOOLONG },
  { "unix:abstract=" A107, "@" A107, 0 },
  { "unix:abstract=" A107 "a", NULL, -ENAMETOOLONG },
  { "unix:path=", NULL, -EINVAL },
  { "unix:path=a", NULL, -EINVAL },
  { "unix:abstract=", NULL, -EINVAL },
  { "unix:runtime=no", NULL, -EINVAL },
  { "unix:path=/a%", NULL, -EINVAL },
  { "unix:path=/a%2", NULL, -EINVAL },
  { "unix:path=/a%zz", NULL, -EINVAL },
  { "unix:path=/a%00b", NULL, -EINVAL },
  { "unix:dir=/tmp", NULL, -EINVAL },
  { "unix:", NULL, -EINVAL },
  { "unixexec:path=/bin/true", NULL, -EINVAL },
  { "tcp:host=localhost,port=1", NULL, -EINVAL },
  { "/run/user/1/bus", NULL, -EINVAL },
  { ";;", NULL, -EINVAL },
};

static char *
to_text (const struct sockaddr_un *address, socklen_t size)
{
  if (address->sun_path[0] != '\0')
    return g_strndup (address->sun_path, sizeof address->sun_path);

  return g_strdup_printf ("@%.*s", (int) (size - offsetof (struct sockaddr_un, sun_path)) - 1,
                          address->sun_path + 1);
}

static void
test_table (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      struct sockaddr_un address;
      socklen_t size;
      int r = session_bus_parse_address (cases[i].address, "/run/user/7", &address, &size);

      g_test_message ("%s", cases[i].address);
      g_assert_cmpint (r, ==, cases[i].error);
      if (r == 0)
        {
          g_autofree char *text = to_text (&address, size);

          g_assert_cmpstr (text, ==, cases[i].path);
          g_assert_cmpint (address.sun_family, ==, AF_UNIX);
        }
    }
}

static void
test_no_runtime_directory (void)
{
  struct sockaddr_un address;
  socklen_t size;

  g_assert_cmpint (session_bus_parse_address (NULL, NULL, &address, &size), ==, -EINVAL);
  g_assert_cmpint (session_bus_parse_address ("unix:runtime=yes", NULL, &address, &size), ==,
                   -EINVAL);
}

static void
test_nobody_listens (void)
{
  struct sockaddr_un address;
  socklen_t size;

  g_assert_cmpint (session_bus_parse_address ("unix:path=/nonexistent/bus", NULL, &address, &size),
                   ==, 0);
  g_assert_cmpint (session_bus_connect (&address, size), ==, -ENOENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/session-bus/table", test_table);
  g_test_add_func ("/session-bus/no-runtime-directory", test_no_runtime_directory);
  g_test_add_func ("/session-bus/nobody-listens", test_nobody_listens);
  return g_test_run ();
}
