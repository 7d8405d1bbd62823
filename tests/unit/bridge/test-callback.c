/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interfaces on which callers are called back: the bridge's table and the bus policy are one.
 */
#include "callback.h"

#include <glib.h>
#include <string.h>

typedef struct
{
  bool of_bridge; /* inside the policy of the bridge's user */
  GPtrArray *found;
} Reading;

static const char *
get_attribute (const char **names, const char **values, const char *wanted)
{
  for (gsize i = 0; names[i] != NULL; i++)
    if (strcmp (names[i], wanted) == 0)
      return values[i];

  return NULL;
}

static void
start_element (GMarkupParseContext *context, const char *element, const char **names,
               const char **values, gpointer user_data, GError **error)
{
  Reading *reading = user_data;
  const char *interface = get_attribute (names, values, "send_interface");

  if (strcmp (element, "policy") == 0)
    reading->of_bridge = g_strcmp0 (get_attribute (names, values, "user"), "tombolo-bridge") == 0;
  if (strcmp (element, "allow") != 0 || interface == NULL
      || get_attribute (names, values, "send_destination") != NULL)
    return;

  /* tombolod's way to bridges, and nobody's else: it names their object. */
  if (!reading->of_bridge && g_str_equal (interface, "org.tombolo.Bridge1"))
    {
      g_assert_cmpstr (get_attribute (names, values, "send_path"), ==, "/org/tombolo/Bridge1");
      return;
    }

  /* To anybody: for the bridge alone, and calls alone. */
  g_assert_true (reading->of_bridge);
  g_assert_cmpstr (get_attribute (names, values, "send_type"), ==, "method_call");
  g_ptr_array_add (reading->found, g_strdup (interface));
}

static void
test_policy (void)
{
  static const GMarkupParser parser = { .start_element = start_element };
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
  Reading reading = { .found = found };
  g_autoptr (GMarkupParseContext) context = g_markup_parse_context_new (&parser, 0, &reading, NULL);
  const char *const *interfaces = callback_get_interfaces ();
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (g_getenv ("TEST_BUS_POLICY"), &text, &size, &error));
  g_markup_parse_context_parse (context, text, (gssize) size, &error);
  g_assert_no_error (error);
  g_ptr_array_add (found, NULL);
  g_assert_cmpstrv (found->pdata, interfaces);
}

static const struct
{
  const char *interface;
  bool allowed;
} cases[] = {
  { "org.bluez.Agent1", true },
  { "org.bluez.Agent", false },
  { "org.bluez.Agent12", false },
  { "org.freedesktop.DBus.Properties", false },
  { "org.freedesktop.DBus.Peer", false },
  { "org.freedesktop.PolicyKit1.AuthenticationAgent", false },
  { "org.freedesktop.NetworkManager.SecretAgent", false },
  { "", false },
  { NULL, false },
};

static void
test_allowed (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s", cases[i].interface);
      g_assert_cmpint (callback_is_allowed (cases[i].interface), ==, cases[i].allowed);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/callback/policy", test_policy);
  g_test_add_func ("/callback/allowed", test_allowed);
  return g_test_run ();
}
