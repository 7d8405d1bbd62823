/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Structured log entries, through GLib's writers: the journal where standard error is its
 * stream, else plain lines. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "limit.h"

static const char *log_identifier = "tombolo";
static LogLevel log_level = LOG_LEVEL_INFO;
static gboolean log_to_journal = FALSE;

static const struct
{
  LogLevel level;
  const char *name;
  GLogLevelFlags flags;
} levels[] = {
  { LOG_LEVEL_ERROR, "err", G_LOG_LEVEL_CRITICAL },
  { LOG_LEVEL_WARNING, "warning", G_LOG_LEVEL_WARNING },
  { LOG_LEVEL_NOTICE, "notice", G_LOG_LEVEL_MESSAGE },
  { LOG_LEVEL_INFO, "info", G_LOG_LEVEL_INFO },
  { LOG_LEVEL_DEBUG, "debug", G_LOG_LEVEL_DEBUG },
};

static GLogWriterOutput
write_entry (GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if (log_to_journal)
    return g_log_writer_journald (flags, fields, n_fields, NULL);

  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      fprintf (stderr, "%s: %s\n", log_identifier, (const char *) fields[i].value);

  return G_LOG_WRITER_HANDLED;
}

/* GLib's own levels: what libraries write below ours is dropped here as well. */
static GLogWriterOutput
write_library_entry (GLogLevelFlags flags, const GLogField *fields, gsize n_fields,
                     gpointer user_data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (levels); i++)
    if ((flags & levels[i].flags) != 0 && levels[i].level > log_level)
      return G_LOG_WRITER_HANDLED;

  return write_entry (flags, fields, n_fields, user_data);
}

void
log_open (const char *identifier, LogLevel level)
{
  const char *asked = g_getenv ("SYSTEMD_LOG_LEVEL");

  log_identifier = identifier;
  log_level = level;
  if (asked != NULL)
    log_level_from_string (asked, &log_level);
  log_to_journal = g_log_writer_is_journald (STDERR_FILENO);
  g_log_set_writer_func (write_library_entry, NULL, NULL);
}

void
log_set_level (LogLevel level)
{
  log_level = level;
}

LogLevel
log_get_level (void)
{
  return log_level;
}

const char *
log_level_to_string (LogLevel level)
{
  for (gsize i = 0; i < G_N_ELEMENTS (levels); i++)
    if (levels[i].level == level)
      return levels[i].name;

  return "info";
}

gboolean
log_level_from_string (const char *text, LogLevel *ret_level)
{
  for (gsize i = 0; i < G_N_ELEMENTS (levels); i++)
    if (g_str_equal (levels[i].name, text))
      {
        *ret_level = levels[i].level;
        return TRUE;
      }

  return FALSE;
}

/* A line that was cut may end inside a character. */
static void
trim_cut_character (char *line)
{
  gsize length = strlen (line);
  const char *last = g_utf8_find_prev_char (line, line + length);

  if (last != NULL && g_utf8_get_char_validated (last, -1) == (gunichar) -2)
    line[last - line] = '\0';
}

void
log_message (LogLevel level, const char *machine, const char *message_id, const char *format, ...)
{
  char line[LIMIT_LOG_LINE];
  char priority[2] = { (char) ('0' + level), '\0' };
  GLogField fields[5];
  gsize n = 0;
  va_list arguments;

  if (level > log_level)
    return;

  va_start (arguments, format);
  vsnprintf (line, sizeof line, format, arguments);
  va_end (arguments);
  trim_cut_character (line);

  fields[n++] = (GLogField){ "MESSAGE", line, -1 };
  fields[n++] = (GLogField){ "PRIORITY", priority, -1 };
  fields[n++] = (GLogField){ "SYSLOG_IDENTIFIER", log_identifier, -1 };
  if (machine != NULL)
    fields[n++] = (GLogField){ "TOMBOLO_MACHINE", machine, -1 };
  if (message_id != NULL)
    fields[n++] = (GLogField){ "MESSAGE_ID", message_id, -1 };

  write_entry (G_LOG_LEVEL_INFO, fields, n, NULL);
}

/* What could move a terminal's cursor, end a line, or show text in another order than it has. */
static gboolean
is_unsafe (gunichar c)
{
  return g_unichar_iscntrl (c) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)
         || c == 0x061c || c == 0x200e || c == 0x200f;
}

char *
log_text (const char *text, gsize limit)
{
  GString *safe = g_string_new (NULL);
  const char *p = text;

  while (*p != '\0')
    {
      /* Not past the text's end: a character that it cuts is -2 or -1 here. */
      gunichar c = g_utf8_get_char_validated (p, -1);
      gboolean valid = c != (gunichar) -1 && c != (gunichar) -2;
      gsize length = valid ? (gsize) (g_utf8_next_char (p) - p) : 1;
      gboolean shown = valid && !is_unsafe (c);

      if (safe->len + (shown ? length : 1) > limit)
        break;
      if (shown)
        g_string_append_len (safe, p, (gssize) length);
      else
        g_string_append_c (safe, '?');
      p += length;
    }

  return g_string_free (safe, FALSE);
}
