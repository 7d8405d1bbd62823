/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a bridge is told, letter by letter. */
#include "bridge-credential.h"

#include <string.h>

static const char file[] =
    "[Machine]\nMonitor=container\n[Container]\nRoot=/srv/work\n[Bus]\n"
    "Broadcast=org.example.One\nBroadcast=org.example.Two@org.example.Interface\n"
    "SessionAlias=org.example.One:org.example.Player\n"
    "Alias=org.example.One:org.example.Other\n"
    "Import=org.example.Three@.host org.example.Three:org.example.Four@team:web\n"
    "[Call]\nRule = allow  org.example.One\n# that is all\nSessionRule=ask *\nRule=deny *\n"
    "[Import]\nRule=ask org.example.Three\n";

static void
test_text (void)
{
  const uint8_t mac[MAC_SIZE] = { 2, 0x11, 0x22, 0x33, 0x44, 0x55 };
  g_autoptr (GError) error = NULL;
  g_autoptr (MachineSettings) settings =
      machine_settings_from_text (file, strlen (file), "work.machine", &error);
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  text = bridge_credential_format ("work", mac, settings);
  g_assert_cmpstr (text, ==,
                   "[Bridge]\nMachine=work\nInterface=tb-00e13ed7af55\n"
                   "GuestMAC=02:11:22:33:44:55\n\n[Bus]\n"
                   "Broadcast=org.example.One\n"
                   "Broadcast=org.example.Two@org.example.Interface\n"
                   "Alias=org.example.One:org.example.Other\n"
                   "SessionAlias=org.example.One:org.example.Player\n"
                   "Import=org.example.Three:org.example.Three@.host\n"
                   "Import=org.example.Three:org.example.Four@team:web\n"
                   "\n[Call]\nRule=12 allow  org.example.One\nRule=15 deny *\n"
                   "SessionRule=14 ask *\n"
                   "\n[Import]\nRule=17 ask org.example.Three\n");
}

/* The rules of the file above, and others; what stands behind them does not matter. */
static void
test_rules (void)
{
  static const struct
  {
    const char *text;
    gboolean same;
  } texts[] = {
    { "[Bridge]\n\n[Call]\nRule=12 allow  org.example.One\nRule=15 deny *\nSessionRule=14 ask *\n",
      TRUE },
    { "[Bridge]\n\n[Call]\nRule=12 allow  org.example.One\nRule=15 deny *\nSessionRule=14 ask *\n"
      "\n[X]\nRule=1\n",
      TRUE },
    { "[Bridge]\n\n[Call]\nRule=12 allow  org.example.One\nRule=13 deny *\nSessionRule=14 ask *\n",
      FALSE },
    { "[Bridge]\n\n[Call]\nRule=12 allow  org.example.One\nRule=15 deny *\nSessionRule=14 deny *\n",
      FALSE },
    { "[Bridge]\n\n[Call]\nRule=12 allow  org.example.One\nRule=15 deny *\nRule=14 ask *\n",
      FALSE },
    { "[Bridge]\n\n[Call]\nRule=12 allow  org.example.One\nRule=15 deny *\n", FALSE },
    { "[Bridge]\n\n[Call]\nRule=12 allow  org.example.One\nRule=15 deny *\nSessionRule=14 ask *\n"
      "SessionRule=16 deny *\n",
      FALSE },
    { "[Bridge]\n\n[Call]\n", FALSE },
    { "[Bridge]\n", FALSE },
  };
  g_autoptr (MachineSettings) settings =
      machine_settings_from_text (file, strlen (file), "work.machine", NULL);
  g_autoptr (GPtrArray) empty = g_ptr_array_new ();
  GPtrArray *none[N_GUEST_BUSES] = { empty, empty };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_assert_cmpint (bridge_credential_has_rules (texts[i].text, settings->rules), ==,
                     texts[i].same);
  g_assert_true (bridge_credential_has_rules ("[Bridge]\n\n[Call]\n", none));
  g_assert_true (bridge_credential_has_rules ("[Bridge]\n", none));
  g_assert_false (bridge_credential_has_rules (texts[0].text, none));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/bridge-credential/text", test_text);
  g_test_add_func ("/host/bridge-credential/rules", test_rules);
  return g_test_run ();
}
