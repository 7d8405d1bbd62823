/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals in the guest, that tombolod asks for. */
#include "shells.h"

#include <errno.h>
#include <string.h>

#include "crossing.h"
#include "error.h"
#include "limit.h"
#include "stream-quota.h"
#include "streams.h"
#include "tunnel-manager.h"

/* A call of tombolod's that waits for the agent. */
typedef struct
{
  Shells *shells;
  uint32_t serial;
  sd_bus_message *call;
  sd_event_source *deadline;
} Opening;

struct Shells
{
  Bridge *bridge;
  GHashTable *openings; /* serial on the control channel: Opening */
};

static void
opening_free (gpointer data)
{
  Opening *opening = data;

  sd_event_source_disable_unref (opening->deadline);
  sd_bus_message_unref (opening->call);
  g_free (opening);
}

static void
refuse (sd_bus_message *call, TomboloError code, const char *text)
{
  sd_bus_reply_method_errorf (call, tombolo_error_name (code), "%s", text);
}

/* --- The agent's answer --- */

/* Its names of errors are not believed, but for those that it has a reason to use; its words are
 * shown as its own. */
static void
pass_error (const Opening *opening, const WireMessage *message)
{
  static const TomboloError codes[] = { TOMBOLO_ERROR_ACCESS_DENIED, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                                        TOMBOLO_ERROR_INVALID_ARGUMENT,
                                        TOMBOLO_ERROR_NOT_SUPPORTED };
  TomboloError code = TOMBOLO_ERROR_FAILED;
  g_autofree char *safe = NULL;
  const char *text;
  WireReader reader;

  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++)
    if (strcmp (tombolo_error_name (codes[i]), message->header.error_name) == 0)
      code = codes[i];
  if (strcmp (message->header.error_name, "org.freedesktop.DBus.Error.UnknownMethod") == 0)
    code = TOMBOLO_ERROR_NOT_SUPPORTED;

  wire_reader_init (&reader, message);
  if (!wire_reader_string (&reader, &text))
    text = "The guest's agent opens no terminal, and does not say why.";
  safe = log_text (text, LIMIT_LOG_LINE / 4);
  refuse (opening->call, code, safe);
}

/* Two things, each of its own kind: else somebody would write where the status is read. */
static bool
is_terminal (const Crossing *crossing)
{
  return crossing->n_descriptors == 2 && crossing->n_streams == 2
         && crossing->streams[crossing->descriptors[0]].kind == DESCRIPTOR_PTY_MASTER
         && crossing->streams[crossing->descriptors[1]].kind == DESCRIPTOR_PIPE_READ;
}

static void
hand_out (Shells *shells, const Opening *opening, Crossing *crossing)
{
  Bridge *bridge = shells->bridge;
  StreamQuota *quota = stream_quota_new (bridge);
  const char *excess = stream_quota_reserve (quota, crossing->n_streams);
  auto_fd_list fds = { 0 };
  g_autoptr (GError) error = NULL;

  if (excess != NULL)
    refuse (opening->call, TOMBOLO_ERROR_LIMITS_EXCEEDED,
            "The machine has too many terminals and streams open.");
  else if (!crossing_open (crossing, bridge->event, &fds, &error))
    {
      stream_quota_release (quota, crossing->n_streams);
      refuse (opening->call, TOMBOLO_ERROR_LIMITS_EXCEEDED, error->message);
    }
  else
    {
      streams_add (bridge->streams, shells, quota, crossing, 0);
      sd_bus_reply_method_return (opening->call, "hh", fds.fds[0], fds.fds[1]);
    }
  stream_quota_unref (quota);
}

bool
shells_take_message (Shells *shells, const WireMessage *message, const char **ret_problem)
{
  gpointer key = GUINT_TO_POINTER (message->header.reply_serial);
  Opening *opening = g_hash_table_lookup (shells->openings, key);
  g_autoptr (Crossing) crossing = NULL;

  *ret_problem = NULL;
  if (opening == NULL
      || (message->header.type != WIRE_METHOD_RETURN && message->header.type != WIRE_ERROR))
    return false;

  if (message->header.type == WIRE_ERROR)
    pass_error (opening, message);
  else if ((crossing = crossing_read (message)) == NULL || !is_terminal (crossing))
    {
      refuse (opening->call, TOMBOLO_ERROR_FAILED, "The guest's agent answered with no terminal.");
      *ret_problem = "its answer to OpenShell is wrong";
    }
  else
    hand_out (shells, opening, crossing);

  g_hash_table_remove (shells->openings, key);
  return true;
}

