/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables for people: columns as wide as their widest cell, or, where the line is too short, cut at
 * the widest column that may be cut. */
#pragma once

#include <glib.h>

#include "terminal.h"

typedef struct Table Table;

typedef struct
{
  const char *title;  /* translated */
  guint minimum;      /* columns of the terminal below which it is never cut; 0: it is not cut */
  gboolean align_end; /* to the right */
} TableColumn;

Table *table_new (const TableColumn *columns, guint n_columns);
void table_free (Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Table, table_free)

/* The next cell of the current row; rows follow each other. The text passes terminal_text(). */
void table_add (Table *table, const char *text, Color color);

guint table_get_n_rows (const Table *table);

/* The table in lines of at most `width` columns (0: no limit), with or without its header. A line
 * never ends in blanks. Free with g_free(). */
char *table_to_text (const Table *table, guint width, gboolean header);
