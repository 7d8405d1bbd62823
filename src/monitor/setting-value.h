/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The values of a machine file's keys: each reader takes one value and stores it. */
#pragma once

#include <glib.h>

#define LIMIT_SETTING_SHOWN 128 /* bytes of a value that a message quotes */

/* Stores `value` in `member`, the key's member of MachineSettings; for a list `member` is the
 * array, and the value is added. Returns NULL, or else what is wrong and what would be right: free
 * it with g_free(). `value` is valid UTF-8 without control characters, and not empty. */
typedef char *(*SettingReader) (const char *value, gpointer member);

char *setting_read_text (const char *value, gpointer member);
char *setting_read_boolean (const char *value, gpointer member);
char *setting_read_monitor (const char *value, gpointer member);
char *setting_read_start (const char *value, gpointer member);
char *setting_read_memory (const char *value, gpointer member);
char *setting_read_cpus (const char *value, gpointer member);
char *setting_read_qemu_machine (const char *value, gpointer member);
char *setting_read_path (const char *value, gpointer member);
char *setting_read_disk (const char *value, gpointer member);
char *setting_read_broadcast (const char *value, gpointer member);
char *setting_read_alias (const char *value, gpointer member);
char *setting_read_rule (const char *value, gpointer member);
