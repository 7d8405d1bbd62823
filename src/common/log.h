/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log of every program of ours: structured entries for the journal, plain lines elsewhere.
 * Text that a guest chose passes log_text() first. */
#pragma once

#include <glib.h>

typedef enum
{
  LOG_LEVEL_ERROR = 3, /* the numbers are syslog's, as LogControl1's names are */
  LOG_LEVEL_WARNING = 4,
  LOG_LEVEL_NOTICE = 5,
  LOG_LEVEL_INFO = 6,
  LOG_LEVEL_DEBUG = 7,
} LogLevel;

/* Message ids, each with a text in the catalog (data/systemd/tombolo.catalog). */
#define LOG_ID_MACHINE_STATE "5b0d6f1c0a5d4a6db7c8e0a4a7f3e101"
#define LOG_ID_MACHINE_FAILED "5b0d6f1c0a5d4a6db7c8e0a4a7f3e102"
#define LOG_ID_MACHINE_FILE "5b0d6f1c0a5d4a6db7c8e0a4a7f3e103"
#define LOG_ID_TUNNEL_UP "5b0d6f1c0a5d4a6db7c8e0a4a7f3e104"
#define LOG_ID_TUNNEL_DOWN "5b0d6f1c0a5d4a6db7c8e0a4a7f3e105"
#define LOG_ID_TUNNEL_REFUSED "5b0d6f1c0a5d4a6db7c8e0a4a7f3e106"
#define LOG_ID_CALL_REFUSED "5b0d6f1c0a5d4a6db7c8e0a4a7f3e107"
#define LOG_ID_GUEST_MISBEHAVED "5b0d6f1c0a5d4a6db7c8e0a4a7f3e108"
#define LOG_ID_IMPOSTOR "5b0d6f1c0a5d4a6db7c8e0a4a7f3e109"

/* Sets GLib's log writer for this process. `identifier` is a constant. Entries below `level` are
 * dropped; the environment's SYSTEMD_LOG_LEVEL, where set, wins. */
void log_open (const char *identifier, LogLevel level);

void log_set_level (LogLevel level);
LogLevel log_get_level (void);
/* "err", "warning", "notice", "info", "debug": the words of org.freedesktop.LogControl1. */
const char *log_level_to_string (LogLevel level);
gboolean log_level_from_string (const char *text, LogLevel *ret_level);

/* One entry. `machine` (field TOMBOLO_MACHINE=) and `message_id` (MESSAGE_ID=) may be NULL. A
 * line longer than LIMIT_LOG_LINE is cut. */
void log_message (LogLevel level, const char *machine, const char *message_id, const char *format,
                  ...) G_GNUC_PRINTF (4, 5);

#define log_error(machine, ...) log_message (LOG_LEVEL_ERROR, machine, NULL, __VA_ARGS__)
#define log_warning(machine, ...) log_message (LOG_LEVEL_WARNING, machine, NULL, __VA_ARGS__)
#define log_notice(machine, ...) log_message (LOG_LEVEL_NOTICE, machine, NULL, __VA_ARGS__)
#define log_info(machine, ...) log_message (LOG_LEVEL_INFO, machine, NULL, __VA_ARGS__)
#define log_debug(machine, ...)                                                                    \
  G_STMT_START                                                                                     \
  {                                                                                                \
    if (log_get_level () >= LOG_LEVEL_DEBUG)                                                       \
      log_message (LOG_LEVEL_DEBUG, machine, NULL, __VA_ARGS__);                                   \
  }                                                                                                \
  G_STMT_END

/* `text` made safe for logs, errors and terminals: valid UTF-8, no control characters and none that
 * turn the direction of text (each becomes “?”, and so does a byte that is no UTF-8), at most
 * `limit` bytes, cut between characters. Free with g_free(). */
char *log_text (const char *text, gsize limit);
