/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SASL as tables: what one side sends, and what comes of it. Each case is fed whole and byte by
 * byte. */
#include <glib.h>
#include <string.h>

#include "limit.h"
#include "sasl.h"

#define ID "0123456789abcdef0123456789abcdef"
#define OK "OK " ID "\r\n"
#define AGREED "AGREE_UNIX_FD\r\n"
#define UNEXPECTED "ERROR \"Not expected here\"\r\n"
#define BYTES(text) text, sizeof text - 1

static const struct
{
  const char *name;
  const char *input;
  gsize size;
  SaslVerdict verdict;
  const char *answers;
} server_cases[] = {
  { "sd-bus pipelines", BYTES ("\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"),
    SASL_DONE, "DATA\r\n" OK AGREED },
  { "GDBus probes", BYTES ("\0AUTH\r\nAUTH EXTERNAL 30\r\nBEGIN\r\n"), SASL_DONE,
    "REJECTED EXTERNAL\r\n" OK },
  { "libdbus sends hex", BYTES ("\0AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"),
    SASL_DONE, OK AGREED },
  { "identity as data", BYTES ("\0AUTH EXTERNAL\r\nDATA 30\r\nBEGIN\r\n"), SASL_DONE,
    "DATA\r\n" OK },
  { "another mechanism first", BYTES ("\0AUTH ANONYMOUS\r\nAUTH EXTERNAL 30\r\nBEGIN\r\n"),
    SASL_DONE, "REJECTED EXTERNAL\r\n" OK },
  { "a cancelled attempt", BYTES ("\0AUTH EXTERNAL\r\nCANCEL\r\nAUTH EXTERNAL 30\r\nBEGIN\r\n"),
    SASL_DONE, "DATA\r\nREJECTED EXTERNAL\r\n" OK },
  { "an error after OK", BYTES ("\0AUTH EXTERNAL 30\r\nERROR\r\nBEGIN\r\n"), SASL_FAILED,
    OK "REJECTED EXTERNAL\r\n" },
  { "descriptors too early", BYTES ("\0NEGOTIATE_UNIX_FD\r\n"), SASL_MORE, UNEXPECTED },
  { "an unknown word", BYTES ("\0HELLO\r\n"), SASL_MORE, UNEXPECTED },
  { "a word that begins like another", BYTES ("\0AUTHORISE EXTERNAL\r\n"), SASL_MORE, UNEXPECTED },
  { "BEGIN too early", BYTES ("\0BEGIN\r\n"), SASL_FAILED, "" },
  { "BEGIN before the identity", BYTES ("\0AUTH EXTERNAL\r\nBEGIN\r\n"), SASL_FAILED, "DATA\r\n" },
  { "no zero byte", BYTES ("AUTH EXTERNAL 30\r\n"), SASL_FAILED, "" },
  { "a zero byte in a line", BYTES ("\0AUTH EXT\0RNAL\r\n"), SASL_FAILED, "" },
  { "nothing yet", BYTES (""), SASL_MORE, "" },
  { "half a line", BYTES ("\0AUTH EXTER"), SASL_MORE, "" },
};

static const struct
{
  const char *name;
  const char *input;
  gsize size;
  SaslVerdict verdict;
} client_cases[] = {
  { "dbus-daemon", BYTES ("DATA\r\nOK " ID "\r\nAGREE_UNIX_FD\r\n"), SASL_DONE },
  { "no descriptors", BYTES ("DATA\r\nOK " ID "\r\nERROR \"no\"\r\n"), SASL_DONE },
  { "not finished", BYTES ("DATA\r\nOK " ID "\r\nAGREE"), SASL_MORE },
  { "rejected", BYTES ("REJECTED EXTERNAL\r\n"), SASL_FAILED },
  { "rejected later", BYTES ("DATA\r\nREJECTED EXTERNAL\r\n"), SASL_FAILED },
  { "an error at once", BYTES ("ERROR\r\n"), SASL_FAILED },
  { "not D-Bus", BYTES ("HTTP/1.1 400 Bad Request\r\n"), SASL_FAILED },
};

/* Feeds the input in pieces of `step` bytes, as a connection does: what is not taken stays. */
static SaslVerdict
feed_server (const char *input, gsize size, gsize step, GString *answers, gsize *ret_taken)
{
  SaslVerdict verdict = SASL_MORE;
  char answer[SASL_ANSWER_SIZE];
  gsize taken = 0, consumed;
  SaslServer server;

  sasl_server_init (&server, ID);
  for (gsize end = MIN (step, size);; end = MIN (end + step, size))
    {
      do
        {
          verdict = sasl_server_feed (&server, (const uint8_t *) input + taken, end - taken,
                                      &consumed, answer);
          g_string_append (answers, answer);
          taken += consumed;
        }
      while (verdict == SASL_MORE && consumed > 0);

      if (verdict != SASL_MORE || end == size)
        break;
    }

  *ret_taken = taken;
  return verdict;
}

