/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both state machines of SASL: the first byte says which (odd: the client's) and the second how the
 * rest is cut into pieces. However it is cut, the same comes of it. */
#include <string.h>

#include "fuzz.h"
#include "limit.h"
#include "sasl.h"

#define ID "0123456789abcdef0123456789abcdef"
#define LINES_AT_MOST 32 /* more than any chat may have */

/* What came of it, and what was answered on the way there. */
typedef struct
{
  SaslVerdict verdict;
  size_t consumed;
  char answers[LINES_AT_MOST * SASL_ANSWER_SIZE];
} Outcome;

/* Sizes of pieces: all at once, byte by byte, or as a seed has it. */
typedef struct
{
  uint8_t seed;
  uint32_t state;
} Cut;

static size_t
next_piece (Cut *cut, size_t rest)
{
  if (cut->seed == 0)
    return rest;
  if (cut->seed == 1)
    return 1;

  cut->state = cut->state * 1103515245 + 12345;
  return 1 + (cut->state >> 16) % cut->seed;
}

static void
add_answer (Outcome *outcome, const char *answer)
{
  size_t length = strlen (answer);

  fuzz_require (length < SASL_ANSWER_SIZE);
  fuzz_require (length == 0 || (length > 2 && strcmp (answer + length - 2, "\r\n") == 0));
  fuzz_require (strlen (outcome->answers) + length < sizeof outcome->answers);
  strcat (outcome->answers, answer);
}

static SaslVerdict
feed_server_once (SaslServer *server, const uint8_t *data, size_t size, Outcome *outcome)
{
  char answer[SASL_ANSWER_SIZE];
  SaslVerdict verdict;
  size_t consumed;

  do
    {
      verdict = sasl_server_feed (server, data, size, &consumed, answer);
      fuzz_require (consumed <= size);
      add_answer (outcome, answer);
      outcome->consumed += consumed;
      data += consumed;
      size -= consumed;
    }
  while (verdict == SASL_MORE && consumed > 0);

  /* What it leaves behind is less than a line may be: nothing grows without end. */
  fuzz_require (verdict != SASL_MORE || size < LIMIT_SASL_LINE);
  return verdict;
}

static SaslVerdict
feed_client_once (SaslClient *client, const uint8_t *data, size_t size, Outcome *outcome)
{
  SaslVerdict verdict;
  size_t consumed;

  verdict = sasl_client_feed (client, data, size, &consumed);
  fuzz_require (consumed <= size);
  outcome->consumed += consumed;
  fuzz_require (verdict != SASL_MORE || size - consumed < LIMIT_SASL_LINE);
  return verdict;
}

/* As a connection does it: what was not taken stays, and is shown again with what has come. Pieces
 * of the seed's sizes are copies of just that size, so that a sanitizer sees a look past their end.
 */
static void
feed (bool to_client, const uint8_t *data, size_t size, uint8_t seed, Outcome *outcome)
{
  Cut cut = { .seed = seed, .state = seed };
  SaslClient client = { 0 };
  SaslServer server;
  size_t end = 0;

  *outcome = (Outcome){ .verdict = SASL_MORE };
  sasl_server_init (&server, ID);

  while (outcome->verdict == SASL_MORE && end < size)
    {
      size_t piece = next_piece (&cut, size - end), start = outcome->consumed;
      const uint8_t *shown = data + start;
      uint8_t *copy = NULL;

      end += piece < size - end ? piece : size - end;
      if (seed > 1)
        shown = copy = memcpy (malloc (end - start), shown, end - start);
      outcome->verdict = to_client ? feed_client_once (&client, shown, end - start, outcome)
                                   : feed_server_once (&server, shown, end - start, outcome);
      free (copy);
    }
}

/* A client is let in at the word BEGIN alone, after it has been told OK, and nothing else since. */
static void
require_let_in (const uint8_t *data, const Outcome *outcome)
{
  static const char begin[] = "BEGIN", ok[] = "OK " ID "\r\n";
  const char *last_ok = NULL, *refusal;
  size_t line;

  for (const char *p = outcome->answers; (p = strstr (p, ok)) != NULL; p++)
    last_ok = p;
  fuzz_require (last_ok != NULL);
  refusal = strstr (last_ok, "REJECTED");
  fuzz_require (refusal == NULL);

  fuzz_require (outcome->consumed >= 2 && memcmp (data + outcome->consumed - 2, "\r\n", 2) == 0);
  for (line = outcome->consumed - 2; line >= 2 && memcmp (data + line - 2, "\r\n", 2) != 0; line--)
    ;
  fuzz_require (memcmp (data + line, begin, strlen (begin)) == 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Outcome whole, bytes, pieces;
  bool to_client;

  if (size < 2)
    return 0;

  to_client = data[0] % 2 != 0;
  feed (to_client, data + 2, size - 2, 0, &whole);
  feed (to_client, data + 2, size - 2, 1, &bytes);
  feed (to_client, data + 2, size - 2, data[1], &pieces);

  fuzz_require (whole.verdict == bytes.verdict && whole.verdict == pieces.verdict);
  fuzz_require (whole.consumed == bytes.consumed && whole.consumed == pieces.consumed);
  fuzz_require (strcmp (whole.answers, bytes.answers) == 0);
  fuzz_require (strcmp (whole.answers, pieces.answers) == 0);

  if (!to_client && whole.verdict == SASL_DONE)
    require_let_in (data + 2, &whole);
  return 0;
}
