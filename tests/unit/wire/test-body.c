/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bodies of our own, written and read. */
#include "body.h"

#include <glib.h>
#include <string.h>

#include "limit.h"
#include "script.h"

/* A message of `body` with `signature`, good or the test is wrong. */
static GByteArray *
message_new (uint8_t byte_order, const char *signature, const char *body, WireMessage *ret_message)
{
  g_autofree char *fields =
      g_strdup_printf (REPLY_SERIAL (1) " p8 y8 g'g' g'%s' p8 y9 g'u' u9", signature);
  GByteArray *bytes = script_message (byte_order, WIRE_METHOD_RETURN, 0, 1, fields, body);

  g_assert_cmpint (wire_message_parse (bytes->data, bytes->len, ret_message), ==, WIRE_OK);
  return bytes;
}

static void
test_read_simple (void)
{
  for (guint order = 0; order < G_N_ELEMENTS (script_byte_orders); order++)
    {
      WireMessage message;
      g_autoptr (GByteArray) bytes =
          message_new (script_byte_orders[order], "sogub",
                       "s'text' p4 s'/a' g'a{sv}' p4 u0x01020304 u1", &message);
      WireReader reader;
      const char *text = NULL;
      uint32_t number = 0;
      bool boolean = false;

      wire_reader_init (&reader, &message);
      g_assert_false (wire_reader_uint32 (&reader, &number));
      g_assert_true (wire_reader_string (&reader, &text));
      g_assert_cmpstr (text, ==, "text");
      g_assert_true (wire_reader_string (&reader, &text));
      g_assert_cmpstr (text, ==, "/a");
      g_assert_true (wire_reader_string (&reader, &text));
      g_assert_cmpstr (text, ==, "a{sv}");

      /* A read of another type changes nothing. */
      g_assert_false (wire_reader_string (&reader, &text));
      g_assert_false (wire_reader_boolean (&reader, &boolean));
      g_assert_false (wire_reader_struct (&reader));
      g_assert_cmpstr (text, ==, "a{sv}");

      g_assert_true (wire_reader_uint32 (&reader, &number));
      g_assert_cmpint (number, ==, 0x01020304);
      g_assert_true (wire_reader_boolean (&reader, &boolean));
      g_assert_true (boolean);
      g_assert_false (wire_reader_boolean (&reader, &boolean));
      g_assert_false (wire_reader_string (&reader, &text));
    }
}

/* sa(ssb)u: what the agent answers. */
static void
test_read_structures (void)
{
  for (guint order = 0; order < G_N_ELEMENTS (script_byte_orders); order++)
    {
      WireMessage message;
      g_autoptr (GByteArray) bytes =
          message_new (script_byte_orders[order], "sa(ssb)u",
                       "s'v' p4 u44 p8 s'a' p4 s'b' p4 u1 p8 s'c' p4 s'' p4 u0 u7", &message);
      WireReader reader;
      g_autoptr (GString) seen = g_string_new (NULL);
      const char *a, *b;
      uint32_t number;
      size_t end;
      bool c;

      wire_reader_init (&reader, &message);
      g_assert_true (wire_reader_string (&reader, &a));
      g_assert_true (wire_reader_array (&reader, &end));
      while (reader.offset < end)
        {
          wire_reader_element (&reader);
          g_assert_true (wire_reader_struct (&reader));
          g_assert_true (wire_reader_string (&reader, &a));
          g_assert_true (wire_reader_string (&reader, &b));
          g_assert_true (wire_reader_boolean (&reader, &c));
          g_string_append_printf (seen, "%s,%s,%d;", a, b, c);
        }
      g_assert_false (wire_reader_string (&reader, &a));
      wire_reader_leave (&reader);
      g_assert_true (wire_reader_uint32 (&reader, &number));
      g_assert_cmpint (number, ==, 7);
      g_assert_cmpstr (seen->str, ==, "a,b,1;c,,0;");
    }
}

