/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole agent between a host and a bus of its guest's that may both lie: what the parts of
 * fuzz-conversation-agent share. */
#pragma once

#include "agent.h"
#include "conversation.h"

#define N_NAMES 2
#define N_OWNERS 3
/* In one act: with the largest bodies it fills every queue; with others it takes no time. */
#define BYTES_AT_MOST ((size_t) 10 * 1024 * 1024)
#define FEW_BYTES ((size_t) 1024 * 1024)

/* Who is not there. */
#define NOBODY (-1)

/* The host's end of a session. */
typedef struct
{
  int number;
  ChannelKind kind;
  Connection *connection; /* NULL once it is closed */
  uint32_t opening;       /* the serial of Open; 0: not yet sent */
  int peer;               /* the bus connection behind it, once it is open */
  uint32_t serial;
  GArray *pending; /* Pending: calls that wait for a reply */
  uint32_t uid;    /* whom it serves, as it was told last; -1: nobody */
  bool on_machine;
  bool raw; /* has said what the fuzzer thought up */
} Host;

/* A bus connection of the agent's, beside the FakePeer of that number. */
typedef struct
{
  int number;
  int host;            /* whose channel it serves; NOBODY: not yet known, or the exports' */
  int owners[N_NAMES]; /* as the bus has told this connection */
  GArray *pending;     /* Pending: calls that wait for the bus */
  unsigned n_callbacks;
  bool lies; /* the bus has said to it what no bus says */
} Peer;

typedef struct
{
  uint32_t serial;
  bool to_service;
  bool is_owner_call; /* GetNameOwner, of `name` */
  int name;
} Pending;

/* What the bus has sent. */
typedef struct
{
  int peer;
  uint32_t serial; /* a reply's */
  bool from_owner; /* of an exported name, as this connection was told */
} Said;

typedef struct
{
  sd_event *event;
  GuestPolicy *policy;
  Agent *agent;
  FakeBus *bus;
  Input *input;
  GPtrArray *hosts;
  GPtrArray *peers;
  GArray *replies;   /* Said */
  GArray *signals;   /* Said */
  GArray *callbacks; /* agent-bus.c's */
  bool bus_silent;
  bool bus_deaf;
} World;

extern World *world;
extern const char *const exported_names[N_NAMES];
extern const char *const owner_names[N_OWNERS];

/* “S7” → 7, or NOBODY. */
int read_number (const char *text, char letter);
/* A body's size, and how often an act is done, as bytes say. */
size_t read_size (uint8_t options);
unsigned read_times (uint8_t byte, size_t size);

/* --- agent-host.c: the host's end --- */

void host_begin (void);
void host_session (void);
void host_open (void);
void host_call (void);
void host_call_driver (void);
void host_set_caller (void);
void host_answer (void);
void host_speak_raw (void);
void host_speak_odd (void);
void host_hang_up (void);
void host_pause (void);
void host_subscribe (void);
void host_close_all (void);
void host_free (void *host);

/* --- agent-bus.c: the guest's bus --- */

void bus_begin (void);
void bus_reply (void);
void bus_signal (void);
void bus_change_owner (void);
void bus_call_back (void);
void bus_speak_raw (void);
void bus_close (void);
void bus_pause (void);
void bus_free (void *peer);
/* A callback that reached the host: its number, or NOBODY where the bus lies. */
int bus_take_callback (Host *host, const WireMessage *call);
/* Which callback the input chooses, of those that reached this host, with its serial. */
int bus_choose_callback (const Host *host, uint32_t *ret_serial);
