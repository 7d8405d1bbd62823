/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's certificate authority: one key, made at first start, that never leaves its file. */
#pragma once

#include "identity.h"

typedef struct CertificateAuthority CertificateAuthority;

/* Loads key and certificate from `directory` (`ca.key`, mode 0600, and `ca.pem`), or makes them
 * there, atomically and durably, where neither exists. A half-made, unreadable, mismatched or too
 * widely readable pair is an error that says which file and what to do; nothing is overwritten. */
CertificateAuthority *certificate_authority_open (const char *directory, GError **error);
void certificate_authority_free (CertificateAuthority *authority);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CertificateAuthority, certificate_authority_free)

/* A new pair of keys and certificates for one start of `machine`: the guest's and the bridge's,
 * each with the other's pin. `interface` is the MAC of the guest's end of the control link. Makes a
 * fresh random start id. */
gboolean certificate_authority_issue (CertificateAuthority *authority, const char *machine,
                                      const uint8_t interface[MAC_SIZE], Identity **ret_guest,
                                      Identity **ret_bridge, GError **error);

/* SHA-256 of the SubjectPublicKeyInfo of a PEM certificate. */
gboolean certificate_get_pin (const char *certificate, uint8_t ret_pin[PIN_SIZE], GError **error);
