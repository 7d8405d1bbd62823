/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header fields that we know. Internal to src/wire. */
#pragma once

#include "message.h"

enum
{
  FIELD_PATH = 1,
  FIELD_INTERFACE = 2,
  FIELD_MEMBER = 3,
  FIELD_ERROR_NAME = 4,
  FIELD_REPLY_SERIAL = 5,
  FIELD_DESTINATION = 6,
  FIELD_SENDER = 7,
  FIELD_SIGNATURE = 8,
  FIELD_UNIX_FDS = 9,
  FIELD_CONTAINER_INSTANCE = 10, /* newer daemons' own: its type is checked, then it is dropped */
};

#define KNOWN_FLAGS                                                                                \
  (WIRE_NO_REPLY_EXPECTED | WIRE_NO_AUTO_START | WIRE_ALLOW_INTERACTIVE_AUTHORIZATION)

static const char field_types[] = {
  [FIELD_PATH] = 'o',         [FIELD_INTERFACE] = 's',
  [FIELD_MEMBER] = 's',       [FIELD_ERROR_NAME] = 's',
  [FIELD_REPLY_SERIAL] = 'u', [FIELD_DESTINATION] = 's',
  [FIELD_SENDER] = 's',       [FIELD_SIGNATURE] = 'g',
  [FIELD_UNIX_FDS] = 'u',     [FIELD_CONTAINER_INSTANCE] = 'o',
};
