/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text of --help. */
#pragma once

#include "options.h"

/* Of a verb, or of all where `verb` is NULL, in lines of at most `width` columns (0: 80). Free with
 * g_free(). */
char *help_text (const Verb *verb, guint width);
