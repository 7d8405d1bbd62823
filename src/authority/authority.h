/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One polkit check, asynchronous, with the rules of reuse. It speaks to polkit's D-Bus interface
 * (org.freedesktop.PolicyKit1.Authority) over an sd-bus connection that the caller attached to its
 * event loop. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

typedef enum
{
  AUTHORITY_ALLOWED,
  AUTHORITY_DENIED,    /* polkit says no, the caller vanished, or polkit failed (logged) */
  AUTHORITY_CHALLENGE, /* somebody would have to authenticate, and the message does not allow it */
  AUTHORITY_LIMIT,     /* LIMIT_CHECKS_CALLER, _USER, _TOTAL or _UNKNOWN */
} AuthorityVerdict;

/* Who asks: a unique bus name of the connection given to authority_new(), or, only where there is
 * none, a process that connected to a socket, held by a pidfd. */
typedef struct
{
  const char *bus_name; /* NULL for a process */
  pid_t pid;
  uid_t uid;           /* the socket's; of a bus name where known, else 0 or -1: the bus is asked */
  uint64_t start_time; /* field 22 of /proc/PID/stat */
  int pidfd;           /* stays the caller's; checked again after the answer */
} AuthoritySubject;

typedef struct
{
  AuthoritySubject subject;
  const char *action;
  const char *const *details; /* key, value, key, value, …, NULL; at most 16 pairs */
  bool interactive;           /* the message allows interaction */
} AuthorityRequest;

typedef struct Authority Authority;
typedef struct AuthorityCheck AuthorityCheck;
typedef void (*AuthorityDone) (AuthorityVerdict verdict, void *user_data);

Authority *authority_new (sd_bus *bus);
void authority_free (Authority *authority);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Authority, authority_free)

/* Asks. 1: decided at once (reuse or a limit), `*ret_verdict` is set and `done` is never called. 0:
 * pending,
 * `*ret_check` is set and `done` is called once, after which the check is gone, unless
 * authority_check_cancel() came before. Negative: -errno. Everything in `request` is copied (a
 * pidfd is duplicated). A bus name that vanishes while the check runs is a denial, and the check is
 * cancelled at polkit. */
int authority_check (Authority *authority, const AuthorityRequest *request, AuthorityDone done,
                     void *user_data, AuthorityVerdict *ret_verdict, AuthorityCheck **ret_check);
void authority_check_cancel (AuthorityCheck *check);

/* Forgets every answer kept for this subject, when it left. */
void authority_forget (Authority *authority, const char *bus_name);
