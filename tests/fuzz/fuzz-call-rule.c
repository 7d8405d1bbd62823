/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call rule: a text, up to a zero if there is one, and behind that a call that it may decide. */
#include <string.h>

#include "call-rule.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const uint32_t groups[] = { 1000, 8 };
  static const CallRuleCaller known = { .uid = 1000, .groups = groups, .n_groups = 2 };
  static const CallRuleCaller unknown = { .uid = 1000 };
  size_t length = strnlen ((const char *) data, size);
  size_t message_at = length < size ? length + 1 : size;
  char *text = malloc (length + 1);
  const char *problem = NULL;
  WireMessage message;
  CallRule *rule;

  memcpy (text, data, length);
  text[length] = '\0';
  rule = call_rule_new (text, &problem);
  fuzz_require ((rule == NULL) == (problem != NULL));

  if (rule != NULL && wire_message_parse (data + message_at, size - message_at, &message) == WIRE_OK
      && message.header.type == WIRE_METHOD_CALL)
    {
      bool allows = call_rule_get_verdict (rule) == CALL_RULE_ALLOW;
      bool fits = call_rule_fits (rule, "a.b", &message, &known);

      /* Who is known less is allowed no more, and refused no less. */
      if (allows)
        fuzz_require (fits || !call_rule_fits (rule, "a.b", &message, &unknown));
      else
        fuzz_require (!fits || call_rule_fits (rule, "a.b", &message, &unknown));
    }

  call_rule_free (rule);
  free (text);
  return 0;
}
