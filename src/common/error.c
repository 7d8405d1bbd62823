/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one table between error codes and D-Bus error names. */
#include "error.h"

#define OURS "org.tombolo.Error."
#define THEIRS "org.freedesktop.DBus.Error."

static const GDBusErrorEntry entries[] = {
  { TOMBOLO_ERROR_FAILED, OURS "Failed" },
  { TOMBOLO_ERROR_INVALID_ARGUMENT, OURS "InvalidArgument" },
  { TOMBOLO_ERROR_INVALID_NAME, OURS "InvalidName" },
  { TOMBOLO_ERROR_INVALID_SETTINGS, OURS "InvalidSettings" },
  { TOMBOLO_ERROR_INVALID_STATE, OURS "InvalidState" },
  { TOMBOLO_ERROR_NO_SUCH_MACHINE, OURS "NoSuchMachine" },
  { TOMBOLO_ERROR_MACHINE_EXISTS, OURS "MachineExists" },
  { TOMBOLO_ERROR_NOT_SUPPORTED, OURS "NotSupported" },
  { TOMBOLO_ERROR_LIMITS_EXCEEDED, OURS "LimitsExceeded" },
  { TOMBOLO_ERROR_TIMED_OUT, OURS "TimedOut" },
  { TOMBOLO_ERROR_CANCELLED, OURS "Cancelled" },
  { TOMBOLO_ERROR_DISCONNECTED, OURS "Disconnected" },
  { TOMBOLO_ERROR_NOT_EXPORTED, OURS "NotExported" },
  { TOMBOLO_ERROR_MONITOR_FAILED, OURS "MonitorFailed" },
  { TOMBOLO_ERROR_LINK_FAILED, OURS "LinkFailed" },
  { TOMBOLO_ERROR_UNIT_FAILED, OURS "UnitFailed" },
  { TOMBOLO_ERROR_IDENTITY_FAILED, OURS "IdentityFailed" },
  { TOMBOLO_ERROR_ACCESS_DENIED, THEIRS "AccessDenied" },
  { TOMBOLO_ERROR_INTERACTION, THEIRS "InteractiveAuthorizationRequired" },
};

GQuark
tombolo_error_quark (void)
{
  static gsize ready = 0, quark = 0;

  /* GDBus knows AccessDenied by a code of its own. A name has one code in a process, whichever came
   * first: make sure that it is ours. */
  if (g_once_init_enter (&ready))
    {
      g_dbus_error_unregister_error (G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                                     THEIRS "AccessDenied");
      g_once_init_leave (&ready, 1);
    }

  g_dbus_error_register_error_domain ("tombolo-error-quark", &quark, entries,
                                      G_N_ELEMENTS (entries));
  return (GQuark) quark;
}

const char *
tombolo_error_name (TomboloError code)
{
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    if (entries[i].error_code == (int) code)
      return entries[i].dbus_error_name;

  return OURS "Failed";
}
