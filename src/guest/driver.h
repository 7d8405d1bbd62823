/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a channel may ask of the guest's bus driver, and what it gets: a closed list of methods, and
 * answers that show exported names and their owners alone. No I/O. */
#pragma once

#include "body.h"
#include "owner-table.h"

typedef enum
{
  DRIVER_FORWARD,     /* the bus answers, and its answer passes as it is */
  DRIVER_CREDENTIALS, /* to be forwarded as GetConnectionUnixUser; the answer is wrapped by
                         driver_wrap_credentials() */
  DRIVER_ANSWERED,    /* `body` is the answer */
  DRIVER_REFUSED,     /* with an error */
} DriverVerdict;

typedef struct
{
  const OwnerTable *owners;  /* as the channel's own connection saw them */
  const OwnerTable *exports; /* the same names; says which are activatable */
  const char *unique_name;   /* the channel's */
} DriverView;

typedef struct
{
  WireWriter *body; /* DRIVER_ANSWERED: the callee's to free */
  const char *signature;
  const char *error_name; /* DRIVER_REFUSED */
  char *error_text;       /* to be freed with g_free() */
} DriverAnswer;

/* Decides on a METHOD_CALL to the driver. */
DriverVerdict driver_decide (const DriverView *view, const WireMessage *call,
                             DriverAnswer *ret_answer);

/* GetConnectionCredentials' answer of signature a{sv} with the user's id alone, or NULL where
 * `reply` does not hold one. */
WireWriter *driver_wrap_credentials (const WireMessage *reply);
