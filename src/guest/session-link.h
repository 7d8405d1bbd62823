/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The link to the helper in the exported user's session (src/guest-session): it lends connections
 * to the session bus, which sees that user in them. Who connects is known by the socket; the newest
 * helper of that user counts. The agent itself never becomes the user. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include <glib.h>

typedef struct SessionLink SessionLink;
typedef struct SessionRequest SessionRequest;

/* A connected socket, the callee's, on which nothing has been said; or a negative errno: -EPIPE
 * where the session has ended meanwhile. Never called from within session_link_request(). The
 * request is gone. */
typedef void (*SessionDone) (int fd, void *user_data);

/* session_link_is_up() has changed. Where it is down every request was answered before. */
typedef void (*SessionChanged) (SessionLink *link, void *user_data);

/* Listens in `directory` for helpers of the user `uid`. NULL with `error` set. */
SessionLink *session_link_new (sd_event *event, const char *directory, uid_t uid,
                               SessionChanged changed, void *user_data, GError **error);
/* Every request has been cancelled before. */
void session_link_free (SessionLink *link);

bool session_link_is_up (const SessionLink *link);

/* Asks for a connection, for at most LIMIT_SESSION_TIME_USEC. NULL: the link is down, or has
 * LIMIT_SESSION_REQUESTS to answer. */
SessionRequest *session_link_request (SessionLink *link, SessionDone done, void *user_data);
void session_request_cancel (SessionRequest *request);
