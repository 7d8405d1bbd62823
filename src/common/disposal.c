/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closing what somebody else has made.
 *
 * What waits in the closing of a socket does not wait in a thread that ends. So a socket is not
 * closed for the last time by us: a thread that shares our descriptors no more keeps it while we
 * close ours, and ends. It keeps few others, for that socket is moved to a low number before. */
#include "disposal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/close_range.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Threads that close files, of which each may wait for somebody's file system. */
#define FILE_THREADS 4

/* --- Sockets --- */

typedef struct
{
  GMutex lock;
  GCond changed;
  unsigned first_shared; /* descriptors from here on are not kept */
  bool ready;
  bool over;
} Keeper;

static gpointer
keep (gpointer data)
{
  Keeper *keeper = data;

  /* Where this fails the closing thread waits, and the loop does not. */
  syscall (SYS_close_range, keeper->first_shared, ~0U, CLOSE_RANGE_UNSHARE);

  g_mutex_lock (&keeper->lock);
  keeper->ready = true;
  g_cond_signal (&keeper->changed);
  while (!keeper->over)
    g_cond_wait (&keeper->changed, &keeper->lock);
  g_mutex_unlock (&keeper->lock);
  return NULL;
}

/* The number that sockets are moved to, taken by a socket of no use in between. */
static int place = -1, filler = -1;

static gpointer
take_place (gpointer data)
{
  filler = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  place = fcntl (filler, F_DUPFD_CLOEXEC, 3);
  return NULL;
}

void
fd_dispose_prepare (void)
{
  static GOnce once = G_ONCE_INIT;

  g_once (&once, take_place, NULL);
}

/* In the one thread for sockets. */
static void
close_socket (gpointer data, gpointer user_data)
{
  int fd = GPOINTER_TO_INT (data);
  Keeper keeper = { 0 };
  GThread *thread;

  fd_dispose_prepare ();
  keeper.first_shared = (unsigned) place + 1;
  if (place < 0 || dup3 (fd, place, O_CLOEXEC) < 0)
    {
      close (fd);
      return;
    }

  g_mutex_init (&keeper.lock);
  g_cond_init (&keeper.changed);
  close (fd);
  thread = g_thread_try_new ("keep", keep, &keeper, NULL);
  g_mutex_lock (&keeper.lock);
  while (thread != NULL && !keeper.ready)
    g_cond_wait (&keeper.changed, &keeper.lock);
  g_mutex_unlock (&keeper.lock);

  dup3 (filler, place, O_CLOEXEC);

  g_mutex_lock (&keeper.lock);
  keeper.over = true;
  g_cond_signal (&keeper.changed);
  g_mutex_unlock (&keeper.lock);
  if (thread != NULL)
    g_thread_join (thread);
  g_cond_clear (&keeper.changed);
  g_mutex_clear (&keeper.lock);
}

/* --- Files --- */

static void
close_file (gpointer data, gpointer user_data)
{
  close (GPOINTER_TO_INT (data));
}

/* --- Either --- */

static void
hand_over (int fd, bool is_socket)
{
  static GThreadPool *sockets, *files;
  GThreadPool **pool = is_socket ? &sockets : &files;

  if (*pool == NULL)
    *pool = g_thread_pool_new (is_socket ? close_socket : close_file, NULL,
                               is_socket ? 1 : FILE_THREADS, FALSE, NULL);
  /* Without a thread now, the next one that can be had takes it. */
  g_thread_pool_push (*pool, GINT_TO_POINTER (fd), NULL);
}

void
fd_dispose (int fd)
{
  int saved_errno = errno;
  struct statx status;

  if (fd < 0)
    return;

  if (statx (fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) == 0
      && (S_ISFIFO (status.stx_mode) || S_ISCHR (status.stx_mode)))
    close (fd);
  else
    hand_over (fd, S_ISSOCK (status.stx_mode));
  errno = saved_errno;
}

void
fd_dispose_socket (int fd)
{
  int saved_errno = errno;
  int unread = 0;

  if (fd < 0)
    return;

  /* From now on nothing more comes in. */
  shutdown (fd, SHUT_RDWR);
  if (ioctl (fd, SIOCINQ, &unread) == 0 && unread == 0)
    close (fd);
  else
    hand_over (fd, true);
  errno = saved_errno;
}
