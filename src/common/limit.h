/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every size and count that another side controls, in one place. Sizes are bytes, times are
 * microseconds unless the name says otherwise. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* D-Bus messages (src/wire). */
#define LIMIT_MESSAGE_SIZE ((size_t) 16 * 1024 * 1024)
#define LIMIT_HEADER_SIZE ((size_t) 64 * 1024)
#define LIMIT_NAME_LENGTH 255      /* bus, interface, member and error names: D-Bus specification */
#define LIMIT_SIGNATURE_LENGTH 255 /* D-Bus specification */
#define LIMIT_SIGNATURE_DEPTH 32   /* arrays, and structures: D-Bus specification */
#define LIMIT_BODY_DEPTH 60 /* containers in each other, variants too; daemons take 60 to 64 */
#define LIMIT_MATCH_RULE_LENGTH 1024
#define LIMIT_CALL_RULE_LENGTH 1024
#define LIMIT_CALL_RULES 256 /* of one file */

/* The bridge and the agent. */
#define LIMIT_PENDING_CALLS_MACHINE 1024
#define LIMIT_PENDING_CALLS_USER                                                                   \
  512 /* of LIMIT_PENDING_CALLS_MACHINE, how many one user may have */
#define LIMIT_PENDING_CALLS_UNKNOWN 256 /* the same, of callers whose user is not known yet */
#define LIMIT_QUEUED_LOOKUPS 64 /* that wait to be sent, before new callers are turned away */
#define LIMIT_PENDING_CALLS_CALLER 128
#define LIMIT_CALLBACKS_CHANNEL 128 /* calls of a guest's services that wait for one caller */
/* Of an alias' calls, which a bus daemon counts for all callers together (dbus-daemon: 128), how
 * many may wait for one of them. */
#define LIMIT_CALLBACKS_ALIAS 32
#define LIMIT_CALLBACKS_ALIAS_USER 64               /* and for one user's callers together */
#define LIMIT_QUEUE_SIZE ((size_t) 8 * 1024 * 1024) /* queued bytes a direction and connection */
/* Errors of at most LIMIT_SMALL_ERROR fit behind what fills a queue, the largest message too: who
 * is told that a reply does not fit has to be told. */
#define LIMIT_QUEUE_RESERVE ((size_t) 1024 * 1024)
#define LIMIT_SMALL_ERROR ((size_t) 4 * 1024)
#define LIMIT_WAITING_SIZE ((size_t) 64 * 1024 * 1024) /* of all calls that wait for polkit */
#define LIMIT_WAITING_USER ((size_t) 32 * 1024 * 1024) /* of LIMIT_WAITING_SIZE, one user's */
/* What the connections of a machine's bridge hold beyond LIMIT_FLOW_SIZE each. With that, and with
 * LIMIT_WAITING_SIZE, it stays below MemoryMax= of tombolo-bridge@.service. */
#define LIMIT_HELD_MACHINE ((size_t) 192 * 1024 * 1024)
#define LIMIT_HELD_USER ((size_t) 64 * 1024 * 1024) /* of LIMIT_HELD_MACHINE, one user's */
#define LIMIT_MATCH_RULES_CALLER 512
#define LIMIT_CALLERS_MACHINE 200
#define LIMIT_CALLER_GROUPS 1024   /* of one with more, none are told */
#define LIMIT_CALLERS_USER 64      /* of LIMIT_CALLERS_MACHINE, how many one user may take */
#define LIMIT_OPEN_BUSES_OPENER 64 /* of one machine, by OpenBus(), for one caller of it */
#define LIMIT_BRIDGE_CALL_USEC (10 * G_USEC_PER_SEC) /* of a bridge, to answer tombolod */
#define LIMIT_EXPORTED_NAMES 64
#define LIMIT_SHELL_USERS 64                        /* of a guest.conf */
#define LIMIT_SHELL_REQUEST ((size_t) 64 * 1024)    /* user, terminal and command */
#define LIMIT_SHELL_WORDS 1024                      /* of a command */
#define LIMIT_SHELLS_OPENING 16                     /* of a machine, at a time */
#define LIMIT_SHELL_TIME_USEC (15 * G_USEC_PER_SEC) /* to open one */
#define LIMIT_IMPORTED_NAMES 64
#define LIMIT_IMPORT_CALLERS 64 /* programs in one guest that call imported names at a time */
#define LIMIT_SPARE_CHANNELS 2
#define LIMIT_SASL_LINE 1024
#define LIMIT_HELLO_SIZE ((size_t) 4 * 1024) /* of a message before its sender is let in */
#define LIMIT_SASL_TIME_USEC (10 * G_USEC_PER_SEC)
#define LIMIT_CHANNEL_TIME_USEC (5 * G_USEC_PER_SEC)  /* from handshake to opening */
#define LIMIT_CHANNEL_WAIT_USEC (10 * G_USEC_PER_SEC) /* of a caller, for its channel */
#define LIMIT_FLOW_SIZE ((size_t) 256 * 1024) /* queued bytes at which a channel's source waits */

