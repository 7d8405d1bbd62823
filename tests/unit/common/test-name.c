/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of machines and what is derived from them. */
#include "name.h"

#include <string.h>

#include "error.h"
#include "limit.h"

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct
{
  const char *name;
  const char *problem; /* NULL: it is a name */
} names[] = {
  { "work", NULL },
  { "a", NULL },
  { "7", NULL },
  { "net-vm.example", NULL },
  { "a.", NULL },
  { "a-", NULL },
  { "a..b", NULL },
  { "team:web", NULL },
  { "a:b:c:d:e:f:g:h", NULL },
  { A63, NULL },
  { A63 ":" A63, NULL },
  { "", "a label is empty" },
  { ":", "a label is empty" },
  { ":a", "a label is empty" },
  { "a:", "a label is empty" },
  { "a::b", "a label is empty" },
  { "-a", "starts with" },
  { ".host", "starts with" },
  { "a:-b", "starts with" },
  { "a:.b", "starts with" },
  { "Work", "only a-z" },
  { "a_b", "only a-z" },
  { "a b", "only a-z" },
  { "a/b", "only a-z" },
  { "a@b", "only a-z" },
  { "a\\x2d", "only a-z" },
  { "a\n", "only a-z" },
  { "\xc3\xa4", "only a-z" },
  { "\xff", "only a-z" },
  { A63 "a", "longer than 63" },
  { "a:" A63 "a", "longer than 63" },
  { A63 ":" A63 ":", "a label is empty" },
  { A63 ":" A63 ":a", "longer than 128" },
  { "a:b:c:d:e:f:g:h:i", "more than 8" },
  /* A machine's session bus socket is another's system bus socket by no name. */
  { "work.session", "ends in “.session”" },
  { "team:work.session", "ends in “.session”" },
  { "work.session:web", NULL },
  { "session", NULL },
  { "work.sessions", NULL },
};

static void
test_validate (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;
      gboolean valid = machine_name_validate (names[i].name, &error);

      if (names[i].problem == NULL)
        {
          g_assert_no_error (error);
          g_assert_true (valid);
          continue;
        }

      g_assert_error (error, TOMBOLO_ERROR, TOMBOLO_ERROR_INVALID_NAME);
      g_assert_false (valid);
      g_assert_nonnull (strstr (error->message, names[i].problem));
      g_assert_true (g_str_has_suffix (error->message, "."));
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      g_assert_null (strchr (error->message, '\n'));
    }
}

static const struct
{
  const char *name;
  const char *element;
} elements[] = {
  { "work", "work" },
  { "a7", "a7" },
  { "7a", "_37a" },
  { "77", "_377" },
  { "a-b", "a_2db" },
  { "a.b", "a_2eb" },
  { "team:web", "team_3aweb" },
  { "a.-:b", "a_2e_2d_3ab" },
};

static void
test_paths (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (elements); i++)
    {
      g_autofree char *element = machine_name_to_element (elements[i].name);
      g_autofree char *path = machine_name_to_path (elements[i].name);
      g_autofree char *expected = g_strconcat (TOMBOLO_MACHINE_PATH "/", elements[i].element, NULL);
      g_autofree char *name = machine_name_from_path (path);

      g_assert_cmpstr (element, ==, elements[i].element);
      g_assert_cmpstr (path, ==, expected);
      g_assert_true (g_variant_is_object_path (path));
      g_assert_cmpstr (name, ==, elements[i].name);
    }
}

static void
test_no_paths (void)
{
  static const char *const paths[] = {
    "",
    "/",
    TOMBOLO_ROOT_PATH,
    TOMBOLO_MACHINE_PATH,
    TOMBOLO_MACHINE_PATH "/",
    TOMBOLO_MACHINE_PATH "/_",
    TOMBOLO_MACHINE_PATH "/Work",
    TOMBOLO_MACHINE_PATH "/a_2",
    TOMBOLO_MACHINE_PATH "/a_",
    TOMBOLO_MACHINE_PATH "/a_zz",
    TOMBOLO_MACHINE_PATH "/a_2D",  /* capital: another path for a-… */
    TOMBOLO_MACHINE_PATH "/_61",   /* “a”, needlessly escaped */
    TOMBOLO_MACHINE_PATH "/7a",    /* a digit that must be escaped */
    TOMBOLO_MACHINE_PATH "/a_00b", /* a zero */
    TOMBOLO_MACHINE_PATH "/_2ehost",
    TOMBOLO_MACHINE_PATH "/work/unit/x",
    "/org/tombolo/Host1/machines/work",
  };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autofree char *name = machine_name_from_path (paths[i]);

      g_test_message ("%s", paths[i]);
      g_assert_null (name);
    }
}

