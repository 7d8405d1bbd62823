/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File descriptors that close themselves, travel over sockets, and hold secrets in memory. */
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "disposal.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

typedef union
{
  struct cmsghdr align;
  char bytes[CMSG_SPACE (LIMIT_LAUNCH_DESCRIPTORS * sizeof (int))];
} ControlBuffer;

void
fd_clear (int *fd)
{
  int saved_errno = errno;

  if (*fd >= 0)
    close (*fd);
  *fd = -1;
  errno = saved_errno;
}

int
fd_steal (int *fd)
{
  int stolen = *fd;

  *fd = -1;
  return stolen;
}

void
fd_list_clear (FdList *list)
{
  while (list->n > 0)
    fd_dispose (list->fds[--list->n]);
}

FdList
fd_list_steal (FdList *list)
{
  FdList stolen = *list;

  list->n = 0;
  return stolen;
}

bool
fd_list_add (FdList *list, int fd)
{
  if (list->n == G_N_ELEMENTS (list->fds))
    {
      fd_dispose (fd);
      return false;
    }

  list->fds[list->n++] = fd;
  return true;
}

static void
set_error_from_errno (GError **error, const char *what)
{
  int code = errno;

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "%s: %s", what, g_strerror (code));
}

int
fd_new_sealed (const char *name, const void *data, size_t size, GError **error)
{
  auto_fd fd = memfd_create (name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  size_t done = 0;

  if (fd < 0)
    {
      set_error_from_errno (error, "Cannot create a memory file");
      return -1;
    }

  while (done < size)
    {
      ssize_t n = write (fd, (const char *) data + done, size - done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          set_error_from_errno (error, "Cannot fill a memory file");
          return -1;
        }
      done += (size_t) n;
    }

  if (lseek (fd, 0, SEEK_SET) < 0 || fcntl (fd, F_ADD_SEALS, SEALS) < 0)
    {
      set_error_from_errno (error, "Cannot seal a memory file");
      return -1;
    }

  return fd_steal (&fd);
}

gboolean
fd_send_message (int socket, const void *data, size_t size, const int *fds, size_t n_fds,
                 GError **error)
{
  ControlBuffer control = { 0 };
  struct iovec vector = { .iov_base = (void *) data, .iov_len = size };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
  ssize_t n;

  if (n_fds > LIMIT_LAUNCH_DESCRIPTORS)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                   "%zu descriptors do not fit one message, which takes %d", n_fds,
                   LIMIT_LAUNCH_DESCRIPTORS);
      return FALSE;
    }

  if (n_fds > 0)
    {
      struct cmsghdr *header;

      message.msg_control = control.bytes;
      message.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      header = CMSG_FIRSTHDR (&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN (n_fds * sizeof (int));
      memcpy (CMSG_DATA (header), fds, n_fds * sizeof (int));
    }

  do
    n = sendmsg (socket, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);

  if (n < 0)
    {
      set_error_from_errno (error, "Cannot send a message");
      return FALSE;
    }

  return TRUE;
}

/* Takes every descriptor out of `message`, so that none is lost; returns their number, and closes
 * those past `max_fds`. */
static size_t
collect_descriptors (struct msghdr *message, int *fds, size_t max_fds)
{
  size_t found = 0;

  for (struct cmsghdr *header = CMSG_FIRSTHDR (message); header != NULL;
       header = CMSG_NXTHDR (message, header))
    {
      size_t count;

      if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        continue;

      count = (header->cmsg_len - CMSG_LEN (0)) / sizeof (int);
      for (size_t i = 0; i < count; i++)
        {
          int fd;

          memcpy (&fd, CMSG_DATA (header) + i * sizeof (int), sizeof fd);
          if (found < max_fds)
            fds[found] = fd;
          else
            close (fd);
          found++;
        }
    }

  return found;
}

gboolean
fd_receive_message (int socket, void *data, size_t size, int *fds, size_t max_fds, size_t *ret_size,
                    size_t *ret_n_fds, GError **error)
{
  ControlBuffer control = { 0 };
  struct iovec vector = { .iov_base = data, .iov_len = size };
  struct msghdr message = { .msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  size_t n_fds;
  ssize_t n;

  do
    n = recvmsg (socket, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);

  if (n < 0)
    {
      set_error_from_errno (error, "Cannot receive a message");
      return FALSE;
    }

  n_fds = collect_descriptors (&message, fds, max_fds);
  if (n_fds > max_fds || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    {
      for (size_t i = 0; i < MIN (n_fds, max_fds); i++)
        close (fds[i]);
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                   "A message has more than %zu bytes or %zu descriptors", size, max_fds);
      return FALSE;
    }

  *ret_size = (size_t) n;
  *ret_n_fds = n_fds;
  return TRUE;
}
