/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may call which method: the one table. A method without a row is nobody's. */
#pragma once

typedef enum
{
  ACCESS_DENIED, /* no row */
  ACCESS_ACTION, /* polkit's action decides */
  ACCESS_OPEN,   /* everybody */
  ACCESS_BRIDGE, /* the main process of the machine's bridge unit, or of any where no machine is
                    named */
} Access;

typedef struct
{
  const char *interface;
  const char *method;
  Access access;
  const char *action; /* of ACCESS_ACTION */
  const char *verb;   /* of ACCESS_ACTION: the detail `verb` */
  const char *detail; /* the detail that the method's first argument, a string, is; or NULL */
} AuthorityRow;

/* Never NULL: a row of ACCESS_DENIED where the table has none. */
const AuthorityRow *authority_table_find (const char *interface, const char *method);