static void
test_alias (void)
{
  g_autofree char *alias =
      machine_name_to_alias ("work", GUEST_BUS_SYSTEM, "org.freedesktop.hostname1");
  g_autofree char *escaped = machine_name_to_alias ("a.b:7", GUEST_BUS_SYSTEM, "org.x.y");
  g_autofree char *session =
      machine_name_to_alias ("work", GUEST_BUS_SESSION, "org.freedesktop.systemd1");
  gsize prefix = strlen (TOMBOLO_GUEST_PREFIX ".work.");

  g_assert_cmpstr (alias, ==, "org.tombolo.Guest1.work.org.freedesktop.hostname1");
  g_assert_cmpstr (escaped, ==, "org.tombolo.Guest1.a_2eb_3a7.org.x.y");
  g_assert_cmpstr (session, ==, "org.tombolo.GuestSession1.work.org.freedesktop.systemd1");

  for (gsize length = LIMIT_NAME_LENGTH - prefix - 1; length <= LIMIT_NAME_LENGTH - prefix + 1;
       length++)
    {
      g_autofree char *exported = g_strnfill (length, 'a');
      g_autofree char *long_alias = machine_name_to_alias ("work", GUEST_BUS_SYSTEM, exported);

      g_assert_cmpint (long_alias != NULL, ==, prefix + length <= LIMIT_NAME_LENGTH);
    }
}

static const struct
{
  const char *name;
  const char *rest; /* NULL: no prefix of ours */
  GuestBus bus;
} prefixes[] = {
  { "org.tombolo.Guest1.work.a", "work.a", GUEST_BUS_SYSTEM },
  { "org.tombolo.GuestSession1.work.a", "work.a", GUEST_BUS_SESSION },
  { "org.tombolo.Guest1.", "", GUEST_BUS_SYSTEM },
  { "org.tombolo.Guest1", NULL, 0 },
  { "org.tombolo.GuestSession1", NULL, 0 },
  { "org.tombolo.GuestSession12.work.a", NULL, 0 },
  { "org.tombolo.GuestSession.work.a", NULL, 0 },
  { "org.tombolo.Host1", NULL, 0 },
  { "", NULL, 0 },
};

static void
test_prefixes (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      GuestBus bus = N_GUEST_BUSES;

      g_assert_cmpstr (guest_bus_split_prefix (prefixes[i].name, &bus), ==, prefixes[i].rest);
      g_assert_cmpint (bus, ==, prefixes[i].rest != NULL ? prefixes[i].bus : N_GUEST_BUSES);
    }
}

