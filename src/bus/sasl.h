/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus authentication (D-Bus Specification, “Authentication Protocol”), mechanism EXTERNAL, as
 * state machines without I/O: bytes in, verdict and answer out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum
{
  SASL_MORE,   /* more lines are to come */
  SASL_DONE,   /* what follows the consumed bytes are messages */
  SASL_FAILED, /* the peer refused, or speaks something else */
} SaslVerdict;

/* What a client sends, all of it at once, before it hears anything. It always agrees to
 * descriptors: messages that quote them are told from their header and refused with an error where
 * they do not pass, and a bus that may not deliver them would let the caller wait for ever. */
#define SASL_CLIENT_GREETING "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
#define SASL_CLIENT_GREETING_SIZE (sizeof SASL_CLIENT_GREETING - 1)

/* Zero before its first use. */
typedef struct
{
  unsigned line;
} SaslClient;

/* Takes the whole lines at the start of `data` and says how many bytes they were. A line longer
 * than LIMIT_SASL_LINE fails. */
SaslVerdict sasl_client_feed (SaslClient *client, const uint8_t *data, size_t size,
                              size_t *ret_consumed);

#define SASL_ID_SIZE 33 /* 32 hexadecimal digits and their end */
#define SASL_ANSWER_SIZE 80

typedef struct
{
  char id[SASL_ID_SIZE]; /* the server's, told to clients */
  int state;
  unsigned lines;
  bool descriptors; /* the client asked for them, and may use them */
} SaslServer;

/* `id`: 32 hexadecimal digits. */
void sasl_server_init (SaslServer *server, const char *id);

/* Takes at most one line (at the start a zero byte, too) and writes the answer to it, a string,
 * maybe empty, into `answer`. Call again while it returns SASL_MORE and consumes something. Who the
 * client claims to be is ignored: the socket knows better. */
SaslVerdict sasl_server_feed (SaslServer *server, const uint8_t *data, size_t size,
                              size_t *ret_consumed, char answer[SASL_ANSWER_SIZE]);