/* Descriptors, and the streams that they become. */
#define LIMIT_MESSAGE_DESCRIPTORS 16 /* of one message; the D-Bus specification's default */
/* What a bus daemon may put beside one message, so that it never has to be cut (SCM_MAX_FD). */
#define LIMIT_SOCKET_DESCRIPTORS 253
/* Descriptors that came in and whose messages are still incomplete. */
#define LIMIT_HELD_DESCRIPTORS_MACHINE 512
#define LIMIT_HELD_DESCRIPTORS_USER 128 /* of LIMIT_HELD_DESCRIPTORS_MACHINE, one user's */
#define LIMIT_STREAMS_MACHINE 256       /* each holds up to three descriptors */
#define LIMIT_STREAMS_USER 128          /* of LIMIT_STREAMS_MACHINE, one user's */
#define LIMIT_STREAMS_CALLER 64
#define LIMIT_STREAMS_NAMELESS 16 /* connections that have not said their token yet */
#define LIMIT_STREAM_TIME_USEC (30 * G_USEC_PER_SEC) /* that a token is good for */
#define STREAM_TOKEN_SIZE 16
#define LIMIT_STREAM_BUFFER ((size_t) 64 * 1024) /* bytes that one direction of a stream holds */

/* The agent and the helper in a user's session. */
#define LIMIT_SESSION_REQUESTS 64                    /* connections that are asked for at a time */
#define LIMIT_SESSION_TIME_USEC (4 * G_USEC_PER_SEC) /* below LIMIT_CHANNEL_TIME_USEC */
#define SESSION_BACKLOG 16
#define SESSION_REST_USEC (100 * 1000) /* after a failed accept() */

/* Calls that tombolod has read, and whose answers it has not written yet. */
#define LIMIT_CALLS_SENDER 64
#define LIMIT_CALLS_TOTAL 512
#define LIMIT_CALL_SIZE ((size_t) 256 * 1024) /* a machine file and the framing of its settings */
#define LIMIT_CALLS_SIZE ((size_t) 8 * 1024 * 1024) /* of all that wait */
#define LIMIT_CALLS_REFUSALS 1000                   /* answers a second to calls past the limits */
#define LIMIT_REPORTS_PENDING 256 /* of bridges, whose process is being looked at */

/* polkit. */
#define LIMIT_CHECKS_CALLER 4
#define LIMIT_CHECKS_USER 16 /* of LIMIT_CHECKS_TOTAL, how many one user may have */
#define LIMIT_CHECKS_TOTAL 64
#define LIMIT_CHECKS_UNKNOWN 1024 /* whose user the bus has not told yet */
#define LIMIT_CHECK_TIME_USEC (120 * G_USEC_PER_SEC)
#define LIMIT_CHECK_REUSE_USEC (1 * G_USEC_PER_SEC)
#define LIMIT_CHECK_REUSE_ENTRIES 1024 /* answers kept at a time */
#define LIMIT_CHECK_DETAILS 16         /* pairs */

