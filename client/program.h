/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl: from the command line to a verb. */
#pragma once

/* `argv` ends in NULL. Returns the exit code. */
int program_run (const char *const *argv);
