/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client's match rule: a text, up to a zero if there is one, and behind that a message that may
 * fit it. */
#include <string.h>

#include "fuzz.h"
#include "match-rule.h"

static bool
owns (const char *name, const char *sender, void *user_data)
{
  return strlen (name) > strlen (sender);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  size_t length = strnlen ((const char *) data, size);
  size_t message_at = length < size ? length + 1 : size;
  char *text = malloc (length + 1);
  const char *problem = NULL;
  MatchRule *rule, *again;
  WireMessage message;

  memcpy (text, data, length);
  text[length] = '\0';
  rule = match_rule_new (text, &problem);
  fuzz_require ((rule == NULL) == (problem != NULL));

  if (rule != NULL)
    {
      again = match_rule_new (text, &problem);
      fuzz_require (match_rule_equal (rule, again));

      /* A word that is nowhere in the text cannot have been read out of it. */
      fuzz_require (!match_rule_has_eavesdrop (rule) || strstr (text, "eavesdrop") != NULL);

      if (wire_message_parse (data + message_at, size - message_at, &message) == WIRE_OK
          && match_rule_matches (rule, &message, owns, NULL))
        fuzz_require (match_rule_matches (again, &message, owns, NULL));
      match_rule_free (again);
    }

  match_rule_free (rule);
  free (text);
  return 0;
}
