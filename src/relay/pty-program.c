/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolo-pty: one terminal and a socket.
 *
 * Where somebody here has a master of a pair of ours, we have the slave and are the session that it
 * controls, so that the kernel tells us of every new window size (SIGWINCH) and that nobody else's
 * session is. Our slave, and a slave that somebody passed, are in raw mode: what is typed is echoed
 * and edited once, by the terminal at the other end.
 *
 * A slave that somebody passed controls his session, not ours, and its size changes without a word:
 * it is looked at whenever somebody types. */
#include "pty-program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "pty-frame.h"

/* How long a master may be without an open slave: a program that takes a terminal over hangs it up
 * and opens it again (vhangup(2)). */
#define REOPEN_MSEC 250
#define REOPEN_STEP_MSEC 10

typedef struct
{
  bool master;
  bool foreign;
  bool saved; /* `modes` are to be set again at the end */
  struct termios modes;
  bool told; /* the other side has heard of `window` */
  struct winsize window;
  int signals; /* signalfd, or -1 */

  /* From the terminal to the socket: whole frames. */
  uint8_t out[PTY_FRAME_SIZE + PTY_FRAME_WINDOW_SIZE];
  size_t out_start;
  size_t out_end;

  /* From the socket to the terminal: frames, of the first of which `written` bytes are done. */
  uint8_t in[PTY_FRAME_SIZE];
  size_t in_size;
  size_t written;

  bool ended; /* the terminal is; what it said is still to be sent */
} Program;

/* --- Sizes --- */

/* Tells the other side where it does not know. There is always room beside a data frame. */
static void
report_window (Program *program)
{
  struct winsize window;

  if (ioctl (PTY_PROGRAM_TERMINAL, TIOCGWINSZ, &window) < 0
      || (program->told && memcmp (&window, &program->window, sizeof window) == 0)
      || sizeof program->out - program->out_end < PTY_FRAME_WINDOW_SIZE)
    return;

  program->window = window;
  program->told = true;
  pty_frame_write_window (program->out + program->out_end, &window);
  program->out_end += PTY_FRAME_WINDOW_SIZE;
}

/* Sizes go from slaves to masters: it is who has the other end of the pair that sets them. */
static void
take_window (Program *program, const struct winsize *window)
{
  if (program->master)
    ioctl (PTY_PROGRAM_TERMINAL, TIOCSWINSZ, window);
}

/* --- From the terminal --- */

/* Whether a hung-up master has an open slave again within REOPEN_MSEC. Nothing tells of that; the
 * wait is short and ends. */
static bool
is_reopened (void)
{
  for (int i = 0; i < REOPEN_MSEC / REOPEN_STEP_MSEC; i++)
    {
      struct pollfd terminal = { .fd = PTY_PROGRAM_TERMINAL, .events = POLLIN };

      nanosleep (&(struct timespec){ .tv_nsec = REOPEN_STEP_MSEC * 1000 * 1000 }, NULL);
      if (poll (&terminal, 1, 0) == 0 || (terminal.revents & POLLHUP) == 0)
        return true;
    }

  return false;
}

static void
read_terminal (Program *program)
{
  uint8_t *frame;
  ssize_t n;

  /* What is typed after the window has changed comes after it. */
  if (!program->master)
    report_window (program);

  frame = program->out + program->out_end;
  n = read (PTY_PROGRAM_TERMINAL, frame + PTY_FRAME_HEAD, PTY_FRAME_CONTENT);
  if (n > 0)
    {
      pty_frame_write_head (frame, (size_t) n);
      program->out_end += PTY_FRAME_HEAD + (size_t) n;
    }
  else if (n == 0 || (errno != EAGAIN && errno != EINTR))
    program->ended = !(program->master && n < 0 && errno == EIO && is_reopened ());
}

static void
take_signal (Program *program)
{
  struct signalfd_siginfo info;

  if (read (program->signals, &info, sizeof info) == sizeof info)
    report_window (program);
}

/* False where the socket is gone. */
static bool
write_socket (Program *program)
{
  ssize_t n = send (PTY_PROGRAM_SOCKET, program->out + program->out_start,
                    program->out_end - program->out_start, MSG_DONTWAIT | MSG_NOSIGNAL);

  if (n < 0)
    return errno == EAGAIN || errno == EINTR;

  program->out_start += (size_t) n;
  if (program->out_start == program->out_end)
    program->out_start = program->out_end = 0;
  return true;
}

/* --- From the socket --- */

/* Writes what the terminal takes of the frames that are here. False where it is gone, or they are
 * none. */
static bool
write_terminal (Program *program)
{
  for (;;)
    {
      PtyFrame frame;
      int size = pty_frame_read (program->in, program->in_size, &frame);

      if (size <= 0)
        return size == 0;

      if (frame.type == PTY_FRAME_WINDOW)
        take_window (program, &frame.window);
      else
        {
          ssize_t n = write (PTY_PROGRAM_TERMINAL, frame.content + program->written,
                             frame.size - program->written);

          if (n < 0)
            return errno == EAGAIN || errno == EINTR;
          program->written += (size_t) n;
          if (program->written < frame.size)
            return true;
        }

      program->written = 0;
      program->in_size -= (size_t) size;
      memmove (program->in, program->in + size, program->in_size);
    }
}

