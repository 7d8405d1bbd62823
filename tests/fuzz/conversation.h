/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the targets of whole conversations share. The code under test is the real one with its event
 * loop; what it would reach over a network, and time, are the fuzzer's: sessions of the tunnel are
 * socket pairs (fake-tunnel.c), the bus is one in this process, and a timer rings when the input
 * says that time passes. So the same input always leads to the same conversation. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "body.h"
#include "connection.h"
#include "fuzz.h"
#include "owner-table.h"
#include "sasl.h"
#include "session.h"

/* --- The input: bytes in their order, zeros once they are used up. --- */

typedef struct
{
  const uint8_t *data;
  size_t size;
} Input;

uint8_t input_byte (Input *input);
/* The next byte says how many, at most `limit`. They are the input's own. */
const uint8_t *input_bytes (Input *input, size_t limit, size_t *ret_size);
/* One of `n_choices` texts. */
const char *input_choose (Input *input, const char *const *choices, size_t n_choices);

/* --- The loop and its time --- */

/* To be called first in each conversation; `event` is its loop. */
void time_begin (void);
/* Drops the timers that still are there. */
void time_end (void);
/* Timers that are due ring in the loop's next round. */
void time_pass (uint64_t usec);

/* Runs until nothing is left to do. A loop that always finds something is a fault. */
void loop_run (sd_event *event);

/* --- Messages --- */

/* Sends a message; native byte order where the header does not say, serial 1 where it has none. The
 * body, NULL for none, is freed. Returns as connection_send(). */
int say (Connection *connection, WireHeader header, WireWriter *body);
/* The same with a text and `size` bytes behind it as the body; the header's signature is set. */
int say_much (Connection *connection, WireHeader header, const char *text, size_t size);

/* --- A bus --- */

typedef struct FakeBus FakeBus;
typedef struct FakePeer FakePeer;

/* One connection of the code under test to the bus. What it sends has been found good, or the
 * conversation ends as a fault: a real bus would disconnect it. */
struct FakePeer
{
  FakeBus *bus;
  unsigned number;        /* from 0 on, in the order in which they came */
  char name[16];          /* its unique name */
  Connection *connection; /* NULL once it is closed */
  bool greeted;           /* Hello has come */
  SaslServer sasl;
  int role; /* the target's own; 0 at first */
  bool owned;
};

typedef struct
{
  void (*message) (FakePeer *peer, const WireMessage *message);
  /* May be NULL. */
  void (*closed) (FakePeer *peer);
} FakeBusHandlers;

/* One at a time. Hello is answered by the bus and not shown, but while it is deaf to it. */
FakeBus *fake_bus_new (sd_event *event, const FakeBusHandlers *handlers);
void fake_bus_free (FakeBus *bus);
void fake_bus_set_deaf (FakeBus *bus, bool deaf);
/* Of the socket; the same in every conversation. */
const char *fake_bus_get_path (void);
/* All that came, those that are closed too; NULL past the last. */
FakePeer *fake_bus_get_peer (FakeBus *bus, unsigned number);
void fake_peer_close (FakePeer *peer);

/* Answers a call of the bus driver. `body` NULL: an empty answer. */
void fake_peer_answer (FakePeer *peer, uint32_t serial, const char *signature, WireWriter *body);
void fake_peer_answer_error (FakePeer *peer, uint32_t serial, const char *error_name);

/* --- The tunnel (fake-tunnel.c) --- */

/* Called with the far end of each session that the code under test has begun. */
typedef void (*FakeTunnelOpened) (Stream *stream, ChannelKind kind);
void fake_tunnel_begin (FakeTunnelOpened opened);
/* How many attempts from now on fail. */
void fake_tunnel_refuse (unsigned n);
/* Opens a session to the listener of the code under test; NULL where nothing listens. */
Stream *fake_tunnel_open (ChannelKind kind);