/* --- tombolod's call --- */

/* An answer that comes after all is one too many: the tunnel ends with it. */
static int
on_deadline (sd_event_source *source, uint64_t time, void *user_data)
{
  Opening *opening = user_data;

  if (opening->call != NULL)
    refuse (opening->call, TOMBOLO_ERROR_TIMED_OUT, "The guest's agent opens no terminal in time.");
  g_hash_table_remove (opening->shells->openings, GUINT_TO_POINTER (opening->serial));
  return 0;
}

/* user, command, term, rows and columns, as the agent takes them. */
static WireWriter *
read_call (sd_bus_message *call)
{
  const char *user, *term;
  uint32_t rows, columns;
  WireWriter *body;
  size_t mark;
  char **words = NULL;

  if (sd_bus_message_read (call, "s", &user) < 0 || sd_bus_message_read_strv (call, &words) < 0)
    return NULL;
  if (sd_bus_message_read (call, "suu", &term, &rows, &columns) < 0)
    {
      g_strfreev (words);
      return NULL;
    }

  body = wire_writer_new ();
  wire_writer_string (body, user);
  mark = wire_writer_begin_array (body, 4);
  for (char **word = words; word != NULL && *word != NULL; word++)
    wire_writer_string (body, *word);
  wire_writer_end_array (body, mark);
  wire_writer_string (body, term);
  wire_writer_uint32 (body, rows);
  wire_writer_uint32 (body, columns);
  g_strfreev (words); /* malloc()'s, which g_free() is */
  return body;
}

void
shells_open (Shells *shells, sd_bus_message *call)
{
  static const WireHeader header = { .member = "OpenShell", .signature = "sassuu" };
  Bridge *bridge = shells->bridge;
  Opening *opening;
  WireWriter *body;

  if (!tunnel_manager_is_up (bridge->tunnel))
    {
      refuse (call, TOMBOLO_ERROR_DISCONNECTED, tunnel_manager_get_reason (bridge->tunnel));
      return;
    }
  if (g_hash_table_size (shells->openings) >= LIMIT_SHELLS_OPENING)
    {
      refuse (call, TOMBOLO_ERROR_LIMITS_EXCEEDED,
              "Too many terminals are being opened; try again later.");
      return;
    }
  body = read_call (call);
  if (body == NULL)
    {
      refuse (call, TOMBOLO_ERROR_INVALID_ARGUMENT, "That is no call of OpenShell.");
      return;
    }

  opening = g_new0 (Opening, 1);
  opening->shells = shells;
  opening->call = sd_bus_message_ref (call);
  opening->serial = tunnel_manager_call (bridge->tunnel, &header, body);
  g_hash_table_insert (shells->openings, GUINT_TO_POINTER (opening->serial), opening);
  if (sd_event_add_time_relative (bridge->event, &opening->deadline, CLOCK_MONOTONIC,
                                  2 * LIMIT_SHELL_TIME_USEC, 0, on_deadline, opening)
      < 0)
    sd_event_exit (bridge->event, -ENOMEM);
}

void
shells_close (Shells *shells, const char *reason)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, shells->openings);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      refuse (((Opening *) value)->call, TOMBOLO_ERROR_DISCONNECTED, reason);
      g_hash_table_iter_remove (&iter);
    }
  streams_drop_owner (shells->bridge->streams, shells);
}

Shells *
shells_new (Bridge *bridge)
{
  Shells *shells = g_new0 (Shells, 1);

  shells->bridge = bridge;
  shells->openings = g_hash_table_new_full (NULL, NULL, NULL, opening_free);
  return shells;
}

void
shells_free (Shells *shells)
{
  if (shells == NULL)
    return;

  g_hash_table_unref (shells->openings);
  g_free (shells);
}
