/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conversations by hand. Which channel a caller gets is the bridge's to say, so that replies and
 * signals are tried on the first four of them. */
#include "conversation-seeds.h"

#include "agent-acts.h"
#include "bridge-acts.h"

#define SEED(name, ...)                                                                            \
  {                                                                                                \
    name, (const uint8_t[]){ __VA_ARGS__ }, sizeof (const uint8_t[])                               \
    {                                                                                              \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }

/* A byte for each of these; many is from 240 on. */
#define ONCE 0
#define MANY 254
#define MANY_CALLERS 255
#define SMALL 0x60
#define LARGE 0xe7

#define ON_EACH(act, ...)                                                                          \
  act, 0, __VA_ARGS__, act, 1, __VA_ARGS__, act, 2, __VA_ARGS__, act, 3, __VA_ARGS__

#define CALL(caller, name) BRIDGE_CALL, caller, name, 0, ONCE
#define REPLIES ON_EACH (BRIDGE_REPLY, 0, 0, 0)
#define SIGNALS(sender, to, options) ON_EACH (BRIDGE_SIGNAL, sender, to, options, ONCE)

const ConversationSeed bridge_seeds[] = {
  SEED ("call", 0, CALL (0, 0), REPLIES, CALL (0, 1), REPLIES),
  SEED ("without-rules", BRIDGE_NO_RULES, CALL (0, 0), CALL (0, 1), CALL (0, 2), REPLIES),
  SEED ("session", 0, CALL (0, 3), CALL (0, 0), REPLIES, REPLIES, SIGNALS (0, 0, 0), BRIDGE_EXPORT,
        0, 7, 0, 2, CALL (1, 3), BRIDGE_LEAVE, 0),
  SEED ("session-socket", 0, BRIDGE_CONNECT, 2, BRIDGE_SOCKET_CALL, 0, 3, 0, ONCE,
        BRIDGE_SOCKET_CALL, 0, 0, 0, ONCE, REPLIES, SIGNALS (0, 0, 0)),
  SEED ("denied-by-rule", 0, CALL (0, 2), CALL (1, 1)),
  SEED ("two-callers", 0, CALL (0, 0), CALL (1, 0), REPLIES, REPLIES, BRIDGE_LEAVE, 0, REPLIES),
  SEED ("pending-limit", 0, BRIDGE_CALL, 0, 1, 0, MANY, REPLIES),
  SEED ("caller-limit", 0, BRIDGE_CALL, 0, 1, 0, MANY_CALLERS, REPLIES),
  SEED ("no-reply", 0, BRIDGE_CALL, 0, 1, 1, ONCE, REPLIES),
  SEED ("same-serial", 0, CALL (0, 1), BRIDGE_CALL, 0, 1, 16, ONCE, REPLIES),
  SEED ("descriptors", 0, BRIDGE_CALL, 0, 1, 8, ONCE),
  SEED ("large-calls", 0, CALL (0, 1), BRIDGE_PAUSE, 129, 0, BRIDGE_PAUSE, 129, 1, BRIDGE_PAUSE,
        129, 2, BRIDGE_PAUSE, 129, 3, BRIDGE_CALL, 0, 1, LARGE, MANY),
  SEED ("large-replies", 0, BRIDGE_CALL, 0, 1, 0, 241, BRIDGE_BUS_PAUSE, 129,
        ON_EACH (BRIDGE_REPLY, LARGE, 0, 0), ON_EACH (BRIDGE_REPLY, LARGE, 0, 0),
        ON_EACH (BRIDGE_REPLY, LARGE, 0, 0), BRIDGE_BUS_PAUSE, 1),
  SEED ("signals", 0, CALL (0, 0), SIGNALS (0, 0, 0), SIGNALS (1, 0, 0), SIGNALS (0, 2, 0)),
  SEED ("broadcast", 0, CALL (0, 0), SIGNALS (0, 0, 1), SIGNALS (0, 2, 1)),
  SEED ("signal-flood", 0, CALL (0, 0), BRIDGE_BUS_PAUSE, 128,
        ON_EACH (BRIDGE_SIGNAL, 0, 0, LARGE, MANY), BRIDGE_BUS_PAUSE, 0),
  SEED ("false-sender", 0, CALL (0, 0), SIGNALS (3, 0, 0), CALL (0, 0), SIGNALS (5, 0, 0)),
  SEED ("false-driver", 0, CALL (0, 0), SIGNALS (6, 0, 2), REPLIES),
  SEED ("false-serial", 0, CALL (0, 1), ON_EACH (BRIDGE_REPLY, 0, 7, 0), CALL (0, 1)),
  SEED ("reply-twice", 0, CALL (0, 1), REPLIES, ON_EACH (BRIDGE_REPLY, 0, 1, 0)),
  SEED ("reply-error", 0, CALL (0, 1), ON_EACH (BRIDGE_REPLY, 8, 0, 0)),
  SEED ("reply-descriptors", 0, CALL (0, 1), ON_EACH (BRIDGE_REPLY, 16, 0, 0)),
  SEED ("owners", 0, CALL (0, 0), ON_EACH (BRIDGE_OWNER, 0, 2), SIGNALS (1, 0, 0),
        ON_EACH (BRIDGE_OWNER, 0, 0), SIGNALS (1, 0, 0), ON_EACH (BRIDGE_OWNER, 0, 128)),
  SEED ("callback", 0, CALL (0, 0), ON_EACH (BRIDGE_GUEST_CALL, 0, 0, 0), BRIDGE_ANSWER, 0, SMALL,
        0, BRIDGE_ANSWER, 0, 0, 0),
  SEED ("callback-wrong", 0, CALL (0, 0), ON_EACH (BRIDGE_GUEST_CALL, 0, 0, 1),
        ON_EACH (BRIDGE_GUEST_CALL, 0, 0, 0), BRIDGE_ANSWER, 0, 1, 0, BRIDGE_ANSWER, 0, 0, 1,
        BRIDGE_ANSWER, 0, 8, 0, ON_EACH (BRIDGE_GUEST_CALL, 3, 0, 0)),
  SEED ("exports", 0, BRIDGE_EXPORT, 0, 0, 2, 0, BRIDGE_TIME, 2, BRIDGE_EXPORT, 0, 0, 0, 1,
        BRIDGE_EXPORT, 0, 0, 0, 0, CALL (0, 0)),
  SEED ("export-unknown", 0, CALL (0, 1), BRIDGE_EXPORT, 0, 3, 1, 0, BRIDGE_TIME, 1, CALL (0, 1)),
  SEED ("export-driver", 0, BRIDGE_EXPORT, 0, 4, 1, 0, BRIDGE_EXPORT, 0, 5, 1, 0),
  SEED ("tunnel-lost", 0, CALL (0, 1), BRIDGE_CLOSE, 0, 0, BRIDGE_TIME, 1, CALL (0, 1), REPLIES),
  SEED ("channel-lost", 0, CALL (0, 1), BRIDGE_CLOSE, 1, 0, BRIDGE_CLOSE, 1, 0, BRIDGE_CLOSE, 1, 0,
        BRIDGE_TIME, 1, CALL (0, 1)),
  SEED ("tunnel-refused", 0, BRIDGE_MODE, 0x60, BRIDGE_CLOSE, 0, 0, BRIDGE_TIME, 1, BRIDGE_TIME, 2,
        BRIDGE_TIME, 2, CALL (0, 1)),
  SEED ("opening-late", 0, BRIDGE_MODE, BRIDGE_SILENT, BRIDGE_CLOSE, 0, 0, BRIDGE_TIME, 1,
        BRIDGE_OPEN_LATE, 0, 0, 0x39, CALL (0, 1), BRIDGE_OPEN_LATE, 1, 0, 0x39, BRIDGE_OPEN_LATE,
        1, 1, 128, BRIDGE_OPEN_LATE, 1, 2, 0x79, BRIDGE_TIME, 4, BRIDGE_TIME, 5),
  SEED ("polkit", 0, BRIDGE_MODE, BRIDGE_POLKIT_WAITS, CALL (0, 0), CALL (0, 0), CALL (0, 1),
        BRIDGE_POLKIT, 0, REPLIES, BRIDGE_POLKIT, 2, BRIDGE_POLKIT, 3),
  SEED ("polkit-denies", 0, BRIDGE_MODE, BRIDGE_POLKIT_DENIES, CALL (0, 0), BRIDGE_CONNECT, 0),
  SEED ("polkit-has-enough", 0, BRIDGE_MODE, BRIDGE_POLKIT_WAITS | BRIDGE_POLKIT_DENIES,
        CALL (0, 0)),
  SEED ("polkit-caller-leaves", 0, BRIDGE_MODE, BRIDGE_POLKIT_WAITS, CALL (0, 0), BRIDGE_LEAVE, 0,
        BRIDGE_POLKIT, 0),
  SEED ("polkit-large", 0, BRIDGE_MODE, BRIDGE_POLKIT_WAITS, BRIDGE_CALL, 0, 0, LARGE, MANY,
        BRIDGE_CALL, 1, 0, LARGE, MANY, BRIDGE_CALL, 2, 0, LARGE, MANY, BRIDGE_CALL, 3, 0, LARGE,
        MANY, BRIDGE_POLKIT, 0),
  SEED ("credentials", 0, BRIDGE_MODE, BRIDGE_HOLD_CREDENTIALS, BRIDGE_CALL, 0, 1, 0, MANY_CALLERS,
        BRIDGE_LEAVE, 3, BRIDGE_CREDENTIALS, REPLIES),
  SEED ("name-refused", 0, BRIDGE_MODE, BRIDGE_REFUSE_NAMES, BRIDGE_CLOSE, 0, 0, BRIDGE_TIME, 1,
        BRIDGE_TIME, 2, BRIDGE_MODE, 0, BRIDGE_TIME, 4),
  SEED ("bus-closes", 0, CALL (0, 1), BRIDGE_BUS_CLOSE, 1, REPLIES, BRIDGE_TIME, 1, CALL (0, 1)),
  SEED ("socket", 0, BRIDGE_CONNECT, 0, BRIDGE_SOCKET_CALL, 0, 1, 0, ONCE, REPLIES,
        BRIDGE_SOCKET_CALL, 0, 128, 0, ONCE, REPLIES, SIGNALS (0, 0, 0), BRIDGE_HANG_UP, 0),
  SEED ("socket-driver", 0, BRIDGE_CONNECT, 0, BRIDGE_SOCKET_CALL, 0, 64, 0, ONCE,
        BRIDGE_SOCKET_CALL, 0, 65, 0, ONCE, BRIDGE_SOCKET_CALL, 0, 66, 0, ONCE, BRIDGE_SOCKET_CALL,
        0, 67, 0, ONCE, BRIDGE_SOCKET_CALL, 0, 68, 0, ONCE, BRIDGE_SOCKET_CALL, 0, 69, 0, ONCE,
        BRIDGE_SOCKET_CALL, 0, 73, 0, ONCE, BRIDGE_SOCKET_CALL, 0, 75, 0, ONCE, BRIDGE_SOCKET_CALL,
        0, 77, 0, ONCE, REPLIES, REPLIES, ON_EACH (BRIDGE_OWNER, 0, 2)),
  SEED ("socket-rules", 0, BRIDGE_CONNECT, 0, BRIDGE_SOCKET_CALL, 0, 64, 1, 255, BRIDGE_SOCKET_CALL,
        0, 64, 1, 255, BRIDGE_SOCKET_CALL, 0, 64, 1, 255, BRIDGE_SOCKET_CALL, 0, 64, 1, 255),
  SEED ("socket-flood", 0, BRIDGE_CONNECT, 0, BRIDGE_SOCKET_PAUSE, 0, 1, BRIDGE_SOCKET_CALL, 0, 1,
        0, MANY, ON_EACH (BRIDGE_SIGNAL, 0, 0, LARGE, MANY), BRIDGE_SOCKET_PAUSE, 0, 0),
  SEED ("socket-polkit", 0, BRIDGE_MODE, BRIDGE_POLKIT_WAITS, BRIDGE_CONNECT, 0, BRIDGE_CONNECT, 0,
        BRIDGE_POLKIT, 0, BRIDGE_POLKIT, 2, BRIDGE_SOCKET_CALL, 0, 0, 0, MANY, BRIDGE_HANG_UP, 0),
  SEED ("socket-callback", 0, BRIDGE_CONNECT, 0, BRIDGE_SOCKET_CALL, 0, 0, 0, ONCE,
        ON_EACH (BRIDGE_GUEST_CALL, 0, 0, 1), BRIDGE_ANSWER, 0, 0, 0),
  SEED ("socket-raw", 0, BRIDGE_CONNECT, 1, BRIDGE_SOCKET_RAW, 0, 31, 0, 'A', 'U', 'T', 'H', ' ',
        'E', 'X', 'T', 'E', 'R', 'N', 'A', 'L', ' ', '3', '0', '\r', '\n', 'B', 'E', 'G', 'I', 'N',
        '\r', '\n', 'l', 1, 0, 1, 255, BRIDGE_HANG_UP, 0),
  SEED ("raw", 0, CALL (0, 1), BRIDGE_RAW, 1, 0, 5, 'l', 2, 1, 1, 0, BRIDGE_RAW, 1, 1, 4, 'G', 'E',
        'T', ' ', BRIDGE_RAW, 0, 0, 16, 'l', 2, 1, 1, 0, 0, 0, 0x7f, 1, 0, 0, 0, 8, 0, 0, 0),
  { 0 },
};

#define OPENED AGENT_SESSION, 0, ONCE, AGENT_OPEN, 0, 0
#define ALL_DRIVER(flags)                                                                          \
  AGENT_DRIVER, 0, 0, flags, AGENT_DRIVER, 0, 1, flags, AGENT_DRIVER, 0, 2, flags, AGENT_DRIVER,   \
      0, 3, flags, AGENT_DRIVER, 0, 4, flags, AGENT_DRIVER, 0, 5, flags, AGENT_DRIVER, 0, 6,       \
      flags, AGENT_DRIVER, 0, 7, flags, AGENT_DRIVER, 0, 8, flags, AGENT_DRIVER, 0, 9, flags,      \
      AGENT_DRIVER, 0, 10, flags, AGENT_DRIVER, 0, 11, flags, AGENT_DRIVER, 0, 12, flags,          \
      AGENT_DRIVER, 0, 13, flags, AGENT_DRIVER, 0, 14, flags, AGENT_DRIVER, 0, 15, flags,          \
      AGENT_DRIVER, 0, 16, flags, AGENT_DRIVER, 0, 17, flags, AGENT_DRIVER, 0, 18, flags,          \
      AGENT_DRIVER, 0, 19, flags, AGENT_DRIVER, 0, 20, flags

const ConversationSeed agent_seeds[] = {
  SEED ("call", OPENED, AGENT_CALL, 0, 0, 0, 0, ONCE, AGENT_REPLY, 1, 0, 0, 0),
  SEED ("subscribe", AGENT_SESSION, 1, ONCE, AGENT_SUBSCRIBE, 0, AGENT_OWNER, 0, 0, 2, AGENT_SIGNAL,
        0, 5, 3, ONCE, AGENT_OWNER, 0, 1, 0),
  SEED ("two-channels", OPENED, AGENT_SESSION, 0, ONCE, AGENT_OPEN, 1, 0, AGENT_CALL, 1, 0, 0, 0,
        ONCE, AGENT_CALL, 0, 0, 0, 0, ONCE, AGENT_REPLY, 1, 0, 0, 0, AGENT_REPLY, 2, 0, 0, 0,
        AGENT_HANG_UP, 0),
  SEED ("open-twice", OPENED, AGENT_OPEN, 0, 0),
  SEED ("open-nothing", AGENT_SESSION, 0, ONCE, AGENT_OPEN, 0, 4, AGENT_SESSION, 0, ONCE,
        AGENT_CALL, 1, 0, 0, 0, ONCE, AGENT_SESSION, 0, ONCE, AGENT_TIME, 3),
  SEED ("session", AGENT_SESSION, 0, ONCE, AGENT_OPEN, 0, 3),
  SEED ("stream", AGENT_SESSION, 2, ONCE),
  SEED ("channel-limit", AGENT_SESSION, 0, 255, AGENT_OPEN, 7, 0),
  SEED ("pending-limit", OPENED, AGENT_CALL, 0, 0, 0, 0, 255, AGENT_REPLY, 1, 0, 0, 0),
  SEED ("large", OPENED, AGENT_BUS_PAUSE, 1, 1, AGENT_CALL, 0, 0, 0, LARGE, 255, AGENT_BUS_PAUSE, 1,
        0, AGENT_PAUSE, 0, 1, AGENT_SIGNAL, 1, 0, LARGE, 255, AGENT_PAUSE, 0, 0),
  SEED ("rules", OPENED, AGENT_CALL, 0, 0, 2, 0, ONCE, AGENT_CALL, 0, 1, 0, 0, ONCE, AGENT_CALLER,
        0, 1, AGENT_CALL, 0, 1, 0, 0, ONCE, AGENT_CALLER, 0, 9, AGENT_CALL, 0, 1, 0, 0, ONCE,
        AGENT_CALLER, 0, 0xf5, AGENT_CALLER, 0, 0x25),
  SEED ("destinations", OPENED, AGENT_CALL, 0, 2, 0, 0, ONCE, AGENT_CALL, 0, 3, 0, 0, ONCE,
        AGENT_CALL, 0, 4, 0, 0, ONCE, AGENT_CALL, 0, 5, 0, 0, ONCE, AGENT_CALL, 0, 6, 0, 0, ONCE),
  SEED ("descriptors", OPENED, AGENT_CALL, 0, 0, 0, 24, ONCE, AGENT_CALL, 0, 0, 0, 0, ONCE,
        AGENT_REPLY, 1, 16, 0, 0),
  SEED ("driver", OPENED, ALL_DRIVER (0)),
  SEED ("driver-no-reply", OPENED, ALL_DRIVER (1)),
  SEED ("signals", OPENED, AGENT_SIGNAL, 1, 0, 0, ONCE, AGENT_SIGNAL, 1, 3, 0, ONCE, AGENT_SIGNAL,
        1, 0, 16, ONCE, AGENT_OWNER, 1, 0, 3, AGENT_SIGNAL, 1, 0, 0, ONCE, AGENT_SIGNAL, 1, 2, 4,
        ONCE, AGENT_OWNER, 1, 2, 0, AGENT_OWNER, 1, 0, 128),
  SEED ("false-serial", OPENED, AGENT_CALL, 0, 0, 0, 0, ONCE, AGENT_REPLY, 1, 0, 9, 0, AGENT_REPLY,
        1, 8, 0, 0),
  SEED ("callback", OPENED, AGENT_CALLBACK, 1, 0, 0, ONCE, AGENT_ANSWER, 0, 0, 0, AGENT_CALLBACK, 1,
        3, 0, ONCE, AGENT_CALLBACK, 1, 0, 1, ONCE, AGENT_CALLBACK, 1, 0, 2, ONCE),
  SEED ("callback-limit", OPENED, AGENT_CALLBACK, 1, 0, 0, 255, AGENT_ANSWER, 0, 0, 4, AGENT_ANSWER,
        0, 1, 8, AGENT_ANSWER, 0, 2, 16, AGENT_OWNER, 1, 0, 0, AGENT_OWNER, 1, 1, 0),
  SEED ("odd", OPENED, AGENT_HOST_ODD, 0, 0, AGENT_SESSION, 0, ONCE, AGENT_HOST_ODD, 1, 1),
  SEED ("bus-silent", AGENT_MODE, AGENT_BUS_SILENT, OPENED, AGENT_CALL, 0, 0, 0, 0, ONCE,
        AGENT_REPLY, 1, 0, 0, 5, AGENT_REPLY, 1, 8, 0, 5, AGENT_TIME, 3),
  SEED ("bus-deaf", AGENT_MODE, AGENT_BUS_DEAF, OPENED, AGENT_REPLY, 1, 0, 0, 5, AGENT_TIME, 3),
  SEED ("bus-closes", OPENED, AGENT_BUS_CLOSE, 1, AGENT_BUS_CLOSE, 0, AGENT_TIME, 1, AGENT_TIME, 2),
  SEED ("bus-raw", OPENED, AGENT_BUS_RAW, 1, 5, 'l', 2, 1, 1, 0, AGENT_BUS_RAW, 0, 4, 'G', 'E', 'T',
        ' '),
  SEED ("host-raw", OPENED, AGENT_HOST_RAW, 0, 16, 'l', 1, 0, 1, 0, 0, 0, 0x7f, 1, 0, 0, 0, 8, 0, 0,
        0),
  { 0 },
};
