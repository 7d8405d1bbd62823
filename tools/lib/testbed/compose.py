# SPDX-License-Identifier: LGPL-2.1-or-later
"""Puts a test host together from its layers and becomes its systemd-nspawn.

Runs in a mount namespace of its own, so every mount vanishes with the host's last process, however
that ends. Argument: the JSON file that instance.py wrote.
"""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

from .command import main_with_errors, run

# No process of the test host has these: it shares the machine's clock and kernel.
CAPABILITIES_DROPPED = ("sys_time", "sys_module", "sys_rawio")
GUESTS = "var/lib/tombolo-guests"

HOST_MASKED = ["getty.target", "console-getty.service", "apt-daily.timer", "fstrim.timer",
               "NetworkManager-wait-online.service", "systemd-networkd.service"]
GUEST_MASKED = ["getty.target", "console-getty.service", "fstrim.timer", "systemd-networkd.service",
                "systemd-network-generator.service", "NetworkManager-wait-online.service"]
LAB_MASKED = [*GUEST_MASKED, "systemd-udevd.service", "systemd-udev-trigger.service",
              "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
              "systemd-user-sessions.service", "systemd-remount-fs.service",
              "systemd-random-seed.service", "systemd-pcrphase.service",
              "systemd-pcrphase-sysinit.service", "systemd-binfmt.service",
              "systemd-firstboot.service", "systemd-hwdb-update.service",
              "systemd-journal-catalog-update.service", "systemd-update-done.service",
              "systemd-tpm2-setup.service", "systemd-boot-system-token.service",
              "systemd-journal-flush.service", "systemd-ask-password-wall.path",
              "systemd-ask-password-console.path", "dev-hugepages.mount", "dev-mqueue.mount",
              "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount",
              "sys-fs-fuse-connections.mount", "kmod-static-nodes.service",
              "systemd-tmpfiles-clean.timer", "modprobe@.service", "systemd-logind.service",
              "dpkg-db-backup.timer", "proc-sys-fs-binfmt_misc.automount"]


def _enter_cgroups(paths):
    for path in paths:
        Path(path, "cgroup.procs").write_text(str(os.getpid()))


def _overlay(target, layers, scratch):
    """Mounts an overlay; `scratch` is a directory on a tmpfs for what is written."""
    for name in ("upper", "work"):
        (scratch / name).mkdir(parents=True)
    target.mkdir(parents=True, exist_ok=True)
    options = (f"lowerdir={':'.join(map(str, layers))},"
               f"upperdir={scratch}/upper,workdir={scratch}/work")
    run(["mount", "-t", "overlay", "tombolo-testhost", "-o", options, str(target)],
        f"Mounting {target}")


def _settle(root, masked, units, machine_id):
    """What packages and an administrator would do once: users, enabled units, masks, identity."""
    run(["chroot", str(root), "systemd-sysusers"], f"systemd-sysusers in {root}")
    system = root / "etc/systemd/system"
    system.mkdir(parents=True, exist_ok=True)
    for unit in masked:
        path = system / unit
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
    present = [unit for unit in units if (root / "usr/lib/systemd/system" / unit).exists()
               or (root / "lib/systemd/system" / unit).exists()]
    if present:
        run(["systemctl", f"--root={root}", "enable", *present], f"Enabling {present} in {root}")
    (root / "etc/machine-id").write_text(machine_id + "\n")
    (root / "etc/.updated").touch()
    (root / "var/.updated").touch()


def _choose_bus(root, bus):
    """The host's message bus: dbus-daemon as Debian ships it, or dbus-broker in its place."""
    alias = root / "etc/systemd/system/dbus.service"
    alias.unlink(missing_ok=True)
    if bus == "dbus-broker":
        alias.symlink_to("/usr/lib/systemd/system/dbus-broker.service")


