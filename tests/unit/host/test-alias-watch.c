/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which part of an alias tells its machine, and who is an impostor. */
#include "alias-watch.h"

static const struct
{
  const char *name, *element;
} names[] = {
  { "org.tombolo.Guest1.work.org.freedesktop.hostname1", "work" },
  { "org.tombolo.Guest1.team_3aweb.a.b", "team_3aweb" },
  { "org.tombolo.Guest1.work", NULL },
  { "org.tombolo.Guest1", NULL },
  { "org.tombolo.Guest10.work.a", NULL },
  { "org.tombolo.GuestSession1.work.a", "work" },
  { "org.tombolo.GuestSession1.work", NULL },
  { "org.tombolo.GuestSession10.work.a", NULL },
  { ":1.5", NULL },
  { "", NULL },
};

static void
test_element (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *element = alias_get_element (names[i].name);

      g_assert_cmpstr (element, ==, names[i].element);
    }
}

static const struct
{
  const char *unit;
  AliasOwner owner;
  const char *machine;
} owners[] = {
  { "tombolo-bridge@work.service", ALIAS_OWNER_RIGHT, NULL },
  { "tombolo-bridge@net.service", ALIAS_OWNER_BRIDGE, "net" },
  { "tombolo-bridge@net.socket", ALIAS_OWNER_OTHER, NULL },
  { "tombolo-machine@work.service", ALIAS_OWNER_OTHER, NULL },
  { "session-1.scope", ALIAS_OWNER_OTHER, NULL },
  { NULL, ALIAS_OWNER_OTHER, NULL },
};

static void
test_judge (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (owners); i++)
    {
      g_autofree char *machine = NULL;
      AliasOwner owner =
          alias_owner_judge (owners[i].unit, "tombolo-bridge@work.service", &machine);

      g_assert_cmpint (owner, ==, owners[i].owner);
      if (owners[i].owner == ALIAS_OWNER_BRIDGE)
        g_assert_cmpstr (machine, ==, owners[i].machine);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/alias-watch/element", test_element);
  g_test_add_func ("/host/alias-watch/judge", test_judge);
  return g_test_run ();
}
