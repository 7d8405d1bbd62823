/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: options that every verb takes, options of single verbs, and arguments. */
#include "config.h"

#include "options.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#include "terminal.h"

#define USAGE CLIENT_ERROR, CLIENT_EXIT_USAGE
#define WAIT_AGENT_TIME (60 * G_USEC_PER_SEC)
#define MAX_TIME (24 * 60 * 60.0)

typedef struct
{
  Options *options;
  const char *const *words;
  guint next;
} Parser;

const Option options_of_all_verbs[] = {
  { OPTION_HELP, 'h', "help", ARGUMENT_NONE, NULL, N_ ("Show this help, or a verb's") },
  { OPTION_VERSION, 0, "version", ARGUMENT_NONE, NULL, N_ ("Show tomboloctl's version") },
  { OPTION_JSON, 0, "json", ARGUMENT_REQUIRED, N_ ("MODE"),
    N_ ("Write JSON: pretty, short, or off") },
  { OPTION_JSON_AUTOMATIC, 'j', NULL, ARGUMENT_NONE, NULL,
    N_ ("As --json=pretty on a terminal, else --json=short") },
  { OPTION_NO_LEGEND, 0, "no-legend", ARGUMENT_NONE, NULL,
    N_ ("Leave out headings and closing lines") },
  { OPTION_NO_PAGER, 0, "no-pager", ARGUMENT_NONE, NULL, N_ ("Do not page long output") },
  { OPTION_NO_ASK_PASSWORD, 0, "no-ask-password", ARGUMENT_NONE, NULL,
    N_ ("Fail where somebody would have to authenticate") },
  { OPTION_END },
};

gboolean
options_parse_time (const char *text, gint64 *ret_usec)
{
  static const struct
  {
    const char *unit;
    double seconds;
  } units[] = { { "", 1 }, { "s", 1 }, { "ms", 0.001 }, { "min", 60 }, { "h", 3600 } };
  char *end;
  double value;

  if (!g_ascii_isdigit (*text))
    return FALSE;
  value = g_ascii_strtod (text, &end);
  for (gsize i = 0; i < G_N_ELEMENTS (units); i++)
    if (g_str_equal (units[i].unit, end))
      {
        if (!isfinite (value) || value * units[i].seconds > MAX_TIME)
          return FALSE;
        *ret_usec = (gint64) (value * units[i].seconds * G_USEC_PER_SEC);
        return TRUE;
      }

  return FALSE;
}

static const Option *
find_option (const Option *table, const char *name, gsize length, char letter)
{
  for (; table != NULL && table->code != OPTION_END; table++)
    if (letter != 0 ? table->letter == letter
                    : table->name != NULL && strlen (table->name) == length
                          && strncmp (table->name, name, length) == 0)
      return table;

  return NULL;
}

static gboolean
bad_argument (const Option *option, const char *value, const char *wanted, GError **error)
{
  g_autofree char *shown = terminal_text (value);

  g_set_error (error, USAGE, _ ("--%s: “%s” is not %s."), option->name, shown, wanted);
  return FALSE;
}

static gboolean
apply_time (const Option *option, const char *value, gint64 *ret_usec, GError **error)
{
  if (options_parse_time (value, ret_usec))
    return TRUE;

  return bad_argument (option, value, _ ("a time such as 30, 500ms or 2min, at most 24h"), error);
}

static gboolean
apply_setting (Options *options, const Option *option, const char *value, GError **error)
{
  g_autofree char *path = option->is_path ? g_canonicalize_filename (value, NULL) : NULL;

  if (!g_utf8_validate (value, -1, NULL))
    return bad_argument (option, value, _ ("valid UTF-8"), error);

  settings_add (options->settings, option->group, option->key, path != NULL ? path : value);
  return TRUE;
}

static gboolean
apply (Options *options, const Option *option, const char *value, GError **error)
{
  switch (option->code)
    {
    case OPTION_HELP:
      options->help = TRUE;
      return TRUE;
    case OPTION_VERSION:
      options->version = TRUE;
      return TRUE;
    case OPTION_JSON:
      return json_mode_from_string (value, &options->json)
             || bad_argument (option, value, _ ("one of pretty, short, off"), error);
    case OPTION_JSON_AUTOMATIC:
      options->json = terminal_is_output () ? JSON_PRETTY : JSON_SHORT;
      return TRUE;
    case OPTION_NO_LEGEND:
      options->legend = FALSE;
      return TRUE;
    case OPTION_NO_PAGER:
      options->pager = FALSE;
      return TRUE;
    case OPTION_NO_ASK_PASSWORD:
      options->ask_password = FALSE;
      return TRUE;
    case OPTION_TIMEOUT:
      return apply_time (option, value, &options->timeout, error);
    case OPTION_WAIT_AGENT:
      options->wait_agent = TRUE;
      return value == NULL || apply_time (option, value, &options->wait_agent_time, error);
    case OPTION_NO_AUTO_START:
      options->auto_start = FALSE;
      return TRUE;
    case OPTION_USER:
      options->user = value;
      return TRUE;
    case OPTION_SESSION:
      options->session = TRUE;
      return TRUE;
    case OPTION_FILE:
      options->file = value;
      return TRUE;
    case OPTION_SETTING:
      return apply_setting (options, option, value, error);
    default:
      g_assert_not_reached ();
    }
}

