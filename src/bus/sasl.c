/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus authentication without I/O. */
#include "sasl.h"

#include <stdio.h>
#include <string.h>

#include "limit.h"

/* Every known client needs six lines at most. */
#define LIMIT_LINES 16

enum
{
  SERVER_START,     /* the zero byte is to come */
  SERVER_WAIT_AUTH, /* AUTH */
  SERVER_WAIT_DATA, /* AUTH EXTERNAL came without an identity */
  SERVER_WAIT_BEGIN,
};

/* Whether a whole line stands at the start of `data`; its length is without CR LF. */
static SaslVerdict
find_line (const uint8_t *data, size_t size, size_t *ret_length, bool *ret_found)
{
  const uint8_t *end = memmem (data, size < LIMIT_SASL_LINE ? size : LIMIT_SASL_LINE, "\r\n", 2);

  *ret_found = end != NULL;
  if (end == NULL)
    return size >= LIMIT_SASL_LINE ? SASL_FAILED : SASL_MORE;

  *ret_length = (size_t) (end - data);
  return memchr (data, '\0', *ret_length) != NULL ? SASL_FAILED : SASL_MORE;
}

/* Whether the line is `word`, alone or followed by a space and more. */
static bool
line_starts (const uint8_t *line, size_t length, const char *word)
{
  size_t size = strlen (word);

  return length >= size && memcmp (line, word, size) == 0 && (length == size || line[size] == ' ');
}

SaslVerdict
sasl_client_feed (SaslClient *client, const uint8_t *data, size_t size, size_t *ret_consumed)
{
  /* The answers to the greeting's lines. AGREE_UNIX_FD may be an ERROR as well. */
  static const char *const expected[] = { "DATA", "OK", "AGREE_UNIX_FD" };

  *ret_consumed = 0;
  while (client->line < 3)
    {
      size_t length;
      bool found;

      if (find_line (data + *ret_consumed, size - *ret_consumed, &length, &found) == SASL_FAILED)
        return SASL_FAILED;
      if (!found)
        return SASL_MORE;
      if (!line_starts (data + *ret_consumed, length, expected[client->line])
          && !(client->line == 2 && line_starts (data + *ret_consumed, length, "ERROR")))
        return SASL_FAILED;

      client->line++;
      *ret_consumed += length + 2;
    }

  return SASL_DONE;
}

void
sasl_server_init (SaslServer *server, const char *id)
{
  *server = (SaslServer){ .state = SERVER_START };
  snprintf (server->id, sizeof server->id, "%s", id);
}

static void
answer_ok (SaslServer *server, char answer[SASL_ANSWER_SIZE])
{
  server->state = SERVER_WAIT_BEGIN;
  snprintf (answer, SASL_ANSWER_SIZE, "OK %s\r\n", server->id);
}

static void
answer_rejected (SaslServer *server, char answer[SASL_ANSWER_SIZE])
{
  server->state = SERVER_WAIT_AUTH;
  snprintf (answer, SASL_ANSWER_SIZE, "REJECTED EXTERNAL\r\n");
}

static void
take_auth (SaslServer *server, const uint8_t *line, size_t length, char answer[SASL_ANSWER_SIZE])
{
  static const char with_identity[] = "AUTH EXTERNAL ";

  if (!line_starts (line, length, "AUTH EXTERNAL"))
    answer_rejected (server, answer);
  else if (length >= sizeof with_identity)
    answer_ok (server, answer);
  else
    {
      server->state = SERVER_WAIT_DATA;
      snprintf (answer, SASL_ANSWER_SIZE, "DATA\r\n");
    }
}

static SaslVerdict
take_line (SaslServer *server, const uint8_t *line, size_t length, char answer[SASL_ANSWER_SIZE])
{
  if (line_starts (line, length, "BEGIN"))
    return server->state == SERVER_WAIT_BEGIN ? SASL_DONE : SASL_FAILED;

  if (line_starts (line, length, "CANCEL") || line_starts (line, length, "ERROR"))
    answer_rejected (server, answer);
  else if (server->state == SERVER_WAIT_AUTH && line_starts (line, length, "AUTH"))
    take_auth (server, line, length, answer);
  else if (server->state == SERVER_WAIT_DATA && line_starts (line, length, "DATA"))
    answer_ok (server, answer);
  else if (server->state == SERVER_WAIT_BEGIN && line_starts (line, length, "NEGOTIATE_UNIX_FD"))
    {
      server->descriptors = true;
      snprintf (answer, SASL_ANSWER_SIZE, "AGREE_UNIX_FD\r\n");
    }
  else
    snprintf (answer, SASL_ANSWER_SIZE, "ERROR \"Not expected here\"\r\n");

  return SASL_MORE;
}

SaslVerdict
sasl_server_feed (SaslServer *server, const uint8_t *data, size_t size, size_t *ret_consumed,
                  char answer[SASL_ANSWER_SIZE])
{
  size_t length, start = 0;
  bool found;

  *ret_consumed = 0;
  answer[0] = '\0';

  if (server->state == SERVER_START)
    {
      if (size == 0)
        return SASL_MORE;
      if (data[0] != '\0')
        return SASL_FAILED;
      server->state = SERVER_WAIT_AUTH;
      start = *ret_consumed = 1;
    }

  if (find_line (data + start, size - start, &length, &found) == SASL_FAILED)
    return SASL_FAILED;
  if (!found)
    return SASL_MORE;
  if (++server->lines > LIMIT_LINES)
    return SASL_FAILED;

  *ret_consumed = start + length + 2;
  return take_line (server, data + start, length, answer);
}
