/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Identities as values and as the text of a systemd credential. */
#include "identity.h"

#include <string.h>

#include "limit.h"

#define FIRST_LINE "tombolo-identity 1"
#define PEM_LINE_LENGTH 64

G_DEFINE_QUARK (tombolo - pki - error - quark, pki_error)

static const char *const role_names[] = {
  [IDENTITY_GUEST] = "guest",
  [IDENTITY_BRIDGE] = "bridge",
};

void
identity_free (Identity *identity)
{
  if (identity == NULL)
    return;

  if (identity->key != NULL)
    explicit_bzero (identity->key, strlen (identity->key));
  g_free (identity->key);
  g_free (identity->machine);
  g_free (identity->certificate);
  g_free (identity->authority);
  explicit_bzero (identity, sizeof *identity);
  g_free (identity);
}

static void
pin_to_string (const uint8_t pin[PIN_SIZE], char ret[PIN_SIZE * 2 + 1])
{
  static const char digits[] = "0123456789abcdef";

  for (gsize i = 0; i < PIN_SIZE; i++)
    {
      ret[i * 2] = digits[pin[i] >> 4];
      ret[i * 2 + 1] = digits[pin[i] & 15];
    }
  ret[PIN_SIZE * 2] = '\0';
}

char *
identity_to_text (const Identity *identity, gsize *ret_size)
{
  char mac[MAC_STRING_SIZE], pin[PIN_SIZE * 2 + 1];
  g_autofree char *head = NULL;
  char *text, *end;

  mac_to_string (identity->interface, mac);
  pin_to_string (identity->pin, pin);
  head =
      g_strdup_printf (FIRST_LINE "\nRole: %s\nMachine: %s\nStart: %s\nInterface: %s\nPin: %s\n",
                       role_names[identity->role], identity->machine, identity->start_id, mac, pin);

  /* One block of the right size: a string that grows would leave copies of the key behind. */
  text = g_malloc (strlen (head) + strlen (identity->key) + strlen (identity->certificate)
                   + strlen (identity->authority) + 1);
  end = stpcpy (text, head);
  end = stpcpy (end, identity->key);
  end = stpcpy (end, identity->certificate);
  end = stpcpy (end, identity->authority);

  *ret_size = (gsize) (end - text);
  return text;
}

void
identity_text_free (char *text)
{
  if (text == NULL)
    return;

  explicit_bzero (text, strlen (text));
  g_free (text);
}

/* Where the reader stands. A line's end is a line feed and nothing else. */
typedef struct
{
  const char *next;
  const char *end;
  guint line; /* of the line that was read last, from 1 */
} Reader;

G_GNUC_PRINTF (3, 4)
static gboolean
reader_fail (const Reader *reader, GError **error, const char *format, ...)
{
  g_autofree char *reason = NULL;
  va_list arguments;

  va_start (arguments, format);
  reason = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, PKI_ERROR, PKI_ERROR_TEXT, "Line %u of the identity %s", reader->line,
               reason);
  return FALSE;
}

static gboolean
reader_next (Reader *reader, const char **ret_line, gsize *ret_length, GError **error)
{
  const char *feed = memchr (reader->next, '\n', (gsize) (reader->end - reader->next));

  reader->line++;
  if (feed == NULL)
    {
      reader_fail (reader, error, "is missing or has no end");
      return FALSE; /* said here, so that the compiler sees that outputs are set otherwise */
    }

  *ret_line = reader->next;
  *ret_length = (gsize) (feed - reader->next);
  reader->next = feed + 1;
  return TRUE;
}

static gboolean
reader_expect (Reader *reader, const char *expected, GError **error)
{
  const char *line;
  gsize length;

  if (!reader_next (reader, &line, &length, error))
    return FALSE;
  if (length != strlen (expected) || memcmp (line, expected, length) != 0)
    return reader_fail (reader, error, "is not “%s”", expected);

  return TRUE;
}

/* Reads the line “NAME: VALUE” into `value`, a string of at most `size` bytes with its end. */
static gboolean
reader_field (Reader *reader, const char *name, char *value, gsize size, GError **error)
{
  gsize name_length = strlen (name);
  const char *line;
  gsize length;

  if (!reader_next (reader, &line, &length, error))
    return FALSE;
  if (length < name_length + 2 || memcmp (line, name, name_length) != 0
      || memcmp (line + name_length, ": ", 2) != 0)
    return reader_fail (reader, error, "is not “%s: …”", name);

  line += name_length + 2;
  length -= name_length + 2;
  if (length >= size || memchr (line, '\0', length) != NULL)
    return reader_fail (reader, error, "has a “%s” that is too long or no text", name);

  memcpy (value, line, length);
  value[length] = '\0';
  return TRUE;
}

static gboolean
is_hexadecimal (const char *text, gsize length)
{
  return strlen (text) == length && strspn (text, "0123456789abcdef") == length;
}