static void
test_server (void)
{
  static const gsize steps[] = { 1, 2, 7, 4096 };

  for (gsize i = 0; i < G_N_ELEMENTS (server_cases); i++)
    for (gsize j = 0; j < G_N_ELEMENTS (steps); j++)
      {
        g_autoptr (GString) answers = g_string_new (NULL);
        gsize taken;

        g_test_message ("%s, %zu bytes at a time", server_cases[i].name, steps[j]);
        g_assert_cmpint (
            feed_server (server_cases[i].input, server_cases[i].size, steps[j], answers, &taken),
            ==, server_cases[i].verdict);
        g_assert_cmpstr (answers->str, ==, server_cases[i].answers);
        if (server_cases[i].verdict == SASL_DONE)
          g_assert_cmpuint (taken, ==, server_cases[i].size);
      }
}

/* What follows BEGIN is a message, and stays. */
static void
test_server_leaves_messages (void)
{
  static const char input[] = "\0AUTH EXTERNAL 30\r\nBEGIN\r\nl\1\0\1";
  g_autoptr (GString) answers = g_string_new (NULL);
  gsize taken;

  g_assert_cmpint (feed_server (input, sizeof input - 1, 4096, answers, &taken), ==, SASL_DONE);
  g_assert_cmpuint (taken, ==, sizeof input - 1 - 4);
}

static void
test_server_limits (void)
{
  g_autofree char *line = g_strnfill (LIMIT_SASL_LINE, 'A');
  g_autoptr (GString) chat = g_string_new_len ("\0", 1);
  g_autoptr (GString) answers = g_string_new (NULL);
  char answer[SASL_ANSWER_SIZE];
  SaslServer server;
  gsize taken;

  sasl_server_init (&server, ID);
  line[0] = '\0';
  g_assert_cmpint (
      sasl_server_feed (&server, (const uint8_t *) line, LIMIT_SASL_LINE, &taken, answer), ==,
      SASL_MORE);
  line[0] = 'A';
  g_assert_cmpint (
      sasl_server_feed (&server, (const uint8_t *) line, LIMIT_SASL_LINE, &taken, answer), ==,
      SASL_FAILED);

  for (int i = 0; i < 100; i++)
    g_string_append (chat, "AUTH\r\n");
  g_assert_cmpint (feed_server (chat->str, chat->len, 4096, answers, &taken), ==, SASL_FAILED);
}

static void
test_client (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (client_cases); i++)
    for (gsize step = 1; step <= client_cases[i].size; step++)
      {
        SaslVerdict verdict = SASL_MORE;
        SaslClient client = { 0 };
        gsize taken = 0, consumed;

        for (gsize end = step; verdict == SASL_MORE; end += step)
          {
            end = MIN (end, client_cases[i].size);
            verdict = sasl_client_feed (&client, (const uint8_t *) client_cases[i].input + taken,
                                        end - taken, &consumed);
            taken += consumed;
            if (end == client_cases[i].size)
              break;
          }

        g_test_message ("%s, %zu bytes at a time", client_cases[i].name, step);
        g_assert_cmpint (verdict, ==, client_cases[i].verdict);
        if (verdict == SASL_DONE)
          g_assert_cmpuint (taken, ==, client_cases[i].size);
      }
}

/* The two fit. */
static void
test_both (void)
{
  g_autoptr (GString) answers = g_string_new (NULL);
  SaslClient client = { 0 };
  gsize taken;

  g_assert_cmpint (
      feed_server (SASL_CLIENT_GREETING, SASL_CLIENT_GREETING_SIZE, 4096, answers, &taken), ==,
      SASL_DONE);
  g_assert_cmpint (sasl_client_feed (&client, (const uint8_t *) answers->str, answers->len, &taken),
                   ==, SASL_DONE);
  g_assert_cmpuint (taken, ==, answers->len);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sasl/server", test_server);
  g_test_add_func ("/sasl/server-leaves-messages", test_server_leaves_messages);
  g_test_add_func ("/sasl/server-limits", test_server_limits);
  g_test_add_func ("/sasl/client", test_client);
  g_test_add_func ("/sasl/both", test_both);
  return g_test_run ();
}
