/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus policy that a guest needs for its imports. The names are valid bus names: nothing in them
 * needs to be escaped. */
#include "bus-policy.h"

#include <glib.h>

static const char head[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\"\n"
    " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
    "<!-- Names that tombolo-guestd owns for the host, as guest.conf has them: made by that "
    "program's\n"
    "     option “bus-policy”. The host decides about each call. -->\n"
    "<busconfig>\n";

char *
bus_policy_format (const char *const *imports)
{
  GString *text = g_string_new (head);

  g_string_append (text, "  <policy user=\"tombolo-guest\">\n");
  for (gsize i = 0; imports[i] != NULL; i++)
    g_string_append_printf (text, "    <allow own=\"%s\"/>\n", imports[i]);
  g_string_append (text, "  </policy>\n  <policy context=\"default\">\n");
  for (gsize i = 0; imports[i] != NULL; i++)
    g_string_append_printf (text, "    <allow send_destination=\"%s\"/>\n", imports[i]);
  g_string_append (text, "  </policy>\n</busconfig>\n");

  return g_string_free (text, FALSE);
}
