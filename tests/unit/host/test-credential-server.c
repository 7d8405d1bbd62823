/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd's address, and what a request over it gets. */
#include "credential-server.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"

#define ADDRESS(text) text, sizeof text - 1

static const struct
{
  const char *path;
  gsize size;
  const char *unit, *credential;
} addresses[] = {
  { ADDRESS ("\0d1c0ffee/unit/tombolo-bridge@work.service/tombolo.identity"),
    "tombolo-bridge@work.service", "tombolo.identity" },
  { ADDRESS ("\0a/unit/b/c"), "b", "c" },
  { ADDRESS ("a/unit/b/c"), NULL, NULL },
  { ADDRESS ("\0a/unit/b"), NULL, NULL },
  { ADDRESS ("\0a/unit/b/c/d"), NULL, NULL },
  { ADDRESS ("\0a/unit/b/"), NULL, NULL },
  { ADDRESS ("\0a/unit//c"), NULL, NULL },
  { ADDRESS ("\0/unit/b/c"), NULL, NULL },
  { ADDRESS ("\0a/slice/b/c"), NULL, NULL },
  { ADDRESS ("\0a/unit/b/c\0"), NULL, NULL },
  { ADDRESS ("\0a/unit/\xff/c"), NULL, NULL },
  { ADDRESS ("\0"), NULL, NULL },
  { "", 0, NULL, NULL },
};

static void
test_address (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (addresses); i++)
    {
      g_autofree char *unit = NULL;
      g_autofree char *credential = NULL;

      g_assert_cmpint (
          credential_address_parse (addresses[i].path, addresses[i].size, &unit, &credential), ==,
          addresses[i].unit != NULL);
      g_assert_cmpstr (unit, ==, addresses[i].unit);
      g_assert_cmpstr (credential, ==, addresses[i].credential);
    }
}

static char *
look_up (const char *unit, const char *credential, gsize *ret_size, gpointer user_data,
         GError **error)
{
  const gsize *size = user_data;
  char *text;

  if (!g_str_equal (unit, "known"))
    {
      g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "unknown");
      return NULL;
    }

  text = g_malloc (*size);
  memset (text, 'x', *size);
  *ret_size = *size;
  return text;
}

static int
connect_from (const char *path, const char *name)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  socklen_t size = offsetof (struct sockaddr_un, sun_path);
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (name != NULL)
    {
      memcpy (address.sun_path + 1, name, strlen (name));
      g_assert_cmpint (
          bind (fd, (struct sockaddr *) &address, size + 1 + (socklen_t) strlen (name)), ==, 0);
    }
  memset (&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  return fd;
}

/* Reads to the end, with the server's loop running. */
static gsize
count_answer (int fd)
{
  gsize total = 0;

  for (;;)
    {
      char data[65536];
      ssize_t n;

      while (g_main_context_iteration (NULL, FALSE))
        ;
      n = recv (fd, data, sizeof data, MSG_DONTWAIT);
      if (n == 0)
        return total;
      if (n > 0)
        total += (gsize) n;
    }
}

static void
test_requests (void)
{
  const struct
  {
    const char *name;
    gsize size, answer;
  } requests[] = {
    { "r1/unit/known/c", 5, 5 },
    { "r2/unit/known/c", 4 * 1024 * 1024, 4 * 1024 * 1024 }, /* past any socket buffer */
    { "r3/unit/unknown/c", 5, 0 },
    { "not-systemd", 5, 0 },
    { NULL, 5, 0 },
  };
  g_autofree char *directory = g_dir_make_tmp ("tombolo-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "socket", NULL);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gsize size;
  g_autoptr (CredentialServer) server = NULL;

  if (geteuid () != 0)
    {
      g_test_skip ("only root is answered");
      close (listener);
      return;
    }

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (listener, 8), ==, 0);
  server = credential_server_new (listener, look_up, &size);

  for (gsize i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      auto_fd fd = connect_from (path, requests[i].name);

      size = requests[i].size;
      g_assert_cmpuint (count_answer (fd), ==, requests[i].answer);
    }

  g_assert_cmpint (unlink (path), ==, 0);
  g_assert_cmpint (rmdir (directory), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/credential-server/address", test_address);
  g_test_add_func ("/host/credential-server/requests", test_requests);
  return g_test_run ();
}
