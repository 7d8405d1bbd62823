/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus values as text, in the form that busctl writes and arguments_to_body() reads. */
#pragma once

#include <glib.h>

/* “SIGNATURE VALUE…” of a body (a tuple), or "" where it is empty. Text is quoted; what a terminal
 * would act on is escaped as in C. Free with g_free(). */
char *format_body (GVariant *body);

/* The D-Bus signature of a body: its type without the outer parentheses. Free with g_free(). */
char *format_signature (GVariant *body);
