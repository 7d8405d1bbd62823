/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two connected stream sockets, each of which gets what the other sends. */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>

#include "descriptor.h"

#define BUFFER_SIZE ((gsize) 64 * 1024)
#define MAX_DESCRIPTORS 253 /* the kernel's SCM_MAX_FD: of one message */

/* One chunk at a time: it is sent whole before the next is read, and its descriptors go with its
 * first byte, so that none overtakes the bytes that tell of it. */
typedef struct
{
  Relay *relay;
  int from, to;
  guint source; /* waits for `from` to have something, or for `to` to take it */
  guint8 *buffer;
  gsize start, end;
  int fds[MAX_DESCRIPTORS];
  gsize n_fds;
  gboolean over;
} Direction;

struct Relay
{
  Direction directions[2];
  void (*over) (Relay *relay, gpointer data);
  gpointer data;
};

static void
close_descriptors (Direction *direction)
{
  for (gsize i = 0; i < direction->n_fds; i++)
    fd_clear (&direction->fds[i]);
  direction->n_fds = 0;
}

/* Bytes that were read, 0 at the end, or -errno. */
static gssize
receive (Direction *direction)
{
  union
  {
    struct cmsghdr header;
    char space[CMSG_SPACE (MAX_DESCRIPTORS * sizeof (int))];
  } control;
  struct iovec vector = { direction->buffer, BUFFER_SIZE };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };
  gssize n = recvmsg (direction->from, &message, MSG_CMSG_CLOEXEC);

  if (n < 0)
    return -errno;

  for (struct cmsghdr *part = CMSG_FIRSTHDR (&message); part != NULL;
       part = CMSG_NXTHDR (&message, part))
    if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
      {
        gsize size = part->cmsg_len - CMSG_LEN (0);

        memcpy (direction->fds, CMSG_DATA (part), size);
        direction->n_fds = size / sizeof (int);
      }

  direction->start = 0;
  direction->end = (gsize) n;
  /* Descriptors that were cut off would leave the rest counted wrongly. */
  return (message.msg_flags & MSG_CTRUNC) != 0 ? -EMSGSIZE : n;
}

/* Bytes that were taken, or -errno. */
static gssize
transmit (Direction *direction)
{
  union
  {
    struct cmsghdr header;
    char space[CMSG_SPACE (MAX_DESCRIPTORS * sizeof (int))];
  } control = { 0 };
  struct iovec vector = { direction->buffer + direction->start, direction->end - direction->start };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
  gssize n;

  if (direction->n_fds > 0)
    {
      gsize size = direction->n_fds * sizeof (int);

      message.msg_control = &control;
      message.msg_controllen = CMSG_SPACE (size);
      control.header.cmsg_level = SOL_SOCKET;
      control.header.cmsg_type = SCM_RIGHTS;
      control.header.cmsg_len = CMSG_LEN (size);
      memcpy (CMSG_DATA (&control.header), direction->fds, size);
    }

  n = sendmsg (direction->to, &message, MSG_NOSIGNAL);
  if (n < 0)
    return -errno;

  close_descriptors (direction);
  direction->start += (gsize) n;
  return n;
}

static gboolean on_event (int fd, GIOCondition condition, gpointer data);

static void
wait_for (Direction *direction)
{
  gboolean full = direction->start < direction->end;

  direction->source = g_unix_fd_add (full ? direction->to : direction->from,
                                     full ? G_IO_OUT : G_IO_IN, on_event, direction);
}

static gboolean
is_transient (gssize result)
{
  return result == -EAGAIN || result == -EINTR;
}

/* Moves what there is, then waits. FALSE: a socket failed. */
static gboolean
pump (Direction *direction)
{
  gssize n;

  if (direction->start == direction->end)
    {
      n = receive (direction);
      if (n == 0)
        {
          direction->over = TRUE;
          close_descriptors (direction);
          shutdown (direction->to, SHUT_WR);
          return TRUE;
        }
      if (n < 0 && !is_transient (n))
        return FALSE;
    }

  while (direction->start < direction->end)
    {
      n = transmit (direction);
      if (n < 0 && !is_transient (n))
        return FALSE;
      if (n < 0)
        break;
    }

  wait_for (direction);
  return TRUE;
}

static gboolean
on_event (int fd, GIOCondition condition, gpointer data)
{
  Direction *direction = data;
  Relay *relay = direction->relay;
  gboolean good;

  direction->source = 0;
  good = pump (direction);
  if (!good || (relay->directions[0].over && relay->directions[1].over))
    relay->over (relay, relay->data);
  return G_SOURCE_REMOVE;
}

static void
start (Relay *relay, Direction *direction, int from, int to)
{
  direction->relay = relay;
  direction->from = from;
  direction->to = to;
  direction->buffer = g_malloc (BUFFER_SIZE);
  g_unix_set_fd_nonblocking (from, TRUE, NULL);
  wait_for (direction);
}

Relay *
relay_new (int first, int second, void (*over) (Relay *relay, gpointer data), gpointer data)
{
  Relay *relay = g_new0 (Relay, 1);

  relay->over = over;
  relay->data = data;
  start (relay, &relay->directions[0], first, second);
  start (relay, &relay->directions[1], second, first);
  return relay;
}

void
relay_free (Relay *relay)
{
  if (relay == NULL)
    return;

  for (guint i = 0; i < G_N_ELEMENTS (relay->directions); i++)
    {
      Direction *direction = &relay->directions[i];

      g_clear_handle_id (&direction->source, g_source_remove);
      close_descriptors (direction);
      g_free (direction->buffer);
      fd_clear (&direction->from);
    }
  g_free (relay);
}
