/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closing what somebody else has made. close(2) can take as long as he likes: a TCP socket waits
 * for its peer (SO_LINGER, for days), a unix socket closes what was sent over it and never read, a
 * file of his own file system (FUSE) is flushed. None of that may stop a loop. */
#pragma once

/* Takes the two descriptors that disposing needs, while low numbers are free. Where it was not
 * called the first socket does it. */
void fd_dispose_prepare (void);

/* Takes a descriptor that somebody passed to us, whatever it is: closed at once where that cannot
 * take long, else by a thread. Keeps errno; -1 is allowed. */
void fd_dispose (int fd);

/* Takes a connected socket that nobody else has, and on which anybody may have sent descriptors:
 * the connection ends at once. Keeps errno; -1 is allowed. */
void fd_dispose_socket (int fd);
