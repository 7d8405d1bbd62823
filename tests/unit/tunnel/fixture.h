/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two ends of a tunnel on one event loop, over the loopback interface. */
#pragma once

#include "certificate-authority.h"
#include "session-internal.h"

/* A host CA in a directory of its own, gone with it. */
typedef struct
{
  char *directory;
  CertificateAuthority *authority;
} Host;

Host *host_new (void);
void host_free (Host *host);

/* Both identities of a new start. */
typedef struct
{
  Identity *guest;
  Identity *bridge;
} Start;

Start *start_new (Host *host, const char *machine);
void start_free (Start *start);

/* `identity` with the key and certificate of `other`. */
void identity_wear (Identity *identity, const Identity *other);
/* `identity` with the pin of `peer`'s certificate. */
void identity_pin (Identity *identity, const Identity *peer);

TunnelContext *context_new (const Identity *identity);

/* What one end came to. */
typedef struct
{
  unsigned n_calls;
  Stream *stream;
  ChannelKind kind;
  GError *error; /* the first */
} Outcome;

void outcome_clear (Outcome *outcome);

/* A listening guest and the loop. */
typedef struct
{
  sd_event *event;
  TunnelOptions options;
  TunnelListener *listener;
  Outcome guest;
} Link;

/* Listens on a port of the kernel's choice; its handshakes have 300 ms. */
Link *link_new (TunnelContext *guest);
void link_free (Link *link);
/* Listens on another interface, in place of the listener that was freed. */
int link_listen (Link *link, TunnelContext *guest, const char *interface);
/* Begins an attempt of the bridge. */
TunnelAttempt *link_connect (Link *link, TunnelContext *bridge, ChannelKind kind, Outcome *outcome);
TunnelAttempt *link_connect_to (Link *link, TunnelContext *bridge,
                                const struct sockaddr_in6 *address, ChannelKind kind,
                                Outcome *outcome);
/* The listener's address. */
struct sockaddr_in6 link_address (Link *link);
/* One session, or both ends' errors: runs until both have come to an end. */
void link_meet (Link *link, TunnelContext *bridge, ChannelKind kind, Outcome *bridge_outcome);
/* Fails the test unless a bridge can have a session, which is closed again. */
void link_assert_serves (Link *link, TunnelContext *bridge);

/* Runs the loop until `*counter` is at least `target`; fails the test after 10 s. */
void loop_until (sd_event *event, const unsigned *counter, unsigned target);
/* Runs the loop for so long; returns the number of times that it woke. */
unsigned loop_for (sd_event *event, uint64_t usec);
