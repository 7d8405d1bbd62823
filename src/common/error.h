/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The errors that users of the D-Bus API meet, as a GError domain that GDBus turns into
 * org.tombolo.Error.* names. Every message is a sentence that says what failed, on what, and
 * what to do. */
#pragma once

#include <gio/gio.h>

typedef enum
{
  TOMBOLO_ERROR_FAILED,           /* org.tombolo.Error.Failed: nothing more exact is known */
  TOMBOLO_ERROR_INVALID_ARGUMENT, /* .InvalidArgument: an argument or option is wrong */
  TOMBOLO_ERROR_INVALID_NAME,     /* .InvalidName: not a machine name */
  TOMBOLO_ERROR_INVALID_SETTINGS, /* .InvalidSettings: a machine file or settings are wrong */
  TOMBOLO_ERROR_INVALID_STATE,    /* .InvalidState: not possible in the machine's state */
  TOMBOLO_ERROR_NO_SUCH_MACHINE,  /* .NoSuchMachine */
  TOMBOLO_ERROR_MACHINE_EXISTS,   /* .MachineExists */
  TOMBOLO_ERROR_NOT_SUPPORTED,    /* .NotSupported: this monitor, kernel or side cannot do it */
  TOMBOLO_ERROR_LIMITS_EXCEEDED,  /* .LimitsExceeded: a limit of limit.h or of a policy */
  TOMBOLO_ERROR_TIMED_OUT,        /* .TimedOut */
  TOMBOLO_ERROR_CANCELLED,        /* .Cancelled: another request ended this one */
  TOMBOLO_ERROR_DISCONNECTED,     /* .Disconnected: the tunnel into the guest is down */
  TOMBOLO_ERROR_NOT_EXPORTED,     /* .NotExported: the guest's policy does not offer this name */
  TOMBOLO_ERROR_MONITOR_FAILED,   /* .MonitorFailed: the monitor did not start, or ended */
  TOMBOLO_ERROR_LINK_FAILED,      /* .LinkFailed: the control link could not be made */
  TOMBOLO_ERROR_UNIT_FAILED,      /* .UnitFailed: systemd refused or failed a job */
  TOMBOLO_ERROR_IDENTITY_FAILED,  /* .IdentityFailed: the host CA or an identity is unusable */
  TOMBOLO_ERROR_ACCESS_DENIED,    /* org.freedesktop.DBus.Error.AccessDenied */
  TOMBOLO_ERROR_INTERACTION,      /* org.freedesktop.DBus.Error.InteractiveAuthorizationRequired */
} TomboloError;

#define TOMBOLO_ERROR (tombolo_error_quark ())
/* Registers the domain's D-Bus names at its first call. From then on AccessDenied from another side
 * is TOMBOLO_ERROR_ACCESS_DENIED, not G_DBUS_ERROR's, which has no D-Bus name any more. */
GQuark tombolo_error_quark (void);

/* The D-Bus error name of `code`, a constant; for the data path, which has no GDBus. */
const char *tombolo_error_name (TomboloError code);
