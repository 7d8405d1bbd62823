/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an input of fuzz-conversation-bridge is made of: a byte of settings, then acts with their
 * arguments, a byte each. */
#pragma once

/* The byte of settings: without the machine file's rules. */
#define BRIDGE_NO_RULES 1

typedef enum
{
  BRIDGE_CALL,         /* caller, name, options, times (odd: as many callers, once each) */
  BRIDGE_REPLY,        /* channel, options, what is added to the serial, sender */
  BRIDGE_SIGNAL,       /* channel, sender, destination, options, times */
  BRIDGE_OWNER,        /* channel, name, owner: NameOwnerChanged */
  BRIDGE_SOCKET_CALL,  /* client, what, flags, times */
  BRIDGE_LEAVE,        /* caller */
  BRIDGE_EXPORT,       /* agent's channel, name, owner; activatable, which bus: ExportChanged */
  BRIDGE_CLOSE,        /* kind (a multiple of 4: agent's channel), channel */
  BRIDGE_OPEN_LATE,    /* kind, channel, owners */
  BRIDGE_GUEST_CALL,   /* channel, sender, destination, interface and options */
  BRIDGE_RAW,          /* kind, channel, how many bytes, bytes */
  BRIDGE_PAUSE,        /* kind and, from 128 on, pause; channel */
  BRIDGE_CONNECT,      /* bit 0: a client that speaks raw; 1: to the session bus */
  BRIDGE_SOCKET_RAW,   /* client, how many bytes, bytes */
  BRIDGE_HANG_UP,      /* client */
  BRIDGE_SOCKET_PAUSE, /* client, odd: pause */
  BRIDGE_MODE,   /* BridgeMode, polkit’s answer in bits 3 and 4, 5 to 7: attempts that fail */
  BRIDGE_TIME,   /* how much passes */
  BRIDGE_POLKIT, /* the answer to the oldest question */
  BRIDGE_CREDENTIALS, /* the bus tells who calls */
  BRIDGE_BUS_CLOSE,   /* name, whose connection the bus ends */
  BRIDGE_BUS_PAUSE,   /* name and, from 128 on, pause */
  BRIDGE_ANSWER,      /* which callback, options, what is added to the serial */
  N_BRIDGE_ACTS
} BridgeAct;

/* Is added to an act: the next one comes before anybody has heard of this one. */
#define BRIDGE_AT_ONCE 128

enum
{
  BRIDGE_SILENT = 1,           /* openings are not answered but by BRIDGE_OPEN_LATE */
  BRIDGE_HOLD_CREDENTIALS = 2, /* until BRIDGE_CREDENTIALS */
  BRIDGE_REFUSE_NAMES = 4,
  BRIDGE_POLKIT_WAITS = 8, /* until BRIDGE_POLKIT */
  BRIDGE_POLKIT_DENIES = 16,
};
