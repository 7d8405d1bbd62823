/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the host CA: its files, what it issues, and what a peer's certificate must say. */
#include "certificate-authority.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificate.h"

static const uint8_t mac[MAC_SIZE] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };

typedef struct
{
  char *directory; /* of the test */
  char *ca;        /* below it, not made yet */
  char *key;
  char *certificate;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->directory = g_dir_make_tmp ("tombolo-ca-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->ca = g_build_filename (fixture->directory, "ca", NULL);
  fixture->key = g_build_filename (fixture->ca, "ca.key", NULL);
  fixture->certificate = g_build_filename (fixture->ca, "ca.pem", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDir) entries = g_dir_open (fixture->ca, 0, NULL);
  const char *name;

  while (entries != NULL && (name = g_dir_read_name (entries)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->ca, name, NULL);

      g_assert_cmpint (g_remove (path), ==, 0);
    }
  if (entries != NULL)
    g_assert_cmpint (g_rmdir (fixture->ca), ==, 0);
  g_assert_cmpint (g_rmdir (fixture->directory), ==, 0);
  g_free (fixture->key);
  g_free (fixture->certificate);
  g_free (fixture->ca);
  g_free (fixture->directory);
}

static CertificateAuthority *
open_authority (const char *directory)
{
  g_autoptr (GError) error = NULL;
  CertificateAuthority *authority = certificate_authority_open (directory, &error);

  g_assert_no_error (error);
  g_assert_nonnull (authority);
  return authority;
}

static void
issue (CertificateAuthority *authority, const char *machine, Identity **guest, Identity **bridge)
{
  g_autoptr (GError) error = NULL;

  certificate_authority_issue (authority, machine, mac, guest, bridge, &error);
  g_assert_no_error (error);
}

static gnutls_x509_crt_t
import (const char *pem)
{
  gnutls_datum_t data = { (unsigned char *) pem, (unsigned) strlen (pem) };
  gnutls_x509_crt_t certificate;

  g_assert_cmpint (gnutls_x509_crt_init (&certificate), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_import (certificate, &data, GNUTLS_X509_FMT_PEM), ==, 0);
  return certificate;
}

static mode_t
mode_of (const char *path)
{
  struct stat status;

  g_assert_cmpint (lstat (path, &status), ==, 0);
  g_assert_true (S_ISREG (status.st_mode) || S_ISDIR (status.st_mode));
  return status.st_mode & 07777;
}

static char *
contents_of (const char *path)
{
  char *text;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

static void
test_first_start (Fixture *fixture, gconstpointer data)
{
  mode_t mask = umask (0);
  g_autoptr (CertificateAuthority) authority = open_authority (fixture->ca);
  g_autofree char *key = contents_of (fixture->key);
  g_autofree char *pem = contents_of (fixture->certificate);
  g_auto (gnutls_x509_crt_t) certificate = import (pem);
  g_autoptr (GDir) entries = g_dir_open (fixture->ca, 0, NULL);
  unsigned usage, critical;
  int n_files = 0;

  umask (mask);
  g_assert_cmphex (mode_of (fixture->ca), ==, 0700);
  g_assert_cmphex (mode_of (fixture->key), ==, 0600);
  g_assert_cmphex (mode_of (fixture->certificate), ==, 0644);
  g_assert_true (g_str_has_prefix (key, "-----BEGIN PRIVATE KEY-----\n"));
  g_assert_cmpint (gnutls_x509_crt_get_ca_status (certificate, &critical), ==, 1);
  g_assert_cmpuint (critical, ==, 1);
  g_assert_cmpint (gnutls_x509_crt_get_key_usage (certificate, &usage, &critical), ==, 0);
  g_assert_cmpuint (usage, ==, GNUTLS_KEY_KEY_CERT_SIGN);
  while (g_dir_read_name (entries) != NULL)
    n_files++;
  g_assert_cmpint (n_files, ==, 2);
}

static void
test_again (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Identity) guest = NULL;
  g_autoptr (Identity) bridge = NULL;
  g_autoptr (Identity) guest_again = NULL;
  g_autoptr (Identity) bridge_again = NULL;

  /* Left by a first start that was interrupted before anything had its name. */
  g_assert_cmpint (g_mkdir (fixture->ca, 0700), ==, 0);
  {
    g_autofree char *stale = g_strconcat (fixture->key, ".new", NULL);

    g_assert_true (g_file_set_contents (stale, "half", -1, NULL));
  }

  for (int i = 0; i < 2; i++)
    {
      g_autoptr (CertificateAuthority) authority = open_authority (fixture->ca);

      issue (authority, "work", i == 0 ? &guest : &guest_again, i == 0 ? &bridge : &bridge_again);
    }

  g_assert_cmpstr (guest->authority, ==, guest_again->authority);
  g_assert_cmpstr (guest->start_id, !=, guest_again->start_id);
  g_assert_cmpstr (guest->key, !=, guest_again->key);
}

/* Each damage to a good pair: an error that names the file, and nothing changed. */
typedef struct
{
  const char *name;
  const char *message;
  void (*damage) (Fixture *fixture);
} Damage;

static void
remove_key (Fixture *fixture)
{
  g_assert_cmpint (g_remove (fixture->key), ==, 0);
}

static void
remove_certificate (Fixture *fixture)
{
  g_assert_cmpint (g_remove (fixture->certificate), ==, 0);
}

static void
open_key (Fixture *fixture)
{
  g_assert_cmpint (g_chmod (fixture->key, 0640), ==, 0);
}

static void
open_certificate (Fixture *fixture)
{
  g_assert_cmpint (g_chmod (fixture->certificate, 0664), ==, 0);
}

static void
open_directory (Fixture *fixture)
{
  g_assert_cmpint (g_chmod (fixture->ca, 0770), ==, 0);
}

static void
empty_key (Fixture *fixture)
{
  g_assert_cmpint (truncate (fixture->key, 0), ==, 0);
}

static void
break_key (Fixture *fixture)
{
  g_assert_cmpint (truncate (fixture->key, 60), ==, 0);
}

static void
large_certificate (Fixture *fixture)
{
  g_assert_cmpint (truncate (fixture->certificate, 1024 * 1024), ==, 0);
}

static void
link_key (Fixture *fixture)
{
  g_autofree char *other = g_strconcat (fixture->ca, "/other", NULL);

  g_assert_cmpint (g_rename (fixture->key, other), ==, 0);
  g_assert_cmpint (symlink ("other", fixture->key), ==, 0);
}

static void
fifo_key (Fixture *fixture)
{
  remove_key (fixture);
  g_assert_cmpint (mkfifo (fixture->key, 0600), ==, 0);
}

static void
foreign_certificate (Fixture *fixture)
{
  g_auto (gnutls_x509_privkey_t) key = NULL;
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  g_autofree char *pem = NULL;

  g_assert_true (certificate_new_authority (&key, &certificate, NULL));
  pem = certificate_to_pem (certificate, NULL);
  g_assert_true (g_file_set_contents (fixture->certificate, pem, -1, NULL));
}

static const Damage damages[] = {
  { "no key", "*/ca.key” is missing*", remove_key },
  { "no certificate", "*/ca.pem” is missing*", remove_certificate },
  { "key too open", "*/ca.key” is open to other users*", open_key },
  { "certificate too open", "*/ca.pem” is open to other users*", open_certificate },
  { "directory too open", "*/ca” holds the host CA, but*", open_directory },
  { "empty key", "*/ca.key” is empty*", empty_key },
  { "broken key", "*/ca.key” is no private key*", break_key },
  { "large certificate", "*/ca.pem” is empty or too large", large_certificate },
  { "linked key", "*/ca.key” cannot be opened*", link_key },
  { "pipe for a key", "*/ca.key” is not a regular file*", fifo_key },
  { "mismatched pair", "*/ca.pem” is not the CA certificate*", foreign_certificate },
};

static void
test_damage (Fixture *fixture, gconstpointer data)
{
  const Damage *damage = data;
  g_autoptr (GError) error = NULL;
  struct stat before[2] = { 0 }, after[2] = { 0 };

  certificate_authority_free (open_authority (fixture->ca));
  damage->damage (fixture);
  lstat (fixture->key, &before[0]);
  lstat (fixture->certificate, &before[1]);

  g_assert_null (certificate_authority_open (fixture->ca, &error));
  g_assert_error (error, PKI_ERROR, PKI_ERROR_FILE);
  if (!g_pattern_match_simple (damage->message, error->message))
    g_error ("“%s” does not match “%s”", error->message, damage->message);

  lstat (fixture->key, &after[0]);
  lstat (fixture->certificate, &after[1]);
  for (int i = 0; i < 2; i++)
    {
      g_assert_cmpuint (before[i].st_ino, ==, after[i].st_ino);
      g_assert_cmpint (before[i].st_mtime, ==, after[i].st_mtime);
      g_assert_cmpint (before[i].st_size, ==, after[i].st_size);
    }
}

static void
test_no_directory (Fixture *fixture, gconstpointer data)
{
  g_autofree char *deep = g_build_filename (fixture->directory, "no", "such", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (certificate_authority_open (deep, &error));
  g_assert_error (error, PKI_ERROR, PKI_ERROR_FILE);
}

static unsigned
verify (const char *authority, gnutls_x509_crt_t certificate)
{
  g_auto (gnutls_x509_crt_t) ca = import (authority);
  unsigned status;

  g_assert_cmpint (gnutls_x509_crt_verify (certificate, &ca, 1, 0, &status), ==, 0);
  return status;
}

/* The pin, made the long way round. */
static void
digest_key (gnutls_x509_crt_t certificate, uint8_t ret[PIN_SIZE])
{
  gnutls_pubkey_t key;
  gnutls_datum_t der;

  g_assert_cmpint (gnutls_pubkey_init (&key), ==, 0);
  g_assert_cmpint (gnutls_pubkey_import_x509 (key, certificate, 0), ==, 0);
  g_assert_cmpint (gnutls_pubkey_export2 (key, GNUTLS_X509_FMT_DER, &der), ==, 0);
  g_assert_cmpint (gnutls_hash_fast (GNUTLS_DIG_SHA256, der.data, der.size, ret), ==, 0);
  gnutls_free (der.data);
  gnutls_pubkey_deinit (key);
}

static void
test_issue (Fixture *fixture, gconstpointer data)
{
  g_autoptr (CertificateAuthority) authority = open_authority (fixture->ca);
  g_autoptr (Identity) guest = NULL;
  g_autoptr (Identity) bridge = NULL;
  const Identity *sides[2];
  g_autoptr (GError) error = NULL;
  uint8_t pin[PIN_SIZE], again[PIN_SIZE];

  issue (authority, "team:web", &guest, &bridge);
  g_assert_cmpint (guest->role, ==, IDENTITY_GUEST);
  g_assert_cmpint (bridge->role, ==, IDENTITY_BRIDGE);
  g_assert_cmpstr (guest->start_id, ==, bridge->start_id);
  sides[0] = guest;
  sides[1] = bridge;

  for (int i = 0; i < 2; i++)
    {
      g_auto (gnutls_x509_crt_t) certificate = import (sides[i]->certificate);
      gsize size;
      char *text = identity_to_text (sides[i], &size);
      g_autoptr (Identity) read = identity_from_text (text, size, &error);
      unsigned critical;

      g_assert_no_error (error);
      g_assert_cmpuint (size, <, 4096);
      identity_text_free (text);
      g_assert_cmpstr (read->key, ==, sides[i]->key);
      g_assert_cmpint (gnutls_x509_crt_get_ca_status (certificate, &critical), ==, 0);
      g_assert_cmpuint (verify (sides[i]->authority, certificate), ==, 0);
      g_assert_true (certificate_get_pin (sides[i]->certificate, pin, &error));
      g_assert_cmpmem (pin, PIN_SIZE, sides[1 - i]->pin, PIN_SIZE);
      digest_key (certificate, again);
      g_assert_cmpmem (pin, PIN_SIZE, again, PIN_SIZE);
      g_assert_cmpint (certificate_check_peer (certificate, sides[1 - i]), ==, CERTIFICATE_FITS);
      /* Nobody is a peer of oneself. */
      g_assert_cmpint (certificate_check_peer (certificate, sides[i]), ==,
                       CERTIFICATE_WRONG_PURPOSE);
    }
}

static void
test_bad_name (Fixture *fixture, gconstpointer data)
{
  g_autoptr (CertificateAuthority) authority = open_authority (fixture->ca);
  Identity *guest = NULL, *bridge = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (certificate_authority_issue (authority, "../x", mac, &guest, &bridge, &error));
  g_assert_nonnull (error);
  g_assert_null (guest);
  g_assert_null (bridge);
}

static void
test_peer (Fixture *fixture, gconstpointer data)
{
  g_autoptr (CertificateAuthority) authority = open_authority (fixture->ca);
  g_autoptr (Identity) guest = NULL;
  g_autoptr (Identity) bridge = NULL;
  g_auto (gnutls_x509_crt_t) certificate = NULL;

  issue (authority, "work", &guest, &bridge);
  certificate = import (guest->certificate);

  bridge->interface[5] ^= 1;
  g_assert_cmpint (certificate_check_peer (certificate, bridge), ==, CERTIFICATE_WRONG_INTERFACE);
  bridge->start_id[0] = bridge->start_id[0] == '0' ? '1' : '0';
  g_assert_cmpint (certificate_check_peer (certificate, bridge), ==, CERTIFICATE_WRONG_START);
  g_free (bridge->machine);
  bridge->machine = g_strdup ("wor");
  g_assert_cmpint (certificate_check_peer (certificate, bridge), ==, CERTIFICATE_WRONG_MACHINE);
}

static void
test_bad_certificate (void)
{
  uint8_t pin[PIN_SIZE];
  g_autoptr (GError) error = NULL;

  g_assert_false (certificate_get_pin ("no certificate", pin, &error));
  g_assert_error (error, PKI_ERROR, PKI_ERROR_CRYPTO);
}

static void
test_issue_time (Fixture *fixture, gconstpointer data)
{
  g_autoptr (CertificateAuthority) authority = open_authority (fixture->ca);
  const int rounds = 100;
  gint64 begin = g_get_monotonic_time ();

  for (int i = 0; i < rounds; i++)
    {
      g_autoptr (Identity) guest = NULL;
      g_autoptr (Identity) bridge = NULL;

      issue (authority, "work", &guest, &bridge);
    }
  g_test_minimized_result ((double) (g_get_monotonic_time () - begin) / rounds,
                           "issue both identities of a start: %.0f us",
                           (double) (g_get_monotonic_time () - begin) / rounds);
}

#define ADD(path, function)                                                                        \
  g_test_add ("/certificate-authority/" path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("first-start", test_first_start);
  ADD ("again", test_again);
  ADD ("no-directory", test_no_directory);
  ADD ("issue", test_issue);
  ADD ("bad-name", test_bad_name);
  ADD ("peer", test_peer);
  ADD ("issue-time", test_issue_time);
  for (gsize i = 0; i < G_N_ELEMENTS (damages); i++)
    {
      g_autofree char *path = g_strconcat ("/certificate-authority/damage/", damages[i].name, NULL);

      g_test_add (path, Fixture, &damages[i], set_up, test_damage, tear_down);
    }
  g_test_add_func ("/certificate-authority/bad-certificate", test_bad_certificate);
  return g_test_run ();
}
