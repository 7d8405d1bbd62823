# SPDX-License-Identifier: LGPL-2.1-or-later
"""As a process of a control group and user: owns a bus name and keeps it. CGROUP USER NAME"""
import os
import pwd
import sys
import time

with open(os.path.join(sys.argv[1], "cgroup.procs"), "w", encoding="ascii") as group:
    group.write(str(os.getpid()))
user = pwd.getpwnam(sys.argv[2])
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)

import dbus  # noqa: E402: it connects as this user

print(dbus.SystemBus().request_name(sys.argv[3]), flush=True)
print("ready", file=sys.stderr, flush=True)
time.sleep(30)
