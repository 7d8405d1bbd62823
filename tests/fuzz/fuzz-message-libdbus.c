/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same bytes to us and to libdbus: what we take, libdbus must take, and see the same in it.
 * Else a guest could get its bridge disconnected from the host's bus. */
#include <dbus/dbus.h>

#include <string.h>

#include "fuzz.h"
#include "limit.h"
#include "message.h"

static void
require_equal (const char *ours, const char *theirs)
{
  fuzz_require ((ours == NULL) == (theirs == NULL) && (ours == NULL || strcmp (ours, theirs) == 0));
}

static void
compare (const uint8_t *data, size_t size, const WireHeader *header)
{
  DBusError error = DBUS_ERROR_INIT;
  DBusMessage *message = dbus_message_demarshal ((const char *) data, (int) size, &error);

  if (message == NULL)
    fprintf (stderr, "libdbus: %s\n", error.message);
  fuzz_require (message != NULL);

  fuzz_require (dbus_message_get_type (message) == header->type);
  fuzz_require (dbus_message_get_serial (message) == header->serial);
  fuzz_require (dbus_message_get_reply_serial (message) == header->reply_serial);
  fuzz_require (dbus_message_get_no_reply (message)
                == ((header->flags & WIRE_NO_REPLY_EXPECTED) != 0));
  fuzz_require (dbus_message_get_auto_start (message)
                == ((header->flags & WIRE_NO_AUTO_START) == 0));
  fuzz_require (dbus_message_get_allow_interactive_authorization (message)
                == ((header->flags & WIRE_ALLOW_INTERACTIVE_AUTHORIZATION) != 0));
  require_equal (header->path, dbus_message_get_path (message));
  require_equal (header->interface, dbus_message_get_interface (message));
  require_equal (header->member, dbus_message_get_member (message));
  require_equal (header->error_name, dbus_message_get_error_name (message));
  require_equal (header->destination, dbus_message_get_destination (message));
  require_equal (header->sender, dbus_message_get_sender (message));
  require_equal (header->signature, dbus_message_get_signature (message));
  dbus_message_unref (message);
}

/* The message as the bridge passes it on, but without descriptors, which libdbus would wait for. */
static void
compare_rewritten (const WireMessage *message)
{
  WireHeader header = message->header;
  uint8_t *buffer = malloc (LIMIT_HEADER_SIZE + message->body_size);
  size_t size;

  header.n_descriptors = 0;
  if (header.type == WIRE_METHOD_CALL || header.type == WIRE_SIGNAL)
    {
      header.reply_serial = 0;
      header.error_name = NULL;
    }

  size = wire_header_write (&header, message->body_size, buffer, LIMIT_HEADER_SIZE);
  fuzz_require (size > 0);
  if (message->body_size > 0)
    memcpy (buffer + size, message->body, message->body_size);
  compare (buffer, size + message->body_size, &header);
  free (buffer);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  WireMessage message;

  if (wire_message_parse (data, size, &message) != WIRE_OK)
    return 0;

  if (message.header.n_descriptors == 0)
    compare (data, message.size, &message.header);
  compare_rewritten (&message);
  return 0;
}
