/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes keys and certificates, and compares a peer's certificate with what it must say. */
#include "certificate.h"

#include <gnutls/crypto.h>
#include <string.h>

#include "limit.h"

#define SERIAL_SIZE 16
#define N_NAMES 4
#define NAME_SIZE (sizeof "urn:tombolo:interface:" + LIMIT_MACHINE_NAME_LENGTH)

/* The start of every certificate's validity. It lies far back since a guest's clock may be wrong,
 * and it is the same for all since nobody's decision hangs on it: a start's pins end with it. */
#define VALID_FROM 946684800 /* 2000-01-01 */

gboolean
certificate_check_result (int result, const char *what, GError **error)
{
  if (result >= 0)
    return TRUE;

  g_set_error (error, PKI_ERROR, PKI_ERROR_CRYPTO, "%s: %s", what, gnutls_strerror (result));
  return FALSE;
}

static gboolean
new_key (gnutls_x509_privkey_t *ret_key, GError **error)
{
  g_auto (gnutls_x509_privkey_t) key = NULL;

  if (!certificate_check_result (gnutls_x509_privkey_init (&key), "No new key", error)
      || !certificate_check_result (
          gnutls_x509_privkey_generate (key, GNUTLS_PK_EDDSA_ED25519, 0, 0), "No new key", error))
    return FALSE;

  *ret_key = g_steal_pointer (&key);
  return TRUE;
}

/* A certificate with what all of ours have in common. */
static int
new_certificate (gnutls_x509_privkey_t key, const char *common_name, gnutls_x509_crt_t *ret)
{
  uint8_t serial[SERIAL_SIZE], id[PIN_SIZE];
  gsize id_size = sizeof id;
  int r;

  if ((r = gnutls_rnd (GNUTLS_RND_NONCE, serial, sizeof serial)) < 0)
    return r;
  serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and always of one length */

  if ((r = gnutls_x509_crt_init (ret)) < 0 || (r = gnutls_x509_crt_set_version (*ret, 3)) < 0
      || (r = gnutls_x509_crt_set_serial (*ret, serial, sizeof serial)) < 0
      || (r = gnutls_x509_crt_set_activation_time (*ret, VALID_FROM)) < 0
      || (r = gnutls_x509_crt_set_expiration_time (*ret, GNUTLS_X509_NO_WELL_DEFINED_EXPIRATION))
             < 0
      || (r = gnutls_x509_crt_set_dn_by_oid (*ret, GNUTLS_OID_X520_COMMON_NAME, 0, common_name,
                                             (unsigned) strlen (common_name)))
             < 0
      || (r = gnutls_x509_crt_set_key (*ret, key)) < 0
      || (r = gnutls_x509_crt_get_key_id (*ret, GNUTLS_KEYID_USE_SHA256, id, &id_size)) < 0)
    return r;

  return gnutls_x509_crt_set_subject_key_id (*ret, id, 20);
}

static int
sign (gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer, gnutls_x509_privkey_t key)
{
  return gnutls_x509_crt_sign2 (certificate, issuer, key, GNUTLS_DIG_SHA512, 0);
}

gboolean
certificate_new_authority (gnutls_x509_privkey_t *ret_key, gnutls_x509_crt_t *ret_certificate,
                           GError **error)
{
  g_auto (gnutls_x509_privkey_t) key = NULL;
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  int r;

  if (!new_key (&key, error))
    return FALSE;

  if ((r = new_certificate (key, "tombolo host", &certificate)) < 0
      || (r = gnutls_x509_crt_set_basic_constraints (certificate, 1, 0)) < 0
      || (r = gnutls_x509_crt_set_key_usage (certificate, GNUTLS_KEY_KEY_CERT_SIGN)) < 0
      || (r = sign (certificate, certificate, key)) < 0)
    return certificate_check_result (r, "No new certificate of the host CA", error);

  *ret_key = g_steal_pointer (&key);
  *ret_certificate = g_steal_pointer (&certificate);
  return TRUE;
}

static const char *
purpose_of (IdentityRole role)
{
  return role == IDENTITY_GUEST ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
}

static const char *
role_to_string (IdentityRole role)
{
  return role == IDENTITY_GUEST ? "guest" : "bridge";
}

static void
make_names (IdentityRole role, const Identity *identity, char ret[N_NAMES][NAME_SIZE])
{
  char mac[MAC_STRING_SIZE];

  mac_to_string (identity->interface, mac);
  g_snprintf (ret[0], NAME_SIZE, "urn:tombolo:role:%s", role_to_string (role));
  g_snprintf (ret[1], NAME_SIZE, "urn:tombolo:machine:%s", identity->machine);
  g_snprintf (ret[2], NAME_SIZE, "urn:tombolo:start:%s", identity->start_id);
  g_snprintf (ret[3], NAME_SIZE, "urn:tombolo:interface:%s", mac);
}

static int
set_names (gnutls_x509_crt_t certificate, const Identity *identity)
{
  char names[N_NAMES][NAME_SIZE];
  int r = 0;

  make_names (identity->role, identity, names);
  for (guint i = 0; i < N_NAMES && r >= 0; i++)
    r = gnutls_x509_crt_set_subject_alt_name (certificate, GNUTLS_SAN_URI, names[i],
                                              (unsigned) strlen (names[i]),
                                              i == 0 ? GNUTLS_FSAN_SET : GNUTLS_FSAN_APPEND);

  return r;
}

