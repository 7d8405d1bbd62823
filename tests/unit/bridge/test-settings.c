/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Credential tombolo.bridge: what is read, and what is refused. */
#include "settings.h"

#include <glib.h>
#include <string.h>

#define HEAD "[Bridge]\nMachine=work\nInterface=tb-0123456789ab\nGuestMAC=02:11:22:33:44:55\n"

static const struct
{
  const char *text;
  const char *problem; /* NULL: good */
} cases[] = {
  { HEAD, NULL },
  { HEAD "[Bus]\n", NULL },
  { HEAD "[Bus]\nBroadcast=a.b\nBroadcast=c.d@e.f\nAlias=a.b:x.y\n", NULL },
  { "", "missing" },
  { "[Bridge]\nMachine=work\n", "missing" },
  { "[Bridge]\nInterface=tb-0\n", "missing" },
  { "[Bridge]\nMachine=Work\n", "Machine=" },
  { "[Bridge]\nMachine=work\nMachine=work\n", "twice" },
  { "[Bridge]\nInterface=an-interface-that-is-too-long\n", "longer" },
  { "[Bridge]\nGuestMAC=02:11:22\n", "MAC" },
  { "[Bridge]\nBroadcast=a.b\n", "Broadcast=" },
  { "Machine=work\n", "Machine=" },
  { HEAD "[Else]\n", "[Else]" },
  { HEAD "[Bus]\nMachine=work\n", "Machine=" },
  { HEAD "[Bus]\nBroadcast=not a name\n", "Broadcast=" },
  { HEAD "[Bus]\nAlias=a.b\n", "Alias=" },
  { HEAD "[Bus]\nImport=a.b:c.d@.host\nImport=a.b:a.b@net\n", NULL },
  { HEAD "[Bus]\nImport=a.b\n", "Import=" },
  { HEAD "[Import]\nRule=7 allow a.b\n", NULL },
  { HEAD "[Import]\nRule=allow a.b\n", "Rule=" },
  { HEAD "[Call]\nRule=7 allow a.b\n", NULL },
  { HEAD "[Call]\nRule=allow a.b\n", "Rule=" },
  { HEAD "[Call]\nSessionRule=7 allow a.b\n", NULL },
  { HEAD "[Call]\nSessionRule=allow a.b\n", "SessionRule=" },
  { HEAD "[Bus]\nSessionAlias=a.b:x.y\nAlias=a.b:x.y\n", NULL },
  { HEAD "[Bus]\nSessionAlias=a.b\n", "SessionAlias=" },
  { HEAD "[Bus]\nSessionBroadcast=a.b\n", "SessionBroadcast=" },
  { HEAD "[Call]\nRule=7 permit a.b\n", "Rule=" },
  { HEAD "[Call]\nMachine=work\n", "Machine=" },
};

static void
test_table (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BridgeSettings) settings =
          bridge_settings_from_text (cases[i].text, strlen (cases[i].text), &error);

      g_test_message ("case %zu: %s", i, error != NULL ? error->message : "good");
      g_assert_true ((settings != NULL) == (cases[i].problem == NULL));
      if (error != NULL)
        g_assert_nonnull (strstr (error->message, cases[i].problem));
    }
}

static void
test_lookup (void)
{
  static const char text[] = HEAD "[Bus]\nBroadcast=a.b\nBroadcast=c.d@e.f\nAlias=a.b:x.y\n"
                                  "SessionAlias=c.d:z.z\n";
  g_autoptr (BridgeSettings) settings = bridge_settings_from_text (text, strlen (text), NULL);
  g_autofree char *given = bridge_settings_get_alias (settings, GUEST_BUS_SYSTEM, "a.b");
  g_autofree char *derived = bridge_settings_get_alias (settings, GUEST_BUS_SYSTEM, "c.d");
  g_autofree char *session_given = bridge_settings_get_alias (settings, GUEST_BUS_SESSION, "c.d");
  g_autofree char *session_derived = bridge_settings_get_alias (settings, GUEST_BUS_SESSION, "a.b");

  g_assert_cmpstr (given, ==, "x.y");
  g_assert_cmpstr (derived, ==, "org.tombolo.Guest1.work.c.d");
  g_assert_cmpstr (session_given, ==, "z.z");
  g_assert_cmpstr (session_derived, ==, "org.tombolo.GuestSession1.work.a.b");
  g_assert_true (bridge_settings_broadcast (settings, "a.b", "any.interface"));
  g_assert_true (bridge_settings_broadcast (settings, "c.d", "e.f"));
  g_assert_false (bridge_settings_broadcast (settings, "c.d", "e.g"));
  g_assert_false (bridge_settings_broadcast (settings, "e.f", "e.f"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/settings/table", test_table);
  g_test_add_func ("/settings/lookup", test_lookup);
  return g_test_run ();
}