static gboolean
reader_role (Reader *reader, IdentityRole *ret_role, GError **error)
{
  char value[8];

  if (!reader_field (reader, "Role", value, sizeof value, error))
    return FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (role_names); i++)
    if (strcmp (value, role_names[i]) == 0)
      {
        *ret_role = (IdentityRole) i;
        return TRUE;
      }

  return reader_fail (reader, error, "has a role that is neither “guest” nor “bridge”");
}

static gboolean
reader_machine (Reader *reader, char **ret_machine, GError **error)
{
  char value[LIMIT_MACHINE_NAME_LENGTH + 1];

  if (!reader_field (reader, "Machine", value, sizeof value, error))
    return FALSE;
  if (!machine_name_validate (value, NULL))
    return reader_fail (reader, error, "has no valid machine name");

  *ret_machine = g_strdup (value);
  return TRUE;
}

static gboolean
reader_start_id (Reader *reader, char ret_start_id[START_ID_SIZE], GError **error)
{
  char value[START_ID_SIZE];

  if (!reader_field (reader, "Start", value, sizeof value, error))
    return FALSE;
  if (!is_hexadecimal (value, START_ID_SIZE - 1))
    return reader_fail (reader, error, "has no start id of 32 lower-case hexadecimal digits");

  memcpy (ret_start_id, value, START_ID_SIZE);
  return TRUE;
}

static gboolean
reader_interface (Reader *reader, uint8_t ret_mac[MAC_SIZE], GError **error)
{
  char value[MAC_STRING_SIZE], again[MAC_STRING_SIZE];

  if (!reader_field (reader, "Interface", value, sizeof value, error))
    return FALSE;
  if (mac_from_string (value, ret_mac))
    {
      mac_to_string (ret_mac, again);
      if (strcmp (value, again) == 0)
        return TRUE;
    }

  return reader_fail (reader, error, "has no lower-case MAC address");
}

static gboolean
reader_pin (Reader *reader, uint8_t ret_pin[PIN_SIZE], GError **error)
{
  char value[PIN_SIZE * 2 + 1];

  if (!reader_field (reader, "Pin", value, sizeof value, error))
    return FALSE;
  if (!is_hexadecimal (value, PIN_SIZE * 2))
    return reader_fail (reader, error, "has no pin of 64 lower-case hexadecimal digits");

  for (gsize i = 0; i < PIN_SIZE; i++)
    ret_pin[i] = (uint8_t) (g_ascii_xdigit_value (value[i * 2]) << 4
                            | g_ascii_xdigit_value (value[i * 2 + 1]));
  return TRUE;
}

static gboolean
is_base64 (const char *line, gsize length)
{
  gsize padding = 0;

  if (length == 0 || length > PEM_LINE_LENGTH)
    return FALSE;
  while (padding < 2 && padding < length && line[length - 1 - padding] == '=')
    padding++;
  for (gsize i = 0; i < length - padding; i++)
    if (!g_ascii_isalnum (line[i]) && line[i] != '+' && line[i] != '/')
      return FALSE;

  return length > padding;
}

/* Splits off one PEM block with nothing before, between or after its lines. */
static gboolean
reader_pem (Reader *reader, const char *label, char **ret_block, GError **error)
{
  g_autofree char *first = g_strdup_printf ("-----BEGIN %s-----", label);
  g_autofree char *last = g_strdup_printf ("-----END %s-----", label);
  const char *begin = reader->next;
  const char *line;
  gsize length, n_lines = 0;

  if (!reader_expect (reader, first, error))
    return FALSE;

  for (;; n_lines++)
    {
      if (!reader_next (reader, &line, &length, error))
        return FALSE;
      if (n_lines > 0 && length == strlen (last) && memcmp (line, last, length) == 0)
        break;
      if (!is_base64 (line, length))
        return reader_fail (reader, error, "is not base64 of a block “%s”", label);
    }

  *ret_block = g_strndup (begin, (gsize) (reader->next - begin));
  return TRUE;
}

Identity *
identity_from_text (const char *text, gsize size, GError **error)
{
  Reader reader = { .next = text, .end = text + size };
  g_autoptr (Identity) identity = g_new0 (Identity, 1);

  if (size > LIMIT_IDENTITY_SIZE)
    {
      g_set_error (error, PKI_ERROR, PKI_ERROR_TEXT, "The identity is larger than %zu bytes",
                   LIMIT_IDENTITY_SIZE);
      return NULL;
    }

  if (!reader_expect (&reader, FIRST_LINE, error) || !reader_role (&reader, &identity->role, error)
      || !reader_machine (&reader, &identity->machine, error)
      || !reader_start_id (&reader, identity->start_id, error)
      || !reader_interface (&reader, identity->interface, error)
      || !reader_pin (&reader, identity->pin, error)
      || !reader_pem (&reader, "PRIVATE KEY", &identity->key, error)
      || !reader_pem (&reader, "CERTIFICATE", &identity->certificate, error)
      || !reader_pem (&reader, "CERTIFICATE", &identity->authority, error))
    return NULL;

  if (reader.next != reader.end)
    {
      reader.line++;
      reader_fail (&reader, error, "follows the last certificate: nothing may");
      return NULL;
    }

  return g_steal_pointer (&identity);
}
