/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of finding the guest: the order of addresses, and a real link in a network namespace whose
 * other end has an address of its own making. The latter needs namespaces and ip(8), else it is
 * skipped. */
#include "discovery.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"
#include "fixture.h"

static const uint8_t mac[MAC_SIZE] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };

static const char *
next (TunnelFinder *finder, char text[INET6_ADDRSTRLEN])
{
  struct in6_addr address;

  tunnel_finder_next (finder, &address);
  return inet_ntop (AF_INET6, &address, text, INET6_ADDRSTRLEN);
}

/* On an interface that is not there nobody answers: the usual addresses in turn. */
static void
test_order (void)
{
  static const char *const expected[] = {
    "fe80::2", "fe80::2", "fe80::2", "fe80::11:22ff:fe33:4455",
    "fe80::2", "fe80::2", "fe80::2", "fe80::2",
  };
  sd_event *event;
  g_autoptr (TunnelFinder) finder = NULL;
  struct in6_addr own;
  char text[INET6_ADDRSTRLEN];

  g_assert_cmpint (sd_event_new (&event), >=, 0);
  finder = tunnel_finder_new (event, 0x7ffffff0, mac);
  for (gsize i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      bool guesses = tunnel_finder_guesses_next (finder);

      g_assert_cmpstr (next (finder, text), ==, expected[i]);
      g_assert_cmpint (guesses, ==, !g_str_equal (expected[i], "fe80::2"));
    }

  inet_pton (AF_INET6, "fe80::abcd", &own);
  tunnel_finder_remember (finder, &own);
  g_assert_cmpstr (next (finder, text), ==, "fe80::abcd");
  for (int i = 0; i < 6; i++)
    next (finder, text);
  g_assert_cmpstr (next (finder, text), ==, "fe80::2");
  sd_event_unref (event);
}

static bool
write_file (const char *path, const char *text)
{
  auto_fd fd = open (path, O_WRONLY | O_CLOEXEC);

  return fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text);
}

/* A network namespace with a link, both ends in it: tb as the host's, tg as the guest's. */
static bool
enter_namespace (void)
{
  g_autofree char *uid_map = g_strdup_printf ("0 %u 1", (unsigned) geteuid ());
  g_autofree char *gid_map = g_strdup_printf ("0 %u 1", (unsigned) getegid ());

  if (unshare (CLONE_NEWUSER | CLONE_NEWNET) < 0 || !write_file ("/proc/self/setgroups", "deny")
      || !write_file ("/proc/self/uid_map", uid_map) || !write_file ("/proc/self/gid_map", gid_map))
    return false;

  return system ("ip link add tb type veth peer name tg && "
                 "ip link set tb addrgenmode none && ip link set tg addrgenmode none && "
                 "ip link set tb up && ip link set tg up && ip link set lo up && "
                 "ip -6 addr add fe80::1/64 dev tb nodad && "
                 "ip -6 addr add fe80::dead:beef/64 dev tg nodad")
             == 0
         && write_file ("/proc/sys/net/ipv4/ping_group_range", "0 0");
}

/* Looks, finds, connects; then finds nothing new and asks no more. */
static int
look_for_guest (void)
{
  Host *host = host_new ();
  Start *start = start_new (host, "work");
  TunnelContext *guest = context_new (start->guest);
  TunnelContext *bridge = context_new (start->bridge);
  Link *link = link_new (guest);
  TunnelFinder *finder = tunnel_finder_new (link->event, (int) if_nametoindex ("tb"), mac);
  struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
  Outcome outcome = { 0 };
  TunnelAttempt *attempt;
  char text[INET6_ADDRSTRLEN];

  /* The listener proper, on the guest's end. */
  tunnel_listener_free (link->listener);
  g_assert_cmpint (link_listen (link, guest, "tg"), ==, 0);

  g_assert_cmpstr (next (finder, text), ==, "fe80::2");
  g_assert_cmpstr (next (finder, text), ==, "fe80::2");
  for (int i = 0; i < 100 && tunnel_finder_get_n_found (finder) == 0; i++)
    loop_for (link->event, 20 * 1000);
  g_assert_cmpuint (tunnel_finder_get_n_found (finder), ==, 1);

  for (int i = 0; i < 4; i++)
    {
      tunnel_finder_next (finder, &address.sin6_addr);
      inet_ntop (AF_INET6, &address.sin6_addr, text, sizeof text);
      if (strcmp (text, "fe80::dead:beef") == 0)
        break;
    }
  g_assert_cmpstr (text, ==, "fe80::dead:beef");

  address.sin6_scope_id = if_nametoindex ("tb");
  address.sin6_port = htons (tunnel_listener_get_port (link->listener));
  attempt = link_connect_to (link, bridge, &address, CHANNEL_BUS, &outcome);
  loop_until (link->event, &outcome.n_calls, 1);
  g_assert_no_error (outcome.error);
  tunnel_finder_remember (finder, &address.sin6_addr);
  g_assert_cmpstr (next (finder, text), ==, "fe80::dead:beef");

  tunnel_attempt_free (attempt);
  outcome_clear (&outcome);
  tunnel_finder_free (finder);
  link_free (link);
  tunnel_context_unref (guest);
  tunnel_context_unref (bridge);
  start_free (start);
  host_free (host);
  return 0;
}

/* In a process of its own, which does not come back from the namespace. */
static void
test_link (void)
{
  pid_t pid = fork ();
  int status;

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    _exit (!enter_namespace () ? 77 : look_for_guest ());

  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  if (WEXITSTATUS (status) == 77)
    g_test_skip ("no network namespaces here");
  else
    g_assert_cmpint (WEXITSTATUS (status), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/discovery/order", test_order);
  g_test_add_func ("/discovery/link", test_link);
  return g_test_run ();
}