static gboolean
unknown_option (const Parser *parser, const char *word, GError **error)
{
  const Verb *verb = parser->options->verb;
  g_autofree char *shown = terminal_text (word);

  if (verb != NULL)
    g_set_error (error, USAGE, _ ("There is no option “%s”: see “tomboloctl %s --help”."), shown,
                 verb->name);
  else
    g_set_error (error, USAGE,
                 _ ("There is no option “%s” before a verb: see “tomboloctl --help”."), shown);
  return FALSE;
}

static const Option *
look_up (const Parser *parser, const char *name, gsize length, char letter)
{
  const Verb *verb = parser->options->verb;
  const Option *option = find_option (options_of_all_verbs, name, length, letter);

  if (option == NULL && verb != NULL)
    option = find_option (verb->options, name, length, letter);

  return option;
}

/* `rest` is the value that stands in the same word, or NULL. */
static gboolean
parse_value (Parser *parser, const Option *option, const char *rest, GError **error)
{
  const char *shown = option->name != NULL ? option->name : "j";

  if (option->takes == ARGUMENT_NONE && rest != NULL)
    {
      g_set_error (error, USAGE, _ ("--%s takes no argument."), shown);
      return FALSE;
    }
  if (option->takes == ARGUMENT_REQUIRED && rest == NULL)
    {
      rest = parser->words[parser->next];
      if (rest == NULL)
        {
          g_set_error (error, USAGE, _ ("--%s needs an argument."), shown);
          return FALSE;
        }
      parser->next++;
    }

  return apply (parser->options, option, rest, error);
}

static gboolean
parse_long (Parser *parser, const char *word, GError **error)
{
  const char *end = strchrnul (word + 2, '=');
  const Option *option = look_up (parser, word + 2, (gsize) (end - word - 2), 0);

  if (option == NULL)
    return unknown_option (parser, word, error);

  return parse_value (parser, option, *end == '=' ? end + 1 : NULL, error);
}

/* Letters may stand together; the first that takes an argument takes the rest. */
static gboolean
parse_letters (Parser *parser, const char *word, GError **error)
{
  for (const char *p = word + 1; *p != '\0'; p++)
    {
      const Option *option = look_up (parser, NULL, 0, *p);

      if (option == NULL)
        return unknown_option (parser, word, error);
      if (option->takes == ARGUMENT_REQUIRED)
        return parse_value (parser, option, p[1] != '\0' ? p + 1 : NULL, error);
      if (!parse_value (parser, option, NULL, error))
        return FALSE;
    }

  return TRUE;
}

static gboolean
parse_word (Parser *parser, const Verb *const *verbs, const char *word, GError **error)
{
  Options *options = parser->options;
  g_autofree char *shown = NULL;

  if (options->verb != NULL)
    {
      g_ptr_array_add (options->words, (gpointer) word);
      return TRUE;
    }

  for (; *verbs != NULL; verbs++)
    if (g_str_equal ((*verbs)->name, word))
      {
        options->verb = *verbs;
        return TRUE;
      }

  shown = terminal_text (word);
  g_set_error (error, USAGE, _ ("There is no verb “%s”: see “tomboloctl --help”."), shown);
  return FALSE;
}

static gboolean
parse_all (Parser *parser, const Verb *const *verbs, GError **error)
{
  Options *options = parser->options;
  gboolean verbatim = FALSE;

  while (parser->words[parser->next] != NULL)
    {
      const char *word = parser->words[parser->next++];
      gboolean good;

      if (options->verb != NULL && options->verb->verbatim > 0
          && options->words->len >= options->verb->verbatim)
        verbatim = TRUE;

      if (verbatim || word[0] != '-' || word[1] == '\0')
        good = parse_word (parser, verbs, word, error);
      else if (g_str_equal (word, "--"))
        good = verbatim = TRUE;
      else if (word[1] == '-')
        good = parse_long (parser, word, error);
      else
        good = parse_letters (parser, word, error);

      if (!good)
        return FALSE;
    }

  return TRUE;
}

static gboolean
check_count (const Options *options, GError **error)
{
  const Verb *verb = options->verb;

  if (verb == NULL || options->help || options->version)
    return TRUE;
  if (options->words->len >= verb->minimum && options->words->len <= verb->maximum)
    return TRUE;

  g_set_error (error, USAGE, _ ("%s arguments. Usage: tomboloctl %s %s"),
               options->words->len < verb->minimum ? _ ("Too few") : _ ("Too many"), verb->name,
               *verb->arguments != '\0' ? _ (verb->arguments) : "");
  g_strchomp ((*error)->message);
  return FALSE;
}

Options *
options_parse (const char *const *words, const Verb *const *verbs, GError **error)
{
  g_autoptr (Options) options = g_new0 (Options, 1);
  Parser parser = { options, words, 0 };

  options->words = g_ptr_array_new ();
  options->settings = settings_new ();
  options->legend = options->pager = options->ask_password = options->auto_start = TRUE;
  options->timeout = -1;
  options->wait_agent_time = WAIT_AGENT_TIME;

  if (!parse_all (&parser, verbs, error) || !check_count (options, error))
    return NULL;

  g_ptr_array_add (options->words, NULL);
  return g_steal_pointer (&options);
}

void
options_free (Options *options)
{
  g_ptr_array_unref (options->words);
  settings_free (options->settings);
  g_free (options);
}

const char *
options_get_word (const Options *options, guint index)
{
  return index < options->words->len ? g_ptr_array_index (options->words, index) : NULL;
}
