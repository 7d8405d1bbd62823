/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a descriptor is. */
#include "descriptor-kind.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Device numbers (Documentation/admin-guide/devices.txt of the kernel). */
#define PTMX_MAJOR 5
#define PTMX_MINOR 2
#define PTS_MAJOR_FIRST 136
#define PTS_MAJOR_LAST 143

/* What the kernel makes without a file; found by what /proc calls it. */
static const char *
name_kernel_object (int fd)
{
  static const struct
  {
    const char *prefix;
    const char *what;
  } names[] = {
    { "anon_inode:[eventpoll]", "an epoll instance" },
    { "anon_inode:[eventfd]", "an event counter" },
    { "anon_inode:[timerfd]", "a timer" },
    { "anon_inode:[signalfd]", "a signal descriptor" },
    { "anon_inode:[pidfd]", "a process descriptor" },
    { "anon_inode:inotify", "an inotify instance" },
    { "anon_inode:[io_uring]", "an io_uring instance" },
    { "anon_inode:", "an object of the kernel" },
    { "pidfd:", "a process descriptor" },
    { "/memfd:", "a memory file" },
  };
  char path[64], target[256];
  ssize_t n;

  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  n = readlink (path, target, sizeof target - 1);
  if (n < 0)
    return NULL;

  target[n] = '\0';
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strncmp (target, names[i].prefix, strlen (names[i].prefix)) == 0)
      return names[i].what;

  return NULL;
}

static int
get_option (int fd, int name)
{
  socklen_t size = sizeof (int);
  int value = -1;

  return getsockopt (fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

static DescriptorKind
examine_socket (int fd, const char **ret_what)
{
  int family = get_option (fd, SO_DOMAIN), type = get_option (fd, SO_TYPE);
  struct sockaddr_storage address;
  socklen_t size = sizeof address;

  if (family == AF_INET || family == AF_INET6)
    *ret_what = type == SOCK_STREAM  ? "a TCP socket"
                : type == SOCK_DGRAM ? "a UDP socket"
                                     : "an Internet socket";
  else if (family == AF_NETLINK)
    *ret_what = "a netlink socket";
  else if (family != AF_UNIX)
    *ret_what = "a socket of another family than unix";
  else if (type == SOCK_DGRAM)
    *ret_what = "a datagram socket";
  else if (type != SOCK_STREAM)
    *ret_what = "a socket for packets";
  else if (get_option (fd, SO_ACCEPTCONN) != 0)
    *ret_what = "a listening socket";
  else if (getpeername (fd, (struct sockaddr *) &address, &size) < 0)
    *ret_what = "a socket that is not connected";
  else
    return DESCRIPTOR_SOCKET;

  return 0;
}

static DescriptorKind
examine_device (unsigned device_major, unsigned device_minor, const char **ret_what)
{
  if (device_major == PTMX_MAJOR && device_minor == PTMX_MINOR)
    return DESCRIPTOR_PTY_MASTER;
  if (device_major >= PTS_MAJOR_FIRST && device_major <= PTS_MAJOR_LAST)
    return DESCRIPTOR_PTY_SLAVE;

  *ret_what = "a character device";
  return 0;
}

/* Whatever the kernel knows already: a file system of the caller's own (FUSE) is not asked, and so
 * cannot keep us waiting. */
static bool
look_at (int fd, struct statx *ret_status)
{
  return statx (fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, ret_status)
         == 0;
}

DescriptorKind
descriptor_kind_of (int fd, const char **ret_what)
{
  int flags = fcntl (fd, F_GETFL);
  struct statx status;
  const char *name;

  *ret_what = "not readable for us";
  if (flags < 0 || !look_at (fd, &status))
    return 0;
  if ((flags & O_PATH) != 0)
    {
      *ret_what = "a path without a file that is open";
      return 0;
    }

  switch (status.stx_mode & S_IFMT)
    {
    case S_IFIFO:
      if ((flags & O_ACCMODE) == O_RDONLY)
        return DESCRIPTOR_PIPE_READ;
      if ((flags & O_ACCMODE) == O_WRONLY)
        return DESCRIPTOR_PIPE_WRITE;
      *ret_what = "a FIFO that is open for reading and writing";
      return 0;
    case S_IFSOCK:
      return examine_socket (fd, ret_what);
    case S_IFCHR:
      return examine_device (status.stx_rdev_major, status.stx_rdev_minor, ret_what);
    case S_IFDIR:
      *ret_what = "a directory";
      return 0;
    case S_IFBLK:
      *ret_what = "a block device";
      return 0;
    default:
      name = name_kernel_object (fd);
      *ret_what = name != NULL                ? name
                  : S_ISREG (status.stx_mode) ? "a regular file"
                                              : "an object of the kernel";
      return 0;
    }
}

bool
descriptor_kind_is_valid (uint8_t kind)
{
  return kind >= DESCRIPTOR_PIPE_READ && kind <= DESCRIPTOR_PTY_SLAVE;
}

bool
descriptor_kind_is_same (DescriptorKind kind, int a, int b)
{
  struct statx first, second;
  int first_pty, second_pty;

  if (!look_at (a, &first) || !look_at (b, &second) || first.stx_dev_major != second.stx_dev_major
      || first.stx_dev_minor != second.stx_dev_minor || first.stx_ino != second.stx_ino)
    return false;

  /* All masters have the inode of /dev/ptmx. */
  return kind != DESCRIPTOR_PTY_MASTER
         || (ioctl (a, TIOCGPTN, &first_pty) == 0 && ioctl (b, TIOCGPTN, &second_pty) == 0
             && first_pty == second_pty);
}
