# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian roots of the test host and its guests, made once and cached."""

import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import cache, packages
from .command import ToolError, output_of, run

RECIPE = 3  # count up when a root is made differently from the same packages

# What no test reads. Licences stay.
EXCLUDED = [
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
]

# What `lab` boots without: it lives in memory and is unpacked by an emulated processor.
LAB_DROPPED = [
    "boot", "var/cache", "var/lib/apt", "var/lib/dpkg", "var/log", "etc/apt",
    "usr/games", "usr/include", "usr/libexec/coreutils", "usr/lib/apt", "usr/lib/binfmt.d",
    "usr/lib/dpkg", "usr/lib/lsb", "usr/lib/mime", "usr/lib/systemd/boot",
    "usr/lib/systemd/catalog", "usr/lib/systemd/systemd-networkd",
    "usr/lib/systemd/system-generators", "usr/lib/systemd/user-generators", "usr/lib/udev",
    "usr/share/bash-completion", "usr/share/common-licenses", "usr/share/debconf",
    "usr/share/doc", "usr/share/dpkg", "usr/share/gcc", "usr/share/gdb", "usr/share/i18n",
    "usr/share/info", "usr/share/initramfs-tools", "usr/share/lintian", "usr/share/locale",
    "usr/share/man", "usr/share/perl", "usr/share/perl5", "usr/share/zoneinfo", "usr/share/zsh",
]
LAB_DROPPED_LIBRARIES = [
    "engines-3", "gconv", "libapt-*", "libasan.so*", "libdb-5*", "libmvec.so*", "libperl.so*",
    "libsemanage.so*", "libsepol.so*", "libstdc++.so*", "libtsan.so*", "libubsan.so*",
    "ossl-modules", "perl", "perl-base", "perl5", "security/pam_userdb.so", "tc",
]
# And of the programs in bin and sbin only these stay.
LAB_PROGRAMS = frozenset("""
    [ acpid busctl cat chgrp chmod chown chroot cp cut date dash dbus-daemon dbus-send dd dmesg echo env
    expr false free gdbus getent grep halt head hostname hostnamectl id init ip journalctl kill ln
    localectl loginctl login ls mkdir mktemp mount mv nologin nsenter pgrep pkill poweroff printf ps
    readlink reboot rm rmdir runuser sed setpriv sh shutdown sleep sort stat su sync sysctl
    systemctl systemd-cat systemd-notify systemd-run systemd-sysusers systemd-tmpfiles tail test
    timedatectl timeout touch tr true umount uname wc
    """.split())
LAB_ZONES = ["UTC", "Europe/Berlin", "Etc/UTC"]

# Under the kernel's modules: the drivers of QEMU's q35 and microvm, and their kin.
LAB_MODULES = ["virtio", "virtio_ring", "virtio_mmio", "virtio_pci", "virtio_pci_modern_dev",
               "virtio_pci_legacy_dev", "failover", "net_failover", "virtio_net", "virtio_blk",
               "virtio_rng", "rng-core", "qemu_fw_cfg", "virtio_balloon", "button"]


def _release():
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip('"')
    raise ToolError("/etc/os-release names no release: the tools need Debian 12 (bookworm).")


def _debootstrap(path, names):
    """A Debian root with these packages and what they depend on."""
    lines = packages.sources()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as apt_options:
        apt_options.write(packages.acquire_options())
        apt_options.flush()
        # A mount namespace of its own: nothing stays mounted when this is killed.
        argv = ["unshare", "--mount", "--propagation", "private", "mmdebstrap", "--quiet",
                "--mode=root", "--variant=essential", "--format=directory",
                f"--include={','.join(names)}", f"--aptopt={apt_options.name}",
                *[f"--dpkgopt={option}" for option in EXCLUDED],
                _release(), str(path), *lines]
        environment = dict(os.environ, TMPDIR="/tmp", LC_ALL="C.UTF-8")
        run(argv, "mmdebstrap", env=environment)
    for name in ("etc/apt/apt.conf.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99mmdebstrap"):
        (path / name).unlink(missing_ok=True)
    # One fixed identity: an empty file would make every boot a first boot with all its presets.
    (path / "etc/machine-id").write_text("")
    (path / "etc/resolv.conf").unlink(missing_ok=True)


def _inputs(names):
    return {"recipe": RECIPE, "release": _release(), "packages": names,
            "excluded": EXCLUDED, "machine": platform.machine()}


def host():
    names = packages.read("host")
    return cache.directory("host", _inputs(names), lambda path: _debootstrap(path, names),
                           "Making the root of the test host (once, some 90 s)")


def desktop():
    """The host's root with a desktop, for the tests that need one."""
    names = packages.read("host", "desktop")
    return cache.directory("desktop", _inputs(names), lambda path: _debootstrap(path, names),
                           "Making the root of the test host with a desktop (once, some 150 s)")


