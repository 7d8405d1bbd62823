/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tomboloctl rules */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>

#include "guest-bus.h"
#include "host.h"
#include "pager.h"
#include "polkit-agent.h"
#include "progress.h"
#include "terminal.h"
#include "verb.h"

/* Beside those of failure.h, for scripts that ask what a rule says. */
#define EXIT_ASK ((ClientExit) 8)
#define EXIT_DENY ((ClientExit) 9)

enum
{
  WORD_TEST,
  WORD_NAME,
  WORD_CALLER,
  WORD_SERVICE,
  WORD_PATH,
  WORD_INTERFACE,
  WORD_METHOD,
  WORD_ARGUMENT,
};

static const Option rules_options[] = {
  { OPTION_SESSION, 0, "session", ARGUMENT_NONE, NULL,
    N_ ("SERVICE is on the session bus of the guest's configured user") },
  { OPTION_END },
};

typedef struct
{
  GVariant *reply;
  GError *error;
  gboolean done;
} Wait;

static void
on_reply (GObject *source, GAsyncResult *result, gpointer data)
{
  Wait *wait = data;

  wait->reply = g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, &wait->error);
  wait->done = TRUE;
}

static GVariant *
make_arguments (const Options *options)
{
  static const char *const none[] = { NULL };
  const char *const *words = (const char *const *) options->words->pdata;
  GVariantBuilder more = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));

  if (options->session)
    g_variant_builder_add (&more, "{sv}", "bus",
                           g_variant_new_string (guest_bus_to_string (GUEST_BUS_SESSION)));

  return g_variant_new ("(ssoss^asa{sv})", words[WORD_CALLER], words[WORD_SERVICE],
                        words[WORD_PATH], words[WORD_INTERFACE], words[WORD_METHOD],
                        words[WORD_METHOD + 1] != NULL ? words + WORD_ARGUMENT : none, &more);
}

static gboolean
check_words (const Options *options, GError **error)
{
  const char *word;

  if (g_strcmp0 (options_get_word (options, WORD_TEST), "test") != 0)
    {
      g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE, _ ("Write: tomboloctl rules %s"),
                   _ (verb_rules.arguments));
      return FALSE;
    }

  for (guint i = WORD_NAME; (word = options_get_word (options, i)) != NULL; i++)
    if (!g_utf8_validate (word, -1, NULL))
      {
        g_autofree char *shown = terminal_text (word);

        g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE, _ ("“%s” is not %s."), shown,
                     _ ("valid UTF-8"));
        return FALSE;
      }

  word = options_get_word (options, WORD_PATH);
  if (g_variant_is_object_path (word))
    return TRUE;

  g_set_error (error, CLIENT_ERROR, CLIENT_EXIT_USAGE, _ ("“%s” is not %s."), word,
               _ ("an object path"));
  return FALSE;
}

static GVariant *
ask (TomboloMachine *machine, const Options *options, GError **error)
{
  gboolean asks = options->ask_password && polkit_agent_open ();
  g_autoptr (Progress) progress = progress_new (_ ("Asking the rules…"));
  Wait wait = { 0 };

  progress_hold (progress, asks);
  g_dbus_proxy_call (G_DBUS_PROXY (machine), "TestCall", make_arguments (options),
                     options->ask_password ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION
                                           : G_DBUS_CALL_FLAGS_NONE,
                     HOST_NO_TIMEOUT, NULL, on_reply, &wait);
  while (!wait.done)
    g_main_context_iteration (NULL, TRUE);

  host_explain_error (&wait.error);
  if (wait.error != NULL)
    g_propagate_error (error, wait.error);
  return wait.reply;
}

