/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all sessions of one end share, and how it verifies a peer. */
#include <gnutls/crypto.h>
#include <string.h>

#include "certificate.h"
#include "session-internal.h"

/* One version, one suite, one group, one signature algorithm: with AES instructions AES-128-GCM
 * encrypts a small record in 0.1 µs, ChaCha20-Poly1305 in 0.5; Ed25519 and X25519 make the fastest
 * handshake. Records that old middleboxes want to see are left out: a control link has none. */
#define PRIORITIES                                                                                 \
  "NONE:+VERS-TLS1.3:+AEAD:+AES-128-GCM:+GROUP-X25519:+SIGN-EDDSA-ED25519:+CTYPE-X509:"            \
  "%DISABLE_TLS13_COMPAT_MODE"

G_DEFINE_QUARK (tombolo - tunnel - error - quark, tunnel_error)

gboolean
tunnel_error_is_refusal (const GError *error)
{
  return error != NULL && error->domain == TUNNEL_ERROR && error->code != TUNNEL_ERROR_CLOSED
         && error->code != TUNNEL_ERROR_UNREACHED;
}

const char *
tunnel_context_get_peer (TunnelContext *context)
{
  return context->identity->role == IDENTITY_GUEST ? "bridge" : "guest";
}

/* The identity without what only GnuTLS needs. */
static Identity *
copy_public (const Identity *identity)
{
  Identity *copy = g_new0 (Identity, 1);

  copy->role = identity->role;
  copy->machine = g_strdup (identity->machine);
  memcpy (copy->start_id, identity->start_id, START_ID_SIZE);
  memcpy (copy->interface, identity->interface, MAC_SIZE);
  memcpy (copy->pin, identity->pin, PIN_SIZE);
  return copy;
}

