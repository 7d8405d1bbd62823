/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables for people. */
#include "table.h"

#include <string.h>

#define GAP 2 /* blanks between columns */

typedef struct
{
  char *text;
  guint width;
  Color color;
} Cell;

struct Table
{
  TableColumn *columns;
  guint n_columns;
  GArray *cells; /* Cell; the header is the first row */
};

static void
cell_clear (gpointer cell)
{
  g_free (((Cell *) cell)->text);
}

Table *
table_new (const TableColumn *columns, guint n_columns)
{
  Table *table = g_new0 (Table, 1);

  table->columns = g_memdup2 (columns, n_columns * sizeof *columns);
  table->n_columns = n_columns;
  table->cells = g_array_new (FALSE, FALSE, sizeof (Cell));
  g_array_set_clear_func (table->cells, cell_clear);
  for (guint i = 0; i < n_columns; i++)
    table_add (table, columns[i].title, COLOR_BOLD);

  return table;
}

void
table_free (Table *table)
{
  g_array_unref (table->cells);
  g_free (table->columns);
  g_free (table);
}

void
table_add (Table *table, const char *text, Color color)
{
  Cell cell = { terminal_text (text), 0, color };

  cell.width = terminal_text_width (cell.text);
  g_array_append_val (table->cells, cell);
}

guint
table_get_n_rows (const Table *table)
{
  return table->cells->len / table->n_columns - 1;
}

static const Cell *
cell_at (const Table *table, guint row, guint column)
{
  return &g_array_index (table->cells, Cell, row * table->n_columns + column);
}

/* The column to make one narrower, or n_columns where none may be. */
static guint
widest_to_cut (const Table *table, const guint *widths)
{
  guint widest = table->n_columns;

  for (guint i = 0; i < table->n_columns; i++)
    if (table->columns[i].minimum > 0 && widths[i] > table->columns[i].minimum
        && (widest == table->n_columns || widths[i] > widths[widest]))
      widest = i;

  return widest;
}

static void
measure (const Table *table, guint first_row, guint width, guint *ret_widths)
{
  guint total = (table->n_columns - 1) * GAP;

  for (guint column = 0; column < table->n_columns; column++)
    {
      ret_widths[column] = 0;
      for (guint row = first_row; row <= table_get_n_rows (table); row++)
        ret_widths[column] = MAX (ret_widths[column], cell_at (table, row, column)->width);
      total += ret_widths[column];
    }

  while (width > 0 && total > width)
    {
      guint column = widest_to_cut (table, ret_widths);

      if (column == table->n_columns)
        return;
      ret_widths[column]--;
      total--;
    }
}

static void
append_blanks (GString *text, guint n)
{
  for (guint i = 0; i < n; i++)
    g_string_append_c (text, ' ');
}

/* Blanks wait until something follows them. */
static void
append_row (GString *text, const Table *table, guint row, const guint *widths)
{
  guint blanks = 0;

  for (guint column = 0; column < table->n_columns; column++)
    {
      const Cell *cell = cell_at (table, row, column);
      g_autofree char *shown = terminal_text_fit (cell->text, widths[column]);
      guint left = widths[column] - MIN (widths[column], terminal_text_width (shown));

      if (*shown == '\0')
        {
          blanks += widths[column] + GAP;
          continue;
        }

      append_blanks (text, blanks + (table->columns[column].align_end ? left : 0));
      g_string_append (text, terminal_color (cell->color));
      g_string_append (text, shown);
      g_string_append (text, terminal_color_end (cell->color));
      blanks = GAP + (table->columns[column].align_end ? 0 : left);
    }

  g_string_append_c (text, '\n');
}

char *
table_to_text (const Table *table, guint width, gboolean header)
{
  g_autofree guint *widths = g_new0 (guint, table->n_columns);
  GString *text = g_string_new (NULL);

  measure (table, header ? 0 : 1, width, widths);
  for (guint row = header ? 0 : 1; row <= table_get_n_rows (table); row++)
    append_row (text, table, row, widths);

  return g_string_free (text, FALSE);
}
