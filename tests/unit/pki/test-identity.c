/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the identity's text: what is written is read, and nothing else is. */
#include "identity.h"

#include <string.h>

#include "limit.h"

#define START "0123456789abcdef0123456789abcdef"
#define PIN START START
#define HEAD                                                                                       \
  "tombolo-identity 1\nRole: guest\nMachine: team:web\nStart: " START                              \
  "\nInterface: 02:11:22:33:44:55\nPin: " PIN "\n"
#define KEY "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"
#define CERTIFICATE "-----BEGIN CERTIFICATE-----\nMIIB+/8=\n-----END CERTIFICATE-----\n"
#define GOOD HEAD KEY CERTIFICATE CERTIFICATE

static void
test_round_trip (void)
{
  static const uint8_t mac[MAC_SIZE] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };
  g_autoptr (GError) error = NULL;
  g_autoptr (Identity) identity = identity_from_text (GOOD, strlen (GOOD), &error);
  char *text;
  gsize size;

  g_assert_no_error (error);
  g_assert_cmpint (identity->role, ==, IDENTITY_GUEST);
  g_assert_cmpstr (identity->machine, ==, "team:web");
  g_assert_cmpstr (identity->start_id, ==, START);
  g_assert_cmpmem (identity->interface, MAC_SIZE, mac, sizeof mac);
  g_assert_cmphex (identity->pin[0], ==, 0x01);
  g_assert_cmphex (identity->pin[PIN_SIZE - 1], ==, 0xef);
  g_assert_cmpstr (identity->key, ==, KEY);
  g_assert_cmpstr (identity->certificate, ==, CERTIFICATE);
  g_assert_cmpstr (identity->authority, ==, CERTIFICATE);

  text = identity_to_text (identity, &size);
  g_assert_cmpmem (text, size, GOOD, strlen (GOOD));
  identity_text_free (text);
}

typedef struct
{
  const char *name;
  const char *find; /* in GOOD, its first occurrence */
  const char *replacement;
  const char *message;
} Refusal;

static const Refusal refusals[] = {
  { "version", "identity 1", "identity 2", "Line 1 *" },
  { "carriage return", "identity 1\n", "identity 1\r\n", "Line 1 *" },
  { "role", "Role: guest", "Role: host", "Line 2 *neither*" },
  { "role's case", "Role: guest", "Role: Guest", "Line 2 *" },
  { "field's name", "Role: ", "role: ", "Line 2 *is not “Role: …”" },
  { "field twice", "Machine: ", "Role: guest\nMachine: ", "Line 3 *" },
  { "unknown field", "Start: ", "Colour: red\nStart: ", "Line 4 *" },
  { "missing field", "Machine: team:web\n", "", "Line 3 *" },
  { "machine", "team:web", "Team:web", "Line 3 *machine name*" },
  { "no machine", "team:web", "", "Line 3 *" },
  { "trailing space", "team:web", "team:web ", "Line 3 *" },
  { "short start", "Start: 0", "Start: ", "Line 4 *32*" },
  { "long start", "Start: 0", "Start: 00", "Line 4 *" },
  { "start's case", "Start: 0", "Start: A", "Line 4 *" },
  { "MAC", "02:11", "0x:11", "Line 5 *MAC*" },
  { "MAC's case", "02:11", "0A:11", "Line 5 *MAC*" },
  { "pin", "Pin: 01", "Pin: g1", "Line 6 *64*" },
  { "short pin", "Pin: 01", "Pin: ", "Line 6 *64*" },
  { "encrypted key", "BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE", "Line 7 *" },
  { "no key", KEY, "", "Line 7 *" },
  { "blank line", "\n-----BEGIN PRIVATE", "\n\n-----BEGIN PRIVATE", "Line 7 *" },
  { "empty key", "MC4CAQAwBQYDK2VwBCIEIA==\n", "", "Line 8 *base64*" },
  { "key's characters", "MC4CAQ", "MC4C Q", "Line 8 *base64*" },
  { "key's padding", "BCIEIA==", "BCIE===A", "Line 8 *base64*" },
  { "key's end", "END PRIVATE KEY-----", "END PRIVATE KEY----", "Line 9 *" },
  { "one certificate", CERTIFICATE CERTIFICATE, CERTIFICATE, "Line 13 *missing*" },
  { "three certificates", CERTIFICATE CERTIFICATE, CERTIFICATE CERTIFICATE CERTIFICATE,
    "Line 16 *nothing may" },
  { "no last end", CERTIFICATE CERTIFICATE, CERTIFICATE "-----BEGIN CERTIFICATE-----\nMIIB",
    "Line 14 *missing*" },
};

static void
test_refusal (gconstpointer data)
{
  const Refusal *refusal = data;
  const char *place = strstr (GOOD, refusal->find);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (place);
  g_string_append_len (text, GOOD, place - GOOD);
  g_string_append (text, refusal->replacement);
  g_string_append (text, place + strlen (refusal->find));

  g_assert_null (identity_from_text (text->str, text->len, &error));
  g_assert_error (error, PKI_ERROR, PKI_ERROR_TEXT);
  if (!g_pattern_match_simple (refusal->message, error->message))
    g_error ("“%s” does not match “%s”", error->message, refusal->message);
}

/* No beginning of a good text is good, and none is read past its end (the sanitizers watch). */
static void
test_cut (void)
{
  for (gsize size = 0; size < strlen (GOOD); size++)
    {
      g_autofree char *text = g_memdup2 (GOOD, size > 0 ? size : 1);
      g_autoptr (GError) error = NULL;

      g_assert_null (identity_from_text (text, size, &error));
      g_assert_error (error, PKI_ERROR, PKI_ERROR_TEXT);
    }
}

static void
test_nul (void)
{
  g_autofree char *text = g_strdup (GOOD);
  g_autoptr (GError) error = NULL;

  *strstr (text, "web") = '\0';
  g_assert_null (identity_from_text (text, strlen (GOOD), &error));
  g_assert_error (error, PKI_ERROR, PKI_ERROR_TEXT);
}

static void
test_large (void)
{
  g_autofree char *text = g_malloc0 (LIMIT_IDENTITY_SIZE + 1);
  g_autoptr (GError) error = NULL;

  memcpy (text, GOOD, strlen (GOOD));
  g_assert_null (identity_from_text (text, LIMIT_IDENTITY_SIZE + 1, &error));
  g_assert_error (error, PKI_ERROR, PKI_ERROR_TEXT);
  g_assert_nonnull (strstr (error->message, "larger"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/identity/round-trip", test_round_trip);
  for (gsize i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree char *path = g_strconcat ("/identity/refused/", refusals[i].name, NULL);

      g_test_add_data_func (path, &refusals[i], test_refusal);
    }
  g_test_add_func ("/identity/cut", test_cut);
  g_test_add_func ("/identity/nul", test_nul);
  g_test_add_func ("/identity/large", test_large);
  return g_test_run ();
}
