/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole messages: measured, parsed, written again. */
#include "message.h"

#include <glib.h>
#include <string.h>

#include "limit.h"
#include "script.h"

#define CALL PATH ("/a") MEMBER ("M")
#define FULL_CALL CALL INTERFACE ("a.b") DESTINATION ("org.x.y") SENDER (":1.2")
#define RETURN REPLY_SERIAL (9)
#define FAILURE RETURN ERROR_NAME ("a.b")
#define SIGNAL PATH ("/a") INTERFACE ("a.b") MEMBER ("M")

static const struct
{
  uint8_t type;
  const char *fields;
  const char *body;
  WireVerdict verdict;
} messages[] = {
  /* What each type must have. */
  { WIRE_METHOD_CALL, CALL, "", WIRE_OK },
  { WIRE_METHOD_CALL, FULL_CALL, "", WIRE_OK },
  { WIRE_METHOD_CALL, PATH ("/a"), "", WIRE_MISSING_FIELD },
  { WIRE_METHOD_CALL, MEMBER ("M"), "", WIRE_MISSING_FIELD },
  { WIRE_METHOD_CALL, "", "", WIRE_MISSING_FIELD },
  { WIRE_METHOD_RETURN, RETURN, "", WIRE_OK },
  { WIRE_METHOD_RETURN, "", "", WIRE_MISSING_FIELD },
  { WIRE_METHOD_RETURN, DESTINATION (":1.2"), "", WIRE_MISSING_FIELD },
  { WIRE_ERROR, FAILURE, "", WIRE_OK },
  { WIRE_ERROR, FAILURE SIGNATURE ("s"), "s'why'", WIRE_OK },
  { WIRE_ERROR, RETURN, "", WIRE_MISSING_FIELD },
  { WIRE_ERROR, ERROR_NAME ("a.b"), "", WIRE_MISSING_FIELD },
  { WIRE_SIGNAL, SIGNAL, "", WIRE_OK },
  { WIRE_SIGNAL, INTERFACE ("a.b") MEMBER ("M"), "", WIRE_MISSING_FIELD },
  { WIRE_SIGNAL, PATH ("/a") MEMBER ("M"), "", WIRE_MISSING_FIELD },
  { WIRE_SIGNAL, PATH ("/a") INTERFACE ("a.b"), "", WIRE_MISSING_FIELD },

  /* Values of fields. */
  { WIRE_METHOD_CALL, PATH ("/a/") MEMBER ("M"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, PATH ("") MEMBER ("M"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, PATH ("/a") MEMBER ("M.N"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, PATH ("/a") MEMBER (""), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, CALL INTERFACE ("a"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, CALL INTERFACE ("a-b.c"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, CALL DESTINATION ("a"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, CALL DESTINATION (":1.2"), "", WIRE_OK },
  { WIRE_METHOD_CALL, CALL SENDER ("1.2"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, CALL SENDER ("org.freedesktop.DBus"), "", WIRE_OK },
  { WIRE_ERROR, RETURN ERROR_NAME ("a"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_RETURN, REPLY_SERIAL (0), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_RETURN, REPLY_SERIAL (0xffffffff), "", WIRE_OK },
  { WIRE_METHOD_CALL, CALL SIGNATURE ("a"), "", WIRE_BAD_SIGNATURE },
  { WIRE_METHOD_CALL, CALL SIGNATURE (""), "", WIRE_OK },
  { WIRE_METHOD_CALL, CALL ERROR_NAME ("a.b") RETURN, "", WIRE_OK },

  /* What only a library may say to itself. */
  { WIRE_METHOD_CALL, PATH ("/org/freedesktop/DBus/Local") MEMBER ("M"), "", WIRE_BAD_FIELD },
  { WIRE_SIGNAL, PATH ("/org/freedesktop/DBus/Local") INTERFACE ("a.b") MEMBER ("M"), "",
    WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, CALL INTERFACE ("org.freedesktop.DBus.Local"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, PATH ("/org/freedesktop/DBus/Local/x") MEMBER ("M"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, PATH ("/org/freedesktop/DBus/Loca") MEMBER ("M"), "", WIRE_OK },
  { WIRE_METHOD_CALL, PATH ("/org/freedesktop/DBus") MEMBER ("M"), "", WIRE_OK },
  { WIRE_METHOD_CALL, CALL INTERFACE ("org.freedesktop.DBus.Locale"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, CALL INTERFACE ("org.freedesktop.DBus.Loca"), "", WIRE_OK },

  /* Twice, of a wrong type, or with no room. */
  { WIRE_METHOD_CALL, CALL MEMBER ("M"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, CALL PATH ("/a"), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_RETURN, RETURN RETURN, "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, CALL UNIX_FDS (1) UNIX_FDS (1), "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, MEMBER ("M") " p8 y1 g's' s'/a'", "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, PATH ("/a") " p8 y3 g'o' s'/M'", "", WIRE_BAD_FIELD },
  { WIRE_METHOD_RETURN, " p8 y5 g'i' u1", "", WIRE_BAD_FIELD },
  { WIRE_METHOD_RETURN, " p8 y5 g'uu' p4 u1 u1", "", WIRE_BAD_FIELD },
  { WIRE_METHOD_RETURN, " p8 y5 g'' p4 u1", "", WIRE_BAD_FIELD },
  { WIRE_METHOD_RETURN, " p8 y5 g'u' q1", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_RETURN, " p8 y5", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_RETURN, " p8 y5 y1 'u'", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y2 g's' u9 'a.b' y0", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y2 g's' u3 'a.b' y1", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y2 g's' u3 'a.b'", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y2 g's' u0xffffffff 'a.b' y0", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y2 g's' u3 'a' y0 'b' y0", "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, CALL " p8 y2 g's' q3", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y8 g'g' y1 's'", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y8 g'g'", "", WIRE_BAD_HEADER },

  /* Padding between fields and after them. */
  { WIRE_METHOD_CALL, PATH ("/a") " y1" MEMBER ("M"), "", WIRE_BAD_PADDING },
  { WIRE_METHOD_CALL, CALL " p8", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " y0", "", WIRE_BAD_HEADER },

  /* Fields of later versions: well-formed, and forgotten. */
  { WIRE_METHOD_CALL, CALL " p8 y11 g's' s'new'", "", WIRE_OK },
  { WIRE_METHOD_CALL, " p8 y200 g'a{sv}' p8 u0 p8" CALL, "", WIRE_OK },
  { WIRE_METHOD_CALL, CALL " p8 y255 g'(yv)' p8 y1 g'u' p4 u1", "", WIRE_OK },
  { WIRE_METHOD_CALL, CALL " p8 y11 g's' s'a' p8 y11 g's' s'a'", "", WIRE_OK },
  { WIRE_METHOD_CALL, CALL " p8 y11 g's' s'\xff'", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y11 g's' u9 'new' y0", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y11 g'yy' y1 y2", "", WIRE_BAD_SIGNATURE },
  { WIRE_METHOD_CALL, CALL " p8 y11 g''", "", WIRE_BAD_SIGNATURE },
  { WIRE_METHOD_CALL, CALL " p8 y11 g'(u)' y1 p8 u1", "", WIRE_BAD_PADDING },
  { WIRE_METHOD_CALL, CALL " p8 y11 g'b' u2", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y11 g'h' u0", "", WIRE_BAD_DESCRIPTOR },
  { WIRE_METHOD_CALL, CALL " p8 y11", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y0 g's' s'a'", "", WIRE_BAD_HEADER },
  { WIRE_METHOD_CALL, CALL " p8 y10 g'o' s'/a'", "", WIRE_OK },
  { WIRE_METHOD_CALL, CALL " p8 y10 g'o' s'a'", "", WIRE_BAD_FIELD },
  { WIRE_METHOD_CALL, CALL " p8 y10 g's' s'/a'", "", WIRE_BAD_FIELD },

  /* Bodies. */
  { WIRE_METHOD_CALL, CALL SIGNATURE ("s"), "s'a'", WIRE_OK },
  { WIRE_METHOD_CALL, CALL SIGNATURE ("s"), "", WIRE_BAD_BODY },
  { WIRE_METHOD_CALL, CALL SIGNATURE ("s"), "s'a' y0", WIRE_BAD_BODY },
  { WIRE_METHOD_CALL, CALL, "y0", WIRE_BAD_BODY },
  { WIRE_METHOD_CALL, CALL SIGNATURE (""), "y0", WIRE_BAD_BODY },
  { WIRE_METHOD_CALL, CALL SIGNATURE ("yu"), "y1 q0 y1 u1", WIRE_BAD_PADDING },
  { WIRE_METHOD_CALL, CALL SIGNATURE ("v"), "g'' y1", WIRE_BAD_SIGNATURE },
  { WIRE_METHOD_CALL, CALL SIGNATURE ("h") UNIX_FDS (1), "u0", WIRE_OK },
  { WIRE_METHOD_CALL, CALL UNIX_FDS (2) SIGNATURE ("vh"), "g'h' p4 u1 u0", WIRE_OK },
  { WIRE_METHOD_CALL, CALL SIGNATURE ("h"), "u0", WIRE_BAD_DESCRIPTOR },
  { WIRE_METHOD_CALL, CALL SIGNATURE ("h") UNIX_FDS (1), "u1", WIRE_BAD_DESCRIPTOR },
  { WIRE_METHOD_CALL, CALL UNIX_FDS (0), "", WIRE_OK },
};

static WireVerdict
parse (const GByteArray *bytes, gsize size, WireMessage *ret_message)
{
  /* A copy of the exact size, so that sanitizers see a read past the end. */
  g_autofree uint8_t *exact = g_memdup2 (bytes->data, size);
  WireVerdict verdict = wire_message_parse (exact, size, ret_message);

  /* The pointers would dangle: parse what stays, for the caller. */
  return verdict == WIRE_OK ? wire_message_parse (bytes->data, size, ret_message) : verdict;
}

static void
assert_headers_equal (const WireHeader *a, const WireHeader *b)
{
  g_assert_cmpint (a->byte_order, ==, b->byte_order);
  g_assert_cmpint (a->type, ==, b->type);
  g_assert_cmpint (a->flags, ==, b->flags);
  g_assert_cmpint (a->serial, ==, b->serial);
  g_assert_cmpint (a->n_descriptors, ==, b->n_descriptors);
  g_assert_cmpstr (a->path, ==, b->path);
  g_assert_cmpstr (a->interface, ==, b->interface);
  g_assert_cmpstr (a->member, ==, b->member);
  g_assert_cmpstr (a->destination, ==, b->destination);
  g_assert_cmpstr (a->sender, ==, b->sender);
  g_assert_cmpstr (a->signature, ==, b->signature);
  if (a->type == WIRE_METHOD_RETURN || a->type == WIRE_ERROR)
    {
      g_assert_cmpint (a->reply_serial, ==, b->reply_serial);
      g_assert_cmpstr (a->error_name, ==, b->error_name);
    }
}

/* Writes the header anew and parses that with the same body. */
static void
assert_round_trip (const WireMessage *message)
{
  uint8_t header[1024];
  size_t header_size =
      wire_header_write (&message->header, message->body_size, header, sizeof header);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  WireMessage again;

  g_assert_cmpint (header_size, >=, WIRE_PREFIX_SIZE);
  g_assert_cmpint (header_size % 8, ==, 0);
  g_byte_array_append (bytes, header, (guint) header_size);
  g_byte_array_append (bytes, message->body, (guint) message->body_size);

  g_assert_cmpint (parse (bytes, bytes->len, &again), ==, WIRE_OK);
  g_assert_cmpint (again.size, ==, bytes->len);
  g_assert_cmpmem (again.body, again.body_size, message->body, message->body_size);
  assert_headers_equal (&message->header, &again.header);

  /* Every smaller buffer is refused and not overrun. */
  for (size_t size = 0; size < header_size; size++)
    {
      g_autofree uint8_t *small = g_malloc (MAX (size, 1));

      g_assert_cmpint (wire_header_write (&message->header, message->body_size, small, size), ==,
                       0);
    }
}

static void
test_table (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    for (guint order = 0; order < G_N_ELEMENTS (script_byte_orders); order++)
      {
        g_autoptr (GByteArray) bytes = script_message (script_byte_orders[order], messages[i].type,
                                                       0, 7, messages[i].fields, messages[i].body);
        WireMessage message;
        WireVerdict verdict = parse (bytes, bytes->len, &message);
        size_t size;

        if (verdict != messages[i].verdict)
          g_error ("%c %d%s | %s: %s, not %s", script_byte_orders[order], messages[i].type,
                   messages[i].fields, messages[i].body, wire_verdict_to_string (verdict),
                   wire_verdict_to_string (messages[i].verdict));

        g_assert_cmpint (wire_message_measure (bytes->data, &size), ==, WIRE_OK);
        g_assert_cmpint (size, ==, bytes->len);
        if (verdict == WIRE_OK)
          assert_round_trip (&message);
      }
}

/* Every beginning of a good message is incomplete, and leaves the caller's message alone. */
static void
test_incomplete (void)
{
  for (guint order = 0; order < G_N_ELEMENTS (script_byte_orders); order++)
    {
      g_autoptr (GByteArray) bytes =
          script_message (script_byte_orders[order], WIRE_METHOD_CALL, 0, 7,
                          FULL_CALL SIGNATURE ("sa{sv}"), "s'a' p4 u0 p8");

      for (guint size = 0; size < bytes->len; size++)
        {
          WireMessage message, untouched;

          memset (&message, 0x55, sizeof message);
          memset (&untouched, 0x55, sizeof untouched);
          g_assert_cmpint (parse (bytes, size, &message), ==, WIRE_INCOMPLETE);
          g_assert_cmpmem (&message, sizeof message, &untouched, sizeof untouched);
        }
    }
}

/* Each single bit turned: no crash, no read past the end, whatever the verdict. */
static void
test_turned_bits (void)
{
  g_autoptr (GByteArray) bytes =
      script_message ('l', WIRE_METHOD_CALL, 0, 7, FULL_CALL SIGNATURE ("sa{sv}ab"),
                      "s'a' p4 u16 p8 s'k' g'u' p4 u7 u4 u1");

  for (guint bit = 0; bit < bytes->len * 8; bit++)
    {
      WireMessage message;

      bytes->data[bit / 8] ^= (guint8) (1 << bit % 8);
      if (parse (bytes, bytes->len, &message) == WIRE_OK)
        assert_round_trip (&message);
      bytes->data[bit / 8] ^= (guint8) (1 << bit % 8);
    }
}

static void
test_header (void)
{
  for (guint order = 0; order < G_N_ELEMENTS (script_byte_orders); order++)
    {
      g_autoptr (GByteArray) bytes = script_message (
          script_byte_orders[order], WIRE_ERROR, 0xff, 0x01020304,
          FAILURE DESTINATION (":1.7") SENDER ("org.x.y") SIGNATURE ("su") UNIX_FDS (3),
          "s'abc' u5");
      WireMessage message;

      /* What follows a message is the next one's. */
      g_byte_array_append (bytes, (const guint8 *) "l", 1);
      g_assert_cmpint (parse (bytes, bytes->len, &message), ==, WIRE_OK);
      g_assert_cmpint (message.size, ==, bytes->len - 1);
      g_assert_cmpint (message.body_size, ==, 12);
      g_assert_true (message.body == bytes->data + message.size - 12);
      g_assert_cmpint (message.header.byte_order, ==, script_byte_orders[order]);
      g_assert_cmpint (message.header.type, ==, WIRE_ERROR);
      g_assert_cmpint (message.header.flags, ==,
                       WIRE_NO_REPLY_EXPECTED | WIRE_NO_AUTO_START
                           | WIRE_ALLOW_INTERACTIVE_AUTHORIZATION);
      g_assert_cmpint (message.header.serial, ==, 0x01020304);
      g_assert_cmpint (message.header.reply_serial, ==, 9);
      g_assert_cmpint (message.header.n_descriptors, ==, 3);
      g_assert_cmpstr (message.header.error_name, ==, "a.b");
      g_assert_cmpstr (message.header.destination, ==, ":1.7");
      g_assert_cmpstr (message.header.sender, ==, "org.x.y");
      g_assert_cmpstr (message.header.signature, ==, "su");
      g_assert_null (message.header.path);
      g_assert_null (message.header.interface);
      g_assert_null (message.header.member);
    }
}

static void
test_no_signature (void)
{
  g_autoptr (GByteArray) bytes = script_message ('l', WIRE_METHOD_RETURN, 0, 1, RETURN, "");
  WireMessage message;

  g_assert_cmpint (parse (bytes, bytes->len, &message), ==, WIRE_OK);
  g_assert_cmpstr (message.header.signature, ==, "");
  g_assert_cmpint (message.body_size, ==, 0);
}

static const struct
{
  const char *prefix;
  WireVerdict verdict;
  gsize size;
} prefixes[] = {
  { "'l' y1 y0 y1 u0 u1 u0", WIRE_OK, 16 },
  { "'B' y1 y0 y1 u0 u1 u0", WIRE_OK, 16 },
  { "'l' y4 y0 y1 u5 u1 u1", WIRE_OK, 24 + 5 },
  { "'l' y4 y0 y1 u5 u1 u8", WIRE_OK, 24 + 5 },
  { "'l' y4 y0 y1 u5 u1 u9", WIRE_OK, 32 + 5 },
  { "'L' y1 y0 y1 u0 u1 u0", WIRE_BAD_BYTE_ORDER, 0 },
  { "'b' y1 y0 y1 u0 u1 u0", WIRE_BAD_BYTE_ORDER, 0 },
  { "y0 y1 y0 y1 u0 u1 u0", WIRE_BAD_BYTE_ORDER, 0 },
  { "'l' y1 y0 y0 u0 u1 u0", WIRE_BAD_VERSION, 0 },
  { "'l' y1 y0 y2 u0 u1 u0", WIRE_BAD_VERSION, 0 },
  { "'l' y0 y0 y1 u0 u1 u0", WIRE_BAD_TYPE, 0 },
  { "'l' y5 y0 y1 u0 u1 u0", WIRE_BAD_TYPE, 0 },
  { "'l' y255 y0 y1 u0 u1 u0", WIRE_BAD_TYPE, 0 },
  /* 64 KiB of header and 16 MiB in all, and not a byte more. */
  { "'l' y1 y0 y1 u0 u1 u65520", WIRE_OK, 65536 },
  { "'l' y1 y0 y1 u0 u1 u65521", WIRE_TOO_LARGE, 0 },
  { "'l' y1 y0 y1 u0 u1 u0xffffffff", WIRE_TOO_LARGE, 0 },
  { "'l' y1 y0 y1 u16777200 u1 u0", WIRE_OK, 16777216 },
  { "'l' y1 y0 y1 u16777201 u1 u0", WIRE_TOO_LARGE, 0 },
  { "'l' y1 y0 y1 u16777200 u1 u1", WIRE_TOO_LARGE, 0 },
  { "'l' y1 y0 y1 u16777192 u1 u1", WIRE_OK, 16777216 },
  { "'l' y1 y0 y1 u0xffffffff u1 u0", WIRE_TOO_LARGE, 0 },
  { "'l' y1 y0 y1 u0xffffffff u1 u65520", WIRE_TOO_LARGE, 0 },
};

static void
test_measure (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      g_autoptr (GByteArray) bytes =
          script_run (prefixes[i].prefix, strstr (prefixes[i].prefix, "'B'") != NULL ? 'B' : 'l');
      size_t size = 0;
      WireMessage message;

      g_test_message ("%s", prefixes[i].prefix);
      g_assert_cmpint (bytes->len, ==, WIRE_PREFIX_SIZE);
      g_assert_cmpint (wire_message_measure (bytes->data, &size), ==, prefixes[i].verdict);
      g_assert_cmpint (size, ==, prefixes[i].size);
      if (prefixes[i].verdict != WIRE_OK)
        g_assert_cmpint (wire_message_parse (bytes->data, bytes->len, &message), ==,
                         prefixes[i].verdict);
    }
}

static void
test_serial (void)
{
  g_autoptr (GByteArray) bytes = script_message ('l', WIRE_METHOD_CALL, 0, 0, CALL, "");
  WireMessage message;

  g_assert_cmpint (parse (bytes, bytes->len, &message), ==, WIRE_BAD_SERIAL);
}

/* The padding between header and body. */
static void
test_header_padding (void)
{
  g_autoptr (GByteArray) bytes = script_message ('l', WIRE_METHOD_CALL, 0, 1, CALL, "");
  WireMessage message;

  g_assert_cmpint (parse (bytes, bytes->len, &message), ==, WIRE_OK);
  bytes->data[bytes->len - 1] = 1;
  g_assert_cmpint (parse (bytes, bytes->len, &message), ==, WIRE_BAD_PADDING);
}

static WireVerdict
parse_variants (guint n)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autoptr (GByteArray) bytes = NULL;
  WireMessage message;

  for (guint i = 1; i < n; i++)
    g_string_append (body, "g'v' ");
  g_string_append (body, "g'y' y1");
  bytes = script_message ('l', WIRE_METHOD_CALL, 0, 1, CALL SIGNATURE ("v"), body->str);

  return parse (bytes, bytes->len, &message);
}

static void
test_depth (void)
{
  g_assert_cmpint (parse_variants (LIMIT_BODY_DEPTH), ==, WIRE_OK);
  g_assert_cmpint (parse_variants (LIMIT_BODY_DEPTH + 1), ==, WIRE_TOO_DEEP);
}

/* A call or signal that quotes a serial loses it, for it is no reply. */
static void
test_write_no_reply (void)
{
  for (uint8_t type = WIRE_METHOD_CALL; type <= WIRE_SIGNAL; type++)
    {
      g_autoptr (GByteArray) bytes =
          script_message ('l', type, 0, 1, SIGNAL RETURN ERROR_NAME ("a.b"), "");
      bool reply = type == WIRE_METHOD_RETURN || type == WIRE_ERROR;
      uint8_t header[256];
      WireMessage message, again;
      size_t size;

      g_assert_cmpint (parse (bytes, bytes->len, &message), ==, WIRE_OK);
      size = wire_header_write (&message.header, 0, header, sizeof header);
      g_assert_cmpint (wire_message_parse (header, size, &again), ==, WIRE_OK);
      g_assert_cmpint (again.header.reply_serial, ==, reply ? 9 : 0);
      g_assert_cmpstr (again.header.error_name, ==, reply ? "a.b" : NULL);
    }
}

static void
test_write_changed (void)
{
  for (guint order = 0; order < G_N_ELEMENTS (script_byte_orders); order++)
    {
      g_autoptr (GByteArray) bytes =
          script_message (script_byte_orders[order], WIRE_METHOD_CALL, 4, 0xfffffffe,
                          " p8 y77 g's' s'dropped'" FULL_CALL SIGNATURE ("s"), "s'a'");
      WireMessage message, again;
      WireHeader header;
      uint8_t buffer[256];
      size_t size;

      g_assert_cmpint (parse (bytes, bytes->len, &message), ==, WIRE_OK);
      header = message.header;
      header.destination = "org.freedesktop.hostname1";
      header.sender = NULL;
      size = wire_header_write (&header, message.body_size, buffer, sizeof buffer);
      memcpy (buffer + size, message.body, message.body_size);

      g_assert_cmpint (wire_message_parse (buffer, size + message.body_size, &again), ==, WIRE_OK);
      assert_headers_equal (&header, &again.header);
      g_assert_null (memmem (buffer, size, "dropped", 7));
    }
}

static void
test_write_limits (void)
{
  g_autofree uint8_t *buffer = g_malloc (LIMIT_HEADER_SIZE + 1024);
  g_autofree char *path = g_strnfill (LIMIT_HEADER_SIZE, 'a');
  g_autofree char *signature = g_strnfill (LIMIT_SIGNATURE_LENGTH + 1, 'y');
  WireHeader header = { .byte_order = 'l', .type = WIRE_SIGNAL, .serial = 1, .signature = "" };

  path[0] = '/';
  header.path = path;
  g_assert_cmpint (wire_header_write (&header, 0, buffer, LIMIT_HEADER_SIZE + 1024), ==, 0);
  path[LIMIT_HEADER_SIZE - WIRE_PREFIX_SIZE - 8] = '\0';
  g_assert_cmpint (wire_header_write (&header, 0, buffer, LIMIT_HEADER_SIZE + 1024), ==, 0);
  path[LIMIT_HEADER_SIZE - WIRE_PREFIX_SIZE - 8 - 1] = '\0';
  g_assert_cmpint (wire_header_write (&header, 0, buffer, LIMIT_HEADER_SIZE + 1024), ==,
                   LIMIT_HEADER_SIZE);

  header.path = "/a";
  g_assert_cmpint (wire_header_write (&header, LIMIT_MESSAGE_SIZE - 16 - 16, buffer, 1024), ==, 32);
  g_assert_cmpint (wire_header_write (&header, LIMIT_MESSAGE_SIZE - 16 - 15, buffer, 1024), ==, 0);
  g_assert_cmpint (wire_header_write (&header, SIZE_MAX, buffer, 1024), ==, 0);

  header.signature = signature;
  g_assert_cmpint (wire_header_write (&header, 0, buffer, 1024), ==, 0);
  signature[LIMIT_SIGNATURE_LENGTH] = '\0';
  g_assert_cmpint (wire_header_write (&header, 0, buffer, 1024), >, LIMIT_SIGNATURE_LENGTH);
}

static void
test_verdicts (void)
{
  for (int i = WIRE_OK; i <= WIRE_BAD_DESCRIPTOR; i++)
    {
      const char *text = wire_verdict_to_string ((WireVerdict) i);

      g_assert_cmpint (strlen (text), >, 0);
      g_assert_false (g_str_has_suffix (text, "."));
      for (int j = WIRE_OK; j < i; j++)
        g_assert_cmpstr (text, !=, wire_verdict_to_string ((WireVerdict) j));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/wire/message/table", test_table);
  g_test_add_func ("/wire/message/incomplete", test_incomplete);
  g_test_add_func ("/wire/message/turned-bits", test_turned_bits);
  g_test_add_func ("/wire/message/header", test_header);
  g_test_add_func ("/wire/message/no-signature", test_no_signature);
  g_test_add_func ("/wire/message/measure", test_measure);
  g_test_add_func ("/wire/message/serial", test_serial);
  g_test_add_func ("/wire/message/header-padding", test_header_padding);
  g_test_add_func ("/wire/message/depth", test_depth);
  g_test_add_func ("/wire/message/write-no-reply", test_write_no_reply);
  g_test_add_func ("/wire/message/write-changed", test_write_changed);
  g_test_add_func ("/wire/message/write-limits", test_write_limits);
  g_test_add_func ("/wire/message/verdicts", test_verdicts);

  return g_test_run ();
}
