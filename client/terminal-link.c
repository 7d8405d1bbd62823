/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A terminal somewhere else on the terminal here. */
#include "config.h"

#include "terminal-link.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "descriptor.h"

#define BUFFER_SIZE 4096
#define ESCAPE 0x1d /* ^], as machinectl(1) and telnet(1) have it */
#define ESCAPES 3
#define ESCAPE_TIME G_USEC_PER_SEC
#define STATUS_SIZE 16
#define REST_MSEC 250    /* of the output, once the program has ended */
#define STATUS_MSEC 5000 /* of the status, once the terminal has ended */

typedef struct
{
  int master, status;
  gboolean raw;
  struct termios saved;
  guint input, master_in, master_out, status_in, rest;
  char typed[BUFFER_SIZE]; /* and not yet taken */
  gsize typed_size;
  char status_text[STATUS_SIZE];
  gsize status_size;
  guint escapes;
  gint64 first_escape;
  gboolean over;
  int result;
} Link;

static void
end (Link *link, int result)
{
  if (!link->over)
    link->result = result;
  link->over = TRUE;
}

/* --- The terminal here --- */

static void
make_raw (Link *link)
{
  struct termios raw;

  if (tcgetattr (STDIN_FILENO, &link->saved) < 0)
    return;

  raw = link->saved;
  cfmakeraw (&raw);
  link->raw = tcsetattr (STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void
restore (Link *link)
{
  if (link->raw)
    tcsetattr (STDIN_FILENO, TCSADRAIN, &link->saved);
  link->raw = FALSE;
}

static gboolean
on_window (gpointer data)
{
  Link *link = data;
  struct winsize window;

  if (ioctl (STDIN_FILENO, TIOCGWINSZ, &window) == 0
      || ioctl (STDOUT_FILENO, TIOCGWINSZ, &window) == 0)
    ioctl (link->master, TIOCSWINSZ, &window);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer data)
{
  end (data, TERMINAL_LINK_LEFT);
  return G_SOURCE_CONTINUE;
}

/* --- What is typed --- */

static gboolean on_input (int fd, GIOCondition condition, gpointer data);
static gboolean on_master_takes (int fd, GIOCondition condition, gpointer data);

/* Whether the user wants to leave: three in a row, and quickly. */
static gboolean
is_escape (Link *link, const char *text, gsize size)
{
  for (gsize i = 0; i < size; i++)
    {
      gint64 now = g_get_monotonic_time ();

      if (text[i] != ESCAPE)
        link->escapes = 0;
      else if (link->escapes == 0 || now - link->first_escape > ESCAPE_TIME)
        {
          link->escapes = 1;
          link->first_escape = now;
        }
      else if (++link->escapes == ESCAPES)
        return TRUE;
    }

  return FALSE;
}

/* More is read once this was taken. */
static void
send_typed (Link *link)
{
  gssize n = write (link->master, link->typed, link->typed_size);

  if (n > 0)
    {
      link->typed_size -= (gsize) n;
      memmove (link->typed, link->typed + n, link->typed_size);
    }
  else if (n < 0 && errno != EAGAIN && errno != EINTR)
    link->typed_size = 0; /* its end is told by reading */

  if (link->typed_size > 0 && link->master_out == 0)
    link->master_out = g_unix_fd_add (link->master, G_IO_OUT, on_master_takes, link);
  else if (link->typed_size == 0 && link->input == 0)
    link->input = g_unix_fd_add (STDIN_FILENO, G_IO_IN, on_input, link);
}

static gboolean
on_master_takes (int fd, GIOCondition condition, gpointer data)
{
  Link *link = data;

  link->master_out = 0;
  send_typed (link);
  return G_SOURCE_REMOVE;
}

static gboolean
on_input (int fd, GIOCondition condition, gpointer data)
{
  Link *link = data;
  gssize n = read (fd, link->typed, sizeof link->typed);

  link->input = 0;
  if (n <= 0)
    {
      if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return link->input = g_unix_fd_add (fd, G_IO_IN, on_input, link), G_SOURCE_REMOVE;
      if (link->raw)
        end (link, TERMINAL_LINK_LEFT); /* the terminal hung up */
      return G_SOURCE_REMOVE;
    }

  if (link->raw && is_escape (link, link->typed, (gsize) n))
    {
      end (link, TERMINAL_LINK_LEFT);
      return G_SOURCE_REMOVE;
    }

  link->typed_size = (gsize) n;
  send_typed (link);
  return G_SOURCE_REMOVE;
}

/* --- What comes --- */

static void
show (const char *text, gsize size)
{
  while (size > 0)
    {
      gssize n = write (STDOUT_FILENO, text, size);

      if (n < 0 && errno == EAGAIN)
        g_usleep (1000); /* a standard output that somebody made so */
      else if (n < 0 && errno != EINTR)
        return;
      else if (n > 0)
        {
          text += n;
          size -= (gsize) n;
        }
    }
}

static int
get_status (const Link *link)
{
  guint64 code;
  g_autofree char *text = g_strndup (link->status_text, link->status_size);

  g_strchomp (text);
  return g_ascii_string_to_unsigned (text, 10, 0, 255, &code, NULL) ? (int) code
                                                                    : TERMINAL_LINK_LOST;
}

static gboolean
on_rest (gpointer data)
{
  Link *link = data;

  link->rest = 0;
  end (link, get_status (link));
  return G_SOURCE_REMOVE;
}

/* One of the two has ended; the other has a while. */
static void
wait_for_rest (Link *link, guint msec)
{
  if (link->rest == 0)
    link->rest = g_timeout_add (msec, on_rest, link);
}

static gboolean
on_master (int fd, GIOCondition condition, gpointer data)
{
  Link *link = data;
  char text[BUFFER_SIZE];
  gssize n = read (fd, text, sizeof text);

  if (n > 0)
    show (text, (gsize) n);
  else if (n == 0 || (errno != EAGAIN && errno != EINTR))
    {
      link->master_in = 0;
      if (link->status_in == 0)
        end (link, get_status (link));
      else
        wait_for_rest (link, STATUS_MSEC);
      return G_SOURCE_REMOVE;
    }

  return G_SOURCE_CONTINUE;
}

static gboolean
on_status (int fd, GIOCondition condition, gpointer data)
{
  Link *link = data;
  gssize n = read (fd, link->status_text + link->status_size,
                   sizeof link->status_text - link->status_size);

  if (n > 0)
    {
      link->status_size += (gsize) n;
      return G_SOURCE_CONTINUE;
    }
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;

  link->status_in = 0;
  if (link->master_in == 0)
    end (link, get_status (link));
  else
    wait_for_rest (link, REST_MSEC);
  return G_SOURCE_REMOVE;
}

/* --- The whole --- */

static void
remove_sources (Link *link, const guint *signals, gsize n_signals)
{
  guint *const sources[] = { &link->input, &link->master_in, &link->master_out, &link->status_in,
                             &link->rest };

  for (gsize i = 0; i < G_N_ELEMENTS (sources); i++)
    g_clear_handle_id (sources[i], g_source_remove);
  for (gsize i = 0; i < n_signals; i++)
    g_source_remove (signals[i]);
}

int
terminal_link_run (int master, int status)
{
  Link link = { .master = master, .status = status, .result = TERMINAL_LINK_LOST };
  guint signals[4];

  g_unix_set_fd_nonblocking (master, TRUE, NULL);
  g_unix_set_fd_nonblocking (status, TRUE, NULL);
  signals[0] = g_unix_signal_add (SIGWINCH, on_window, &link);
  signals[1] = g_unix_signal_add (SIGTERM, on_signal, &link);
  signals[2] = g_unix_signal_add (SIGHUP, on_signal, &link);
  signals[3] = g_unix_signal_add (SIGINT, on_signal, &link);
  if (isatty (STDIN_FILENO))
    make_raw (&link);
  on_window (&link);

  link.master_in = g_unix_fd_add (master, G_IO_IN, on_master, &link);
  link.status_in = g_unix_fd_add (status, G_IO_IN, on_status, &link);
  link.input = g_unix_fd_add (STDIN_FILENO, G_IO_IN, on_input, &link);
  while (!link.over)
    g_main_context_iteration (NULL, TRUE);

  remove_sources (&link, signals, G_N_ELEMENTS (signals));
  restore (&link);
  fd_clear (&link.master);
  fd_clear (&link.status);
  return link.result;
}