def guest():
    names = packages.read("guest")
    return cache.directory("guest", _inputs(names), lambda path: _debootstrap(path, names),
                           "Making the root of the container guests (once, some 40 s)")


def net():
    names = packages.read("guest", "net")
    return cache.directory("net", _inputs(names), lambda path: _debootstrap(path, names),
                           "Making the root of the router guest (once, some 50 s)")


def _kernel_package():
    """The newest package with the kernel's files, which the meta package depends on."""
    (meta,) = packages.read("kernel")
    for _ in range(2):
        shown = subprocess.run(["apt-cache", "depends", "--important", meta], text=True,
                               capture_output=True, check=False).stdout
        for line in shown.splitlines():
            words = line.split()
            if words[:1] == ["Depends:"] and words[1].startswith("linux-image-"):
                return words[1]
        packages.update()
    raise ToolError(f"apt finds no kernel through the package {meta}.")


def _make_kernel(path, package):
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".kernel-download-") as folder:
        os.chmod(folder, 0o755)
        run(["apt-get", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3", "download",
             package], f"Downloading {package}", cwd=folder)
        (archive,) = Path(folder).glob("*.deb")
        run(["dpkg-deb", "-x", str(archive), folder + "/x"], f"Unpacking {archive.name}")
        (image,) = Path(folder, "x/boot").glob("vmlinuz-*")
        version = image.name.removeprefix("vmlinuz-")
        modules = Path(folder, "x/lib/modules", version)
        kept = path / "modules/lib/modules" / version
        kept.mkdir(parents=True)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy(modules / name, kept)
        for module in modules.rglob("*.ko*"):
            if module.name.split(".ko")[0] in LAB_MODULES:
                there = kept / module.relative_to(modules)
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(module, there)
        run(["depmod", "-b", str(path / "modules"), version], "depmod")
        shutil.copy(image, path / "vmlinuz")


def kernel():
    """vmlinuz, and modules/ with those that `lab` needs."""
    package = _kernel_package()
    version = output_of(["apt-cache", "policy", package])
    candidate = next(line.split()[1] for line in version.splitlines() if "Candidate:" in line)
    inputs = {"recipe": RECIPE, "package": package, "version": candidate, "modules": LAB_MODULES}
    return cache.directory("kernel", inputs, lambda path: _make_kernel(path, package),
                           "Fetching the kernel of the QEMU guest")


def _make_lab(path, guest_root, kernel_root):
    run(["cp", "-a", f"{guest_root}/.", str(path)], "Copying the guest's root")
    zones = path / "usr/share/zoneinfo"
    saved = {name: (zones / name).read_bytes() for name in LAB_ZONES if (zones / name).exists()}
    dropped = [path / name for name in LAB_DROPPED]
    for pattern in LAB_DROPPED_LIBRARIES:
        dropped.extend((path / "usr/lib/x86_64-linux-gnu").glob(pattern))
    for folder in ("usr/bin", "usr/sbin"):
        dropped.extend(program for program in (path / folder).iterdir()
                       if program.name not in LAB_PROGRAMS)
    run(["rm", "-rf", "--", *map(str, dropped)], "Trimming the root of lab")
    for name, content in saved.items():
        (zones / name).parent.mkdir(parents=True, exist_ok=True)
        (zones / name).write_bytes(content)
    for name in ("var/log", "var/cache", "boot"):
        (path / name).mkdir()
    run(["cp", "-a", f"{kernel_root}/modules/lib/modules", f"{path}/usr/lib/"],
        "Installing the kernel's modules")
    (path / "init").symlink_to("usr/lib/systemd/systemd")


def lab():
    """The root of the QEMU guest, cut from the guest's; and its kernel."""
    guest_root, kernel_root = guest(), kernel()
    inputs = {"recipe": RECIPE, "guest": guest_root.name, "kernel": kernel_root.name,
              "dropped": [LAB_DROPPED, LAB_DROPPED_LIBRARIES, LAB_ZONES],
              "programs": sorted(LAB_PROGRAMS)}
    root = cache.directory("lab", inputs, lambda path: _make_lab(path, guest_root, kernel_root),
                           "Cutting the root of the QEMU guest")
    return root, kernel_root / "vmlinuz"


def everything(with_desktop=False):
    """All roots, two at a time: {"host", "guest", "net", "lab"} and "kernel", the image; and, where it
    is asked for, "desktop"."""
    with ThreadPoolExecutor(2) as pool:
        wanted = {"host": pool.submit(host), "lab": pool.submit(lab), "net": pool.submit(net)}
        if with_desktop:
            wanted["desktop"] = pool.submit(desktop)
        lab_root, image = wanted["lab"].result()
        more = {"desktop": wanted["desktop"].result()} if with_desktop else {}
        return {"host": wanted["host"].result(), "guest": guest(), "net": wanted["net"].result(),
                "lab": lab_root, "kernel": image, **more}
