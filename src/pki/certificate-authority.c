/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host CA: opens or makes its pair of files, and issues the two identities of a start. */
#include "certificate-authority.h"

#include <gnutls/crypto.h>
#include <string.h>

#include "certificate.h"
#include "descriptor.h"
#include "store.h"

#define KEY_FILE "ca.key"
#define CERTIFICATE_FILE "ca.pem"
#define FORBIDDEN_KEY_MODE 077
#define FORBIDDEN_CERTIFICATE_MODE 022

struct CertificateAuthority
{
  gnutls_x509_privkey_t key;
  gnutls_x509_crt_t certificate;
  char *pem; /* the certificate */
};

static void
secret_free (char *text)
{
  if (text != NULL)
    explicit_bzero (text, strlen (text));
  g_free (text);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (char, secret_free)

void
certificate_authority_free (CertificateAuthority *authority)
{
  if (authority == NULL)
    return;

  if (authority->key != NULL)
    gnutls_x509_privkey_deinit (authority->key); /* GnuTLS wipes it */
  if (authority->certificate != NULL)
    gnutls_x509_crt_deinit (authority->certificate);
  g_free (authority->pem);
  g_free (authority);
}

/* Makes the pair. Both files are whole and durable under other names before either gets its own. */
static CertificateAuthority *
authority_new (int directory_fd, const char *directory, GError **error)
{
  g_autoptr (CertificateAuthority) authority = g_new0 (CertificateAuthority, 1);
  g_autoptr (char) key = NULL;

  if (!certificate_new_authority (&authority->key, &authority->certificate, error)
      || (key = certificate_key_to_pem (authority->key, error)) == NULL
      || (authority->pem = certificate_to_pem (authority->certificate, error)) == NULL)
    return NULL;

  if (!store_prepare (directory_fd, directory, KEY_FILE, 0600, key, error)
      || !store_prepare (directory_fd, directory, CERTIFICATE_FILE, 0644, authority->pem, error)
      || !store_commit (directory_fd, directory, KEY_FILE, error)
      || !store_commit (directory_fd, directory, CERTIFICATE_FILE, error))
    return NULL;

  return g_steal_pointer (&authority);
}

static CertificateAuthority *
authority_load (const char *directory, char *key, gsize key_size, const char *certificate,
                gsize certificate_size, GError **error)
{
  g_autoptr (CertificateAuthority) authority = g_new0 (CertificateAuthority, 1);
  gnutls_datum_t key_data = { (unsigned char *) key, (unsigned) key_size };
  gnutls_datum_t certificate_data = { (unsigned char *) certificate, (unsigned) certificate_size };

  if (gnutls_x509_privkey_init (&authority->key) < 0
      || gnutls_x509_privkey_import (authority->key, &key_data, GNUTLS_X509_FMT_PEM) < 0)
    {
      g_set_error (error, PKI_ERROR, PKI_ERROR_FILE,
                   "“%s/" KEY_FILE "” is no private key: restore it from a backup, or remove it "
                   "and " CERTIFICATE_FILE " and restart all machines",
                   directory);
      return NULL;
    }

  if (gnutls_x509_crt_init (&authority->certificate) < 0
      || gnutls_x509_crt_import (authority->certificate, &certificate_data, GNUTLS_X509_FMT_PEM) < 0
      || !certificate_is_of_key (authority->certificate, authority->key)
      || gnutls_x509_crt_get_ca_status (authority->certificate, NULL) <= 0)
    {
      g_set_error (error, PKI_ERROR, PKI_ERROR_FILE,
                   "“%s/" CERTIFICATE_FILE "” is not the CA certificate of " KEY_FILE
                   ": restore it from a backup, or remove both and restart all machines",
                   directory);
      return NULL;
    }

  authority->pem = certificate_to_pem (authority->certificate, error);
  return authority->pem != NULL ? g_steal_pointer (&authority) : NULL;
}

CertificateAuthority *
certificate_authority_open (const char *directory, GError **error)
{
  g_autoptr (char) key = NULL;
  g_autofree char *certificate = NULL;
  gsize key_size, certificate_size;
  auto_fd fd = store_open (directory, error);

  if (fd < 0 || !store_read (fd, directory, KEY_FILE, FORBIDDEN_KEY_MODE, &key, &key_size, error)
      || !store_read (fd, directory, CERTIFICATE_FILE, FORBIDDEN_CERTIFICATE_MODE, &certificate,
                      &certificate_size, error))
    return NULL;

  if (key == NULL && certificate == NULL)
    return authority_new (fd, directory, error);

  if (key == NULL || certificate == NULL)
    {
      g_set_error (error, PKI_ERROR, PKI_ERROR_FILE,
                   "“%s/%s” is missing, but %s is there: restore it from a backup, or remove %s "
                   "too and restart all machines",
                   directory, key == NULL ? KEY_FILE : CERTIFICATE_FILE,
                   key == NULL ? CERTIFICATE_FILE : KEY_FILE,
                   key == NULL ? CERTIFICATE_FILE : KEY_FILE);
      return NULL;
    }

  return authority_load (directory, key, key_size, certificate, certificate_size, error);
}

static gboolean
new_start_id (char ret_start_id[START_ID_SIZE], GError **error)
{
  uint8_t bytes[(START_ID_SIZE - 1) / 2];
  int r = gnutls_rnd (GNUTLS_RND_NONCE, bytes, sizeof bytes);

  if (!certificate_check_result (r, "No random start id", error))
    return FALSE;

  for (gsize i = 0; i < sizeof bytes; i++)
    g_snprintf (ret_start_id + i * 2, 3, "%02x", bytes[i]);
  return TRUE;
}

/* One side's identity, all but the peer's pin; its own goes to `ret_pin`. */
static Identity *
issue_side (CertificateAuthority *authority, IdentityRole role, const char *machine,
            const char *start_id, const uint8_t interface[MAC_SIZE], uint8_t ret_pin[PIN_SIZE],
            GError **error)
{
  g_autoptr (Identity) identity = g_new0 (Identity, 1);
  g_auto (gnutls_x509_privkey_t) key = NULL;
  g_auto (gnutls_x509_crt_t) certificate = NULL;

  identity->role = role;
  identity->machine = g_strdup (machine);
  memcpy (identity->start_id, start_id, START_ID_SIZE);
  memcpy (identity->interface, interface, MAC_SIZE);
  identity->authority = g_strdup (authority->pem);

  if (!certificate_new_leaf (authority->key, authority->certificate, identity, &key, &certificate,
                             error)
      || !certificate_read_pin (certificate, ret_pin, error)
      || (identity->key = certificate_key_to_pem (key, error)) == NULL
      || (identity->certificate = certificate_to_pem (certificate, error)) == NULL)
    return NULL;

  return g_steal_pointer (&identity);
}

gboolean
certificate_authority_issue (CertificateAuthority *authority, const char *machine,
                             const uint8_t interface[MAC_SIZE], Identity **ret_guest,
                             Identity **ret_bridge, GError **error)
{
  g_autoptr (Identity) guest = NULL;
  g_autoptr (Identity) bridge = NULL;
  uint8_t guest_pin[PIN_SIZE], bridge_pin[PIN_SIZE];
  char start_id[START_ID_SIZE];

  if (!machine_name_validate (machine, error) || !new_start_id (start_id, error))
    return FALSE;

  guest = issue_side (authority, IDENTITY_GUEST, machine, start_id, interface, guest_pin, error);
  if (guest == NULL)
    return FALSE;
  bridge = issue_side (authority, IDENTITY_BRIDGE, machine, start_id, interface, bridge_pin, error);
  if (bridge == NULL)
    return FALSE;

  memcpy (guest->pin, bridge_pin, PIN_SIZE);
  memcpy (bridge->pin, guest_pin, PIN_SIZE);
  *ret_guest = g_steal_pointer (&guest);
  *ret_bridge = g_steal_pointer (&bridge);
  return TRUE;
}

gboolean
certificate_get_pin (const char *certificate, uint8_t ret_pin[PIN_SIZE], GError **error)
{
  gnutls_datum_t data = { (unsigned char *) certificate, (unsigned) strlen (certificate) };
  g_auto (gnutls_x509_crt_t) parsed = NULL;

  return certificate_check_result (gnutls_x509_crt_init (&parsed), "No certificate", error)
         && certificate_check_result (gnutls_x509_crt_import (parsed, &data, GNUTLS_X509_FMT_PEM),
                                      "Not a PEM certificate", error)
         && certificate_read_pin (parsed, ret_pin, error);
}