static void
test_bus_words (void)
{
  static const char *const bad[] = { "", "System", "sessions", "session ", "user", "sessio" };
  g_autofree char *system = machine_name_to_bus_socket ("a.b:7", GUEST_BUS_SYSTEM);
  g_autofree char *session = machine_name_to_bus_socket ("a.b:7", GUEST_BUS_SESSION);
  GuestBus bus;

  for (GuestBus each = 0; each < N_GUEST_BUSES; each++)
    {
      g_assert_true (guest_bus_from_string (guest_bus_to_string (each), &bus));
      g_assert_cmpint (bus, ==, each);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (guest_bus_from_string (bad[i], &bus));

  g_assert_cmpstr (system, ==, "a.b:7");
  g_assert_cmpstr (session, ==, "a.b:7.session");
}

static const struct
{
  const char *unit;
  const char *name; /* NULL: none of ours */
  MachineUnit kind;
} units[] = {
  { "tombolo-machine@work.service", "work", MACHINE_UNIT_QEMU },
  { "tombolo-machine@work.socket", "work", MACHINE_UNIT_QEMU_SOCKET },
  { "tombolo-container@team:web.service", "team:web", MACHINE_UNIT_CONTAINER },
  { "tombolo-bridge@a.b-c.service", "a.b-c", MACHINE_UNIT_BRIDGE },
  { "tombolo-bridge@work.socket", "work", MACHINE_UNIT_BRIDGE_SOCKET },
  { "tombolo-bridge@a.service.service", "a.service", MACHINE_UNIT_BRIDGE },
  { "tombolo-container@work.socket", NULL, 0 },
  { "tombolo-machine@.service", NULL, 0 },
  { "tombolo-machine@service", NULL, 0 },
  { "tombolo-machine@Work.service", NULL, 0 },
  { "tombolo-machine@a/b.service", NULL, 0 },
  { "tombolo-machine@.host.service", NULL, 0 },
  { "tombolo-machine@work.servic", NULL, 0 },
  { "tombolo-machine@work.service.d", NULL, 0 },
  { "xtombolo-machine@work.service", NULL, 0 },
  { "tombolo-machinework.service", NULL, 0 },
  { "ssh@work.service", NULL, 0 },
  { "", NULL, 0 },
};

static void
test_units (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    {
      g_autofree char *name = NULL, *again = NULL;
      MachineUnit kind = (MachineUnit) -1;
      gboolean found = machine_name_from_unit (units[i].unit, &name, &kind);

      g_test_message ("%s", units[i].unit);
      g_assert_cmpint (found, ==, units[i].name != NULL);
      g_assert_cmpstr (name, ==, units[i].name);
      if (!found)
        {
          g_assert_cmpint (kind, ==, (MachineUnit) -1);
          continue;
        }

      g_assert_cmpint (kind, ==, units[i].kind);
      again = machine_name_to_unit (name, kind);
      g_assert_cmpstr (again, ==, units[i].unit);
    }
}

static void
test_interface (void)
{
  char host[INTERFACE_NAME_SIZE], guest[INTERFACE_NAME_SIZE], other[INTERFACE_NAME_SIZE];

  machine_name_to_interface ("work", FALSE, host);
  machine_name_to_interface ("work", TRUE, guest);
  machine_name_to_interface ("net", FALSE, other);
  /* The name's SHA-256, so that restarts of any program find the same interface. */
  g_assert_cmpstr (host, ==, "tb-00e13ed7af55");
  g_assert_cmpstr (guest, ==, "tg-00e13ed7af55");
  g_assert_cmpstr (other, !=, host);
  g_assert_cmpint (strlen (host), ==, INTERFACE_NAME_SIZE - 1);
}

static void
test_mac (void)
{
  uint8_t a[MAC_SIZE], b[MAC_SIZE], again[MAC_SIZE];
  char text[MAC_STRING_SIZE];

  machine_name_to_mac ("work", "control", a);
  g_assert_cmpint (a[0] & 0x03, ==, 0x02); /* local, unicast */
  machine_name_to_mac ("work", "control", b);
  g_assert_cmpmem (a, MAC_SIZE, b, MAC_SIZE);
  machine_name_to_mac ("work", "data", b);
  g_assert_cmpint (memcmp (a, b, MAC_SIZE), !=, 0);
  machine_name_to_mac ("workc", "ontrol", b);
  g_assert_cmpint (memcmp (a, b, MAC_SIZE), !=, 0);

  mac_to_string (a, text);
  g_assert_true (mac_from_string (text, again));
  g_assert_cmpmem (a, MAC_SIZE, again, MAC_SIZE);
}

static const struct
{
  const char *text;
  gboolean valid;
} macs[] = {
  { "02:00:00:00:00:00", TRUE },   { "ff:FF:0a:A0:9f:F9", TRUE },  { "", FALSE },
  { "02:00:00:00:00", FALSE },     { "02:00:00:00:00:0", FALSE },  { "02:00:00:00:00:00:", FALSE },
  { "02:00:00:00:00:000", FALSE }, { "02-00-00-00-00-00", FALSE }, { "02:00:00:00:00:0g", FALSE },
  { " 2:00:00:00:00:00", FALSE },  { "0x:00:00:00:00:00", FALSE }, { "020000000000", FALSE },
};

static void
test_mac_text (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (macs); i++)
    {
      static const uint8_t untouched[MAC_SIZE] = { 1, 2, 3, 4, 5, 6 };
      uint8_t mac[MAC_SIZE];
      char text[MAC_STRING_SIZE];

      memcpy (mac, untouched, MAC_SIZE);
      g_test_message ("%s", macs[i].text);
      g_assert_cmpint (mac_from_string (macs[i].text, mac), ==, macs[i].valid);
      if (macs[i].valid)
        {
          mac_to_string (mac, text);
          g_assert_cmpint (g_ascii_strcasecmp (text, macs[i].text), ==, 0);
        }
      else
        g_assert_cmpmem (mac, MAC_SIZE, untouched, MAC_SIZE);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/common/name/validate", test_validate);
  g_test_add_func ("/common/name/paths", test_paths);
  g_test_add_func ("/common/name/no-paths", test_no_paths);
  g_test_add_func ("/common/name/alias", test_alias);
  g_test_add_func ("/common/name/prefixes", test_prefixes);
  g_test_add_func ("/common/name/bus-words", test_bus_words);
  g_test_add_func ("/common/name/units", test_units);
  g_test_add_func ("/common/name/interface", test_interface);
  g_test_add_func ("/common/name/mac", test_mac);
  g_test_add_func ("/common/name/mac-text", test_mac_text);

  return g_test_run ();
}
