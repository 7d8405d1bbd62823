/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables fit the line, whatever is in them. */
#include <string.h>

#include "table.h"

static const TableColumn columns[] = {
  { "NAME", 4, FALSE },
  { "N", 0, TRUE },
  { "DESCRIPTION", 4, FALSE },
};

static Table *
sample (void)
{
  Table *table = table_new (columns, G_N_ELEMENTS (columns));

  table_add (table, "work", COLOR_GOOD);
  table_add (table, "1", COLOR_NONE);
  table_add (table, "a long description", COLOR_NONE);
  table_add (table, "日本語", COLOR_NONE);
  table_add (table, "123", COLOR_NONE);
  table_add (table, "", COLOR_NONE);
  return table;
}

static const struct
{
  guint width;
  gboolean header;
  const char *expected;
} cases[] = {
  { 0, TRUE,
    "NAME      N  DESCRIPTION\n"
    "work      1  a long description\n"
    "日本語  123\n" },
  { 0, FALSE,
    "work      1  a long description\n"
    "日本語  123\n" },
  { 20, FALSE,
    "work      1  a long…\n"
    "日本語  123\n" },
  { 15, FALSE,
    "work    1  a l…\n"
    "日…   123\n" },
  /* No narrower than the columns may be. */
  { 5, FALSE,
    "work    1  a l…\n"
    "日…   123\n" },
};

static void
test_layout (void)
{
  g_autoptr (Table) table = sample ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = table_to_text (table, cases[i].width, cases[i].header);

      g_assert_cmpstr (text, ==, cases[i].expected);
    }
}

static void
test_hostile (void)
{
  g_autoptr (Table) table = table_new (columns, G_N_ELEMENTS (columns));
  g_autofree char *text = NULL;

  table_add (table, "a\033[2Jb", COLOR_NONE);
  table_add (table, "\xff", COLOR_NONE);
  table_add (table, "one\ntwo", COLOR_NONE);
  text = table_to_text (table, 0, FALSE);
  g_assert_cmpstr (text, ==, "a?[2Jb  \xef\xbf\xbd  one?two\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/table/layout", test_layout);
  g_test_add_func ("/client/table/hostile", test_hostile);
  return g_test_run ();
}
