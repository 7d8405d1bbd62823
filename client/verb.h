/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs: each has a file of its own, verb-NAME.c. */
#pragma once

#include "options.h"

extern const Verb verb_alias;
extern const Verb verb_call;
extern const Verb verb_create;
extern const Verb verb_delete;
extern const Verb verb_help;
extern const Verb verb_kill;
extern const Verb verb_list;
extern const Verb verb_monitor;
extern const Verb verb_pause;
extern const Verb verb_reload;
extern const Verb verb_restart;
extern const Verb verb_resume;
extern const Verb verb_rules;
extern const Verb verb_shell;
extern const Verb verb_start;
extern const Verb verb_status;
extern const Verb verb_stop;
extern const Verb verb_version;
extern const Verb verb_with;

/* All of them in the order of the help, ending in NULL. */
extern const Verb *const verbs[];

#define VERB_TIMEOUT_OPTION(help)                                                                  \
  {                                                                                                \
    OPTION_TIMEOUT, 0, "timeout", ARGUMENT_REQUIRED, N_ ("TIME"), help                             \
  }
#define VERB_WAIT_AGENT_OPTION                                                                     \
  {                                                                                                \
    OPTION_WAIT_AGENT, 0, "wait-agent", ARGUMENT_OPTIONAL, N_ ("TIME"),                            \
        N_ ("Wait until the guest's agent is connected, at most TIME (60s)")                       \
  }
