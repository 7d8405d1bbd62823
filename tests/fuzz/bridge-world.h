/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole bridge between a host that tells the truth and a guest and clients that may not: what the
 * parts of fuzz-conversation-bridge share. Each call bears its number in its member (“M7”) and its
 * caller's in its path (“/c3”), each signal its own (“S7”) and each reply (“R7”, its body), so that
 * whatever comes out at one end can be told from where it went in at the other. */
#pragma once

#include "bridge.h"
#include "bus-socket-client.h"
#include "conversation.h"

#define N_NAMES 4 /* the last one is on the session bus */
#define N_OWNERS 3
#define N_CALLERS 96     /* of aliases; the first ones are one user's */
#define FIRST_CLIENT 100 /* clients of the bus socket are callers from this number on */
#define N_CLIENTS 16
#define CALLERS_OF_A_USER 70

/* In one act: with the largest bodies it fills every queue; with others it takes no time. */
#define BYTES_AT_MOST ((size_t) 10 * 1024 * 1024)
#define FEW_BYTES ((size_t) 1024 * 1024)

/* Who is not there. */
#define NOBODY (-1)

typedef struct
{
  int caller;
  uint32_t serial;
  int name;       /* the exported one that is called; NOBODY: another, or the driver */
  FakePeer *peer; /* the alias' connection; NULL: the call came by the bus socket */
  bool wants_reply;
  bool allowed; /* by polkit or a rule */
  bool denied;  /* by either */
  bool arrived; /* at the guest */
  bool answered;
  bool doubled; /* shares its serial with another: which of them is answered is not told */
} Call;

/* The guest's end of a session. */
typedef struct
{
  int number;
  ChannelKind kind;
  Connection *connection; /* NULL once it is closed */
  GuestBus bus;           /* of a channel, once Open has told it */
  uint32_t opening;       /* the serial of Open or Subscribe; 0: not yet called */
  bool opened;            /* and answered */
  int owners[N_NAMES];    /* as this channel has told them */
  int caller;
  int last_call;
  bool called[N_NAMES];
  uint32_t last_callback;
  GArray *pending; /* serials of calls without an answer */
} Guest;

/* What a guest has sent. */
typedef struct
{
  int guest;
  uint32_t serial; /* a reply's */
  unsigned names;  /* a signal's: a bit for each name that its sender owned */
  bool public;     /* on the interface that is broadcast, to nobody in particular */
} Said;

typedef struct
{
  int number; /* as a caller */
  BusSocketClient *client;
  Connection *connection;
  SaslClient sasl;
  char *unique_name; /* NULL before Hello's answer */
  int guest;         /* the channel behind it */
  uint32_t serial;
  bool raw; /* speaks what the fuzzer thinks up */
} Client;

typedef struct
{
  sd_event *event;
  sd_bus *control;
  BridgeSettings *settings;
  Bridge *bridge;
  FakeBus *bus;
  Input *input;

  GArray *calls;     /* Call */
  GArray *replies;   /* Said */
  GArray *signals;   /* Said */
  GArray *callbacks; /* bridge-callback.c's */
  GPtrArray *guests;
  GPtrArray *clients; /* Client; those that are gone too */
  uint32_t serials[N_CALLERS];
  bool left[N_CALLERS];
  bool gone[N_CALLERS]; /* and the bridge has had time to hear of it */
  int channels[N_GUEST_BUSES][N_CALLERS];

  bool has_rules;
  bool answers_openings;  /* as an honest agent does */
  bool holds_credentials; /* the bus takes its time to tell who calls */
  bool refuses_names;
  /* The guest, or a client, has said what the fuzzer thought up, which may look like anything: what
   * it says cannot be told from what it would have others say. */
  bool raw;
  bool raw_client;
  unsigned polkit; /* PolkitMode */
  GQueue checks;   /* AuthorityCheck */
  GArray *lookups; /* Lookup, that the bus has not answered */
} World;

typedef enum
{
  POLKIT_ALLOWS,
  POLKIT_WAITS,
  POLKIT_DENIES,
  POLKIT_HAS_ENOUGH,
  N_POLKIT_MODES
} PolkitMode;

extern World *world;
extern const char *const exported_names[N_NAMES];
GuestBus get_bus_of (int name);
extern const char *const owner_names[N_OWNERS];

/* “M7” → 7, or NOBODY. */
int read_number (const char *text, char letter);
/* How large a body is, in the upper bits of an act's options (in the lower ones, too, where it is
 * one that fills queues), and how often an act is done: once,
 * and from 240 on tens of times, as far as BYTES_AT_MOST go. */
size_t read_size (uint8_t options);
unsigned read_times (uint8_t byte, uint8_t options);

/* --- bridge-host.c: the host's bus, polkit, and callers of aliases --- */

void host_begin (void);
void host_call (void);
void host_leave (void);
void host_release_credentials (void);
void host_close_peer (void);
void host_pause_peer (void);
void host_polkit_answers (AuthorityVerdict verdict);
/* Everybody who calls aliases leaves. */
void host_leave_all (void);

/* A call that is about to be sent; returns its number. */
int call_add (int caller, uint32_t serial, int name, FakePeer *peer, bool wants_reply);
/* Takes it back: it could not be sent. */
void call_drop_last (void);
/* A reply that came out for `caller`, who is behind the channel `guest` where that is known. */
void call_take_answer (int caller, FakePeer *peer, const WireMessage *message);

/* --- bridge-guest.c: the guest --- */

void guest_begin (void);
void guest_free (void *guest);
void guest_open (Guest *guest, unsigned owners);
void guest_reply (void);
void guest_signal (void);
void guest_change_owner (void);
void guest_speak_raw (void);
void guest_close (void);
void guest_pause (void);
void guest_open_late (void);
void guest_change_export (void);
void guest_close_all (void);

/* What the input chooses; guest_choose() may find none. */
Guest *guest_choose (ChannelKind kind);
const char *guest_choose_sender (void);
const char *guest_choose_destination (void);
/* A bit for each name that `sender` owns, as this channel has told it. */
unsigned guest_get_names (const Guest *guest, const char *sender);

/* --- bridge-callback.c: what services call on their callers --- */

void callback_begin (void);
void guest_call (void);
void callback_arrived (int caller, FakePeer *peer, const WireMessage *message);
void callback_answer (void);
void callback_answered (Guest *guest, const WireMessage *message);

/* --- bridge-client.c: clients of the bus socket --- */

void client_free (void *client);
void client_connect (void);
void client_call (void);
void client_speak_raw (void);
void client_close (void);
void client_pause (void);
void client_close_all (void);
