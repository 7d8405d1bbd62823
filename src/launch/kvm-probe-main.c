/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tombolo-kvm-probe: finds out once a boot whether machines run on KVM. */
#include <stdio.h>

#include "config.h"
#include "kvm-probe.h"
#include "log.h"
#include "monitor.h"

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  log_open ("tombolo-kvm-probe", LOG_LEVEL_INFO);

  if (argc == 2 && g_str_equal (argv[1], "--version"))
    {
      puts ("tombolo-kvm-probe " TOMBOLO_VERSION);
      return 0;
    }
  if (argc != 1)
    {
      fputs ("Usage: tombolo-kvm-probe\n", stderr);
      return 2;
    }

  /* “tcg” first: if the kernel never returns from the probe, that is what stands there. */
  if (!kvm_probe_write (MONITOR_KVM_FILE, "tcg", &error))
    {
      log_error (NULL, "%s", error->message);
      return 1;
    }
  if (!kvm_probe ("/dev/kvm", &error))
    {
      log_notice (NULL, "KVM does not work here, machines are emulated: %s.", error->message);
      return 0;
    }
  if (!kvm_probe_write (MONITOR_KVM_FILE, "kvm", &error))
    {
      log_error (NULL, "%s", error->message);
      return 1;
    }

  log_info (NULL, "KVM works.");
  return 0;
}
