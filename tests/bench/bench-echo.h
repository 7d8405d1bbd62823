/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service that is measured, as its clients know it. */
#pragma once

#define ECHO_NAME "org.tombolo.Bench"
#define ECHO_PATH "/org/tombolo/Bench" /* and everything below it */
#define ECHO_INTERFACE "org.tombolo.Bench"
