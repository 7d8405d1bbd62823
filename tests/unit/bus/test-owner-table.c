/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owners as signals change them. */
#include "owner-table.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "body.h"
#include "limit.h"

/* A signal of the driver, parsed as it would come. The bytes live until the next one. */
static WireMessage
make_signal (const char *member, const char *name, const char *old_owner, const char *new_owner)
{
  static uint8_t bytes[4096];
  WireWriter *body = wire_writer_new ();
  WireHeader header = { .byte_order = wire_native_byte_order (),
                        .type = WIRE_SIGNAL,
                        .serial = 1,
                        .path = BUS_DRIVER_PATH,
                        .interface = BUS_DRIVER_INTERFACE,
                        .member = member,
                        .sender = BUS_DRIVER_NAME,
                        .signature = "sss" };
  WireMessage message;
  size_t size, header_size;
  const uint8_t *data;

  wire_writer_string (body, name);
  wire_writer_string (body, old_owner);
  wire_writer_string (body, new_owner);
  data = wire_writer_data (body, &size);
  header_size = wire_header_write (&header, size, bytes, sizeof bytes);
  memcpy (bytes + header_size, data, size);
  wire_writer_free (body);

  g_assert_cmpint (wire_message_parse (bytes, header_size + size, &message), ==, WIRE_OK);
  return message;
}

/* One after the other, on names a.b and c.d. */
static const struct
{
  const char *member;
  const char *name;
  const char *new_owner;
  OwnerSignal expected;
  const char *owner; /* of a.b afterwards */
} steps[] = {
  { "NameOwnerChanged", "a.b", ":1.1", OWNER_SIGNAL_NAME, ":1.1" },
  { "NameOwnerChanged", "x.y", ":1.1", OWNER_SIGNAL_OTHER, ":1.1" },
  { "NameOwnerChanged", ":1.1", "", OWNER_SIGNAL_UNIQUE, ":1.1" },
  { "NameOwnerChanged", ":1.9", "", OWNER_SIGNAL_OTHER, ":1.1" },
  { "NameAcquired", "a.b", ":1.2", OWNER_SIGNAL_OTHER, ":1.1" },
  { "NameOwnerChanged", "a.b", "not.unique", OWNER_SIGNAL_OTHER, ":1.1" },
  { "NameOwnerChanged", "a.b", "", OWNER_SIGNAL_NAME, NULL },
  { "NameOwnerChanged", ":1.1", "", OWNER_SIGNAL_UNIQUE, NULL },
  { "NameOwnerChanged", "a.b", ":1.2", OWNER_SIGNAL_NAME, ":1.2" },
  { "NameOwnerChanged", "a.b", ":1.3", OWNER_SIGNAL_NAME, ":1.3" },
  { "NameOwnerChanged", ":1.1", "", OWNER_SIGNAL_OTHER, ":1.3" },
  { "NameOwnerChanged", "c.d", ":1.3", OWNER_SIGNAL_NAME, ":1.3" },
};

static void
test_signals (void)
{
  const char *const names[] = { "a.b", "c.d" };
  OwnerTable table;

  owner_table_init (&table, names, 2);
  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      WireMessage signal = make_signal (steps[i].member, steps[i].name, "", steps[i].new_owner);

      g_test_message ("step %zu", i);
      g_assert_cmpint (owner_table_take_signal (&table, &signal, NULL), ==, steps[i].expected);
      g_assert_cmpstr (owner_table_find (&table, "a.b")->owner, ==, steps[i].owner);
    }

  /* Of two names with one owner the first is found. */
  g_assert_cmpstr (owner_table_find_owner (&table, ":1.3")->name, ==, "a.b");
  g_assert_null (owner_table_find_owner (&table, ":1.1"));
  owner_table_clear (&table);
}

static void
test_limit (void)
{
  OwnerTable table = { 0 };

  for (unsigned i = 0; i < LIMIT_EXPORTED_NAMES + 3; i++)
    {
      char name[32];

      snprintf (name, sizeof name, "a.b%u", i);
      g_assert_true ((owner_table_add (&table, name) != NULL) == (i < LIMIT_EXPORTED_NAMES));
    }
  g_assert_null (owner_table_add (&table, "a.b1"));
  owner_table_clear (&table);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/owner-table/signals", test_signals);
  g_test_add_func ("/owner-table/limit", test_limit);
  return g_test_run ();
}
