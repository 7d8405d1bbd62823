/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A descriptor that has crossed. */
#include "chain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"

unsigned
count_open (void)
{
  DIR *directory = opendir ("/proc/self/fd");
  unsigned n = 0;

  g_assert_nonnull (directory);
  while (readdir (directory) != NULL)
    n++;
  closedir (directory);
  return n;
}

void
expect_open (unsigned n)
{
  gint64 end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  while (count_open () != n && g_get_monotonic_time () < end)
    g_usleep (1000);
  g_assert_cmpuint (count_open (), ==, n);
}

void
set_blocking (int fd, gboolean blocking)
{
  int flags = fcntl (fd, F_GETFL);

  g_assert_no_errno (fcntl (fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK));
}

static void
on_closed (Relay *relay, const char *problem, void *user_data)
{
  Chain *chain = user_data;
  int i = chain->relays[0] == relay ? 0 : 1;

  chain->problems[i] = problem;
  g_clear_pointer (&chain->relays[i], relay_free);
}

void
chain_init (Chain *chain)
{
  *chain = (Chain){ .far = -1, .n_open = count_open () };
  g_assert_cmpint (sd_event_new (&chain->event), >=, 0);
}

void
chain_pass (Chain *chain, DescriptorKind kind, int fd)
{
  struct winsize size = { 0 };
  uint32_t window = ioctl (fd, TIOCGWINSZ, &size) == 0 ? (uint32_t) size.ws_row << 16 | size.ws_col
                                                       : 0; /* as crossing_new() */
  RelayEnd *ends[2];
  int sockets[2];

  g_assert_cmpint (relay_end_new (chain->event, kind, fd, &ends[0]), ==, 0);
  g_assert_cmpint (relay_end_new_counterpart (chain->event, kind, window, &ends[1], &chain->far),
                   ==, 0);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets));
  for (int i = 0; i < 2; i++)
    g_assert_cmpint (relay_new (chain->event, ends[i], stream_new_socket (sockets[i]), NULL, 0,
                                on_closed, chain, &chain->relays[i]),
                     ==, 0);
}

void
chain_clear (Chain *chain)
{
  relay_free (chain->relays[0]);
  relay_free (chain->relays[1]);
  fd_clear (&chain->far);
  while (sd_event_run (chain->event, 50000) > 0) /* the ends of processes */
    ;
  sd_event_unref (chain->event);
  expect_open (chain->n_open);
}

void
chain_turn (Chain *chain)
{
  g_assert_cmpint (sd_event_run (chain->event, 5000), >=, 0);
}

gboolean
chain_is_idle (Chain *chain)
{
  for (int i = 0; i < 200; i++)
    if (sd_event_run (chain->event, 100000) == 0)
      return TRUE;

  return FALSE;
}

gboolean
chain_is_over (const Chain *chain)
{
  return chain->relays[0] == NULL && chain->relays[1] == NULL;
}

void
chain_expect (Chain *chain, int fd, const char *text)
{
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  g_autoptr (GString) got = g_string_new (NULL);
  char buffer[4096];

  while (got->len < strlen (text))
    {
      ssize_t n = read (fd, buffer, sizeof buffer);

      if (n > 0)
        g_string_append_len (got, buffer, n);
      else
        g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      chain_turn (chain);
    }
  g_assert_cmpstr (got->str, ==, text);
}
