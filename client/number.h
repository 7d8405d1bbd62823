/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Truth values and whole numbers as text: the same for people and in JSON. */
#pragma once

#include <glib.h>

/* Appends `value` where it is of type b, y, n, q, i, u, x or t. FALSE: it is of another type, and
 * nothing was appended. */
gboolean number_append (GString *text, GVariant *value);
