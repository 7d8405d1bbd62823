/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Control links in a network namespace of the test's own: made, addressed, listed and gone. */
#include "link.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "descriptor.h"
#include "error.h"

#define LINK "tb-0123456789ab"
#define PEER "tg-0123456789ab"

static const uint8_t mac[MAC_SIZE] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };

static void
test_unconfigured (Links *links)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = links_list (links, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (names->len, ==, 0);
  g_assert_true (links_remove (links, LINK, &error));
}

/* Exactly fe80::1/64, permanent and without duplicate address detection. */
static void
expect_address (void)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint found = 0;

  g_assert_true (g_file_get_contents ("/proc/self/net/if_inet6", &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (gsize i = 0; lines[i] != NULL; i++)
    if (g_str_has_suffix (lines[i], LINK))
      {
        found++;
        g_assert_true (g_str_has_prefix (lines[i], "fe800000000000000000000000000001 "));
        g_assert_nonnull (strstr (lines[i], " 40 20 82 "));
      }
  g_assert_cmpuint (found, ==, 1);
}

static void
expect_accept_ra_off (void)
{
  g_autofree char *text = NULL;

  g_assert_true (
      g_file_get_contents ("/proc/sys/net/ipv6/conf/" LINK "/accept_ra", &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "0\n");
}

static void
test_veth (Links *links)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = NULL;

  /* Twice: the second replaces what the first left. */
  for (guint i = 0; i < 2; i++)
    {
      links_make_veth (links, LINK, PEER, mac, &error);
      g_assert_no_error (error);
    }

  expect_address ();
  expect_accept_ra_off ();
  g_assert_cmpuint (if_nametoindex (PEER), !=, 0);
  names = links_list (links, &error);
  g_assert_cmpuint (names->len, ==, 1);
  g_assert_cmpstr (names->pdata[0], ==, LINK);

  g_assert_true (links_remove (links, LINK, &error));
  g_assert_cmpuint (if_nametoindex (LINK), ==, 0);
  g_assert_cmpuint (if_nametoindex (PEER), ==, 0);
}

static void
test_tap (Links *links)
{
  g_autoptr (GError) error = NULL;
  auto_fd fd = -1;
  auto_fd second = -1;
  guint index;

  if (access ("/dev/net/tun", R_OK | W_OK) < 0)
    {
      g_test_message ("no /dev/net/tun here");
      return;
    }

  fd = links_make_tap (links, LINK, &error);
  g_assert_no_error (error);
  expect_address ();
  expect_accept_ra_off ();

  /* A monitor in a guest's hands has made its device stay: the next start gets another one. */
  g_assert_cmpint (ioctl (fd, TUNSETPERSIST, 1), ==, 0);
  fd_clear (&fd);
  index = if_nametoindex (LINK);
  g_assert_cmpuint (index, !=, 0);
  fd = links_make_tap (links, LINK, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (if_nametoindex (LINK), !=, index);
  expect_address ();

  /* Nor does one that is held get in its way. */
  second = links_make_tap (links, LINK, &error);
  g_assert_no_error (error);
  fd_clear (&fd);
  g_assert_cmpuint (if_nametoindex (LINK), !=, 0);

  fd_clear (&second);
  g_assert_cmpuint (if_nametoindex (LINK), ==, 0);
}

static void
test_links (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Links) links = NULL;

  if (unshare (CLONE_NEWNET) < 0)
    {
      g_test_skip ("needs a network namespace of its own");
      return;
    }

  links = links_new (&error);
  g_assert_no_error (error);
  test_unconfigured (links);
  test_veth (links);
  test_tap (links);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/link/links", test_links);
  return g_test_run ();
}
