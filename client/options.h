/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: options that every verb takes, options of single verbs, and arguments. */
#pragma once

#include <glib.h>

#include "failure.h"
#include "json.h"
#include "settings.h"

typedef enum
{
  OPTION_END,
  OPTION_HELP,
  OPTION_VERSION,
  OPTION_JSON,
  OPTION_JSON_AUTOMATIC,
  OPTION_NO_LEGEND,
  OPTION_NO_PAGER,
  OPTION_NO_ASK_PASSWORD,
  OPTION_TIMEOUT,
  OPTION_WAIT_AGENT,
  OPTION_NO_AUTO_START,
  OPTION_FILE,
  OPTION_SESSION,
  OPTION_USER,
  OPTION_SETTING, /* a key of the machine file: `group` and `key` of the option say which */
} OptionCode;

typedef enum
{
  ARGUMENT_NONE,
  ARGUMENT_REQUIRED,
  ARGUMENT_OPTIONAL, /* only as --name=VALUE */
} OptionArgument;

typedef struct
{
  OptionCode code;
  char letter; /* 0: it has none */
  const char *name;
  OptionArgument takes;
  const char *argument; /* what help calls the argument */
  const char *help;
  const char *group; /* of OPTION_SETTING */
  const char *key;
  gboolean is_path; /* a relative path counts from the working directory */
} Option;

typedef struct Options Options;

typedef struct
{
  const char *name;
  const char *arguments;   /* for the usage line: N_() */
  const char *summary;     /* one line: N_() */
  const char *description; /* more lines for its own help, or NULL: N_() */
  guint minimum;           /* how many arguments */
  guint maximum;
  guint verbatim; /* after so many arguments the rest is no option, whatever it begins with; 0:
                   * none */
  const Option *options; /* ends in OPTION_END; NULL: none */
  ClientExit (*run) (const Options *options);
} Verb;

struct Options
{
  const Verb *verb; /* NULL: none was given */
  GPtrArray *words; /* const char *, ends in NULL: the arguments of the verb */

  gboolean help;
  gboolean version;
  JsonMode json;
  gboolean legend;
  gboolean pager;
  gboolean ask_password;

  gint64 timeout; /* microseconds, or -1 where not given */
  gboolean wait_agent;
  gint64 wait_agent_time; /* microseconds */
  gboolean auto_start;
  const char *file;
  gboolean session;
  const char *user;
  Settings *settings;
};

extern const Option options_of_all_verbs[];

/* Reads the words after the program's name. `verbs` ends in NULL. What is returned points into
 * `words`. Errors are CLIENT_ERROR, CLIENT_EXIT_USAGE. */
Options *options_parse (const char *const *words, const Verb *const *verbs, GError **error);
void options_free (Options *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Options, options_free)

/* The argument number `index`, or NULL. */
const char *options_get_word (const Options *options, guint index);

/* A time span such as “30”, “1.5s”, “200ms”, “2min” or “1h”, in microseconds; seconds where it has
 * no unit. At most 24 h. */
gboolean options_parse_time (const char *text, gint64 *ret_usec);