gboolean
certificate_new_leaf (gnutls_x509_privkey_t authority_key, gnutls_x509_crt_t authority_certificate,
                      const Identity *identity, gnutls_x509_privkey_t *ret_key,
                      gnutls_x509_crt_t *ret_certificate, GError **error)
{
  g_auto (gnutls_x509_privkey_t) key = NULL;
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  uint8_t id[PIN_SIZE];
  gsize id_size = sizeof id;
  int r;

  if (!new_key (&key, error))
    return FALSE;

  if ((r = new_certificate (key, role_to_string (identity->role), &certificate)) < 0
      || (r = gnutls_x509_crt_set_basic_constraints (certificate, 0, -1)) < 0
      || (r = gnutls_x509_crt_set_key_usage (certificate, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0
      || (r = gnutls_x509_crt_set_key_purpose_oid (certificate, purpose_of (identity->role), 0)) < 0
      || (r = set_names (certificate, identity)) < 0
      || (r = gnutls_x509_crt_get_subject_key_id (authority_certificate, id, &id_size, NULL)) < 0
      || (r = gnutls_x509_crt_set_authority_key_id (certificate, id, id_size)) < 0
      || (r = sign (certificate, authority_certificate, authority_key)) < 0)
    return certificate_check_result (r, "No new certificate", error);

  *ret_key = g_steal_pointer (&key);
  *ret_certificate = g_steal_pointer (&certificate);
  return TRUE;
}

gboolean
certificate_read_pin (gnutls_x509_crt_t certificate, uint8_t ret_pin[PIN_SIZE], GError **error)
{
  uint8_t pin[PIN_SIZE];
  gsize size = sizeof pin;
  int r = gnutls_x509_crt_get_key_id (certificate, GNUTLS_KEYID_USE_SHA256, pin, &size);

  if (!certificate_check_result (r, "No digest of a certificate's public key", error))
    return FALSE;

  memcpy (ret_pin, pin, PIN_SIZE);
  return TRUE;
}

gboolean
certificate_is_of_key (gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key)
{
  uint8_t of_key[PIN_SIZE], of_certificate[PIN_SIZE];
  gsize size = sizeof of_key;

  return gnutls_x509_privkey_get_key_id (key, GNUTLS_KEYID_USE_SHA256, of_key, &size) >= 0
         && certificate_read_pin (certificate, of_certificate, NULL)
         && memcmp (of_key, of_certificate, PIN_SIZE) == 0;
}

static char *
take_pem (int result, gnutls_datum_t *pem, const char *what, GError **error)
{
  char *text;

  if (!certificate_check_result (result, what, error))
    return NULL;

  text = g_strndup ((const char *) pem->data, pem->size);
  gnutls_memset (pem->data, 0, pem->size);
  gnutls_free (pem->data);
  return text;
}

char *
certificate_to_pem (gnutls_x509_crt_t certificate, GError **error)
{
  gnutls_datum_t pem = { NULL, 0 };
  int r = gnutls_x509_crt_export2 (certificate, GNUTLS_X509_FMT_PEM, &pem);

  return take_pem (r, &pem, "No text of a certificate", error);
}

char *
certificate_key_to_pem (gnutls_x509_privkey_t key, GError **error)
{
  gnutls_datum_t pem = { NULL, 0 };
  int r =
      gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem);

  return take_pem (r, &pem, "No text of a key", error);
}

/* TRUE where the extended key usage is exactly `purpose`. */
static gboolean
has_purpose (gnutls_x509_crt_t certificate, const char *purpose)
{
  char oid[64];
  gsize size = sizeof oid;

  if (gnutls_x509_crt_get_key_purpose_oid (certificate, 0, oid, &size, NULL) < 0
      || strcmp (oid, purpose) != 0)
    return FALSE;

  size = sizeof oid;
  return gnutls_x509_crt_get_key_purpose_oid (certificate, 1, oid, &size, NULL)
         == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
}

static gboolean
has_name (gnutls_x509_crt_t certificate, guint i, const char *name)
{
  char value[NAME_SIZE];
  gsize size = sizeof value;
  int type = gnutls_x509_crt_get_subject_alt_name (certificate, i, value, &size, NULL);

  /* By size, since a name may hold a NUL. */
  return type == GNUTLS_SAN_URI && size == strlen (name) && memcmp (value, name, size) == 0;
}

CertificateFault
certificate_check_peer (gnutls_x509_crt_t certificate, const Identity *identity)
{
  static const CertificateFault faults[N_NAMES] = {
    CERTIFICATE_WRONG_PURPOSE,
    CERTIFICATE_WRONG_MACHINE,
    CERTIFICATE_WRONG_START,
    CERTIFICATE_WRONG_INTERFACE,
  };
  IdentityRole role = identity->role == IDENTITY_GUEST ? IDENTITY_BRIDGE : IDENTITY_GUEST;
  char names[N_NAMES][NAME_SIZE], value[NAME_SIZE];
  gsize size = sizeof value;

  if (!has_purpose (certificate, purpose_of (role)))
    return CERTIFICATE_WRONG_PURPOSE;

  make_names (role, identity, names);
  for (guint i = 0; i < N_NAMES; i++)
    if (!has_name (certificate, i, names[i]))
      return faults[i];

  if (gnutls_x509_crt_get_subject_alt_name (certificate, N_NAMES, value, &size, NULL)
      != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
    return CERTIFICATE_WRONG_NAMES;

  return CERTIFICATE_FITS;
}