static int
load_authority (TunnelContext *context, const char *pem)
{
  gnutls_datum_t data = { (unsigned char *) pem, (unsigned) strlen (pem) };
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  int r;

  if ((r = gnutls_x509_crt_init (&certificate)) < 0
      || (r = gnutls_x509_crt_import (certificate, &data, GNUTLS_X509_FMT_PEM)) < 0
      || (r = gnutls_x509_trust_list_init (&context->authorities, 1)) < 0)
    return r;

  r = gnutls_x509_trust_list_add_cas (context->authorities, &certificate, 1, 0);
  if (r < 0)
    return r;

  g_steal_pointer (&certificate); /* the list's now */
  return r == 1 ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static int
load_own (TunnelContext *context, const Identity *identity)
{
  gnutls_datum_t certificate_pem = { (unsigned char *) identity->certificate,
                                     (unsigned) strlen (identity->certificate) };
  gnutls_datum_t key_pem = { (unsigned char *) identity->key, (unsigned) strlen (identity->key) };
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  g_auto (gnutls_x509_privkey_t) key = NULL;
  int r;

  if ((r = gnutls_x509_crt_init (&certificate)) < 0
      || (r = gnutls_x509_crt_import (certificate, &certificate_pem, GNUTLS_X509_FMT_PEM)) < 0
      || (r = gnutls_x509_privkey_init (&key)) < 0
      || (r = gnutls_x509_privkey_import (key, &key_pem, GNUTLS_X509_FMT_PEM)) < 0)
    return r;

  /* GnuTLS compares the two as well, but not where they are Ed25519's. */
  if (!certificate_is_of_key (certificate, key))
    return GNUTLS_E_CERTIFICATE_KEY_MISMATCH;

  if ((r = gnutls_certificate_allocate_credentials (&context->credentials)) < 0
      || (r = gnutls_certificate_set_x509_key (context->credentials, &certificate, 1, key)) < 0)
    return r;

  gnutls_certificate_set_verify_function (context->credentials, tunnel_verify);
  return 0;
}

TunnelContext *
tunnel_context_new (const Identity *identity, GError **error)
{
  g_autoptr (TunnelContext) context = g_new0 (TunnelContext, 1);

  context->n_references = 1;
  context->identity = copy_public (identity);
  if (!certificate_check_result (load_authority (context, identity->authority),
                                 "The identity's certificate of the host CA cannot be used", error)
      || !certificate_check_result (load_own (context, identity),
                                    "The identity's key and certificate cannot be used", error)
      || !certificate_check_result (gnutls_priority_init (&context->priorities, PRIORITIES, NULL),
                                    "GnuTLS lacks TLS 1.3 as the tunnel speaks it", error))
    return NULL;

  return g_steal_pointer (&context);
}

TunnelContext *
tunnel_context_ref (TunnelContext *context)
{
  context->n_references++;
  return context;
}

void
tunnel_context_unref (TunnelContext *context)
{
  if (context == NULL || --context->n_references > 0)
    return;

  if (context->credentials != NULL)
    gnutls_certificate_free_credentials (context->credentials);
  if (context->priorities != NULL)
    gnutls_priority_deinit (context->priorities);
  if (context->authorities != NULL)
    gnutls_x509_trust_list_deinit (context->authorities, 1);
  identity_free (context->identity);
  explicit_bzero (context->record, sizeof context->record);
  g_free (context);
}

static bool
refuse (TunnelSession *session, TunnelError code, const char *reason)
{
  const char *peer = tunnel_context_get_peer (session->context);

  g_clear_error (&session->refusal);
  g_set_error (&session->refusal, TUNNEL_ERROR, code, "The %s was refused: %s", peer, reason);
  return false;
}

static bool
check_pin (TunnelSession *session, gnutls_x509_crt_t certificate)
{
  uint8_t pin[PIN_SIZE];

  if (certificate_read_pin (certificate, pin, NULL)
      && gnutls_memcmp (pin, session->context->identity->pin, PIN_SIZE) == 0)
    return true;

  return refuse (session, TUNNEL_ERROR_PIN,
                 "its key does not fit this start's pin: it holds the identity of another machine "
                 "or of another start");
}

/* Time is not checked on either end: a guest's clock may be wrong, certificates outlive the boot,
 * and what ends an identity is the next start, which has other pins. */
static bool
check_chain (TunnelSession *session, gnutls_x509_crt_t certificate)
{
  const unsigned flags =
      GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS;
  unsigned status = 0;
  int r = gnutls_x509_trust_list_verify_crt2 (session->context->authorities, &certificate, 1, NULL,
                                              0, flags, &status, NULL);

  if (r >= 0 && status == 0)
    return true;

  return refuse (session, TUNNEL_ERROR_AUTHORITY,
                 "its certificate was not issued by this host's CA");
}

static bool
check_names (TunnelSession *session, gnutls_x509_crt_t certificate)
{
  switch (certificate_check_peer (certificate, session->context->identity))
    {
    case CERTIFICATE_FITS:
      return true;
    case CERTIFICATE_WRONG_PURPOSE:
      return refuse (session, TUNNEL_ERROR_PURPOSE, "its certificate is for the other role");
    case CERTIFICATE_WRONG_MACHINE:
      return refuse (session, TUNNEL_ERROR_MACHINE, "its certificate is for another machine");
    case CERTIFICATE_WRONG_START:
      return refuse (session, TUNNEL_ERROR_START, "its certificate is for another start");
    case CERTIFICATE_WRONG_INTERFACE:
      return refuse (session, TUNNEL_ERROR_INTERFACE,
                     "its certificate is for another control link");
    case CERTIFICATE_WRONG_NAMES:
    default:
      return refuse (session, TUNNEL_ERROR_INTERFACE, "its certificate has unknown names");
    }
}

/* The pin first: without it nothing else of the peer's is worth a look. All later checks are made
 * on the one certificate that the chain check has verified. */
int
tunnel_verify (gnutls_session_t tls)
{
  TunnelSession *session = gnutls_session_get_ptr (tls);
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  unsigned n_certificates = 0;
  const gnutls_datum_t *sent = gnutls_certificate_get_peers (tls, &n_certificates);

  if (sent == NULL || n_certificates == 0)
    refuse (session, TUNNEL_ERROR_NO_CERTIFICATE, "it presented no certificate");
  else if (n_certificates > 1 || gnutls_x509_crt_init (&certificate) < 0
           || gnutls_x509_crt_import (certificate, sent, GNUTLS_X509_FMT_DER) < 0)
    refuse (session, TUNNEL_ERROR_AUTHORITY, "it presented not one certificate, or a broken one");
  else
    session->verified = check_pin (session, certificate) && check_chain (session, certificate)
                        && check_names (session, certificate);

  return session->verified ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}