/* Whether a whole frame waits for the terminal. */
static bool
has_input (const Program *program)
{
  PtyFrame frame;

  return pty_frame_read (program->in, program->in_size, &frame) > 0;
}

/* False where the socket has ended. */
static bool
read_socket (Program *program)
{
  ssize_t n = recv (PTY_PROGRAM_SOCKET, program->in + program->in_size,
                    sizeof program->in - program->in_size, MSG_DONTWAIT);

  if (n < 0)
    return errno == EAGAIN || errno == EINTR;
  if (n == 0)
    return false;

  program->in_size += (size_t) n;
  return write_terminal (program);
}

/* --- Life --- */

static Program program_of_process;

/* Somebody's terminal is given back as it was, however this ends: also within a write that blocks.
 */
static void
give_back (void)
{
  if (program_of_process.saved)
    tcsetattr (PTY_PROGRAM_TERMINAL, TCSANOW, &program_of_process.modes);
}

static void
on_terminated (int number)
{
  give_back ();
  _exit (EXIT_SUCCESS);
}

static void
set_raw (Program *program)
{
  const struct sigaction action = { .sa_handler = on_terminated };
  struct termios modes;

  if (tcgetattr (PTY_PROGRAM_TERMINAL, &modes) < 0)
    return;

  program->modes = modes;
  program->saved = program->foreign;
  sigaction (SIGTERM, &action, NULL);
  cfmakeraw (&modes);
  tcsetattr (PTY_PROGRAM_TERMINAL, TCSANOW, &modes);
}

/* The slave of our own pair becomes what controls us; then it tells us of its window. */
static bool
control_session (Program *program)
{
  sigset_t signals;

  sigemptyset (&signals);
  sigaddset (&signals, SIGWINCH);
  if (sigprocmask (SIG_BLOCK, &signals, NULL) < 0)
    return false;

  program->signals = signalfd (-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  return program->signals >= 0 && ioctl (PTY_PROGRAM_TERMINAL, TIOCSCTTY, 0) == 0;
}

/* Blocking is left as it is for a slave that somebody passed, which is his standard input: poll(2)
 * then has to do. */
static void
set_non_blocking (const Program *program)
{
  int flags = fcntl (PTY_PROGRAM_TERMINAL, F_GETFL);

  if (flags >= 0 && (program->master || !program->foreign))
    fcntl (PTY_PROGRAM_TERMINAL, F_SETFL, flags | O_NONBLOCK);
}

static bool
set_up (Program *program, const char *role)
{
  program->foreign =
      strcmp (role, PTY_ROLE_FOREIGN_MASTER) == 0 || strcmp (role, PTY_ROLE_FOREIGN_SLAVE) == 0;
  program->master =
      strcmp (role, PTY_ROLE_FOREIGN_MASTER) == 0 || strcmp (role, PTY_ROLE_OWN_MASTER) == 0;
  program->signals = -1;

  /* Others of the same user serve other machines. */
  if (prctl (PR_SET_DUMPABLE, 0) < 0 || setsid () < 0)
    return false;
  signal (SIGHUP, SIG_IGN); /* a terminal that hangs up says so when it is read */
  signal (SIGTTOU, SIG_IGN);
  signal (SIGPIPE, SIG_IGN);

  if (!program->master)
    set_raw (program);
  if (!program->master && !program->foreign && !control_session (program))
    return false;
  set_non_blocking (program);

  /* It may have changed since the other side was told of the terminal. */
  if (!program->master)
    report_window (program);
  return true;
}

/* One round; false where it is over. */
static bool
turn (Program *program)
{
  bool full = program->out_end > 0, input = has_input (program);
  struct pollfd files[] = {
    { .fd = PTY_PROGRAM_SOCKET, .events = (short) ((full ? POLLOUT : 0) | (input ? 0 : POLLIN)) },
    { .fd = program->ended || (full && !input) ? -1 : PTY_PROGRAM_TERMINAL,
      .events = (short) ((full ? 0 : POLLIN) | (input ? POLLOUT : 0)) },
    { .fd = full ? -1 : program->signals, .events = POLLIN },
  };

  if (program->ended && !full)
    return false;
  if (poll (files, 3, -1) < 0)
    return errno == EINTR;

  if ((files[0].revents & POLLOUT) != 0 && !write_socket (program))
    return false;
  if ((files[0].revents & POLLIN) != 0 && !read_socket (program))
    return false;
  if ((files[0].revents & (POLLHUP | POLLERR)) != 0 && (files[0].revents & POLLIN) == 0)
    return false;
  if ((files[1].revents & POLLOUT) != 0 && !write_terminal (program))
    program->ended = true;
  if ((files[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && program->out_end == 0)
    read_terminal (program);
  if ((files[2].revents & POLLIN) != 0)
    take_signal (program);
  return true;
}

int
pty_program_run (const char *role)
{
  Program *program = &program_of_process;

  if (!set_up (program, role))
    {
      fprintf (stderr, "tombolo-pty: no terminal to serve: %s\n", strerror (errno));
      return EXIT_FAILURE;
    }

  while (turn (program))
    ;

  give_back ();
  return EXIT_SUCCESS;
}