def _compose_lab(spec, scratch, target):
    root = scratch / "lab-root"
    _overlay(root, spec["layers"]["lab"], scratch / "lab")
    _settle(root, LAB_MASKED, ["tombolo-guestd.service"], spec["machine_ids"]["lab"])
    target.mkdir(parents=True)
    with open(target / "root.cpio", "wb") as archive:
        find = subprocess.Popen(["find", ".", "-xdev", "-print0"], cwd=root,
                                stdout=subprocess.PIPE)
        subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc"], cwd=root,
                       stdin=find.stdout, stdout=archive, check=True)
        find.stdout.close()
        find.wait()
    run(["umount", str(root)], "Unmounting the root of lab")
    run(["cp", spec["kernel"], str(target / "vmlinuz")], "Copying the kernel of lab")


def _environment(root, spec):
    """Programs with sanitizers report to the journal and stop at the first finding."""
    if not spec["sanitize"]:
        return
    folder = root / "etc/systemd/system.conf.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sanitize.conf").write_text(
        "[Manager]\n"
        "DefaultEnvironment=ASAN_OPTIONS=abort_on_error=1:detect_leaks=0 "
        "UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1\n")
    # Their shadow memory is past every limit.
    for unit in ("tombolod", "tombolo-bridge@"):
        folder = root / f"etc/systemd/system/{unit}.service.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sanitize.conf").write_text(
            "[Service]\nLimitDATA=infinity\nMemoryMax=infinity\n")


def _device(base, path, mode):
    """A node of the test host's own: what it does to its mode and owner stays there."""
    number = os.stat(path).st_rdev
    node = base / "devices" / Path(path).name
    node.parent.mkdir(exist_ok=True)
    os.mknod(node, stat.S_IFCHR | mode, number)
    node.chmod(mode)
    return f"--bind={node}:{path}"


def main():
    spec = json.loads(Path(sys.argv[1]).read_text())
    _enter_cgroups(spec["cgroups"])
    base = Path(spec["mount"])
    run(["mount", "-t", "tmpfs", "-o", "mode=0755,size=4g", "tombolo-testhost", str(base)],
        "Mounting a tmpfs")
    root = base / "root"
    _overlay(root, spec["layers"]["host"], base / "host")
    _settle(root, HOST_MASKED, ["tombolod.service", "tombolod.socket"],
            spec["machine_ids"]["host"])
    _choose_bus(root, spec["bus"])
    _environment(root, spec)

    work = root / GUESTS / "work"
    work.mkdir(parents=True)
    run(["mount", "--bind", spec["work"], str(work)], f"Mounting {work}")
    net = root / GUESTS / "net"
    _overlay(net, spec["layers"]["net"], base / "net")
    for name, path in (("work", work), ("net", net)):
        _settle(path, GUEST_MASKED, ["tombolo-guestd.service", "tombolo-shell.socket"],
                spec["machine_ids"][name])
        _environment(path, spec)
    if (work / "usr/lib/systemd/user/tombolo-guest-session.service").exists():
        run(["systemctl", f"--root={work}", "--global", "enable", "tombolo-guest-session.service"],
            "Enabling the helper in sessions of work")
    _compose_lab(spec, base, root / GUESTS / "lab")

    argv = ["systemd-nspawn", "--quiet", f"--directory={root}",
            f"--machine=tombolo-{spec['name']}", "--settings=no", "--register=no", "--keep-unit",
            "--private-network", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
            "--capability=all", "--drop-capability="
            + ",".join("CAP_" + name.upper() for name in CAPABILITIES_DROPPED),
            _device(base, "/dev/net/tun", 0o666), "--notify-ready=yes", "--kill-signal=SIGRTMIN+3"]
    if spec["kvm"]:
        argv.append(_device(base, "/dev/kvm", 0o660))
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                   "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "NOTIFY_SOCKET": spec["notify"]}
    os.execvpe(argv[0], [*argv, "--boot"], environment)


if __name__ == "__main__":
    main_with_errors(main)
