/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a bridge is told of its machine, as systemd credential `tombolo.bridge`: a key file. */
#pragma once

#include "machine-settings.h"
#include "name.h"

#define BRIDGE_CREDENTIAL "tombolo.bridge"

/* The text for machine `name`, whose guest has address `mac`. Free with g_free(). */
char *bridge_credential_format (const char *name, const uint8_t mac[MAC_SIZE],
                                const MachineSettings *settings);

/* Whether these rules (CallRule), with their lines, are those of such a text. */
gboolean bridge_credential_has_rules (const char *text, GPtrArray *const rules[N_GUEST_BUSES]);
