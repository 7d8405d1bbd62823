/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File descriptors that close themselves, travel over sockets, and hold secrets in memory. */
#pragma once

#include <glib.h>

#include <stdbool.h>
#include <stddef.h>

#include "limit.h"

/* A descriptor that is closed when it leaves its scope:
 *   auto_fd fd = -1;
 * Initialise it with -1. Hand it on with fd_steal(). */
#define auto_fd __attribute__ ((cleanup (fd_clear))) int

/* Closes `*fd` where it is one, and sets it to -1; keeps errno. */
void fd_clear (int *fd);

/* Returns `*fd` and leaves -1 behind. */
int fd_steal (int *fd);

/* The descriptors of one message:
 *   auto_fd_list fds = { 0 };
 * They are closed when the list leaves its scope. */
typedef struct
{
  int fds[LIMIT_MESSAGE_DESCRIPTORS];
  size_t n;
} FdList;

#define auto_fd_list __attribute__ ((cleanup (fd_list_clear))) FdList

/* Closes them, however long that takes (fd_dispose()); keeps errno. */
void fd_list_clear (FdList *list);
/* Returns `*list` and leaves an empty one behind. */
FdList fd_list_steal (FdList *list);
/* Takes `fd`; false, and it is closed, where the list is full. */
bool fd_list_add (FdList *list, int fd);

/* A sealed, close-on-exec memfd with the bytes of `data`: it can neither grow, shrink nor be
 * written again. `name` is for /proc only. Returns the descriptor, or -1 with `error` set. */
int fd_new_sealed (const char *name, const void *data, size_t size, GError **error);

/* One SOCK_SEQPACKET message with `n_fds` descriptors. `socket` may be blocking or not; the
 * descriptors stay the caller's. FALSE with `error` set (G_IO_ERROR_WOULD_BLOCK among others). */
gboolean fd_send_message (int socket, const void *data, size_t size, const int *fds, size_t n_fds,
                          GError **error);

/* The other end: at most `size` bytes and `max_fds` descriptors (close-on-exec, the caller's to
 * close). A message or a list of descriptors that had to be cut is an error, and its descriptors
 * are closed. `*ret_size` of 0 is the end of the stream. */
gboolean fd_receive_message (int socket, void *data, size_t size, int *fds, size_t max_fds,
                             size_t *ret_size, size_t *ret_n_fds, GError **error);