static void
test_read_nested (void)
{
  WireMessage message;
  g_autoptr (GByteArray) bytes =
      message_new ('l', "a(sas)(us)s",
                   "u44 p8 s'a' p4 u14 s'b' p4 s'c' p8 s'd' p4 u0 p8 u5 s'e' p4 s'f'", &message);
  WireReader reader;
  g_autoptr (GString) seen = g_string_new (NULL);
  const char *text;
  uint32_t number;
  size_t end, inner_end;

  wire_reader_init (&reader, &message);
  g_assert_true (wire_reader_array (&reader, &end));
  while (reader.offset < end)
    {
      wire_reader_element (&reader);
      g_assert_true (wire_reader_struct (&reader));
      g_assert_true (wire_reader_string (&reader, &text));
      g_string_append (seen, text);
      g_assert_true (wire_reader_array (&reader, &inner_end));
      while (reader.offset < inner_end)
        {
          wire_reader_element (&reader);
          g_assert_true (wire_reader_string (&reader, &text));
          g_string_append_printf (seen, "[%s]", text);
        }
      wire_reader_leave (&reader);
    }
  wire_reader_leave (&reader);

  /* A structure outside an array, and what follows it. */
  g_assert_true (wire_reader_struct (&reader));
  g_assert_true (wire_reader_uint32 (&reader, &number));
  g_assert_cmpint (number, ==, 5);
  g_assert_true (wire_reader_string (&reader, &text));
  g_string_append (seen, text);
  g_assert_true (wire_reader_string (&reader, &text));
  g_string_append (seen, text);
  g_assert_cmpstr (seen->str, ==, "a[b][c]def");

  /* One leave too many does no harm. */
  wire_reader_leave (&reader);
  wire_reader_element (&reader);
}

/* Leaving skips what was not read; a caller that does not look at the end reads nothing. */
static void
test_read_skip (void)
{
  WireMessage message;
  g_autoptr (GByteArray) bytes =
      message_new ('l', "asasa{sv}u", "u14 s'a' p4 s'b' p4 u0 u0 p8 u5", &message);
  WireReader reader;
  const char *text;
  uint32_t number;
  size_t end;

  wire_reader_init (&reader, &message);
  g_assert_true (wire_reader_array (&reader, &end));
  wire_reader_leave (&reader);

  g_assert_true (wire_reader_array (&reader, &end));
  wire_reader_element (&reader);
  g_assert_false (wire_reader_string (&reader, &text));
  wire_reader_leave (&reader);

  g_assert_true (wire_reader_array (&reader, &end));
  wire_reader_element (&reader);
  g_assert_false (wire_reader_struct (&reader));
  wire_reader_leave (&reader);

  g_assert_true (wire_reader_uint32 (&reader, &number));
  g_assert_cmpint (number, ==, 5);
}

static void
test_read_too_deep (void)
{
  WireMessage message;
  g_autoptr (GByteArray) bytes = message_new ('l', "aaaaau", "u16 u12 u8 u4 u0", &message);
  WireReader reader;
  size_t end;

  wire_reader_init (&reader, &message);
  for (guint i = 0; i < WIRE_READER_DEPTH; i++)
    g_assert_true (wire_reader_array (&reader, &end));
  g_assert_false (wire_reader_array (&reader, &end));
}

static void
test_write (void)
{
  WireWriter *writer = wire_writer_new ();
  g_autoptr (GByteArray) expected =
      script_run ("u1 u7 s'text' g'as' p4 u44 p8 s'a' p4 s'b' p4 u1 p8 s'c' p4 s'' p4 u0 u0 p8 "
                  "u6 s'x' p4 u8",
                  wire_native_byte_order ());
  const uint8_t *data;
  size_t size, mark;

  wire_writer_boolean (writer, true);
  wire_writer_uint32 (writer, 7);
  wire_writer_string (writer, "text");
  wire_writer_signature (writer, "as");
  mark = wire_writer_begin_array (writer, 8);
  for (guint i = 0; i < 2; i++)
    {
      wire_writer_begin_struct (writer);
      wire_writer_string (writer, i == 0 ? "a" : "c");
      wire_writer_string (writer, i == 0 ? "b" : "");
      wire_writer_boolean (writer, i == 0);
    }
  wire_writer_end_array (writer, mark);
  mark = wire_writer_begin_array (writer, 8);
  wire_writer_end_array (writer, mark);
  mark = wire_writer_begin_array (writer, 4);
  wire_writer_string (writer, "x");
  wire_writer_end_array (writer, mark);
  wire_writer_uint32 (writer, 8);

  g_assert_false (wire_writer_failed (writer));
  data = wire_writer_data (writer, &size);
  g_assert_cmpmem (data, size, expected->data, expected->len);
  g_assert_cmpint (wire_body_check (wire_native_byte_order (), "busga(ssb)a{sv}asu", data, size, 0),
                   ==, WIRE_OK);
  wire_writer_free (writer);
}

