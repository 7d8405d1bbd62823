/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals through two relays, each with tombolo-pty: what is typed, what is shown, window sizes,
 * hang-ups. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "chain.h"
#include "descriptor.h"
#include "disposal.h"
#include "pty-helper.h"

typedef struct
{
  Chain chain;
  int master; /* of the pair of whoever passed one of them; -1: it was passed */
  int slave;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  chain_init (&fixture->chain);
  g_assert_cmpint (pty_open (0, 0, &fixture->master, &fixture->slave), ==, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  fd_clear (&fixture->master);
  fd_clear (&fixture->slave);
  chain_clear (&fixture->chain);
}

static void
pass_master (Fixture *fixture)
{
  chain_pass (&fixture->chain, DESCRIPTOR_PTY_MASTER, fd_steal (&fixture->master));
  set_blocking (fixture->slave, FALSE);
  set_blocking (fixture->chain.far, FALSE);
}

/* The slave stays open here, too: it is somebody's standard input. */
static void
pass_slave (Fixture *fixture)
{
  chain_pass (&fixture->chain, DESCRIPTOR_PTY_SLAVE, fcntl (fixture->slave, F_DUPFD_CLOEXEC, 3));
  set_blocking (fixture->master, FALSE);
  set_blocking (fixture->chain.far, FALSE);
}

static void
set_window (int fd, unsigned short rows, unsigned short columns)
{
  const struct winsize window = { .ws_row = rows, .ws_col = columns };

  g_assert_no_errno (ioctl (fd, TIOCSWINSZ, &window));
}

static gboolean
has_window (int fd, unsigned short rows, unsigned short columns)
{
  struct winsize window;

  g_assert_no_errno (ioctl (fd, TIOCGWINSZ, &window));
  return window.ws_row == rows && window.ws_col == columns;
}

static gboolean
is_raw (int fd)
{
  struct termios modes;

  g_assert_no_errno (tcgetattr (fd, &modes));
  return (modes.c_lflag & (ECHO | ICANON)) == 0;
}

static void
say (int fd, const char *text)
{
  g_assert_cmpint (write (fd, text, strlen (text)), ==, (ssize_t) strlen (text));
}

/* Whoever got a master types, sees the echo once, and what the program shows. */
static void
test_master (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;

  pass_master (fixture);
  g_assert_true (isatty (chain->far));
  g_assert_true (is_raw (chain->far)); /* our pair; theirs stays as it is */
  g_assert_false (is_raw (fixture->slave));

  say (chain->far, "ls\n");
  chain_expect (chain, fixture->slave, "ls\n");
  chain_expect (chain, chain->far, "ls\r\n");
  say (fixture->slave, "a file\n");
  chain_expect (chain, chain->far, "a file\r\n");
  g_assert_true (chain_is_idle (chain));
}

/* Signals are made from keys where the program is. */
static void
test_keys (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;

  pass_master (fixture);
  chain_turn_until (chain, is_raw (chain->far));
  say (chain->far, "ab\x7f");
  chain_expect (chain, chain->far, "ab\b \b");
  say (chain->far, "\x03");
  chain_expect (chain, chain->far, "^C");
}

/* The window: at first the one that is there, then every change, without a word being typed. */
static void
test_master_window (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;

  set_window (fixture->slave, 11, 22);
  pass_master (fixture);
  g_assert_true (has_window (chain->far, 11, 22));
  set_window (chain->far, 24, 80); /* before anybody can have told of it */
  chain_turn_until (chain, has_window (fixture->slave, 24, 80));
  set_window (chain->far, 50, 132);
  chain_turn_until (chain, has_window (fixture->slave, 50, 132));
  g_assert_true (has_window (chain->far, 50, 132));
  g_assert_true (chain_is_idle (chain));
}

static ssize_t
read_hang_up (Chain *chain, int fd)
{
  char byte;
  ssize_t n = -1;

  chain_turn_until (chain, (n = read (fd, &byte, 1)) >= 0 || errno != EAGAIN);
  return n < 0 ? -errno : n;
}

/* The program ends: what it said last is seen, then the hang-up. */
static void
test_slave_closed (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;

  pass_master (fixture);
  say (fixture->slave, "bye\n");
  fd_clear (&fixture->slave);
  chain_expect (chain, chain->far, "bye\r\n");
  g_assert_cmpint (read_hang_up (chain, chain->far), ==, -EIO);
  chain_turn_until (chain, chain_is_over (chain));
}

/* One that opens its terminal anew is the same one. */
static void
test_slave_reopened (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;
  int master = fcntl (fixture->master, F_DUPFD_CLOEXEC, 3);

  pass_master (fixture);
  chain_turn_until (chain, is_raw (chain->far));
  fd_clear (&fixture->slave);
  g_usleep (50000);
  fixture->slave = ioctl (master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  close (master);
  g_assert_cmpint (fixture->slave, >=, 0);
  say (fixture->slave, "again\n");
  chain_expect (chain, chain->far, "again\r\n");
}

/* The window is closed: the program hears of it. */
static void
test_master_closed (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;
  ssize_t n;

  pass_master (fixture);
  say (chain->far, "x\n");
  chain_expect (chain, fixture->slave, "x\n");
  fd_clear (&chain->far);
  n = read_hang_up (chain, fixture->slave);
  g_assert_true (n == 0 || n == -EIO);
  chain_turn_until (chain, chain_is_over (chain));
}

/* A program on the other side has our terminal: typed once, echoed once, shown once. */
static void
test_slave (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;
  struct termios before, after;

  g_assert_no_errno (tcgetattr (fixture->slave, &before));
  set_window (fixture->master, 30, 90);
  pass_slave (fixture);
  chain_turn_until (chain, is_raw (fixture->slave));
  g_assert_true (has_window (chain->far, 30, 90));
  g_assert_cmpint (fcntl (fixture->slave, F_GETFL) & O_NONBLOCK, ==, 0);

  say (chain->far, "prompt\n");
  chain_expect (chain, fixture->master, "prompt\r\n");
  say (fixture->master, "word\n");
  chain_expect (chain, chain->far, "word\n");
  chain_expect (chain, fixture->master, "word\r\n");

  /* A new size comes along with what is typed next. */
  set_window (fixture->master, 40, 100);
  say (fixture->master, "\n");
  chain_turn_until (chain, has_window (chain->far, 40, 100));

  /* The terminal is given back as it was. */
  fd_clear (&chain->far);
  chain_turn_until (chain, chain_is_over (chain));
  chain_turn_until (chain, !is_raw (fixture->slave));
  g_assert_no_errno (tcgetattr (fixture->slave, &after));
  g_assert_cmpuint (before.c_iflag, ==, after.c_iflag);
  g_assert_cmpuint (before.c_oflag, ==, after.c_oflag);
  g_assert_cmpuint (before.c_lflag, ==, after.c_lflag);
}

/* Also when the tunnel breaks. */
static void
test_slave_broken (Fixture *fixture, gconstpointer data)
{
  Chain *chain = &fixture->chain;

  pass_slave (fixture);
  chain_turn_until (chain, is_raw (fixture->slave));
  g_clear_pointer (&chain->relays[0], relay_free);
  chain_turn_until (chain, !is_raw (fixture->slave));
}

/* More than all buffers hold, read slowly. */
static void
test_much (Fixture *fixture, gconstpointer data)
{
  const size_t size = 400 * 1000;
  Chain *chain = &fixture->chain;
  size_t written = 0, got = 0;
  struct termios modes;
  char buffer[1000];

  g_assert_no_errno (tcgetattr (fixture->slave, &modes));
  cfmakeraw (&modes);
  g_assert_no_errno (tcsetattr (fixture->slave, TCSANOW, &modes));
  pass_master (fixture);
  while (got < size)
    {
      ssize_t n;

      for (size_t i = 0; i < sizeof buffer; i++)
        buffer[i] = (char) ('a' + (written + i) % 23);
      n = written < size ? write (fixture->slave, buffer, MIN (sizeof buffer, size - written)) : 0;
      written += n > 0 ? (size_t) n : 0;
      sd_event_run (chain->event, 1000);
      n = read (chain->far, buffer, sizeof buffer);
      for (ssize_t i = 0; i < n; i++)
        g_assert_cmpint (buffer[i], ==, 'a' + (char) ((got + (size_t) i) % 23));
      got += n > 0 ? (size_t) n : 0;
    }
}

/* A program that is not there is an error, and nothing is left of it. */
static void
test_no_program (Fixture *fixture, gconstpointer data)
{
  const char *program = pty_helper_program;
  RelayEnd *end;

  pty_helper_program = "/nonexistent";
  g_assert_cmpint (relay_end_new (fixture->chain.event, DESCRIPTOR_PTY_MASTER,
                                  fd_steal (&fixture->master), &end),
                   ==, -ENOENT);
  pty_helper_program = program;
}

int
main (int argc, char **argv)
{
  signal (SIGPIPE, SIG_IGN);
  pty_helper_program = g_getenv ("TEST_PTY");
  fd_dispose_prepare ();
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
  g_test_add ("/relay/pty/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("master", test_master);
  ADD ("keys", test_keys);
  ADD ("master-window", test_master_window);
  ADD ("slave-closed", test_slave_closed);
  ADD ("slave-reopened", test_slave_reopened);
  ADD ("master-closed", test_master_closed);
  ADD ("slave", test_slave);
  ADD ("slave-broken", test_slave_broken);
  ADD ("much", test_much);
  ADD ("no-program", test_no_program);
  return g_test_run ();
}
