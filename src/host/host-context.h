/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every machine of this daemon shares. The daemon owns it, and outlives its machines. */
#pragma once

#include "certificate-authority.h"
#include "link.h"
#include "units.h"

#define RUNTIME_DIRECTORY "/run/tombolo"
#define CREDENTIAL_SOCKET RUNTIME_DIRECTORY "/credential.sock"

typedef struct
{
  Units *units;
  Links *links; /* NULL: links_error says why */
  GError *links_error;
  CertificateAuthority *ca; /* NULL: ca_error says why */
  GError *ca_error;

  const char *admin_directory;   /* machine files of the admin */
  const char *created_directory; /* machine files made over D-Bus */
  const char *state_directory;
  const char *qmp_directory;
  const char *launch_directory;
  const char *bus_directory;
  const char *accelerator_file; /* what tombolo-kvm-probe found: “kvm” or “tcg” */
} HostContext;