/* What keeps a rule from deciding, in the user's words. */
static const char *
explain (const char *misfit)
{
  static const struct
  {
    const char *word;
    const char *text;
  } texts[] = {
    { "name", N_ ("another name") },        { "caller", N_ ("another caller") },
    { "path", N_ ("another object") },      { "method", N_ ("another method") },
    { "argument", N_ ("other arguments") },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    if (g_str_equal (texts[i].word, misfit))
      return _ (texts[i].text);

  return misfit;
}

static Color
verdict_color (const char *verdict)
{
  return g_str_equal (verdict, "allow")  ? COLOR_GOOD
         : g_str_equal (verdict, "deny") ? COLOR_BAD
                                         : COLOR_BUSY;
}

/* “→ LINE: RULE” of the one that decides, and for those before it what did not fit. */
static void
print_rule (guint number, const char *text, const char *misfit, guint line, Color color)
{
  g_autofree char *safe = terminal_text (text);
  gboolean decides = number == line;

  if (decides)
    printf ("%s→ %4u: %s%s\n", terminal_color (color), number, safe, terminal_color_end (color));
  else if (*misfit != '\0')
    printf ("  %4u: %s %s(%s)%s\n", number, safe, terminal_color (COLOR_FAINT), explain (misfit),
            terminal_color_end (COLOR_FAINT));
  else
    printf ("  %4u: %s %s(%s)%s\n", number, safe, terminal_color (COLOR_FAINT),
            _ ("fits, but comes too late"), terminal_color_end (COLOR_FAINT));
}

static void
print_verdict (const char *file, const char *verdict, guint line)
{
  g_autofree char *safe = terminal_text (file);
  Color color = verdict_color (verdict);

  printf ("%s%s%s: ", terminal_color (color), verdict, terminal_color_end (color));
  if (line != 0)
    printf (_ ("line %u of %s decides."), line, safe);
  else
    printf (_ ("no rule of %s fits, so polkit decides, with the action %s."), safe,
            "org.tombolo.Host1.call-guest");
  putchar ('\n');
}

static void
print_answer (TomboloMachine *machine, const Options *options, GVariant *answer)
{
  const char *verdict, *text, *misfit;
  g_autoptr (GVariantIter) rules = NULL;
  gboolean current;
  guint line, number;

  g_variant_get (answer, "(&sua(uss)b)", &verdict, &line, &rules, &current);
  pager_open (options);
  if (options->legend)
    print_verdict (tombolo_machine_get_file (machine), verdict, line);
  while (g_variant_iter_next (rules, "(u&s&s)", &number, &text, &misfit))
    print_rule (number, text, misfit, line, verdict_color (verdict));
  if (options->legend && !current)
    printf ("%s\n", _ ("The bridge that runs has older rules: the file counts from the machine's "
                       "next start."));
  pager_close ();
}

static void
print_json (const Options *options, GVariant *answer)
{
  GVariantBuilder list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GVariantDict object;
  g_autoptr (GVariantIter) rules = NULL;
  g_autoptr (GVariant) value = NULL;
  const char *verdict, *text, *misfit;
  gboolean current;
  guint line, number;

  g_variant_get (answer, "(&sua(uss)b)", &verdict, &line, &rules, &current);
  while (g_variant_iter_next (rules, "(u&s&s)", &number, &text, &misfit))
    {
      g_variant_dict_init (&object, NULL);
      g_variant_dict_insert (&object, "line", "u", number);
      g_variant_dict_insert (&object, "rule", "s", text);
      g_variant_dict_insert (&object, "misfit", "s", misfit);
      g_variant_builder_add_value (&list, g_variant_dict_end (&object));
    }

  g_variant_dict_init (&object, NULL);
  g_variant_dict_insert (&object, "verdict", "s", verdict);
  g_variant_dict_insert (&object, "line", "u", line);
  g_variant_dict_insert (&object, "current", "b", current);
  g_variant_dict_insert_value (&object, "rules", g_variant_builder_end (&list));
  value = g_variant_ref_sink (g_variant_dict_end (&object));
  json_print (value, options->json, JSON_PLAIN);
}

static ClientExit
run (const Options *options)
{
  const char *name = options_get_word (options, WORD_NAME);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (TomboloMachine) machine = NULL;
  g_autoptr (GVariant) answer = NULL;
  const char *verdict;

  if (!check_words (options, &error) || (bus = host_connect (&error)) == NULL
      || (machine = host_find_machine (bus, name, &error)) == NULL
      || (answer = ask (machine, options, &error)) == NULL)
    return failure_report (error, NULL);

  if (options->json != JSON_OFF)
    print_json (options, answer);
  else
    print_answer (machine, options, answer);

  g_variant_get_child (answer, 0, "&s", &verdict);
  return g_str_equal (verdict, "allow")  ? CLIENT_EXIT_DONE
         : g_str_equal (verdict, "deny") ? EXIT_DENY
                                         : EXIT_ASK;
}

const Verb verb_rules = {
  "rules",
  N_ ("test NAME CALLER SERVICE PATH INTERFACE METHOD [ARGUMENT…]"),
  N_ ("Say which line of a machine file decides about a call"),
  N_ ("CALLER is user:NAME, with the groups that a log-in of that user has, or machine:NAME. "
      "SERVICE is an exported name; an INTERFACE of '' is a call without one; an ARGUMENT is text. "
      "Nobody is called, and polkit is not asked. Exits with 0 where the call is allowed, 8 where "
      "polkit would be asked, 9 where a rule denies it."),
  WORD_METHOD + 1,
  G_MAXUINT,
  .verbatim = WORD_METHOD + 1,
  .options = rules_options,
  .run = run,
};