/* The tunnel. */
#define TUNNEL_PORT 7475
#define LIMIT_HANDSHAKE_TIME_USEC (5 * G_USEC_PER_SEC)
#define LIMIT_HANDSHAKE_SIZE ((size_t) 16 * 1024)
#define LIMIT_CONNECT_TIME_USEC (1 * G_USEC_PER_SEC) /* of LIMIT_HANDSHAKE_TIME_USEC */
#define LIMIT_HANDSHAKES_MACHINE 2
#define LIMIT_EMPTY_RECORDS 32  /* in a row, without a byte for the reader */
#define LIMIT_GUEST_ADDRESSES 4 /* that neighbour discovery may offer */
#define LIMIT_KEY_UPDATES 16    /* that the peer may ask for in LIMIT_KEY_UPDATES_USEC */
#define LIMIT_KEY_UPDATES_USEC (10 * G_USEC_PER_SEC)
#define LIMIT_IDENTITY_SIZE ((size_t) 16 * 1024)
#define RECONNECT_FIRST_USEC (50 * 1000)
#define RECONNECT_LAST_USEC (2 * G_USEC_PER_SEC)
#define KEEP_ALIVE_USEC (10 * G_USEC_PER_SEC) /* within which a dead peer is found */

/* Machines. */
#define LIMIT_MACHINE_NAME_LENGTH 128
#define LIMIT_MACHINE_NAME_LABELS 8
#define LIMIT_MACHINE_LABEL_LENGTH 63
#define LIMIT_MACHINES 1024
#define LIMIT_MACHINE_FILE_SIZE ((size_t) 64 * 1024)
/* What a bridge is told of its machine's file, where names stand twice that the file gives once,
 * and a little of its own. */
#define LIMIT_BRIDGE_CREDENTIAL_SIZE (LIMIT_MACHINE_FILE_SIZE + 32 * 1024)
#define LIMIT_GUEST_POLICY_SIZE ((size_t) 64 * 1024)
#define LIMIT_MACHINE_DISKS 16
#define LIMIT_MICROVM_DISKS 6 /* of 8 virtio-mmio places; network and random numbers take two */
#define LIMIT_MACHINE_BROADCASTS 64
#define LIMIT_MACHINE_CPUS 255
#define LIMIT_MACHINE_MEMORY (UINT64_C (16) << 40)
#define LIMIT_MACHINE_MEMORY_LEAST (UINT64_C (4) << 20)
#define LIMIT_LAUNCH_MESSAGE_SIZE ((size_t) 64 * 1024)
#define LIMIT_LAUNCH_DESCRIPTORS 64
/* An unreadable kernel is copied to memory. */
#define LIMIT_KERNEL_SIZE ((size_t) 1024 * 1024 * 1024)

/* What QEMU says on its control socket; a guest may have taken it over. */
#define LIMIT_QMP_LINE ((size_t) 64 * 1024)
#define LIMIT_QMP_DEPTH 32 /* nested objects and arrays */
#define LIMIT_QMP_COMMANDS 16
#define QMP_EVENT_TIME_USEC (250 * 1000) /* between two changes of state that it tells */
#define LIMIT_QMP_TIME_USEC (10 * G_USEC_PER_SEC)
#define LIMIT_LAUNCH_TIME_USEC (30 * G_USEC_PER_SEC) /* until the monitor runs */
#define LIMIT_STOP_TIME_USEC (10 * 60 * G_USEC_PER_SEC)
#define STOP_TIME_USEC (30 * G_USEC_PER_SEC) /* where the caller says nothing */
#define LIMIT_CREDENTIAL_CLIENTS 64
#define CREDENTIAL_REST_USEC (100 * 1000) /* after a failed accept() */
#define LIMIT_CREDENTIAL_TIME_USEC (10 * G_USEC_PER_SEC)
#define LIMIT_STATE_FILE_SIZE ((size_t) 160 * 1024)

/* Logs. */
#define LIMIT_LOG_LINE ((size_t) 4 * 1024)
