/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tombolod tells a bridge of its machine: credential tombolo.bridge.
 *
 *   [Bridge]
 *   Machine=work
 *   Interface=tb-0123456789ab
 *   GuestMAC=02:11:22:33:44:55
 *   [Bus]
 *   Broadcast=org.freedesktop.hostname1@org.freedesktop.DBus.Properties
 *   Alias=org.freedesktop.NetworkManager:org.freedesktop.NetworkManager
 *   SessionAlias=org.mpris.MediaPlayer2.player:org.example.Player
 *   Import=org.freedesktop.NetworkManager:org.freedesktop.NetworkManager@net
 *   [Call]
 *   Rule=12 allow org.freedesktop.hostname1 from=group:users
 *   SessionRule=13 allow org.mpris.MediaPlayer2.player from=user:me
 *   [Import]
 *   Rule=15 allow org.freedesktop.timedate1=org.freedesktop.DBus.Properties.Get
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "machine-settings.h"
#include "name.h"

#define BRIDGE_CREDENTIAL "tombolo.bridge"

typedef struct
{
  char *machine;
  char *interface; /* the host's end of the control link */
  uint8_t guest_mac[MAC_SIZE];
  GPtrArray *broadcasts; /* MachineBroadcast, as machine files have them: of the system bus alone */
  GPtrArray *aliases[N_GUEST_BUSES]; /* MachineAlias */
  GPtrArray *imports;                /* MachineImport */
  GPtrArray *rules[N_GUEST_BUSES];   /* CallRule, with their lines in the machine file */
  GPtrArray *import_rules;           /* the same, of [Import] */
} BridgeSettings;

void bridge_settings_free (BridgeSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BridgeSettings, bridge_settings_free)

/* Reads the text strictly (TOMBOLO_ERROR_INVALID_SETTINGS). */
BridgeSettings *bridge_settings_from_text (const char *text, gsize size, GError **error);

/* The name on the host's bus for `exported`: the given alias, or the one that follows from the
 * names, or NULL where that is too long. Free with g_free(). */
char *bridge_settings_get_alias (const BridgeSettings *settings, GuestBus guest_bus,
                                 const char *exported);

/* Whether everybody on the host may see signals of `interface` from `exported` of the system bus.
 * Those of a session are never broadcast. */
bool bridge_settings_broadcast (const BridgeSettings *settings, const char *exported,
                                const char *interface);
