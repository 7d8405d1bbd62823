/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Headers of messages that cross. Each is built from nothing: a field that is not named here does
 * not cross. */
#include "forward.h"

#include <errno.h>

#include "body.h"
#include "limit.h"

WireHeader
forward_call (const WireHeader *call, const char *destination)
{
  return (WireHeader){ .byte_order = call->byte_order,
                       .type = WIRE_METHOD_CALL,
                       .flags = call->flags,
                       .serial = call->serial,
                       .path = call->path,
                       .interface = call->interface,
                       .member = call->member,
                       .destination = destination,
                       .signature = call->signature };
}

WireHeader
forward_reply (const WireHeader *reply, uint32_t serial, const char *sender,
               const char *destination)
{
  return (WireHeader){ .byte_order = reply->byte_order,
                       .type = reply->type == WIRE_ERROR ? WIRE_ERROR : WIRE_METHOD_RETURN,
                       .flags = WIRE_NO_REPLY_EXPECTED,
                       .serial = serial,
                       .reply_serial = reply->reply_serial,
                       .error_name = reply->type == WIRE_ERROR ? reply->error_name : NULL,
                       .sender = sender,
                       .destination = destination,
                       .signature = reply->signature };
}

/* The error that takes a reply's place. */
static int
send_in_place (Connection *connection, const WireHeader *reply, TomboloError code, const char *text)
{
  WireHeader header = *reply;
  WireWriter *writer = wire_writer_new ();
  const uint8_t *data;
  size_t size;
  int r;

  header.byte_order = wire_native_byte_order ();
  header.type = WIRE_ERROR;
  header.error_name = tombolo_error_name (code);
  header.signature = "s";
  header.n_descriptors = 0;

  wire_writer_string (writer, text);
  data = wire_writer_data (writer, &size);
  r = connection_send (connection, &header, data, size);
  wire_writer_free (writer);
  return r;
}

char *
forward_explain_refusal (const char *machine, WireVerdict verdict, TomboloError *ret_code)
{
  *ret_code =
      verdict == WIRE_TOO_LARGE || verdict == WIRE_TOO_DEEP || verdict == WIRE_TOO_MANY_DESCRIPTORS
          ? TOMBOLO_ERROR_LIMITS_EXCEEDED
          : TOMBOLO_ERROR_INVALID_ARGUMENT;
  return g_strdup_printf ("The call does not cross into machine “%s”: %s.", machine,
                          wire_verdict_to_string (verdict));
}

int
forward_send_reply (Connection *connection, const WireHeader *reply, const void *body,
                    size_t body_size, FdList *fds)
{
  bool behind;
  int r;

  if (fds != NULL && fds->n > 0 && !connection_passes_descriptors (connection))
    return send_in_place (connection, reply, TOMBOLO_ERROR_NOT_SUPPORTED,
                          "The reply brings file descriptors, which this connection has not agreed "
                          "to; negotiate them when it is opened.");

  r = fds != NULL ? connection_send_descriptors (connection, reply, body, body_size, fds)
                  : connection_send (connection, reply, body, body_size);
  if (r != -ENOBUFS)
    return r;

  behind = connection_get_queued (connection) > LIMIT_FLOW_SIZE;
  return send_in_place (connection, reply, TOMBOLO_ERROR_LIMITS_EXCEEDED,
                        behind ? "The reply does not fit: large replies wait already; call again "
                                 "when they are read."
                               : "The reply is too large to be passed on; ask for less.");
}

WireHeader
forward_signal (const WireHeader *signal, uint32_t serial, const char *sender,
                const char *destination)
{
  return (WireHeader){ .byte_order = signal->byte_order,
                       .type = WIRE_SIGNAL,
                       .flags = WIRE_NO_REPLY_EXPECTED,
                       .serial = serial,
                       .path = signal->path,
                       .interface = signal->interface,
                       .member = signal->member,
                       .sender = sender,
                       .destination = destination,
                       .signature = signal->signature };
}
