/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys and certificates: how the host CA and the ends of a tunnel are made, and what a peer's
 * certificate must say. All keys are Ed25519: its handshake is the fastest of GnuTLS' (a signature
 * takes half of P-256's time, a verification 60 %).
 *
 * A leaf says who it is by four subject alternative names, URIs, in this order and no others:
 *   urn:tombolo:role:guest                   (or bridge)
 *   urn:tombolo:machine:NAME
 *   urn:tombolo:start:32 hexadecimal digits
 *   urn:tombolo:interface:02:11:22:33:44:55
 * and by its extended key usage: a guest is a TLS server, a bridge a TLS client. */
#pragma once

#include <gnutls/x509.h>

#include "identity.h"

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_privkey_t, gnutls_x509_privkey_deinit, NULL)

/* FALSE with `error` (PKI_ERROR_CRYPTO, "WHAT: GnuTLS' words") where `result` is a GnuTLS error. */
gboolean certificate_check_result (int result, const char *what, GError **error);

/* A new key, and the self-signed certificate of a host CA for it. */
gboolean certificate_new_authority (gnutls_x509_privkey_t *ret_key,
                                    gnutls_x509_crt_t *ret_certificate, GError **error);

/* A new key and certificate for `identity`, of which role, machine, start id and interface are
 * read. */
gboolean certificate_new_leaf (gnutls_x509_privkey_t authority_key,
                               gnutls_x509_crt_t authority_certificate, const Identity *identity,
                               gnutls_x509_privkey_t *ret_key, gnutls_x509_crt_t *ret_certificate,
                               GError **error);

/* SHA-256 of the SubjectPublicKeyInfo. */
gboolean certificate_read_pin (gnutls_x509_crt_t certificate, uint8_t ret_pin[PIN_SIZE],
                               GError **error);

/* TRUE where `key` is the private key of `certificate`. */
gboolean certificate_is_of_key (gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key);

/* PEM texts, to be freed with g_free(), the key's to be wiped before with explicit_bzero(). */
char *certificate_to_pem (gnutls_x509_crt_t certificate, GError **error);
char *certificate_key_to_pem (gnutls_x509_privkey_t key, GError **error);

/* What of a peer's certificate is not as this start demands; the first of them in this order. */
typedef enum
{
  CERTIFICATE_FITS,
  CERTIFICATE_WRONG_PURPOSE, /* extended key usage or role */
  CERTIFICATE_WRONG_MACHINE,
  CERTIFICATE_WRONG_START,
  CERTIFICATE_WRONG_INTERFACE,
  CERTIFICATE_WRONG_NAMES /* a name too many, or names of another form */
} CertificateFault;

/* Compares the names and purpose of `certificate`, which must be verified, with those of the peer
 * of `identity`: the other role, and the same machine, start and interface. */
CertificateFault certificate_check_peer (gnutls_x509_crt_t certificate, const Identity *identity);
