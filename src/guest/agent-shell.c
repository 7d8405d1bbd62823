/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals that the host asks for. */
#include "agent-shell.h"

#include <string.h>

#include "crossing.h"
#include "limit.h"
#include "shell-client.h"
#include "streams.h"

struct AgentShells
{
  Agent *agent;
  AgentChannel *channel;
  GQueue list; /* Opening */
};

/* A call whose answer waits for tombolo-guest-shell. */
typedef struct
{
  AgentShells *shells;
  GList link;
  uint32_t serial;
  ShellClient *client;
} Opening;

static void
opening_free (Opening *opening)
{
  g_queue_unlink (&opening->shells->list, &opening->link);
  shell_client_free (opening->client);
  g_free (opening);
}

static void
refuse (AgentShells *shells, uint32_t serial, TomboloError code, const char *text)
{
  agent_channel_fail (shells->channel, serial, tombolo_error_name (code), text);
}

static void
on_done (FdList *fds, const char *problem, void *user_data)
{
  Opening *opening = user_data;
  AgentShells *shells = opening->shells;
  GuestStreams *streams = agent_get_streams (shells->agent);
  g_autoptr (Crossing) crossing = NULL;
  g_autoptr (GError) error = NULL;
  WireWriter *body;

  if (fds == NULL)
    refuse (shells, opening->serial, TOMBOLO_ERROR_ACCESS_DENIED, problem);
  else if (!guest_streams_has_room (streams, shells, fds->n))
    refuse (shells, opening->serial, TOMBOLO_ERROR_LIMITS_EXCEEDED,
            "The guest has too many terminals and streams open.");
  else if ((crossing = crossing_new (agent_get_event (shells->agent), fds, &error)) == NULL)
    refuse (shells, opening->serial, TOMBOLO_ERROR_FAILED, error->message);
  else
    {
      body = wire_writer_new ();
      crossing_write (crossing, body);
      guest_streams_expect (streams, shells, crossing);
      agent_channel_reply (shells->channel, opening->serial, CROSSING_SIGNATURE, body);
      wire_writer_free (body);
    }

  opening_free (opening);
}

static ShellRequest *
read_request (const WireMessage *call)
{
  g_autoptr (ShellRequest) request = g_new0 (ShellRequest, 1);
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  const char *user, *word, *term;
  uint32_t rows, columns;
  WireReader reader;
  size_t end;

  wire_reader_init (&reader, call);
  if (strcmp (call->header.signature, "sassuu") != 0 || !wire_reader_string (&reader, &user)
      || !wire_reader_array (&reader, &end))
    return NULL;
  while (reader.offset < end && words->len <= LIMIT_SHELL_WORDS)
    {
      wire_reader_element (&reader);
      if (!wire_reader_string (&reader, &word))
        return NULL;
      g_ptr_array_add (words, g_strdup (word));
    }
  wire_reader_leave (&reader);
  if (!wire_reader_string (&reader, &term) || !wire_reader_uint32 (&reader, &rows)
      || !wire_reader_uint32 (&reader, &columns))
    return NULL;

  g_ptr_array_add (words, NULL);
  request->user = g_strdup (user);
  request->term = g_strdup (term);
  request->rows = (uint16_t) MIN (rows, UINT16_MAX);
  request->columns = (uint16_t) MIN (columns, UINT16_MAX);
  request->command = g_strdupv ((char **) words->pdata);
  return g_steal_pointer (&request);
}

static void
open_shell (AgentShells *shells, const WireMessage *call)
{
  g_autoptr (ShellRequest) request = read_request (call);
  g_autoptr (GError) error = NULL;
  uint32_t serial = call->header.serial;
  Opening *opening;

  if (request == NULL)
    {
      refuse (shells, serial, TOMBOLO_ERROR_INVALID_ARGUMENT, "That is no request for a terminal.");
      return;
    }
  if (shells->list.length >= LIMIT_SHELLS_OPENING)
    {
      refuse (shells, serial, TOMBOLO_ERROR_LIMITS_EXCEEDED,
              "Too many terminals are being opened; try again later.");
      return;
    }
  if (!shell_request_check (request, &error))
    {
      refuse (shells, serial, TOMBOLO_ERROR_INVALID_ARGUMENT, error->message);
      return;
    }

  opening = g_new0 (Opening, 1);
  opening->shells = shells;
  opening->link.data = opening;
  opening->serial = serial;
  g_queue_push_tail_link (&shells->list, &opening->link);
  opening->client =
      shell_client_new (agent_get_event (shells->agent), request, on_done, opening, &error);
  if (opening->client == NULL)
    {
      refuse (shells, serial, TOMBOLO_ERROR_NOT_SUPPORTED, error->message);
      opening_free (opening);
    }
}

bool
agent_shells_take_call (AgentShells *shells, const WireMessage *call)
{
  if (strcmp (call->header.member, "OpenShell") != 0)
    return false;

  open_shell (shells, call);
  return true;
}

AgentShells *
agent_shells_new (Agent *agent, AgentChannel *channel)
{
  AgentShells *shells = g_new0 (AgentShells, 1);

  shells->agent = agent;
  shells->channel = channel;
  return shells;
}

void
agent_shells_free (AgentShells *shells)
{
  if (shells == NULL)
    return;

  while (shells->list.head != NULL)
    opening_free (shells->list.head->data);
  guest_streams_drop_owner (agent_get_streams (shells->agent), shells);
  g_free (shells);
}
