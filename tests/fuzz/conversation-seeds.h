/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conversations by hand, for make-corpus: one for each thing that can happen in one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct
{
  const char *name;
  const uint8_t *bytes;
  size_t size;
} ConversationSeed;

/* Each ends with an entry without a name. */
extern const ConversationSeed bridge_seeds[];
extern const ConversationSeed agent_seeds[];
