/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Headers that cross, as tables: what is kept, what is replaced, what does not cross. Written and
 * parsed again, as the other side sees them. */
#include "forward.h"

#include <glib.h>
#include <string.h>

/* Everything that a hostile sender could fill in. */
static const WireHeader full = {
  .byte_order = 'l',
  .serial = 77,
  .reply_serial = 33,
  .n_descriptors = 0,
  .path = "/org/example",
  .interface = "org.example.Interface",
  .member = "Member",
  .error_name = "org.example.Error",
  .destination = ":9.99",
  .sender = "org.example.Fake",
  .signature = "",
};

typedef enum
{
  CALL,
  REPLY,
  ERROR,
  SIGNAL
} Kind;

static const struct
{
  Kind kind;
  uint8_t flags;
  uint8_t byte_order;
  const char *sender;
  const char *destination;
  uint8_t type;
  uint8_t expected_flags;
  uint32_t serial;
  uint32_t reply_serial;
} cases[] = {
  { CALL, 0, 'l', NULL, "a.b", WIRE_METHOD_CALL, 0, 77, 0 },
  { CALL, 7, 'B', NULL, ":1.5", WIRE_METHOD_CALL, 7, 77, 0 },
  { CALL, 4, 'l', NULL, "a.b", WIRE_METHOD_CALL, 4, 77, 0 },
  { REPLY, 0, 'B', NULL, ":1.5", WIRE_METHOD_RETURN, 1, 1000, 33 },
  { REPLY, 0, 'l', "org.freedesktop.DBus", ":1.5", WIRE_METHOD_RETURN, 1, 1000, 33 },
  { ERROR, 0, 'l', NULL, ":1.5", WIRE_ERROR, 1, 1000, 33 },
  { SIGNAL, 0, 'l', NULL, ":1.5", WIRE_SIGNAL, 1, 1000, 0 },
  { SIGNAL, 0, 'B', ":1.9", NULL, WIRE_SIGNAL, 1, 1000, 0 },
};

static WireHeader
forward (gsize i)
{
  WireHeader header = full;

  header.byte_order = cases[i].byte_order;
  header.flags = cases[i].flags;
  header.type = cases[i].type;
  switch (cases[i].kind)
    {
    case CALL:
      return forward_call (&header, cases[i].destination);
    case SIGNAL:
      return forward_signal (&header, 1000, cases[i].sender, cases[i].destination);
    default:
      return forward_reply (&header, 1000, cases[i].sender, cases[i].destination);
    }
}

static void
test_table (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      bool addressed = cases[i].kind == CALL || cases[i].kind == SIGNAL;
      WireHeader header = forward (i);
      uint8_t bytes[1024];
      size_t size = wire_header_write (&header, 0, bytes, sizeof bytes);
      WireMessage message;

      g_test_message ("case %zu", i);
      g_assert_cmpint (wire_message_parse (bytes, size, &message), ==, WIRE_OK);
      g_assert_cmpint (message.header.byte_order, ==, cases[i].byte_order);
      g_assert_cmpint (message.header.type, ==, cases[i].type);
      g_assert_cmpint (message.header.flags, ==, cases[i].expected_flags);
      g_assert_cmpuint (message.header.serial, ==, cases[i].serial);
      g_assert_cmpuint (message.header.reply_serial, ==, cases[i].reply_serial);
      g_assert_cmpstr (message.header.sender, ==, cases[i].sender);
      g_assert_cmpstr (message.header.destination, ==, cases[i].destination);
      g_assert_cmpstr (message.header.path, ==, addressed ? "/org/example" : NULL);
      g_assert_cmpstr (message.header.interface, ==, addressed ? "org.example.Interface" : NULL);
      g_assert_cmpstr (message.header.member, ==, addressed ? "Member" : NULL);
      g_assert_cmpstr (message.header.error_name, ==,
                       cases[i].kind == ERROR ? "org.example.Error" : NULL);
    }
}

/* A guest's reply is a reply, whatever else its header claims. */
static void
test_reply_type (void)
{
  WireHeader header = full;

  header.type = WIRE_METHOD_CALL;
  g_assert_cmpint (forward_reply (&header, 1, NULL, ":1.1").type, ==, WIRE_METHOD_RETURN);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/forward/table", test_table);
  g_test_add_func ("/forward/reply-type", test_reply_type);
  return g_test_run ();
}