/* Arrays of structures at every alignment of what stands before. */
static void
test_write_alignment (void)
{
  static const char *const signatures[] = { "ga(ssb)s", "gga(ssb)s", "gsa(ssb)s", "gssa(ssb)s" };

  for (guint i = 0; i < G_N_ELEMENTS (signatures); i++)
    {
      WireWriter *writer = wire_writer_new ();
      const uint8_t *data;
      size_t size, mark;

      for (const char *p = signatures[i]; *p != 'a'; p++)
        if (*p == 'g')
          wire_writer_signature (writer, "");
        else
          wire_writer_string (writer, "");
      mark = wire_writer_begin_array (writer, 8);
      wire_writer_begin_struct (writer);
      wire_writer_string (writer, "a");
      wire_writer_string (writer, "b");
      wire_writer_boolean (writer, true);
      wire_writer_end_array (writer, mark);
      wire_writer_string (writer, "end");

      data = wire_writer_data (writer, &size);
      g_assert_cmpint (wire_body_check (wire_native_byte_order (), signatures[i], data, size, 0),
                       ==, WIRE_OK);
      wire_writer_free (writer);
    }
}

static void
test_write_empty (void)
{
  WireWriter *writer = wire_writer_new ();
  size_t size = 1;

  wire_writer_begin_struct (writer);
  wire_writer_data (writer, &size);
  g_assert_cmpint (size, ==, 0);
  g_assert_false (wire_writer_failed (writer));
  wire_writer_free (writer);
  wire_writer_free (NULL);
}

static void
test_write_overflow (void)
{
  WireWriter *writer = wire_writer_new ();
  g_autofree char *text = g_strnfill (LIMIT_MESSAGE_SIZE / 2, 'a');
  size_t size, mark;

  mark = wire_writer_begin_array (writer, 4);
  wire_writer_string (writer, text);
  g_assert_false (wire_writer_failed (writer));
  wire_writer_string (writer, text);
  g_assert_true (wire_writer_failed (writer));
  wire_writer_uint32 (writer, 1);
  wire_writer_end_array (writer, mark);
  g_assert_null (wire_writer_data (writer, &size));
  g_assert_cmpint (size, ==, 0);
  wire_writer_free (writer);

  writer = wire_writer_new ();
  text[LIMIT_SIGNATURE_LENGTH + 1] = '\0';
  wire_writer_signature (writer, text);
  g_assert_true (wire_writer_failed (writer));
  wire_writer_free (writer);
}

/* a(ys): bytes beside strings. */
static void
test_bytes (void)
{
  for (guint order = 0; order < G_N_ELEMENTS (script_byte_orders); order++)
    {
      WireMessage message;
      g_autoptr (GByteArray) bytes = message_new (script_byte_orders[order], "a(ys)",
                                                  "u27 p8 y1 p4 s'a' p8 y255 p4 s'bc'", &message);
      WireWriter *writer = wire_writer_new ();
      const char *text;
      const uint8_t *data;
      WireReader reader;
      uint8_t byte = 0;
      size_t end, size, mark;

      wire_reader_init (&reader, &message);
      g_assert_false (wire_reader_byte (&reader, &byte));
      g_assert_true (wire_reader_array (&reader, &end));
      mark = wire_writer_begin_array (writer, 8);
      while (reader.offset < end)
        {
          wire_reader_element (&reader);
          g_assert_true (wire_reader_struct (&reader));
          g_assert_true (wire_reader_byte (&reader, &byte));
          g_assert_false (wire_reader_byte (&reader, &byte));
          g_assert_true (wire_reader_string (&reader, &text));
          wire_writer_begin_struct (writer);
          wire_writer_byte (writer, byte);
          wire_writer_string (writer, text);
        }
      wire_writer_end_array (writer, mark);
      g_assert_cmpint (byte, ==, 255);

      data = wire_writer_data (writer, &size);
      if (script_byte_orders[order] == wire_native_byte_order ())
        g_assert_cmpmem (data, size, message.body, message.body_size);
      wire_writer_free (writer);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/wire/body/read-simple", test_read_simple);
  g_test_add_func ("/wire/body/read-structures", test_read_structures);
  g_test_add_func ("/wire/body/read-nested", test_read_nested);
  g_test_add_func ("/wire/body/read-skip", test_read_skip);
  g_test_add_func ("/wire/body/read-too-deep", test_read_too_deep);
  g_test_add_func ("/wire/body/write", test_write);
  g_test_add_func ("/wire/body/write-alignment", test_write_alignment);
  g_test_add_func ("/wire/body/write-empty", test_write_empty);
  g_test_add_func ("/wire/body/write-overflow", test_write_overflow);

  g_test_add_func ("/wire/body/bytes", test_bytes);
  return g_test_run ();
}
