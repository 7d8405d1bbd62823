/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tombolod and tombolo-launch say to each other on /run/tombolo/launch/NAME (SOCK_SEQPACKET,
 * user tombolo, mode 0600): one message from tombolod, argv as zero-terminated strings with the
 * descriptors attached, in the order of their numbers from MONITOR_FIRST_DESCRIPTOR. tombolo-launch
 * execs; the connection then closes without a word. Where it cannot, it sends one message, a
 * sentence without a terminator, and exits. */
#pragma once

#define LAUNCH_SOCKET_DIRECTORY "/run/tombolo/launch"

/* How long tombolo-launch waits for a connection, and then for the message. */
#define LAUNCH_WAIT_MSEC 5000
