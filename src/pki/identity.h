/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one end of a tunnel is and whom it accepts, for one start of one machine: a key, its
 * certificate, the host CA's certificate, the peer's pin, the machine's name, the start's id and
 * the control link's MAC. It travels as a systemd credential, as text:
 *
 *   tombolo-identity 1
 *   Role: guest                      (or: bridge)
 *   Machine: work
 *   Start: 32 hexadecimal digits
 *   Interface: 02:11:22:33:44:55     (the MAC of the guest's end of the control link)
 *   Pin: 64 hexadecimal digits       (SHA-256 of the peer's SubjectPublicKeyInfo)
 *   -----BEGIN PRIVATE KEY----- …    (own key, PKCS #8)
 *   -----BEGIN CERTIFICATE----- …    (own)
 *   -----BEGIN CERTIFICATE----- …    (the host CA's)
 */
#pragma once

#include <glib.h>

#include <stdint.h>

#include "name.h"

#define PIN_SIZE 32
#define START_ID_SIZE 33 /* 32 hexadecimal digits and their end */

/* What is wrong with an identity or the host CA; messages are sentences that name the line or file.
 */
typedef enum
{
  PKI_ERROR_TEXT,  /* an identity's text breaks its format */
  PKI_ERROR_FILE,  /* a file of the host CA is missing, unreadable, unsafe or no pair */
  PKI_ERROR_CRYPTO /* GnuTLS refused a key or certificate, or could not make one */
} PkiError;

#define PKI_ERROR (pki_error_quark ())
GQuark pki_error_quark (void);

/* The systemd credentials' names. */
#define IDENTITY_CREDENTIAL "tombolo.identity"

typedef enum
{
  IDENTITY_GUEST, /* TLS server */
  IDENTITY_BRIDGE /* TLS client */
} IdentityRole;

typedef struct
{
  IdentityRole role;
  char *machine;
  char start_id[START_ID_SIZE];
  uint8_t interface[MAC_SIZE];
  uint8_t pin[PIN_SIZE]; /* the peer's */
  char *key;             /* PEM; wiped when freed */
  char *certificate;     /* PEM */
  char *authority;       /* PEM: the host CA's certificate */
} Identity;

void identity_free (Identity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Identity, identity_free)

/* The text above; the caller wipes and frees it with identity_text_free(). */
char *identity_to_text (const Identity *identity, gsize *ret_size);
void identity_text_free (char *text);

/* Reads the text strictly: at most LIMIT_IDENTITY_SIZE bytes, every line once, nothing unknown. The
 * key and certificates are only split off here; src/tunnel/ loads them. Errors name the line
 * (PKI_ERROR). */
Identity *identity_from_text (const char *text, gsize size, GError **error);
